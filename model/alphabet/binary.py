"""Two codes, -1 and +1: alone, or as sign planes with coefficients."""

import numpy as np

from ternloom.model.alphabet.alphabet import Alphabet, LaneAlphabet, sign


__all__ = ["BINARY", "PLANES", "around"]


def around(values: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """-1 or +1, so that the mean is a real number between them."""
    return -sign(2 * chance - 1 - values)


class _Signs(Alphabet):
    """What both alphabets share."""

    codes = -1, 1

    def code_bits(self, codes: np.ndarray) -> int:
        return 1

    def digits(self, codes: np.ndarray) -> np.ndarray:
        return (codes > 0).astype(np.int8)

    def read(self, digits: np.ndarray, bits: int) -> np.ndarray:
        return 2 * digits - 1

    def nearest(self, values: np.ndarray, limit: int) -> np.ndarray:
        return sign(values)

    def lane(self, codes: np.ndarray) -> tuple[LaneAlphabet, int]:
        return BINARY, 1


class _Binary(_Signs, LaneAlphabet):
    """-1, +1."""

    name = "binary"
    lane_bits = 1, 1

    def draw(self, values: np.ndarray, chance: np.ndarray, limit: int) -> np.ndarray:
        return around(values, chance)

    def _wire(self, values, bits):
        """1 for +1, 0 for -1."""
        return np.int64(values > 0)


class _Planes(_Signs):
    """One to four sign planes, each with a coefficient a row."""

    name = "planes"
    planes = 4

    def holds(self, other: Alphabet) -> bool:
        """What is one or two planes."""
        return other.major is not None or other in (BINARY, self)


BINARY = _Binary()
PLANES = _Planes()
