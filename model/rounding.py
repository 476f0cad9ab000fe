"""Rounding, overflow and width of integers: always named, never implied."""

import enum
import typing

import numpy as np


__all__ = ["Overflow", "Rounding", "saturate", "shift_right", "signed_width"]


_Integers = typing.TypeVar("_Integers", int, np.integer, np.ndarray)


class Rounding(enum.Enum):
    """How a right shift treats the bits that it drops."""

    #: Nearest, ties toward plus infinity: add half, then shift.
    HALF_UP = "half-up"
    #: Nearest, ties away from zero.
    HALF_AWAY = "half-away"
    #: Nearest, ties to the even neighbour.
    HALF_EVEN = "half-even"


class Overflow(enum.Enum):
    """What becomes of a value that its format cannot hold."""

    #: The nearest representable value.
    SATURATE = "saturate"


def shift_right(value: _Integers, shift: int,
                rounding: Rounding = Rounding.HALF_UP) -> _Integers:
    """Divide integers by ``2**shift``, rounding as named.

    Parameters
    ----------
    value : int or array of int64
        Dividends, any shape.
    shift : int
        Bits to drop; a negative number multiplies instead, exactly.
    rounding : Rounding

    Returns
    -------
    int or array of int64, the shape of ``value``
    """
    if shift <= 0:
        return value << -shift
    half = 1 << (shift - 1)
    if rounding is Rounding.HALF_UP:
        return (value + half) >> shift
    if rounding is Rounding.HALF_AWAY:
        return (value + half - (value < 0)) >> shift
    if rounding is Rounding.HALF_EVEN:
        return (value + half - 1 + ((value >> shift) & 1)) >> shift
    raise TypeError(f"Rounding must be a Rounding, not {rounding!r}")


def signed_width(low: int, high: int) -> int:
    """Bits of the narrowest two's complement number that holds ``low`` and ``high``."""
    return 1 + max((~low if low < 0 else low).bit_length(),
                   (~high if high < 0 else high).bit_length())


@typing.overload
def saturate(value: np.ndarray, low: int, high: int) -> np.ndarray: ...
@typing.overload
def saturate(value: int | np.integer, low: int, high: int) -> np.integer: ...
def saturate(value: typing.Any, low: int, high: int) -> typing.Any:
    """Clip integers to ``[low, high]``."""
    return np.clip(value, low, high)
