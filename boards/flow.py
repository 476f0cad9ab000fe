"""From a core to a bitstream: Yosys, nextpnr and a packer, as one value with a digest."""

import collections.abc
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import typing

import msgspec
from amaranth.back import verilog

from ternloom.boards import report, synthesis
from ternloom.boards.board import Board
from ternloom.boards.error import BoardError, TooLarge, TooSlow, ToolFailed
from ternloom.boards.family import Command
from ternloom.boards.pll import solve
from ternloom.boards.registry import find
from ternloom.boards.shape import CoreShape
from ternloom.boards.tool import YOSYS
from ternloom.boards.top import Harness, UartTop
from ternloom.files import durable


if typing.TYPE_CHECKING:
    from ternloom.hw.verilog import Design


__all__ = ["Plan", "Result", "build", "plan"]


#: Names of the module around the core, by the kind of top.
_TOPS = {"core": "ternloom_harness", "uart": "ternloom_uart"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that decides what a build makes.

    Parameters
    ----------
    board : Board
    top : str
        ``core`` or ``uart``.
    seed : int
    frequency : float
        MHz.
    baud : int or None
        Of the UART.
    files : dict of str to str
    commands : tuple of Command
        Yosys, nextpnr, and for a design with pins of its own the packer.
    bitstream : str or None
        Its file.
    """

    board: Board
    top: str
    seed: int
    frequency: float
    baud: int | None
    files: dict[str, str]
    commands: tuple[Command, ...]
    bitstream: str | None

    def digest(self, versions: collections.abc.Mapping[str, str]) -> str:
        """Twelve hexadecimal digits of the files, the commands and the tools' versions."""
        commands = [(command.tool.name, *command.arguments) for command in self.commands]
        value = [sorted(self.files.items()), commands, sorted(versions.items())]
        return hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:12]

    def versions(self) -> dict[str, str]:
        """Version of each tool by its name.

        Raises
        ------
        ToolMissing
            For the first that is not installed.
        """
        return {command.tool.name: command.tool.version() for command in self.commands}


@dataclasses.dataclass(frozen=True)
class Result:
    """What a build made.

    Parameters
    ----------
    board, top : str
    seed : int
        Of nextpnr; another gives another placement, and a clock that differs by some percent.
    clock : Clock
        What the timing allows; a bitstream runs at what was asked for.
    untimed : str
        What the analysis of the timing leaves out; empty if nothing is known.
    baud : int or None
        Bits a second of the UART; None for ``core``.
    utilization : dict of str to Usage
        By resource.
    cells : dict of str to int
        Cells of each type after synthesis.
    critical_path : tuple of Hop
        The slowest path.
    tools : dict of str to str
        Version of each.
    seconds : dict of str to float
        Of each stage.
    bitstream : Path or None
        None for ``core``, whose pins are nowhere.
    folder : Path
        Sources, constraints, logs, reports and the bitstream.
    """

    board: str
    top: str
    seed: int
    clock: report.Clock
    untimed: str
    baud: int | None
    utilization: dict[str, report.Usage]
    cells: dict[str, int]
    critical_path: tuple[report.Hop, ...]
    tools: dict[str, str]
    seconds: dict[str, float]
    bitstream: pathlib.Path | None
    folder: pathlib.Path


def plan(board_name: str, design: "Design", *, top: str = "core", seed: int = 1,
         frequency: float | None = None, baud: int | None = None, adders: bool = True) -> Plan:
    """Work out what a build would do, without doing it.

    Parameters
    ----------
    board_name : str
    design : Design
        A generated core: ``verilog``, ``name``, ``network`` and ``folding``.
    top : str
        ``core`` measures the core between registers; ``uart`` is a design for the board.
    seed : int
    frequency : float or None
        MHz: what place and route aims at, and for ``uart`` what the clock generator makes. None
        is the board's own choice.
    baud : int or None
        Of the UART; None is the board's own choice.
    adders : bool
        See ``ternloom.boards.synthesis``.

    Returns
    -------
    Plan

    Raises
    ------
    BoardError
        For an unknown board or top, or a frequency that the board cannot make.
    """
    board = find(board_name)
    if top not in _TOPS:
        raise BoardError(f"top must be one of {', '.join(_TOPS)}, not {top!r}")
    if frequency is None:
        frequency = board.goal if top == "core" else board.frequency
    if not 1 <= frequency <= 1000:
        raise BoardError(f"frequency must be from 1 to 1000 MHz, not {frequency!r}")
    shape = CoreShape.of(design)
    if top == "core":
        module, baud = Harness(shape), None
    else:
        baud = board.baud if baud is None else baud
        module, frequency = _uart(shape, board, frequency, baud)
    files = {
        "core.v": design.verilog,
        "top.v": verilog.convert(module, name=_TOPS[top], strip_internal_attrs=True),
        **synthesis.files(["core.v", "top.v"], _TOPS[top], board.family, adders=adders),
        board.family.constraints: _constraints(board, module),
    }
    bitstream = f"{design.name}.{board.family.extension}" if top == "uart" else None
    commands = _commands(board, seed, frequency, bitstream)
    return Plan(board, top, seed, frequency, baud, files, commands, bitstream)


