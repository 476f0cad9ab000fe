"""Powers of two with a sign; there is no zero."""

import collections.abc

import numpy as np
import numpy.typing as npt

from ternloom.model.alphabet.alphabet import LaneAlphabet, sign
from ternloom.model.alphabet.binary import BINARY, around
from ternloom.model.alphabet.quaternary import QUATERNARY, bits_of, codes_of


__all__ = ["EXPONENTIAL", "exponents", "powers"]


def exponents(size: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Exponent below each magnitude, and the fraction of the way from its power to the next.

    Parameters
    ----------
    size : float array
        Not negative.

    Returns
    -------
    exponent : int32 array
        ``floor(log2(size))``; -1 for zero.
    fraction : float array
        ``size / 2**exponent - 1``; -1 for zero.
    """
    mantissa, exponent = np.frexp(size)
    return exponent - 1, 2 * mantissa - 1


def powers(values: np.ndarray, step: collections.abc.Callable[[np.ndarray], np.ndarray],
           limit: int) -> np.ndarray:
    """Exponential codes of values in units of the smallest level.

    Parameters
    ----------
    values : float array
    step : function of a float array
        Whether a magnitude takes the power above, from the fraction of the way there.
    limit : int
        Largest magnitude of a code; what lies beyond the levels takes the outermost ones.

    Returns
    -------
    int8 array
    """
    exponent, fraction = exponents(np.abs(values))
    return sign(values) * np.clip(exponent + step(fraction) + 1, 1, limit).astype(np.int8)


class _Exponential(LaneAlphabet):
    """+-1 to +-16: a sign and an exponent, ``sign * 2**(|code| - 1)``."""

    name = "exponential"
    codes = (*range(-16, 0), *range(1, 17))
    sized = True
    lane_bits = 2, 5

    def values(self, codes: np.ndarray) -> np.ndarray:
        wide = codes.astype(np.int32)
        return np.sign(wide) << (np.abs(wide) - 1)

    def recode(self, values: np.ndarray) -> np.ndarray:
        exponent, _ = exponents(np.abs(values).astype(float))
        return (np.sign(values) * (exponent + 1)).astype(np.int8)

    def code_bits(self, codes: np.ndarray) -> int:
        largest = max(-int(codes.min()), int(codes.max()))
        return 1 + (largest - 1).bit_length()

    def digits(self, codes: np.ndarray) -> np.ndarray:
        return bits_of(codes)

    def read(self, digits: np.ndarray, bits: int) -> np.ndarray:
        return codes_of(digits)

    def nearest(self, values: np.ndarray, limit: int) -> np.ndarray:
        # In a tie the upper level of a negative weight is the smaller power.
        up = np.where(values > 0, 0.5, np.nextafter(values.dtype.type(0.5), 1))
        return powers(values, lambda fraction: fraction >= up, limit)

    def draw(self, values: np.ndarray, chance: np.ndarray, limit: int) -> np.ndarray:
        outer = powers(values, lambda fraction: chance < fraction, limit)
        return np.where(np.abs(values) < 1, around(values, chance), outer)

    def lane(self, codes: np.ndarray) -> tuple[LaneAlphabet, int]:
        bits = self.code_bits(codes)
        return {1: BINARY, 2: QUATERNARY}.get(bits, self), bits

    def lane_levels(self, bits: int) -> tuple[int, ...]:
        up = [1 << exponent for exponent in range(1 << (bits - 1))]
        return (*(-power for power in reversed(up)), *up)

    def product_levels(self, bits: int) -> int:
        return (bits - 1) // 2

    def _wire(self, values, bits):
        """Sign above exponent."""
        exponent = np.frexp(np.abs(values).astype(np.float64))[1] - 1
        return (np.int64(values < 0) << (bits - 1)) | exponent


EXPONENTIAL = _Exponential()
