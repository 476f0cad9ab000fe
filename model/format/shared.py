"""What formats share."""

import abc
import typing

import numpy as np
import numpy.typing as npt


__all__ = ["Comparator", "Shared", "cut"]


Codes = typing.TypeVar("Codes", int, np.integer, np.ndarray)


class Shared:
    """What all formats have beside their own: these attributes, and what follows from them.

    Attributes
    ----------
    width : int
        Bits of a code.
    magnitude : int
        Largest absolute value of a code, as a dot product sees it.
    frac : int
        Fraction bits of the integers that a dot product sees.
    coefficients : tuple of int
        Of the planes that a code stands for.
    rounded : bool
        Whether a value becomes a code by rounding and saturation; else by comparison.
    counted : bool
        Whether codes are so few that elements count their products instead of adding them.
    signed : bool
        Whether the wire form is in two's complement.
    scaled : bool
        Whether codes tell the size of what they stand for; units don't.
    plain : bool
        Whether the wire form of a code is the code.
    header : int
        Coefficients that come with each vector; 0 where they are known.
    header_bits : int
        Bits of all of these.
    lane_bits, lane_planes : int
        Of a lane that is fed with a code: bits, and how many planes it is fed in.
    """

    coefficients: tuple[int, ...] = (1,)
    rounded = False
    counted = True
    signed = False
    scaled = True
    plain = True

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Bits of a code."""

    @property
    @abc.abstractmethod
    def magnitude(self) -> int:
        """Largest absolute value of a code, as a dot product sees it."""

    @property
    def frac(self) -> int:
        return 0

    @property
    def header(self) -> int:
        return 0

    @property
    def header_bits(self) -> int:
        return 0

    @property
    def lane_bits(self) -> int:
        return 1

    @property
    def lane_planes(self) -> int:
        return 1

    @property
    def value_range(self) -> tuple[int, int]:
        """Smallest and largest integer that a dot product sees."""
        return -self.magnitude, self.magnitude

    @property
    def value_width(self) -> int:
        """Signed bits that hold every value of the codes."""
        return self.magnitude.bit_length() + 1

    @property
    def meaning(self) -> object:
        """Equal where codes of two formats mean the same, however values became codes."""
        return self

    def value(self, code: Codes) -> Codes:
        """Integer that a dot product sees, in units of ``2**-frac``."""
        return code

    def bits(self, code: Codes) -> Codes:
        """Unsigned wire form of each code, ``width`` bits."""
        return code & ((1 << self.width) - 1)

    def decode(self, bits: npt.ArrayLike) -> np.ndarray:
        """Codes of wire forms, the inverse of ``bits``: int64 array."""
        bits = np.asarray(bits, dtype=np.int64)
        if self.signed:
            sign = 1 << (self.width - 1)
            return (bits ^ sign) - sign
        return bits

    def real(self, code: npt.ArrayLike) -> np.ndarray:
        """Number that each code stands for; float32."""
        return self.value(np.asarray(code)).astype(np.float32) * np.float32(2.0**-self.frac)

    @property
    def padding(self) -> int:
        """Value of the code whose wire form is all zeros, which lanes without a column hold."""
        return int(self.value(self.decode(0)))


def cut(numerator: int, frac: int, denominator_frac: int) -> int:
    """Smallest integer of ``frac`` fraction bits not below ``numerator * 2**-denominator_frac``."""
    shift = denominator_frac - frac
    return numerator << -shift if shift <= 0 else -((-numerator) >> shift)


class Comparator(Shared):
    """Formats of a few levels: a value becomes a code by comparison with sorted cuts.

    A value at or above ``cuts(frac)[m]`` has a code of ``levels[m + 1]`` or higher, so a tie takes
    the upper level.
    """

    @property
    @abc.abstractmethod
    def levels(self) -> tuple[int, ...]:
        """Every code, in the order of their values."""

    @abc.abstractmethod
    def cuts(self, frac: int) -> tuple[int, ...]:
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""

    @property
    def pipeline_format(self) -> typing.Self:
        """Format of what a cell's equations give: online the samples, else the codes."""
        return self

    @property
    def code_range(self) -> tuple[int, int]:
        """Smallest and largest code."""
        return min(self.levels), max(self.levels)

    @property
    def ends(self) -> tuple[int, int]:
        """Codes of the smallest and the largest value."""
        return self.levels[0], self.levels[-1]

    @typing.overload
    def quantize(self, value: np.ndarray, frac: int) -> np.ndarray: ...
    @typing.overload
    def quantize(self, value: int | np.integer, frac: int) -> np.integer: ...
    def quantize(self, value: typing.Any, frac: int) -> typing.Any:
        """Code of each integer ``value`` that has ``frac`` fraction bits."""
        rank = np.zeros(np.shape(value), dtype=np.int8)
        for cut in self.cuts(frac):
            rank += np.greater_equal(value, cut)
        return np.take(np.asarray(self.levels, dtype=np.int64), rank)

    def contains(self, code: int | np.integer | np.ndarray) -> bool:
        """Whether every code is one of this format."""
        return bool(np.all(np.isin(code, self.levels)))
