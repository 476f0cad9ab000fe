"""Simple recurrent networks."""

from ternloom.model.cell.cell import Cell


__all__ = ["RNN_RELU", "RNN_TANH"]


def _tanh(cell):
    """Elman 1990; PyTorch's ``nn.RNN``."""
    cell.output(cell.tanh(cell.row("h")))


def _relu(cell):
    """Le et al. 2015; PyTorch's ``nn.RNN(nonlinearity="relu")``."""
    cell.output(cell.relu(cell.row("h")))


RNN_TANH = Cell("rnn-tanh", _tanh)
RNN_RELU = Cell("rnn-relu", _relu)
