"""One step of each cell on integers: what follows the pre-activations, up to the next codes.

The functions take arrays of any leading shape, with units last, and return every intermediate under
the name that it has in a trace less the layer's. They work in the integer type of their arguments,
which must hold the ranges of :func:`ternloom.model.bounds.bounds`; the format's codes may come back
as int64.
"""

import functools

from ternloom.model.table import sigmoid, tanh


__all__ = ["gru_after_cell", "gru_before_cell", "gru_reset", "initial_code", "lstm_cell"]


@functools.cache
def _tables(precision, dtype):
    """Sigmoid and tanh over the pre-activations; a negative code is a negative index."""
    return tuple(table(precision).astype(dtype) for table in (sigmoid, tanh))


def initial_code(state_format):
    """Recurrent code of every unit when a sequence starts."""
    return int(state_format.quantize(0, 0))


def lstm_cell(precision, state_format, preact, cell):
    """LSTM: ``c' = f*c + i*g`` and ``h = o*tanh(c')``, one rounding each.

    Parameters
    ----------
    precision : Precision
    state_format : Format
    preact : int array (..., 4, units)
        Pre-activations of i, f, g, o.
    cell : int array (..., units)
        c, in the format of the state.

    Returns
    -------
    dict of str to int array (..., units)
        ``gate.i`` and the like (G fraction bits), ``gate.i.preact``, ``cell`` and ``h`` (codes).
    """
    sigmoids, tanhs = _tables(precision, preact.dtype)
    gate_frac, state = precision.gate_frac, precision.state
    named = {f"gate.{gate}.preact": preact[..., index, :] for index, gate in enumerate("ifgo")}
    i, f = sigmoids[named["gate.i.preact"]], sigmoids[named["gate.f.preact"]]
    g, o = tanhs[named["gate.g.preact"]], sigmoids[named["gate.o.preact"]]
    total = f * cell + ((i * g) << (state.frac - gate_frac))
    cell = state.quantize(total, state.frac + gate_frac)
    argument = precision.preact.quantize(cell, state.frac)
    h = state_format.quantize(o * tanhs[argument], 2 * gate_frac)
    return named | {"gate.i": i, "gate.f": f, "gate.g": g, "gate.o": o, "cell": cell, "h": h}


def _gru_update(precision, state_format, update, candidate, state):
    """``h' = n + z*(h - n)`` with one rounding, and the codes of h'."""
    gate_frac, kind = precision.gate_frac, precision.state
    lifted = candidate << (kind.frac - gate_frac)
    total = (lifted << gate_frac) + update * (state - lifted)
    state = kind.quantize(total, kind.frac + gate_frac)
    return {"state": state, "h": state_format.quantize(state, kind.frac)}


def gru_after_cell(precision, state_format, preact, candidate_input, candidate_recurrent, state):
    """GRU, reset after the recurrent product: ``n = tanh(ax + r*ah)``, ``h' = n + z*(h - n)``.

    Parameters
    ----------
    precision : Precision
    state_format : Format
    preact : int array (..., 2, units)
        Pre-activations of r, z.
    candidate_input, candidate_recurrent : int array (..., units)
        ax and ah, the two parts of the n row.
    state : int array (..., units)
        Wide h.

    Returns
    -------
    dict of str to int array (..., units)
        ``gate.r.preact``, ``gate.z.preact``, ``gate.n.input`` (ax), ``gate.n.recurrent`` (ah),
        ``gate.n.preact``, the gates ``gate.r``, ``gate.z``, ``gate.n`` (G fraction bits), ``state``
        and ``h`` (codes).
    """
    sigmoids, tanhs = _tables(precision, preact.dtype)
    r, z = sigmoids[preact[..., 0, :]], sigmoids[preact[..., 1, :]]
    total = (candidate_input << precision.gate_frac) + r * candidate_recurrent
    argument = precision.preact.quantize(total, precision.preact.frac + precision.gate_frac)
    n = tanhs[argument]
    return {"gate.r.preact": preact[..., 0, :], "gate.z.preact": preact[..., 1, :],
            "gate.n.input": candidate_input, "gate.n.recurrent": candidate_recurrent,
            "gate.n.preact": argument, "gate.r": r, "gate.z": z, "gate.n": n,
            } | _gru_update(precision, state_format, z, n, state)


def gru_reset(precision, state_format, preact, state):
    """First half of a GRU with the reset before the recurrent product: the codes of ``r*h``.

    Parameters
    ----------
    precision : Precision
    state_format : Format
    preact : int array (..., units)
        Pre-activation of r.
    state : int array (..., units)
        Wide h.

    Returns
    -------
    dict of str to int array (..., units)
        ``gate.r.preact``, ``gate.r`` and ``reset`` (codes).
    """
    r = _tables(precision, preact.dtype)[0][preact]
    codes = state_format.quantize(r * state, precision.state.frac + precision.gate_frac)
    return {"gate.r.preact": preact, "gate.r": r, "reset": codes}


def gru_before_cell(precision, state_format, update_preact, candidate_preact, state):
    """Second half of a GRU with the reset before: ``h' = n + z*(h - n)``.

    Parameters
    ----------
    precision : Precision
    state_format : Format
    update_preact, candidate_preact : int array (..., units)
        Pre-activations of z and of n, whose row has used the codes of :func:`gru_reset`.
    state : int array (..., units)
        Wide h.

    Returns
    -------
    dict of str to int array (..., units)
        ``gate.z.preact``, ``gate.n.preact``, ``gate.z``, ``gate.n``, ``state`` and ``h`` (codes).
    """
    sigmoids, tanhs = _tables(precision, update_preact.dtype)
    z, n = sigmoids[update_preact], tanhs[candidate_preact]
    return {"gate.z.preact": update_preact, "gate.n.preact": candidate_preact,
            "gate.z": z, "gate.n": n} | _gru_update(precision, state_format, z, n, state)
