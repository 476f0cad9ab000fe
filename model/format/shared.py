"""What formats share."""

import numpy as np


__all__ = ["Comparator", "Shared", "cut"]


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

    frac = 0
    coefficients = (1,)
    rounded = False
    counted = True
    signed = False
    scaled = True
    plain = True
    header = header_bits = 0
    lane_bits = lane_planes = 1

    @property
    def lane_format(self):
        """Format of what a cell's equations give: online the samples, else the codes."""
        return self

    @property
    def value_range(self):
        """Smallest and largest integer that a dot product sees."""
        return -self.magnitude, self.magnitude

    @property
    def value_width(self):
        """Signed bits that hold every value of the codes."""
        return self.magnitude.bit_length() + 1

    @property
    def meaning(self):
        """Equal where codes of two formats mean the same, however values became codes."""
        return self

    def value(self, code):
        """Integer that a dot product sees, in units of ``2**-frac``."""
        return code

    def bits(self, code):
        """Unsigned wire form of each code, ``width`` bits."""
        return code & ((1 << self.width) - 1)

    def decode(self, bits):
        """Codes of wire forms, the inverse of ``bits``: int64 array."""
        bits = np.asarray(bits, dtype=np.int64)
        if self.signed:
            sign = 1 << (self.width - 1)
            return (bits ^ sign) - sign
        return bits

    @property
    def padding(self):
        """Value of the code whose wire form is all zeros, which lanes without a column hold."""
        return int(self.value(self.decode(0)))


def cut(numerator, frac, denominator_frac):
    """Smallest integer of ``frac`` fraction bits not below ``numerator * 2**-denominator_frac``."""
    shift = denominator_frac - frac
    return numerator << -shift if shift <= 0 else -((-numerator) >> shift)


class Comparator(Shared):
    """Formats of a few levels: a value becomes a code by comparison with sorted cuts.

    A value at or above ``cuts(frac)[m]`` has a code of ``levels[m + 1]`` or higher, so a tie takes
    the upper level.
    """

    @property
    def code_range(self):
        """Smallest and largest code."""
        return min(self.levels), max(self.levels)

    @property
    def ends(self):
        """Codes of the smallest and the largest value."""
        return self.levels[0], self.levels[-1]

    def quantize(self, value, frac):
        """Code of each integer ``value`` that has ``frac`` fraction bits."""
        rank = np.zeros(np.shape(value), dtype=np.int8)
        for cut in self.cuts(frac):
            rank += np.greater_equal(value, cut)
        return np.take(np.asarray(self.levels, dtype=np.int64), rank)

    def contains(self, code):
        """Whether every code is one of this format."""
        return bool(np.all(np.isin(code, self.levels)))
