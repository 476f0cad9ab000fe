"""Gated recurrent units, by where the reset gate acts and by the candidate's function."""

from ternloom.model.cell.cell import Cell


__all__ = ["GRU_RESET_AFTER", "GRU_RESET_AFTER_LINEAR", "GRU_RESET_AFTER_RELU", "GRU_RESET_BEFORE",
           "GRU_RESET_BEFORE_LINEAR", "GRU_RESET_BEFORE_RELU"]


def _update(cell, z, n):
    """h becomes a mix of itself and of the candidate n."""
    cell.output(cell.carry("state", n + z * (cell.old("state") - n)))


def _after(cell, function):
    """The reset gate scales the recurrent product of the candidate."""
    r, z = cell.sigmoid(cell.row("r")), cell.sigmoid(cell.row("z"))
    _update(cell, z, function(cell.row("n", "input") + r * cell.row("n", "recurrent")))


def _before(cell, function):
    """The reset gate scales what the candidate's recurrent matrix multiplies."""
    r, z = cell.sigmoid(cell.row("r")), cell.sigmoid(cell.row("z"))
    reset = cell.feedback("reset", r * cell.old("state"))
    _update(cell, z, function(cell.row("n", of=reset)))


def _reset_after(cell):
    """PyTorch's ``nn.GRU``, Keras' ``GRU(reset_after=True)``."""
    _after(cell, cell.tanh)


def _reset_after_relu(cell):
    """Keras' ``GRU(reset_after=True, activation="relu")``."""
    _after(cell, cell.relu)


def _reset_after_linear(cell):
    """Keras' ``GRU(reset_after=True, activation="linear")``."""
    _after(cell, cell.linear)


def _reset_before(cell):
    """Cho et al. 2014; ONNX's default, Keras' ``GRU(reset_after=False)``."""
    _before(cell, cell.tanh)


def _reset_before_relu(cell):
    """Keras' ``GRU(reset_after=False, activation="relu")``."""
    _before(cell, cell.relu)


def _reset_before_linear(cell):
    """Keras' ``GRU(reset_after=False, activation="linear")``."""
    _before(cell, cell.linear)


GRU_RESET_AFTER         = Cell("gru-reset-after", _reset_after)
GRU_RESET_AFTER_RELU    = Cell("gru-reset-after-relu", _reset_after_relu)
GRU_RESET_AFTER_LINEAR  = Cell("gru-reset-after-linear", _reset_after_linear)
GRU_RESET_BEFORE        = Cell("gru-reset-before", _reset_before)
GRU_RESET_BEFORE_RELU   = Cell("gru-reset-before-relu", _reset_before_relu)
GRU_RESET_BEFORE_LINEAR = Cell("gru-reset-before-linear", _reset_before_linear)
