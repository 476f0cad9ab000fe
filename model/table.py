"""Sigmoid and tanh over every pre-activation code: the ROMs of the hardware, computed once.

Values of no fraction bits are comparisons: sigmoid is 1 from zero on, else 0; tanh is +1 where it
is at least 1/2, -1 where it is at most -1/2, else 0. They are what rounding makes of the functions,
and Ternloom's choice of HitNet's inference (Wang et al. 2018), whose formulas we could not read. So
is the sloping factor l, in sigmoid(a / l) and tanh(a / l): below one it sharpens.

All entries come from the ``decimal`` module at 40 digits, so that they are the same on every
platform. Rounding them is safe: sigmoid and tanh of a rational other than zero are transcendental
(Lindemann), and so is the logarithm of ``1 + exp(-|a|)``, hence never a tie, and an error below
``10**-35`` would matter only to a value as close to one, which no table of at most 2048 entries is
found to have (a test measures the distance).
"""

import decimal
import functools

import numpy as np

from ternloom.model.precision import Precision


__all__ = ["EVEN", "FUNCTIONS", "HALVES", "sigmoid", "sigmoid_half", "softplus_tail",
           "softplus_tail_half", "tanh", "tanh_half"]


_CONTEXT = decimal.Context(prec=40, rounding=decimal.ROUND_HALF_EVEN)


def _decay(numerator, denominator):
    """``exp(-numerator / denominator)`` to 40 digits."""
    return _CONTEXT.exp(_CONTEXT.divide(decimal.Decimal(-numerator), decimal.Decimal(denominator)))


def _sigmoid(numerator, denominator):
    return _CONTEXT.divide(1, _CONTEXT.add(1, _decay(numerator, denominator)))


def _tanh(numerator, denominator):
    decay = _decay(2 * numerator, denominator)
    return _CONTEXT.divide(_CONTEXT.subtract(1, decay), _CONTEXT.add(1, decay))


def _softplus_tail(numerator, denominator):
    return _CONTEXT.ln(_CONTEXT.add(1, _decay(numerator, denominator)))


@functools.cache
def _half(function, preact, gate_frac, slope, slope_frac):
    """Entries of a function for the codes from 0 up."""
    scale, half = 1 << gate_frac, decimal.Decimal("0.5")
    entries = []
    for code in range(preact.high + 1):
        value = function(code << slope_frac, slope << preact.frac)
        rounded = _CONTEXT.add(_CONTEXT.multiply(scale, value), half)
        entries.append(min(int(rounded.to_integral_value(decimal.ROUND_FLOOR)), max(scale - 1, 1)))
    return _frozen(np.array(entries, dtype=np.int64))


def _frozen(table):
    table.setflags(write=False)
    return table


def _below(half):
    """Entries of the magnitudes of the negative codes, by bit pattern."""
    return half[np.minimum(np.arange(len(half), 0, -1), len(half) - 1)]


def _mirror(half, offset):
    """Full table by bit pattern: the entry of -a is ``offset`` less the entry of a."""
    return _frozen(np.concatenate([half, offset - _below(half)]))


def sigmoid_half(precision: Precision) -> np.ndarray:
    """Sigmoid of the codes from 0 up, as the hardware's ROM holds it.

    Parameters
    ----------
    precision : Precision
        Gives the argument's format P, the values' fraction G and the sloping factor l.

    Returns
    -------
    int64 array (2**(width-1),)
        ``min(floor(2**G * sigmoid(a * 2**-P.frac / l) + 1/2), max(2**G - 1, 1))``, read-only.
    """
    return _half(_sigmoid, precision.preact, precision.gate_frac, precision.slope,
                 precision.slope_frac)


def tanh_half(precision: Precision) -> np.ndarray:
    """Tanh of the codes from 0 up, as the hardware's ROM holds it.

    Parameter and result are those of :func:`sigmoid_half`, with tanh for sigmoid.
    """
    return _half(_tanh, precision.preact, precision.gate_frac, precision.slope,
                 precision.slope_frac)


def softplus_tail_half(precision: Precision) -> np.ndarray:
    """Softplus of the codes from 0 up, less the codes, as the hardware's ROM holds it.

    Parameter and result are those of :func:`sigmoid_half`, with ``log(1 + exp(-a))`` of the number
    itself: there is no sloping factor.
    """
    return _half(_softplus_tail, precision.preact, precision.gate_frac, 1, 0)


@functools.cache
def sigmoid(precision: Precision) -> np.ndarray:
    """Sigmoid of every code.

    Parameters
    ----------
    precision : Precision

    Returns
    -------
    int64 array (2**width,)
        Indexed by the bit pattern of the code, ``a & (2**width - 1)``, which is also how NumPy
        takes a negative index; ``2**G - S[-a]`` below zero, where -a of the most negative code is
        the most positive one. Read-only.
    """
    return _mirror(sigmoid_half(precision), 1 << precision.gate_frac)


@functools.cache
def tanh(precision: Precision) -> np.ndarray:
    """Tanh of every code: as :func:`sigmoid`, with ``-T[-a]`` below zero."""
    return _mirror(tanh_half(precision), 0)


@functools.cache
def softplus_tail(precision: Precision) -> np.ndarray:
    """What softplus has above ``max(a, 0)``, of every code: as :func:`sigmoid`, but even in a."""
    half = softplus_tail_half(precision)
    return _frozen(np.concatenate([half, _below(half)]))


#: Functions of a pre-activation by name: over every code, and over the codes from zero up.
FUNCTIONS = {"sigmoid": sigmoid, "tanh": tanh, "softplus_tail": softplus_tail}
HALVES    = {"sigmoid": sigmoid_half, "tanh": tanh_half, "softplus_tail": softplus_tail_half}
#: Those that are the same of a and of -a.
EVEN      = ("softplus_tail",)
