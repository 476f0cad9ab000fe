"""What the tools say of a design, from their JSON: what it takes, how fast it is, and why."""

import collections.abc
import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import typing

from ternloom.boards.error import BoardError
from ternloom.boards.family import Family


__all__ = ["Clock", "Hop", "Usage", "cells", "clock", "critical_path", "first_overflow",
           "least_utilization", "read_json", "utilization"]


@dataclasses.dataclass(frozen=True)
class Usage:
    """How much of a resource a design takes."""

    used: int
    available: int


@dataclasses.dataclass(frozen=True)
class Clock:
    """Frequency of a design, in MHz: what its timing allows, and what was aimed at."""

    achieved: float
    asked: float

    @property
    def met(self) -> bool:
        """Whether the design is as fast as was asked."""
        return self.achieved >= self.asked


@dataclasses.dataclass(frozen=True)
class Hop:
    """One stretch of the slowest path: through cells, then along a net.

    Parameters
    ----------
    name : str
        The net by the generated hardware's names, or the last register's cell.
    logic, routing : float
        In ns: through the cells before the net, and along it.
    """

    name: str
    logic: float
    routing: float


def read_json(path: str | os.PathLike[str]) -> typing.Any:
    """The JSON that a tool wrote.

    Raises
    ------
    BoardError
        When it did not.
    """
    try:
        return json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise BoardError(f"{pathlib.Path(path).name} is missing or damaged") from error


def cells(statistics: collections.abc.Mapping[str, typing.Any], *,
          internal: bool = False) -> dict[str, int]:
    """Cells of each type, from Yosys's ``stat -json``.

    Parameters
    ----------
    statistics : dict
    internal : bool
        Whether Yosys' own cells count too.

    Returns
    -------
    dict of str to int
        Of the whole hierarchy.
    """
    design = statistics.get("design", {})
    found = design.get("num_cells_by_type")
    if found is None:
        raise BoardError("Yosys's statistics have no cell counts by type")
    return {kind: count for kind, count in sorted(found.items())
            if internal or not kind.startswith("$")}


def utilization(report: collections.abc.Mapping[str, typing.Any],
                family: Family) -> dict[str, Usage]:
    """Use of each of a family's resources, from nextpnr's report.

    Returns
    -------
    dict of str to Usage
    """
    counts = report["utilization"]
    return {title: Usage(sum(counts[bel]["used"] for bel in bels if bel in counts),
                         sum(counts[bel]["available"] for bel in bels if bel in counts))
            for title, bels in family.resources.items()}


def least_utilization(found: collections.abc.Mapping[str, int], family: Family,
                      capacity: collections.abc.Mapping[str, int]) -> dict[str, Usage]:
    """Least use of each of a family's resources, from the cells of a netlist.

    Parameters
    ----------
    found : dict of str to int
        Cells by type.
    family : Family
    capacity : dict of str to int
        Of the part, by resource.

    Returns
    -------
    dict of str to Usage
    """
    def taken(group):
        return sum(each * count for pattern, each in group.items()
                   for kind, count in found.items() if fnmatch.fnmatchcase(kind, pattern))

    return {title: Usage(max(taken(group) for group in family.needs[title]), available)
            for title, available in capacity.items()}


def first_overflow(usage: collections.abc.Mapping[str, Usage]) -> tuple[str, Usage] | None:
    """The resource that a design exceeds the most, relative to what there is.

    Returns
    -------
    (str, Usage) or None
    """
    beyond = [(use.used / max(use.available, 1), title) for title, use in usage.items()
              if use.used > use.available]
    if not beyond:
        return None
    title = max(beyond)[1]
    return title, usage[title]


def clock(report: collections.abc.Mapping[str, typing.Any], asked: float) -> Clock:
    """The slowest clock of a report.

    Parameters
    ----------
    report : dict
        nextpnr's.
    asked : float
        MHz.
    """
    found = [entry["achieved"] for entry in report["fmax"].values()]
    if not found:
        raise BoardError("the design has no path between registers, so it has no clock frequency")
    return Clock(min(found), asked)


def critical_path(report: collections.abc.Mapping[str, typing.Any]) -> tuple[Hop, ...]:
    """The slowest path between registers.

    Returns
    -------
    tuple of Hop
        Empty when the report has none.
    """
    paths = [path["path"] for path in report["critical_paths"]
             if "posedge" in path["from"] and path["from"] == path["to"]]
    if not paths:
        return ()
    hops, logic = [], 0.0
    for hop in max(paths, key=lambda path: sum(hop["delay"] for hop in path)):
        routing = hop["delay"] if hop["type"] == "routing" else 0.0
        logic += hop["delay"] - routing
        # A carry chain routes in no time: it is one stretch of logic.
        if routing > 0 or hop["type"] == "setup":
            name = hop["net"] if routing > 0 else hop["to"]["cell"]
            hops.append(Hop(_readable(name), round(logic, 3), round(routing, 3)))
            logic = 0.0
    return tuple(hops)


#: Where Yosys goes on naming a cell after the net that it drives.
_SUFFIX = re.compile(
    r"(_(TRELLIS|SB|CCU2C|LUT[1-6]|L6MUX|PFUMX|DFF|ALU|MUX2|MULT\d|DP16KD|DPX|SPX|SDPX)"
    r"(?=[_A-Z0-9$.]|$)|\$(abc|auto|techmap)).*?(?=\[\d+\]$|$)")


def _readable(name):
    """Name of a net without what synthesis appended to it."""
    return _SUFFIX.sub("", name) or name
