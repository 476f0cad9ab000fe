"""Integers of 8 bits."""

import functools
import operator

import numpy as np
import numpy.typing as npt

from ternloom.model.alphabet.alphabet import Alphabet, LaneAlphabet
from ternloom.model.alphabet.ternary import TERNARY
from ternloom.model.rounding import signed_width


__all__ = ["INTEGER", "recoded"]


def recoded(values: npt.ArrayLike, bits: int) -> list[np.ndarray]:
    """Digits to the base of four from -1 to 2 that make two's complement numbers, lowest first.

    A pair of bits and the carry from the pair below are a digit, less four and with a carry where
    they are three or more. The highest digit is signed, from -2 to 2.

    Parameters
    ----------
    values : int array
    bits : int

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


class _Integer(LaneAlphabet):
    """-128 to 127."""

    name = "integer"
    codes = tuple(range(-128, 128))
    sized = True
    lane_bits = 2, 8

    def holds(self, other: Alphabet) -> bool:
        """Whatever has one plane; its weights may still be too large."""
        return other.planes == 1

    def code_bits(self, codes: np.ndarray) -> int:
        return max(2, signed_width(int(codes.min()), int(codes.max())))

    def digits(self, codes: np.ndarray) -> np.ndarray:
        return codes

    def read(self, digits: np.ndarray, bits: int) -> np.ndarray:
        edge = 1 << (bits - 1)
        return (digits ^ edge) - edge

    def nearest(self, values: np.ndarray, limit: int) -> np.ndarray:
        return np.clip(np.floor(values + values.dtype.type(0.5)), -limit, limit)

    def lane(self, codes: np.ndarray) -> tuple[LaneAlphabet, int]:
        if max(-int(codes.min()), int(codes.max())) <= 1:
            return TERNARY, 2
        return self, self.code_bits(codes)

    def lane_levels(self, bits: int) -> tuple[int, ...]:
        return tuple(range(-1 << (bits - 1), 1 << (bits - 1)))

    def _wire(self, values, bits):
        """Two's complement."""
        return values & ((1 << bits) - 1)

    def product_levels(self, bits: int) -> int:
        return ((bits + 1) // 2 - 1).bit_length()

    def complemented(self, values: np.ndarray, bits: int) -> np.ndarray:
        """One for each digit that is negative, at its place."""
        return functools.reduce(operator.add, (
            (digit < 0) << (2 * place) for place, digit in enumerate(recoded(values, bits))))

    def selected(self, values: np.ndarray) -> np.ndarray:
        return values


INTEGER = _Integer()
