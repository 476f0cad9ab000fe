"""One step of a cell on integers, from the pre-activations of its rows."""

import numpy as np

from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.cell.integers import Integers
from ternloom.model.format import Fixed


__all__ = ["CORE", "step"]


#: Cells that every combination is tried with; the others have tests of a few.
CORE = (LSTM, GRU_RESET_AFTER, GRU_RESET_BEFORE)


def step(cell, precision, form, rows, old, dtype=np.int64, diagonals=None,
         diagonal_format=Fixed(8, 7)):
    """Every named intermediate.

    Parameters
    ----------
    cell : Cell
    precision : Precision
    form : Format
        Of codes.
    rows : dict of str to int array (..., units)
        Pre-activation of each gate, or of each half under ``"n.input"`` and ``"n.recurrent"`` where
        the cell keeps the halves apart.
    old : int array (..., units)
        What the step before carried.
    diagonals : dict of str to int array (units)
        Where the cell has such.
    diagonal_format : Fixed

    Returns
    -------
    dict of str to int array (..., units)
    """
    def row(what, *codes):
        return rows[f"{what.gate}.{what.part}" if what.gate in cell.apart else what.gate]

    graph = cell.graph(precision, form, diagonal_format)
    values = graph.walk(Integers(precision, dtype, row, dict.fromkeys(cell.carried, old),
                                 diagonals))
    return {node.name: values[node] for node in graph.traced}