def build(board_name: str, design: "Design", *, top: str = "core", seed: int = 1,
          frequency: float | None = None, baud: int | None = None,
          work_dir: str | os.PathLike[str],
          progress: collections.abc.Callable[[str], object] | None = None) -> Result:
    """Make a core into a placed and routed design, and into a bitstream if it is a board's.

    The folder of a build is named after its digest. It appears whole or not at all, and is taken
    as it is when it is there already.

    Parameters
    ----------
    board_name, design, top, seed, frequency, baud
        See ``plan``.
    work_dir : path
        Made if it is missing.
    progress : function of str, or None
        Called with the name of each stage as it starts.

    Returns
    -------
    Result

    Raises
    ------
    TooLarge
        With the resource, what is needed and what there is.
    NetlistBroken
        When synthesis lost a part of the design.
    TooSlow
        When a ``uart`` design misses its clock.
    ToolMissing, ToolFailed
        When a tool is not there, or stops for another reason.
    BoardError
        As ``plan`` does.
    """
    planned = plan(board_name, design, top=top, seed=seed, frequency=frequency, baud=baud)
    versions = planned.versions()
    folder = (pathlib.Path(work_dir)
              / f"{planned.board.name}-{top}-{planned.digest(versions)}").absolute()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _make(planned, versions, folder, progress or (lambda stage: None))
    return _result(folder)


def _uart(shape, board, frequency, baud):
    hertz = round(frequency * 1e6)
    pll = solve(board.family.name, board.crystal, hertz)
    hertz = board.crystal if pll is None else round(pll.frequency)
    if not 1 <= baud <= hertz // 4:
        raise BoardError(f"baud must be from 1 to {hertz // 4} at {hertz / 1e6:g} MHz, "
                         f"not {baud!r}")
    module = UartTop(shape, pll=pll, frequency=hertz, baud=baud,
                     invert_led=board.pins["led"].invert)
    return module, hertz / 1e6


def _constraints(board, module):
    lines = []
    for port in module.signature.members:
        lines += board.family.pin_lines(port, board.pins[port])
    return "\n".join(lines) + "\n"


def _commands(board, seed, frequency, bitstream):
    family = board.family
    place = ("--json", "netlist.json", "--report", "report.json", "--seed", str(seed),
             "--freq", f"{frequency:g}", "--timing-allow-fail",
             *family.place_arguments(board.part), family.output, family.routed)
    commands = [Command("synthesize", YOSYS, ("-q", "-s", "synthesize.ys")),
                Command("place and route", family.place, place)]
    if bitstream is not None:
        commands.append(Command("pack", family.packer,
                                family.pack_arguments(board.part, bitstream)))
    return tuple(commands)


def _make(planned, versions, folder, progress):
    with durable.scratch(folder) as beside:
        new = beside / "new"
        new.mkdir()
        for name, text in planned.files.items():
            (new / name).write_text(text)
        seconds = {}
        for command in planned.commands:
            progress(command.stage)
            seconds[command.stage] = round(_run(planned, command, new), 2)
            if command.tool is YOSYS:
                synthesis.verify(new, planned.board.family)
                _refuse_netlist(planned, new)
            if command.tool is planned.board.family.place:
                _refuse_slow(planned, new)
        result = _summary(planned, versions, seconds, new)
        (new / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(result)))
        if not folder.is_dir():
            durable.put(new, folder)


def _run(planned, command, folder):
    log = command.stage.replace(" ", "-") + ".log"
    try:
        return command.tool.run(command.arguments, folder, log)
    except ToolFailed:
        if command.tool is planned.board.family.place:
            with contextlib.suppress(ToolFailed):
                _refuse_large(planned, command, folder)
        raise


def _refuse_large(planned, command, folder):
    """Raise ``TooLarge`` if packing alone, which stops before any placement, shows why."""
    family = planned.board.family
    # What is not placed cannot be written: nextpnr-ice40 crashes on it.
    outputs = (family.output, family.routed)
    arguments = [word for word in command.arguments if word not in outputs]
    command.tool.run((*arguments, "--pack-only"), folder, "pack-only.log")
    usage = report.utilization(report.read_json(folder / "report.json"), family)
    _refuse_overflow(planned, usage)


def _refuse_netlist(planned, folder):
    """Raise ``TooLarge`` if the netlist alone shows that no placement can be found for it."""
    board = planned.board
    found = report.cells(report.read_json(folder / "cells.json"))
    _refuse_overflow(planned, report.least_utilization(found, board.family, board.capacity),
                     at_least=True)


def _refuse_overflow(planned, usage, *, at_least=False):
    overflow = report.first_overflow(usage)
    if overflow is not None:
        resource, use = overflow
        raise TooLarge(planned.board.title, resource, use.used, use.available, at_least=at_least)


def _refuse_slow(planned, folder):
    clock = report.clock(report.read_json(folder / "report.json"), planned.frequency)
    if planned.top == "uart" and not clock.met:
        raise TooSlow(f"the design reaches only {clock.achieved:.1f} MHz on {planned.board.title}, "
                      f"not the {clock.asked:g} MHz asked for; lower the frequency or try another "
                      "seed")


def _summary(planned, versions, seconds, folder):
    found = report.read_json(folder / "report.json")
    return {
        "board":         planned.board.name,
        "top":           planned.top,
        "seed":          planned.seed,
        "clock":         report.clock(found, planned.frequency),
        "untimed":       planned.board.family.untimed,
        "baud":          planned.baud,
        "utilization":   report.utilization(found, planned.board.family),
        "cells":         report.cells(report.read_json(folder / "cells.json")),
        "critical_path": report.critical_path(found),
        "tools":         versions,
        "seconds":       seconds,
        "bitstream":     planned.bitstream,
    }


def _result(folder):
    values = report.read_json(folder / "result.json")
    bitstream = values.pop("bitstream")
    paths = {"bitstream": bitstream and folder / bitstream, "folder": folder}
    return msgspec.convert({**values, **paths}, Result, dec_hook=lambda kind, value: kind(value))
