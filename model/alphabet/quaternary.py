"""Four codes: -2, -1, +1 and +2."""

import numpy as np

from ternloom.model.alphabet.alphabet import LaneAlphabet, sign
from ternloom.model.alphabet.binary import around


__all__ = ["QUATERNARY", "bits_of", "codes_of"]


def bits_of(codes: np.ndarray) -> np.ndarray:
    """Numbers of codes without zero: the sign lowest, 1 is +, and above it the magnitude less one.
    """
    return (codes > 0) | (np.abs(codes) - 1) << 1


def codes_of(numbers: np.ndarray) -> np.ndarray:
    """Codes of such numbers, of their type."""
    return (2 * (numbers & 1) - 1) * ((numbers >> 1) + 1)


class _Quaternary(LaneAlphabet):
    """-2, -1, +1, +2: twice the levels of Alom et al. 2018, the coefficient carries the half."""

    name = "quaternary"
    codes = -2, -1, 1, 2
    major = 1.5
    lane_bits = 2, 2

    def code_bits(self, codes: np.ndarray) -> int:
        return 2

    def digits(self, codes: np.ndarray) -> np.ndarray:
        return bits_of(codes)

    def read(self, digits: np.ndarray, bits: int) -> np.ndarray:
        return codes_of(digits)

    def nearest(self, values: np.ndarray, limit: int) -> np.ndarray:
        return sign(values) + (values >= 1.5) - (values < -1.5)

    def draw(self, values: np.ndarray, chance: np.ndarray, limit: int) -> np.ndarray:
        size = np.abs(values)
        outer = sign(values) * (1 + (chance < size - 1))
        return np.where(size < 1, around(values, chance), outer)

    def lane(self, codes: np.ndarray) -> tuple[LaneAlphabet, int]:
        return self, 2

    def _wire(self, values, bits):
        """The signs of two planes, the value being ``(3 * b1 + b0) / 2``."""
        positive = values > 0
        return 2 * positive + (positive == (np.abs(values) == 2))


QUATERNARY = _Quaternary()
