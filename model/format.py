"""Formats: what an integer code means, and how a wide value becomes a code."""

import functools
import itertools

import msgspec
import numpy as np

from ternloom.model.rounding import Overflow, Rounding, saturate, shift_right


__all__ = ["Binary", "Fixed", "Format", "Online", "Planes", "Ternary", "value_frac",
           "value_width"]


def _cut(numerator, frac, denominator_frac):
    """Smallest integer of ``frac`` fraction bits not below ``numerator * 2**-denominator_frac``."""
    shift = denominator_frac - frac
    return numerator << -shift if shift <= 0 else -((-numerator) >> shift)


class Fixed(msgspec.Struct, frozen=True, tag="fixed", forbid_unknown_fields=True,
            repr_omit_defaults=True):
    """Fixed point: ``value = code * 2**-frac``, two's complement if signed.

    Parameters
    ----------
    width : int
        Bits of a code, 2 to 32.
    frac : int
        Fraction bits, -16 to 32; may exceed the width.
    signed : bool
    rounding : Rounding
        How a finer value becomes a code.
    overflow : Overflow
        What a value out of range becomes. ``SATURATE`` is all there is, in the golden model and in
        the hardware.
    """

    width: int
    frac: int
    signed: bool = True
    rounding: Rounding = Rounding.HALF_UP
    overflow: Overflow = Overflow.SATURATE

    def __post_init__(self):
        if not 2 <= self.width <= 32:
            raise ValueError(f"Fixed width must be from 2 to 32, not {self.width!r}")
        if not -16 <= self.frac <= 32:
            raise ValueError(f"Fixed fraction bits must be from -16 to 32, not {self.frac!r}")
        for name, kind in (("rounding", Rounding), ("overflow", Overflow)):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"Fixed {name} must be a {kind.__name__}, "
                                 f"not {getattr(self, name)!r}")

    @property
    def low(self):
        """Smallest code."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self):
        """Largest code."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def magnitude(self):
        """Largest absolute value of a code."""
        return max(-self.low, self.high)

    #: Integer weights of the planes that a code stands for.
    coefficients = (1,)

    def quantize(self, value, frac):
        """Code of each integer ``value`` that has ``frac`` fraction bits."""
        return saturate(shift_right(value, frac - self.frac, self.rounding), self.low, self.high)

    def contains(self, code):
        """Whether every code is one of this format."""
        return bool(np.all((code >= self.low) & (code <= self.high)))

    def value(self, code):
        """Integer that a dot product sees, in units of the format's own scale."""
        return code

    def real(self, code):
        """Number that each code stands for; float32."""
        return np.asarray(code).astype(np.float32) * np.float32(2.0**-self.frac)

    def bits(self, code):
        """Unsigned wire form of each code, ``width`` bits."""
        return code & ((1 << self.width) - 1)


class _Comparator:
    """Formats of a few levels: a value becomes a code by comparison with sorted cuts.

    A value at or above ``cuts(frac)[m]`` has a code of ``levels[m + 1]`` or higher, so a tie takes
    the upper level.
    """

    def quantize(self, value, frac):
        """Code of each integer ``value`` that has ``frac`` fraction bits."""
        rank = np.zeros(np.shape(value), dtype=np.int8)
        for cut in self.cuts(frac):
            rank += np.greater_equal(value, cut)
        return np.take(np.asarray(self.levels, dtype=np.int64), rank)

    def contains(self, code):
        """Whether every code is one of this format."""
        return bool(np.all(np.isin(code, self.levels)))


class Binary(_Comparator, msgspec.Struct, frozen=True, tag="binary", forbid_unknown_fields=True):
    """Codes {-1, +1}; the wire form is 1 for +1 and 0 for -1. The code of zero is +1."""

    width = 1
    magnitude = 1
    coefficients = (1,)
    levels = (-1, 1)

    def cuts(self, frac):
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""
        return (0,)

    def value(self, code):
        """Integer that a dot product sees."""
        return code

    def bits(self, code):
        """Unsigned wire form of each code, one bit."""
        return (code + 1) >> 1


