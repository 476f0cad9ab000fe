"""Make a bitstream: utilization, clock and files.

With --top core the core is built alone, with registers around it, to learn its size and
clock; with --top uart the bitstream carries the core behind a UART on the board's pins.
"""

import dataclasses
import shutil

from ternloom.cli import output
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.option import (add_core, add_network, core_network, count, folding,
                                 frequency)


__all__ = ["EXAMPLE", "arguments", "run", "sentence"]

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
                        help="folder to write; one that ternloom synth wrote is replaced "
                             "(default: NAME-BOARD in the current folder)")
    output.add_folder_force(parser)
    parser.add_argument("--seed", type=count, default=1, metavar="N",
                        help="seed of placement (default: %(default)s)")
    parser.add_argument("--frequency", type=frequency, metavar="MHZ",
                        help="clock to aim at (default: the board's)")
    add_core(parser)


def run(chosen, console):
    """Build, and return utilization and clock."""
    from ternloom.boards import registry

    board = registry.find(chosen.board)
    network = core_network(chosen)
    spread = folding(chosen, network)
    place = chosen.output or output.default(network.name, f"-{board.name}")
    with output.folder(place, verb="synth", inputs=output.inputs(chosen), force=chosen.force,
                       network=network.name, board=board.name) as new:
        data = build_into(new, console, network, spread, board, chosen)
    return Outcome({"output": str(place), **data}, tables(place, data))


def build_into(folder, console, network, spread, board, chosen):
    """Build into an empty folder, and return the result as JSON values."""
    from ternloom.boards.flow import build
    from ternloom.hw.emit import generate

    with console.progress(f"Building for {board.title}") as report:
        report(text="generate")
        result = build(board.name, generate(network, spread), top=chosen.top, seed=chosen.seed,
                       frequency=chosen.frequency, work_dir=folder / "work",
                       progress=lambda stage: report(text=stage))
    for path in result.folder.iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(folder / "work")
    return describe(result)


def describe(result):
    """A result as JSON values."""
    from ternloom.boards import registry

    return {"board": result.board, "top": result.top, "seed": result.seed,
            "program": registry.find(result.board).program,
            "clock": dataclasses.asdict(result.clock),
            "utilization": {name: dataclasses.asdict(usage)
                            for name, usage in result.utilization.items()},
            "critical_path": [dataclasses.asdict(hop) for hop in result.critical_path],
            "tools": dict(result.tools), "seconds": dict(result.seconds),
            "bitstream": result.bitstream and result.bitstream.name}


def tables(place, data):
    """The same for people."""
    clock = data["clock"]
    rows = [(name, f"{usage['used']:,}", f"{usage['available']:,}",
             f"{100 * usage['used'] / usage['available']:.0f} %")
            for name, usage in data["utilization"].items() if usage["available"]]
    first = [("board", data["board"]), ("top", data["top"]),
             ("clock", f"{clock['achieved']:.1f} MHz reached, {clock['asked']:g} MHz asked for"),
             ("folder", place)]
    if data["bitstream"]:
        path = f"{place}/{data['bitstream']}"
        first += [("bitstream", path), ("load it", data["program"].format(path))]
    return (facts(first), table("Utilization", ("", ">used", ">available", ">share"), rows))


def sentence(data):
    """Utilization in a line."""
    return ", ".join(f"{usage['used']:,} of {usage['available']:,} {name}"
                     for name, usage in data["utilization"].items() if usage["used"])
