"""Minimal recurrent cells: no row multiplies h, so that nothing waits for the step before but h
itself.
"""

from ternloom.model.cell.cell import Cell


__all__ = ["MIN_GRU", "MIN_LSTM"]


def _mix(cell, kept, n):
    """h becomes a mix of itself, which is kept to a share, and of the candidate n."""
    cell.output(cell.carry("state", n + kept * (cell.old("state") - n)))


def _min_gru(cell):
    """minGRU (Feng et al. 2024, section 3.1), z the share that is kept as in the GRUs."""
    z, n = cell.sigmoid(cell.row("z", "input")), cell.linear(cell.row("n", "input"))
    _mix(cell, z, n)


def _min_lstm(cell):
    """minLSTM (Feng et al. 2024, section 3.2): gates i and f that are scaled to a sum of one, which
    is the logistic function of the difference of their logarithms.
    """
    i, f = (cell.log_sigmoid(cell.row(gate, "input")) for gate in "if")
    n = cell.linear(cell.row("n", "input"))
    _mix(cell, cell.sigmoid(f - i), n)


MIN_GRU  = Cell("min-gru", _min_gru)
MIN_LSTM = Cell("min-lstm", _min_lstm)
