"""Ranges of integers, and their arithmetic."""

import dataclasses

from ternloom.model.rounding import signed_width


__all__ = ["Range"]


@dataclasses.dataclass(frozen=True)
class Range:
    """Integers from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high : int
    """

    low: int
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"Range must not end below its start, not {self!r}")

    @property
    def width(self) -> int:
        """Bits of a two's complement number that holds the range."""
        return signed_width(self.low, self.high)

    @property
    def magnitude(self) -> int:
        """Largest absolute value."""
        return max(-self.low, self.high)

    def __add__(self, other: "Range") -> "Range":
        """Range of the sum of two independent numbers."""
        return Range(self.low + other.low, self.high + other.high)

    def __sub__(self, other: "Range") -> "Range":
        """Range of the difference of two independent numbers."""
        return Range(self.low - other.high, self.high - other.low)

    def __or__(self, other: "Range") -> "Range":
        """Smallest range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))

    def __lshift__(self, shift: int) -> "Range":
        return Range(self.low << shift, self.high << shift)

    def __mul__(self, other: "Range") -> "Range":
        """Range of the product of two independent numbers."""
        products = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Range(min(products), max(products))
