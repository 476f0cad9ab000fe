"""Build a bitstream: utilization, clock and files.

--top core builds the core alone between registers, to learn its size and clock; --top uart makes
a bitstream with the core behind a UART on the board's pins.
"""

import dataclasses
import shlex
import shutil

from ternloom.cli import output
from ternloom.cli.console import Command, Outcome, facts, table
from ternloom.cli.error import UserError
from ternloom.cli.option import add_core, add_network, core_network, count, frequency, mapped


__all__ = ["EXAMPLE", "arguments", "clock", "run", "sentence", "speed", "speed_lines"]

EXAMPLE = "ternloom synth digits-gru-ternary-ternary --board icebreaker -o bitstream"


def arguments(parser):
    """Add the verb's arguments."""
    from ternloom.boards.registry import BOARDS

    add_network(parser)
    parser.add_argument("--board", required=True, metavar="BOARD",
                        help=f"board to build for: {', '.join(BOARDS)}")
    parser.add_argument("--top", choices=("core", "uart"), default="uart",
                        help="the core alone, or behind a UART (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="DIR",
                        help="folder to write; replaced if ternloom synth wrote it (default: "
                             "NAME-BOARD in the current folder)")
    output.add_folder_force(parser)
    parser.add_argument("--seed", type=count, default=1, metavar="N",
                        help="seed for placement (default: %(default)s)")
    parser.add_argument("--frequency", type=frequency, metavar="MHZ",
                        help="target clock (default: the board's)")
    parser.add_argument("--baud", type=count, metavar="N",
                        help="UART bit rate in bits per second (default: the board's)")
    add_core(parser)


def run(chosen, console):
    """Build, and return utilization and clock."""
    from ternloom.boards import registry

    board = registry.find(chosen.board)
    network = core_network(chosen)
    mapping = mapped(chosen, network)
    if chosen.baud and chosen.top == "core":
        raise UserError("--baud needs --top uart, not core")
    place = chosen.output or output.default(network.name, f"-{board.name}")
    with output.folder(place, verb="synth", inputs=output.inputs(chosen), force=chosen.force,
                       network=network.name, board=board.name) as new:
        data = build_into(new, console, mapping, board, chosen)
    return Outcome({"output": str(place), **data}, tables(place, data))


def build_into(folder, console, mapping, board, chosen):
    """Build into an empty folder, and return the result as JSON values."""
    from ternloom.boards.flow import build
    from ternloom.boards.shape import CoreShape
    from ternloom.hw.verilog import generate

    with console.progress(f"Building for {board.title}") as report:
        report(text="generate")
        design = generate(mapping)
        result = build(board.name, design, top=chosen.top, seed=chosen.seed,
                       frequency=chosen.frequency, baud=chosen.baud, work_dir=folder / "work",
                       progress=lambda stage: report(text=stage))
    for path in result.folder.iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(folder / "work")
    return describe(result) | speed(result, mapping.network, mapping.cycles_per_step,
                                    CoreShape.of(design))


def speed(result, network, cycles, shape):
    """What a step takes: ``step`` in the core at the clock that it runs at, ``link`` on the UART.

    Parameters
    ----------
    result : Result
    network : Network
    cycles : float
        Of a step.
    shape : CoreShape
        Of the core.

    Returns
    -------
    dict
        ``link`` is None for a core alone, whose clock is the one that it reached.
    """
    from ternloom.model.network import When

    clock = result.clock.achieved if result.baud is None else result.clock.asked
    step = {"cycles": cycles, "clock": clock, "microseconds": cycles / clock}
    if result.baud is None:
        return {"step": step, "link": None}
    answers = network.outputs[0].body.when is When.EVERY
    # Both directions carry bytes at the same time, each of ten bits.
    longest = max(shape.request_bytes, shape.answer_bytes if answers else 0)
    return {"step": step,
            "link": {"baud": result.baud, "request_bytes": shape.request_bytes,
                     "answer_bytes": shape.answer_bytes,
                     "microseconds": 1e7 * longest / result.baud}}


def describe(result):
    """A result as JSON values."""
    from ternloom.boards import registry

    return {"board": result.board, "top": result.top, "seed": result.seed,
            "program": registry.find(result.board).program,
            "clock": dataclasses.asdict(result.clock), "untimed": result.untimed,
            "utilization": {name: dataclasses.asdict(usage)
                            for name, usage in result.utilization.items()},
            "critical_path": [dataclasses.asdict(hop) for hop in result.critical_path],
            "tools": dict(result.tools), "seconds": dict(result.seconds),
            "bitstream": result.bitstream and result.bitstream.name}


def tables(place, data):
    """The same for people."""
    rows = [(name, f"{usage['used']:,}", f"{usage['available']:,}",
             f"{100 * usage['used'] / usage['available']:.0f} %")
            for name, usage in data["utilization"].items() if usage["available"]]
    first = [("board", data["board"]), ("top", data["top"]),
             ("clock", clock(data)),
             *speed_lines(data),
             ("folder", place)]
    if data["bitstream"]:
        path = f"{place}/{data['bitstream']}"
        first += [("bitstream", Command(path)),
                  ("load", Command(data["program"].format(shlex.quote(path))))]
    return (facts(first), table("Utilization", ("", ">used", ">available", ">share"), rows))


def clock(data):
    """The clock in a line: what a bitstream runs at is not what it could."""
    asked, achieved = (data["clock"][name] for name in ("asked", "achieved"))
    if data["bitstream"]:
        return f"runs at {asked:g} MHz; place and route reached {achieved:.1f} MHz"
    return f"{achieved:.1f} MHz reached, {asked:g} MHz asked for"


def speed_lines(data):
    """What the clock does not know, and what a step takes, as facts."""
    step, link = data["step"], data["link"]
    lines = [("not timed", data["untimed"])] if data["untimed"] else []
    lines += [("time step", f"{step['cycles']:,.0f} cycles, {step['microseconds']:,.1f} us at "
                            f"{step['clock']:.4g} MHz")]
    if link:
        lines += [("serial link", f"{link['microseconds']:,.0f} us per step at {link['baud']:,} "
                                  f"baud, {link['request_bytes']} bytes to the board, "
                                  f"{link['answer_bytes']} bytes per answer")]
    return lines


def sentence(data):
    """Utilization in a line."""
    return ", ".join(f"{usage['used']:,} of {usage['available']:,} {name}"
                     for name, usage in data["utilization"].items() if usage["used"])
