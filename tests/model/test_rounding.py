"""Roundings against exact rational arithmetic."""

import math
from fractions import Fraction

import numpy as np
import pytest

from ternloom.model.rounding import Rounding, saturate, shift_right


def half_up(value):
    return math.floor(value + Fraction(1, 2))


def half_away(value):
    size = math.floor(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size


def half_even(value):
    return round(value)


EXACT = {Rounding.HALF_UP: half_up, Rounding.HALF_AWAY: half_away, Rounding.HALF_EVEN: half_even}


@pytest.mark.parametrize("shift", range(-3, 9))
@pytest.mark.parametrize("rounding", Rounding)
def test_shift(rounding, shift):
    values = np.arange(-1100, 1101)
    expected = [EXACT[rounding](value / Fraction(2) ** shift) for value in values.tolist()]
    np.testing.assert_array_equal(shift_right(values, shift, rounding), expected)
    assert [shift_right(value, shift, rounding) for value in values.tolist()] == expected


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("rounding", Rounding)
def test_large_values(rounding, dtype):
    """The half that is added may reach, but not pass, the end of the type."""
    top = (np.iinfo(dtype).max >> 1) + 1
    values = np.array([-top, -top + 1, -1, 0, 1, top - 2, top - 1], dtype=dtype)
    for shift in (1, 5, np.iinfo(dtype).bits - 2):
        result = shift_right(values, shift, rounding)
        expected = [EXACT[rounding](Fraction(value, 2 ** shift)) for value in values.tolist()]
        np.testing.assert_array_equal(result, expected)
        assert result.dtype == dtype


def test_exact_multiplication():
    assert shift_right(-3, -4) == -48
    np.testing.assert_array_equal(shift_right(np.array([-3, 5]), 0), [-3, 5])


def test_unnamed_rounding():
    with pytest.raises(TypeError, match=r"^Rounding must be a Rounding, not 'half-up'$"):
        shift_right(5, 1, "half-up")


def test_saturation():
    np.testing.assert_array_equal(saturate(np.arange(-4, 5), -2, 3),
                                  [-2, -2, -2, -1, 0, 1, 2, 3, 3])
