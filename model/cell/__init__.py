"""Cells, each written once: its equations. Readings of them are the golden model's
integers and the worst-case ranges here, and in other rooms real numbers, PyTorch and gates.
"""

from ternloom.model.cell.cell import Cell
from ternloom.model.cell.dense import DENSE, DENSE_RELU, DENSE_SIGMOID, DENSE_TANH
from ternloom.model.cell.gru import (GRU_RESET_AFTER, GRU_RESET_AFTER_LINEAR, GRU_RESET_AFTER_RELU,
                                     GRU_RESET_BEFORE, GRU_RESET_BEFORE_LINEAR,
                                     GRU_RESET_BEFORE_RELU)
from ternloom.model.cell.lstm import LSTM, LSTM_CIFG, LSTM_PEEPHOLE
from ternloom.model.cell.minimal import MIN_GRU, MIN_LSTM
from ternloom.model.cell.rnn import RNN_RELU, RNN_TANH
from ternloom.model.plugin import Registry


__all__ = ["CELLS", "DENSE", "DENSE_RELU", "DENSE_SIGMOID", "DENSE_TANH", "GRU_RESET_AFTER",
           "GRU_RESET_BEFORE", "LSTM", "LSTM_CIFG", "LSTM_PEEPHOLE", "MIN_GRU", "MIN_LSTM",
           "RNN_RELU", "RNN_TANH", "Cell"]


#: The cells that files and recipes know, by name; other packages bring theirs (``ternloom.cells``).
CELLS: Registry[Cell] = Registry("ternloom.cells", (
    LSTM, LSTM_CIFG, LSTM_PEEPHOLE, GRU_RESET_AFTER, GRU_RESET_AFTER_RELU, GRU_RESET_AFTER_LINEAR,
    GRU_RESET_BEFORE, GRU_RESET_BEFORE_RELU, GRU_RESET_BEFORE_LINEAR, RNN_TANH, RNN_RELU, MIN_GRU,
    MIN_LSTM, DENSE, DENSE_RELU, DENSE_SIGMOID, DENSE_TANH),
    lambda found: isinstance(found, Cell), lambda cell: cell.name)
