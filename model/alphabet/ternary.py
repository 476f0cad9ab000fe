"""Three codes: -1, 0 and +1."""

import numpy as np

from ternloom.model.alphabet.alphabet import LaneAlphabet, sign


__all__ = ["TERNARY"]


class _Ternary(LaneAlphabet):
    """-1, 0, +1."""

    name = "ternary"
    codes = -1, 0, 1
    base = 3
    major = 0.5
    lane_bits = 2, 2

    def code_bits(self, codes: np.ndarray) -> int:
        return 2

    def digits(self, codes: np.ndarray) -> np.ndarray:
        return codes + 1

    def read(self, digits: np.ndarray, bits: int) -> np.ndarray:
        return digits.view(np.int8) - 1

    def nearest(self, values: np.ndarray, limit: int) -> np.ndarray:
        return np.clip(np.floor(values + values.dtype.type(0.5)), -1, 1)

    def draw(self, values: np.ndarray, chance: np.ndarray, limit: int) -> np.ndarray:
        return sign(values) * (chance < np.abs(values))

    def lane(self, codes: np.ndarray) -> tuple[LaneAlphabet, int]:
        return self, 2

    def _wire(self, values, bits):
        """Two's complement, without 10."""
        return values & 3


TERNARY = _Ternary()
