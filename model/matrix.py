"""Matrices of weight codes."""

import functools

import numpy as np

from ternloom.model.alphabet import Alphabet
from ternloom.model.error import NetworkError, check_integers, check_kinds
from ternloom.model.frozen import Frozen
from ternloom.model.limits import LARGEST_COEFFICIENT


__all__ = ["Matrix", "magnitude"]


def magnitude(array: np.ndarray) -> int:
    """Largest absolute value of an integer array; without a copy, and right for the lowest one."""
    return max(-int(array.min()), int(array.max()))


class Matrix(Frozen):
    """Weights as codes, with an integer coefficient for each plane of each row.

    Row r of the product with integers v is ``sum over p of coefficients[p, r] * values[p, r] . v``.

    Parameters
    ----------
    weight : Alphabet
    codes : int8 array (planes, rows, columns)
        One plane unless the alphabet has more: ``PLANES`` one to four of {-1, +1}. Other integers
        are held as int8.
    coefficients : int32 array (planes, rows)
        From -16777215 to 16777215. Other integers are held as int32.

    Raises
    ------
    NetworkError
        Parts that don't fit each other or the alphabet.
    """

    weight: Alphabet
    codes: np.ndarray
    coefficients: np.ndarray

    def __post_init__(self):
        check_kinds(self, weight=Alphabet)
        for name in ("codes", "coefficients"):
            check_integers(name, getattr(self, name))
        planes = range(1, self.weight.planes + 1)
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
            raise NetworkError(f"codes must be {self.weight.name} codes {listed}, not {bad[0]}")

    @property
    def planes(self) -> int:
        return self.codes.shape[0]

    @property
    def rows(self) -> int:
        return self.codes.shape[1]

    @property
    def columns(self) -> int:
        return self.codes.shape[2]

    @property
    def values(self) -> np.ndarray:
        """Integers that a dot product sees, (planes, rows, columns)."""
        return self.weight.values(self.codes)

    @functools.cached_property
    def code_bits(self) -> int:
        """Bits of a stored code: the fewest that hold the codes in use."""
        return self.weight.code_bits(self.codes)
