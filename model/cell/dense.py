"""Dense layers, which are cells without memory: a function of a row of the input."""

from ternloom.model.cell.cell import Cell


__all__ = ["DENSE", "DENSE_RELU", "DENSE_SIGMOID", "DENSE_TANH"]


def _linear(cell):
    """PyTorch's ``nn.Linear``."""
    cell.output(cell.linear(cell.row("h", "input")))


def _relu(cell):
    """``nn.Linear``, then ``nn.ReLU``."""
    cell.output(cell.relu(cell.row("h", "input")))


def _sigmoid(cell):
    """``nn.Linear``, then ``nn.Sigmoid``."""
    cell.output(cell.sigmoid(cell.row("h", "input")))


def _tanh(cell):
    """``nn.Linear``, then ``nn.Tanh``."""
    cell.output(cell.tanh(cell.row("h", "input")))


DENSE         = Cell("dense", _linear)
DENSE_RELU    = Cell("dense-relu", _relu)
DENSE_SIGMOID = Cell("dense-sigmoid", _sigmoid)
DENSE_TANH    = Cell("dense-tanh", _tanh)
