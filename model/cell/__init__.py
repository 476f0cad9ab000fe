"""Recurrent cells, each written once: its equations. Readings of them are the golden model's
integers and the worst-case ranges here, and in other rooms real numbers, PyTorch and gates.
"""

import enum

from ternloom.model.cell.cell import Cell
from ternloom.model.cell.gru import GRU_RESET_AFTER, GRU_RESET_BEFORE
from ternloom.model.cell.lstm import LSTM


__all__ = ["CELLS", "GRU_RESET_AFTER", "GRU_RESET_BEFORE", "LSTM", "Cell", "CellName"]


#: The cells that files and recipes know, by name.
CELLS = {cell.name: cell for cell in (LSTM, GRU_RESET_AFTER, GRU_RESET_BEFORE)}

#: Their names, as descriptions and recipes are decoded to.
CellName = enum.Enum("CellName", {name: name for name in CELLS})
