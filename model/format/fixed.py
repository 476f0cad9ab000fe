"""Fixed point."""

import typing

import msgspec
import numpy as np

from ternloom.model.format.shared import Shared
from ternloom.model.rounding import Overflow, Rounding, saturate, shift_right


__all__ = ["Fixed"]


class Fixed(Shared, msgspec.Struct, frozen=True, tag="fixed", forbid_unknown_fields=True,
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
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def magnitude(self) -> int:
        """Largest absolute value of a code."""
        return max(-self.low, self.high)

    rounded = True
    counted = False

    @property
    def lane_bits(self) -> int:
        return self.value_width

    @property
    def pipeline_format(self) -> typing.Self:
        return self

    @property
    def value_range(self) -> tuple[int, int]:
        return self.low, self.high

    #: Codes are values here.
    code_range = ends = value_range

    @property
    def value_width(self) -> int:
        return self.width + (not self.signed)

    @property
    def meaning(self) -> tuple[int, int, bool]:
        return self.width, self.frac, self.signed

    @property
    def text(self) -> str:
        """In a word or two; ``fixed(8, 5)`` has 8 bits, 5 of them fraction."""
        return f"{'' if self.signed else 'unsigned '}fixed({self.width}, {self.frac})"

    @typing.overload
    def quantize(self, value: np.ndarray, frac: int) -> np.ndarray: ...
    @typing.overload
    def quantize(self, value: int | np.integer, frac: int) -> np.integer: ...
    def quantize(self, value: typing.Any, frac: int) -> typing.Any:
        """Code of each integer ``value`` that has ``frac`` fraction bits."""
        return saturate(shift_right(value, frac - self.frac, self.rounding), self.low, self.high)

    def contains(self, code: int | np.integer | np.ndarray) -> bool:
        """Whether every code is one of this format."""
        return bool(np.all((code >= self.low) & (code <= self.high)))

