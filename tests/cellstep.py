"""One step of a cell on integers, from the pre-activations of its rows."""

import numpy as np

from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.cell.integers import Integers


__all__ = ["CORE", "step"]


#: Cells that every combination is tried with; the others have tests of a few.
CORE = (LSTM, GRU_RESET_AFTER, GRU_RESET_BEFORE)


def step(cell, precision, form, rows, old, dtype=np.int64):
    """Every named intermediate.

    Parameters
    ----------
    cell : Cell
    precision : Precision
    form : Format
        Of codes.
    rows : dict of str to int array (..., units)
        Pre-activation of each gate, or of each half under ``"n.input"`` and ``"n.recurrent"``.
    old : int array (..., units)
        What the step before carried.

    Returns
    -------
    dict of str to int array (..., units)
    """
    def row(what, *codes):
        return rows[what.gate if what.part == "both" else f"{what.gate}.{what.part}"]

    graph = cell.graph(precision, form)
    values = graph.walk(Integers(precision, dtype, row, dict.fromkeys(cell.carried, old)))
    return {node.name: values[node] for node in graph.traced}
