"""Gated recurrent units."""

from ternloom.model.cell.cell import Cell


__all__ = ["GRU_RESET_AFTER", "GRU_RESET_BEFORE"]


def _update(cell, z, n):
    """h becomes a mix of itself and of the candidate n."""
    old = cell.old("state")
    cell.output(cell.carry("state", n + z * (old - n)))


def _reset_after(cell):
    """PyTorch's: the reset gate scales the recurrent product of the candidate."""
    r, z = cell.sigmoid(cell.row("r")), cell.sigmoid(cell.row("z"))
    n = cell.tanh(cell.row("n", "input") + r * cell.row("n", "recurrent"))
    _update(cell, z, n)


def _reset_before(cell):
    """Cho et al. 2014, and ONNX's default: the reset gate scales what the candidate's matrix
    multiplies.
    """
    r, z = cell.sigmoid(cell.row("r")), cell.sigmoid(cell.row("z"))
    reset = cell.feedback("reset", r * cell.old("state"))
    _update(cell, z, cell.tanh(cell.row("n", of=reset)))


GRU_RESET_AFTER  = Cell("gru-reset-after", _reset_after)
GRU_RESET_BEFORE = Cell("gru-reset-before", _reset_before)
