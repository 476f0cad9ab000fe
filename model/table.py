"""Sigmoid and tanh over every pre-activation code: the ROMs of the hardware, computed once.

All entries come from the ``decimal`` module at 40 digits, so that they are the same on every
platform. Rounding them is safe: sigmoid and tanh of a rational other than zero are transcendental
(Lindemann), hence never a tie, and an error below ``10**-38`` would matter only to a value as close
to one, which no table of at most 2048 entries is found to have (a test measures the distance).
"""

import decimal
import functools

import numpy as np


__all__ = ["sigmoid", "sigmoid_half", "tanh", "tanh_half"]


_CONTEXT = decimal.Context(prec=40, rounding=decimal.ROUND_HALF_EVEN)


def _decay(numerator, frac):
    """``exp(-numerator / 2**frac)`` to 40 digits."""
    return _CONTEXT.exp(_CONTEXT.divide(decimal.Decimal(-numerator), decimal.Decimal(1 << frac)))


def _sigmoid(code, frac):
    return _CONTEXT.divide(1, _CONTEXT.add(1, _decay(code, frac)))


def _tanh(code, frac):
    decay = _decay(2 * code, frac)
    return _CONTEXT.divide(_CONTEXT.subtract(1, decay), _CONTEXT.add(1, decay))


def _check(preact, gate_frac):
    if not preact.signed or not 2 <= preact.width <= 12 or not 0 <= preact.frac <= 64:
        raise ValueError("Table argument must be a signed format of 2 to 12 bits, with a fraction, "
                         f"not {preact!r}")
    if not 1 <= gate_frac <= 31:
        raise ValueError(f"Table fraction bits must be from 1 to 31, not {gate_frac!r}")


def _half(function, preact, gate_frac):
    _check(preact, gate_frac)
    scale, half = 1 << gate_frac, decimal.Decimal("0.5")
    entries = []
    for code in range(preact.high + 1):
        exact = _CONTEXT.multiply(scale, function(code, preact.frac))
        rounded = _CONTEXT.add(exact, half).to_integral_value(decimal.ROUND_FLOOR)
        entries.append(min(int(rounded), scale - 1))
    return _frozen(np.array(entries, dtype=np.int64))


def _frozen(table):
    table.setflags(write=False)
    return table


def _mirror(half, offset):
    """Full table by bit pattern: the entry of -a is ``offset`` less the entry of a."""
    magnitudes = np.minimum(np.arange(len(half), 0, -1), len(half) - 1)
    return _frozen(np.concatenate([half, offset - half[magnitudes]]))


@functools.cache
def sigmoid_half(preact, gate_frac):
    """Sigmoid of the codes from 0 up, as the hardware's ROM holds it.

    Parameters
    ----------
    preact : Fixed
        Format of the argument, signed, at most 12 bits.
    gate_frac : int
        Fraction bits G of the values.

    Returns
    -------
    int64 array (2**(width-1),)
        ``min(floor(2**G * sigmoid(a / 2**frac) + 1/2), 2**G - 1)``, read-only.
    """
    return _half(_sigmoid, preact, gate_frac)


@functools.cache
def tanh_half(preact, gate_frac):
    """Tanh of the codes from 0 up, as the hardware's ROM holds it.

    Parameters and result are those of :func:`sigmoid_half`, with tanh for sigmoid.
    """
    return _half(_tanh, preact, gate_frac)


@functools.cache
def sigmoid(preact, gate_frac):
    """Sigmoid of every code.

    Parameters
    ----------
    preact : Fixed
        Format of the argument, signed, at most 12 bits.
    gate_frac : int
        Fraction bits G of the values.

    Returns
    -------
    int64 array (2**width,)
        Indexed by the bit pattern of the code, ``a & (2**width - 1)``, which is also how NumPy
        takes a negative index; ``2**G - S[-a]`` below zero, where -a of the most negative code is
        the most positive one. Read-only.
    """
    return _mirror(sigmoid_half(preact, gate_frac), 1 << gate_frac)


@functools.cache
def tanh(preact, gate_frac):
    """Tanh of every code: as :func:`sigmoid`, with ``-T[-a]`` below zero."""
    return _mirror(tanh_half(preact, gate_frac), 0)
