"""Wire forms of weights: how their values lie in a ROM word, and what elements make of them.

================= ========= ====================================================================
alphabet          bits      wire form
================= ========= ====================================================================
binary, planes    1         1 for +1, 0 for -1
ternary           2         two's complement, without 10
quaternary        2         the signs of two planes, the value being ``(3 * b1 + b0) / 2``
exponential       2 to 5    sign above exponent
integer           2 to 8    two's complement
================= ========= ====================================================================
"""

import numpy as np

from ternloom.mapping.geometry import Element
from ternloom.model.matrix import Weight


__all__ = ["digits", "encode", "gain", "lacks", "levels"]


def levels(weight, bits):
    """Values that a wire form has, ascending.

    Parameters
    ----------
    weight : Weight
    bits : int
        Of a lane.
    """
    match weight:
        case Weight.EXPONENTIAL:
            powers = [1 << exponent for exponent in range(1 << (bits - 1))]
            return (*(-power for power in reversed(powers)), *powers)
        case Weight.INTEGER:
            return tuple(range(-1 << (bits - 1), 1 << (bits - 1)))
        case _:
            return weight.codes


def encode(weight, bits, values):
    """Wire form of weight values, as unsigned integers of ``bits`` bits; int64 array."""
    values = np.asarray(values, dtype=np.int64)
    match weight:
        case Weight.TERNARY | Weight.INTEGER:
            return values & ((1 << bits) - 1)
        case Weight.QUATERNARY:
            positive = values > 0
            return 2 * positive + (positive == (np.abs(values) == 2))
        case Weight.EXPONENTIAL:
            exponent = np.frexp(np.abs(values).astype(np.float64))[1] - 1
            return (np.int64(values < 0) << (bits - 1)) | exponent
        case _:
            return np.int64(values > 0)


def digits(bits, values):
    """Digits to the base of four from -1 to 2 that make two's complement numbers, lowest first.

    A pair of bits and the carry from the pair below are a digit, less four and with a carry where
    they are three or more. The highest digit is signed, from -2 to 2.

    Parameters
    ----------
    bits : int
    values : int array

    Returns
    -------
    list of int64 array
    """
    rest = np.asarray(values, dtype=np.int64)
    found = []
    for _ in range((bits - 1) // 2):
        digit = rest & 3
        digit = digit - 4 * (digit == 3)
        found.append(digit)
        rest = (rest - digit) >> 2
    return [*found, rest]


def gain(element, activation_bits):
    """What a kind of element's sums are multiplied with."""
    one_bit = element is Element.SELECT_ADD and activation_bits == 1
    return 2 if element is Element.XNOR_POPCOUNT or one_bit else 1


def lacks(element, weight, bits, values):
    """What a product lacks to ``gain`` times the number that an element adds for it.

    Popcounts count from the smallest product on. A complement is a negative less one. What is
    selected is added never, once or twice, by an activation of -1, 0 or +1.

    Parameters
    ----------
    element : Element
    weight : Weight
    bits : int
    values : int array
        Of weights.

    Returns
    -------
    int64 array
    """
    values = np.asarray(values, dtype=np.int64)
    match element:
        case Element.XNOR_POPCOUNT | Element.GATED_POPCOUNT:
            return np.full_like(values, -1)
        case Element.QUATERNARY_POPCOUNT:
            return np.full_like(values, -2)
        case Element.SELECT_ADD:
            return -values if weight is Weight.INTEGER else -np.abs(values)
        case Element.SHIFT_ADD if weight is Weight.INTEGER:
            return sum((digit < 0) << (2 * place)
                       for place, digit in enumerate(digits(bits, values)))
        case Element.SHIFT_ADD:
            return np.int64(values < 0)