class Ternary(_Comparator, msgspec.Struct, frozen=True, tag="ternary", forbid_unknown_fields=True):
    """Codes {-1, 0, +1}; the wire form is two's complement of two bits.

    Parameters
    ----------
    threshold : int
        A value at or above ``threshold * 2**-threshold_frac`` is +1, one at or below its negative
        is -1, the rest is 0.
    threshold_frac : int
    """

    threshold: int = 1
    threshold_frac: int = 1

    width = 2
    magnitude = 1
    coefficients = (1,)
    levels = (-1, 0, 1)

    def __post_init__(self):
        if not 1 <= self.threshold < 1 << 32:
            raise ValueError("Ternary threshold must be from 1 to 4294967295, "
                             f"not {self.threshold!r}")
        if not 0 <= self.threshold_frac <= 64:
            raise ValueError("Ternary threshold fraction bits must be from 0 to 64, "
                             f"not {self.threshold_frac!r}")

    def cuts(self, frac):
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""
        upper = _cut(self.threshold, frac, self.threshold_frac)
        return (1 - upper, upper)

    def value(self, code):
        """Integer that a dot product sees."""
        return code

    def bits(self, code):
        """Unsigned wire form of each code, two bits."""
        return code & 3


class Planes(_Comparator, msgspec.Struct, frozen=True, tag="planes", forbid_unknown_fields=True):
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
    def width(self):
        """Bits of a code: one a plane."""
        return len(self.coefficients)

    @property
    def magnitude(self):
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
    def levels(self):
        """Codes in the order of their values."""
        return tuple(code for _, code in self._sorted)

    def cuts(self, frac):
        """Sorted comparator thresholds, integers of ``frac`` fraction bits."""
        values = [value for value, _ in self._sorted]
        return tuple(_cut(a + b, frac, self.frac + 1) for a, b in itertools.pairwise(values))

    def value(self, code):
        """Integer that a dot product sees, in units of ``2**-frac``."""
        return sum(c * (2 * ((code >> j) & 1) - 1) for j, c in enumerate(self.coefficients))

    def bits(self, code):
        """Unsigned wire form of each code, one bit a plane."""
        return code


class Online(msgspec.Struct, frozen=True, tag="online", forbid_unknown_fields=True):
    """k sign planes whose coefficients are computed from the vector itself, at every step.

    The vector's samples (``sample.quantize``) become codes and k integer coefficients by
    alternating multi-bit quantization (Xu et al. 2018, section 3) in integers, see
    :mod:`ternloom.model.online`. A code is an integer of k bits; bit j set means that plane j is
    +1.

    Parameters
    ----------
    sample : Fixed
        What the quantizer sees of each unit; signed.
    planes : int
        2 or 3.
    rounds : int
        Alternations T, 1 to 4.
    """

    sample: Fixed
    planes: int = 2
    rounds: int = 2

    def __post_init__(self):
        if self.planes not in (2, 3):
            raise ValueError(f"Online planes must be 2 or 3, not {self.planes!r}")
        if not 1 <= self.rounds <= 4:
            raise ValueError(f"Online rounds must be from 1 to 4, not {self.rounds!r}")
        if not self.sample.signed or not 4 <= self.sample.width <= 16:
            raise ValueError("Online samples must be signed and of 4 to 16 bits, "
                             f"not {self.sample!r}")

    @property
    def width(self):
        """Bits of a code: one a plane."""
        return self.planes

    @property
    def frac(self):
        """Fraction bits of the coefficients: one more than the samples'."""
        return self.sample.frac + 1

    @property
    def coefficient_bits(self):
        """Unsigned bits of a coefficient, which is at most twice the largest sample."""
        return self.sample.width + 1

    @property
    def magnitude(self):
        """Bound of the absolute value of a code: twice the largest sample, or thrice of that."""
        return (1 if self.planes == 2 else 3) << self.sample.width

    def quantize(self, value, frac):
        """Sample of each integer ``value`` that has ``frac`` fraction bits."""
        return self.sample.quantize(value, frac)

    def contains(self, code):
        """Whether every code is one of this format."""
        return bool(np.all((code >= 0) & (code < 1 << self.planes)))

    def bits(self, code):
        """Unsigned wire form of each code, one bit a plane."""
        return code


Format = Fixed | Binary | Ternary | Planes | Online


def value_frac(form):
    """Fraction bits of the integers that a dot product sees."""
    return form.frac if isinstance(form, (Fixed, Planes, Online)) else 0


def value_width(form):
    """Signed bits that hold every value of a format's codes."""
    if isinstance(form, Fixed):
        return form.width + (not form.signed)
    return form.magnitude.bit_length() + 1
