"""Clock and size of the shipped GRU on each board, after place and route, beside the floors."""

import tempfile

from ternloom.boards.flow import build
from ternloom.boards.registry import BOARDS
from ternloom.cli import source
from ternloom.files.network import load
from ternloom.hw.verilog import generate
from ternloom.mapping.mapping import Mapping


__all__ = ["FLOORS", "NETWORK", "TITLE", "rows"]

NETWORK = "digits-gru-ternary-ternary"

TITLE = (f"Clock and size of {NETWORK} between registers, 4 elements of 8 lanes, "
         "nextpnr seed 1")

#: Lowest clock in MHz, where it is not that of the board's UART top.
FLOORS = {"ulx3s-85f": 100.0, "tang-nano-9k": 60.0}


def rows():
    """One row a board, as dicts."""
    network = load(source.network_path(NETWORK))
    design = generate(Mapping.uniform(network, pe=4, simd=8))
    with tempfile.TemporaryDirectory(prefix="ternloom-") as folder:
        return [_row(board, build(board.name, design, work_dir=folder))
                for board in BOARDS.values()]


def _row(board, result):
    used = [f"{usage.used:,}/{usage.available:,} {name}"
            for name, usage in result.utilization.items() if name != "pins" and usage.used]
    return {
        "board":     board.title,
        "clock MHz": f"{result.clock.achieved:.1f}",
        "floor MHz": f"{FLOORS.get(board.name, board.frequency):g}",
        "used":      ", ".join(used),
        "slowest path from": result.critical_path[0].name,
        "to":        result.critical_path[-1].name,
        "not timed": board.family.untimed or "-",
        "seconds":   f"{sum(result.seconds.values()):.0f}",
    }
