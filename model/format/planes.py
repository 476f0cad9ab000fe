"""Sign planes whose coefficients are known."""

import functools
import itertools
import operator

import msgspec
import numpy as np

from ternloom.model.format.shared import Codes, Comparator, cut


__all__ = ["Planes"]


class Planes(Comparator, msgspec.Struct, frozen=True, tag="planes", forbid_unknown_fields=True):
    """k sign planes with fixed coefficients: ``value = sum of +-coefficients[j]``.

    A code is an integer of k bits; bit j set means that plane j is +1. A value takes the nearest
    level, a tie the upper one (Xu et al. 2018, the sorted codes of section 3).

    Parameters
    ----------
    coefficients : tuple of int
        One positive integer a plane, one to four of them.
    frac : int
        Fraction bits of the coefficients.
    """

    coefficients: tuple[int, ...]
    frac: int

    def __post_init__(self):
        if not 1 <= len(self.coefficients) <= 4:
            raise ValueError(f"Planes must be one to four, not {len(self.coefficients)}")
        if min(self.coefficients) < 1 or max(self.coefficients) >= 1 << 16:
            raise ValueError("Plane coefficients must be from 1 to 65535, "
                             f"not {self.coefficients!r}")
        if not 0 <= self.frac <= 64:
            raise ValueError(f"Plane fraction bits must be from 0 to 64, not {self.frac!r}")

    @property
    def width(self) -> int:
        """Bits of a code: one a plane."""
        return len(self.coefficients)

    @property
    def lane_planes(self) -> int:
        return self.width

    @property
    def text(self) -> str:
        """In a word or two."""
        return f"planes{self.coefficients}"

    @property
    def magnitude(self) -> int:
        """Largest absolute value of a code."""
        return sum(self.coefficients)

    @functools.cached_property
    def _sorted(self):
        pairs = []
        for signs in itertools.product((0, 1), repeat=self.width):
            code = sum(sign << plane for plane, sign in enumerate(signs))
            pairs.append((int(self.value(np.int64(code))), code))
        return sorted(pairs)

    @property
    def levels(self) -> tuple[int, ...]:
        """Codes in the order of their values."""
        return tuple(code for _, code in self._sorted)

    def cuts(self, frac: int) -> tuple[int, ...]:
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""
        values = [value for value, _ in self._sorted]
        return tuple(cut(a + b, frac, self.frac + 1) for a, b in itertools.pairwise(values))

    def value(self, code: Codes) -> Codes:
        """Integer that a dot product sees, in units of ``2**-frac``."""
        return functools.reduce(operator.add, (c * (2 * ((code >> j) & 1) - 1)
                                               for j, c in enumerate(self.coefficients)))
