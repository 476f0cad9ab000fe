"""Elementwise pipelines with tables and multipliers beside those whose gates are comparators."""

import collections
import pathlib
import tempfile

from bench_elements import Harness, clock, netlist, tables

from ternloom.hw.pipeline import CellPipeline
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import pipeline_latency
from ternloom.model.cell import CELLS
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed, Ternary
from ternloom.model.precision import Precision


__all__ = ["TITLE", "rows"]

#: Units of a pipeline: 300 in eight chains.
_UNITS = 38

TITLE = (f"Elementwise pipelines of {_UNITS} units with ternary codes, gates by tables and "
         "multipliers or by comparators; registers without those of the bench, MHz on UP5K and "
         "ECP5 speed grade 6")

_PRECISIONS = {
    "tables":      Precision(),
    "comparators": Precision(Fixed(10, 6), 0, Fixed(4, 0)),
}

_DSP = {"ice40": ("SB_MAC16",), "ecp5": ("MULT18X18D",)}
_RAM = {"ice40": ("SB_RAM40_4K",), "ecp5": ("DP16KD", "PDPW16KD")}


def rows():
    """One row a cell, kind of gates that it can have and family, as dicts."""
    return [_row(cell, gates, family) for cell in CELLS.values() for family in _DSP
            for gates, precision in _PRECISIONS.items()
            if cell.comparable or not precision.comparators]


def _row(cell, gates, family):
    layer = random_network(1, cell=cell, layers=1, units=_UNITS, inputs=1, state_format=Ternary(),
                           precision=_PRECISIONS[gates]).layers[0]
    source = Source.RESET if cell.feedback else Source.STATE
    with tempfile.TemporaryDirectory(prefix="ternloom-") as folder:
        folder = pathlib.Path(folder)
        made = CellPipeline(layer, _UNITS)
        row = made.i
        harness = Harness(made, [row.valid, row.gate, row.unit, row.value, row.aside, made.first],
                          [made.o.valid, made.o.data, made.reset.valid, made.reset.data])
        cells = netlist(harness, family, folder)
        kinds = collections.Counter(each["type"] for each in cells)
        registers = sum(count for kind, count in kinds.items()
                        if kind.startswith("SB_DFF") or kind == "TRELLIS_FF")
        return {
            "cell": cell.name, "gates": gates, "family": family,
            "LUT4": tables(cells, family)[0], "registers": registers - harness.registers,
            "multipliers": sum(kinds[kind] for kind in _DSP[family]),
            "block RAMs": sum(kinds[kind] for kind in _RAM[family]),
            "cycles to a code": pipeline_latency(layer, source),
            "MHz": f"{clock(family, folder):.0f}",
        }
