"""Long short-term memory."""

from ternloom.model.cell.cell import Cell


__all__ = ["LSTM"]


def _lstm(cell):
    """As PyTorch has it: Gers et al. 2000 without peepholes."""
    i, f = cell.sigmoid(cell.row("i")), cell.sigmoid(cell.row("f"))
    g = cell.tanh(cell.row("g"))
    c = cell.carry("cell", f * cell.old("cell") + i * g)
    cell.output(cell.sigmoid(cell.row("o")) * cell.tanh(c))


LSTM = Cell("lstm", _lstm)
