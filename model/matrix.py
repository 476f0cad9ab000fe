"""Matrices of weight codes, and the alphabets that the codes are of."""

import enum
import functools

import numpy as np

from ternloom.model.error import NetworkError, check_integers, check_kinds
from ternloom.model.frozen import Frozen
from ternloom.model.limits import LARGEST_COEFFICIENT
from ternloom.model.rounding import signed_width


__all__ = ["Matrix", "Weight", "magnitude"]


class Weight(enum.Enum):
    """Alphabets of weight codes."""

    #: -1, +1.
    BINARY      = "binary"
    #: -1, 0, +1.
    TERNARY     = "ternary"
    #: k sign planes, each with a coefficient a row.
    PLANES      = "planes"
    #: -2, -1, +1, +2: twice the levels of Alom et al. 2018, the coefficient carries the half.
    QUATERNARY  = "quaternary"
    #: +-1 to +-16: a sign and an exponent, ``sign * 2**(|code| - 1)``; there is no zero.
    EXPONENTIAL = "exponential"
    #: -128 to 127.
    INTEGER     = "integer"

    @property
    def codes(self):
        """Every code of the alphabet, ascending."""
        return _ALPHABETS[self]

    def values(self, codes):
        """Integer that each code stands for in a dot product, of the type of ``codes`` or int32."""
        if self is not Weight.EXPONENTIAL:
            return codes
        wide = codes.astype(np.int32)
        return np.sign(wide) << (np.abs(wide) - 1)


_ALPHABETS = {
    Weight.BINARY:      (-1, 1),
    Weight.TERNARY:     (-1, 0, 1),
    Weight.PLANES:      (-1, 1),
    Weight.QUATERNARY:  (-2, -1, 1, 2),
    Weight.EXPONENTIAL: (*range(-16, 0), *range(1, 17)),
    Weight.INTEGER:     tuple(range(-128, 128)),
}


def magnitude(array):
    """Largest absolute value of an integer array; without a copy, and right for the lowest one."""
    return max(-int(array.min()), int(array.max()))


class Matrix(Frozen):
    """Weights as codes, with an integer coefficient for each plane of each row.

    Row r of the product with integers v is ``sum over p of coefficients[p, r] * values[p, r] . v``.

    Parameters
    ----------
    weight : Weight
    codes : int8 array (planes, rows, columns)
        One plane unless ``weight`` is ``PLANES``, which has one to four of {-1, +1}. Other integers
        are held as int8.
    coefficients : int32 array (planes, rows)
        From -16777215 to 16777215. Other integers are held as int32.

    Raises
    ------
    NetworkError
        Parts that don't fit each other or the alphabet.
    """

    weight: Weight
    codes: np.ndarray
    coefficients: np.ndarray

    def __post_init__(self):
        check_kinds(self, weight=Weight)
        for name in ("codes", "coefficients"):
            check_integers(name, getattr(self, name))
        planes = range(1, 5) if self.weight is Weight.PLANES else range(1, 2)
        shape = self.codes.shape
        if len(shape) != 3 or shape[0] not in planes or 0 in shape:
            raise NetworkError("codes must have the shape (planes, rows, columns) with "
                               f"{planes[0]} to {planes[-1]} planes, not {shape}")
        if self.coefficients.shape != shape[:2]:
            raise NetworkError(f"coefficients must have the shape {shape[:2]}, "
                               f"not {self.coefficients.shape}")
        self._check_alphabet()
        if magnitude(self.coefficients) > LARGEST_COEFFICIENT:
            raise NetworkError(f"coefficients must be from -{LARGEST_COEFFICIENT} to "
                               f"{LARGEST_COEFFICIENT}")
        self._hold(codes=self.codes.astype(np.int8, copy=False),
                   coefficients=self.coefficients.astype(np.int32, copy=False))

    def _check_alphabet(self):
        # Every alphabet is a range, with zero or without it: this takes no memory.
        alphabet, low, high = self.weight.codes, int(self.codes.min()), int(self.codes.max())
        bad = [code for code in (low, high) if not alphabet[0] <= code <= alphabet[-1]]
        if 0 not in alphabet and not self.codes.all():
            bad.append(0)
        if bad:
            listed = alphabet if len(alphabet) <= 4 else f"from {alphabet[0]} to {alphabet[-1]}"
            raise NetworkError(f"codes must be {self.weight.value} codes {listed}, not {bad[0]}")

    @property
    def planes(self):
        return self.codes.shape[0]

    @property
    def rows(self):
        return self.codes.shape[1]

    @property
    def columns(self):
        return self.codes.shape[2]

    @property
    def values(self):
        """Integers that a dot product sees, (planes, rows, columns)."""
        return self.weight.values(self.codes)

    @functools.cached_property
    def code_bits(self):
        """Bits of a stored code: the fewest that hold the codes in use."""
        match self.weight:
            case Weight.BINARY | Weight.PLANES:
                return 1
            case Weight.TERNARY | Weight.QUATERNARY:
                return 2
            case Weight.EXPONENTIAL:
                return 1 + (magnitude(self.codes) - 1).bit_length()
            case Weight.INTEGER:
                return max(2, signed_width(int(self.codes.min()), int(self.codes.max())))
