"""Long short-term memory."""

from ternloom.model.cell.cell import Cell


__all__ = ["LSTM", "LSTM_CIFG", "LSTM_PEEPHOLE"]


def _lstm(cell):
    """Gers et al. 2000 without peepholes; PyTorch's ``nn.LSTM``."""
    i, f = cell.sigmoid(cell.row("i")), cell.sigmoid(cell.row("f"))
    g = cell.tanh(cell.row("g"))
    c = cell.carry("cell", f * cell.old("cell") + i * g)
    cell.output(cell.sigmoid(cell.row("o")) * cell.tanh(c))


def _cifg(cell):
    """Coupled input and forget gates, i = 1 - f (Greff et al. 2017)."""
    f, g = cell.sigmoid(cell.row("f")), cell.tanh(cell.row("g"))
    c = cell.carry("cell", f * cell.old("cell") + (cell.constant(1) - f) * g)
    cell.output(cell.sigmoid(cell.row("o")) * cell.tanh(c))


def _peephole(cell):
    """Gers et al. 2002: i and f see c of the step before, o that of this one."""
    i, f = (cell.sigmoid(cell.row(gate) + cell.diagonal(gate) * cell.old("cell")) for gate in "if")
    g = cell.tanh(cell.row("g"))
    c = cell.carry("cell", f * cell.old("cell") + i * g)
    cell.output(cell.sigmoid(cell.row("o") + cell.diagonal("o") * c) * cell.tanh(c))


LSTM          = Cell("lstm", _lstm)
LSTM_CIFG     = Cell("lstm-cifg", _cifg)
LSTM_PEEPHOLE = Cell("lstm-peephole", _peephole)
