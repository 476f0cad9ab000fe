"""Formats against their definitions in exact rational arithmetic, over whole domains."""

import itertools
import math
from fractions import Fraction

import msgspec
import numpy as np
import pytest

from ternloom.model.format import Binary, Fixed, Format, Planes, Ternary
from ternloom.model.rounding import Overflow, Rounding


ROUNDED = {
    Rounding.HALF_UP: lambda value: math.floor(value + Fraction(1, 2)),
    Rounding.HALF_AWAY: lambda value: int(math.copysign(math.floor(abs(value) + Fraction(1, 2)),
                                                        value)),
    Rounding.HALF_EVEN: round,
}
VALUES = np.arange(-600, 601)
PLANES = [coefficients for count in (1, 2, 3) for coefficients
          in itertools.product((1, 2, 3, 5, 9), repeat=count)] + [(8, 4, 2, 1), (3, 3, 3, 3)]


@pytest.mark.parametrize("frac", range(-2, 9))
@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("signed", [True, False])
def test_fixed(signed, rounding, frac):
    for width, own in itertools.product((2, 3, 6, 8), (-1, 0, 3, 7)):
        form = Fixed(width, own, signed, rounding)
        ends = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2 ** width - 1)
        assert (form.low, form.high) == ends
        scale = Fraction(2) ** (own - frac)
        expected = [max(ends[0], min(ends[1], ROUNDED[rounding](value * scale)))
                    for value in VALUES.tolist()]
        np.testing.assert_array_equal(form.quantize(VALUES, frac), expected)


@pytest.mark.parametrize("frac", range(0, 9))
def test_binary(frac):
    np.testing.assert_array_equal(Binary().quantize(VALUES, frac), np.where(VALUES >= 0, 1, -1))


@pytest.mark.parametrize("frac", range(0, 9))
def test_ternary(frac):
    for threshold, threshold_frac in itertools.product((1, 2, 3, 7, 2 ** 32 - 1), (0, 1, 4, 12)):
        cut = Fraction(threshold, 2 ** threshold_frac)
        exact = [value / Fraction(2) ** frac for value in VALUES.tolist()]
        expected = [1 if value >= cut else -1 if value <= -cut else 0 for value in exact]
        form = Ternary(threshold, threshold_frac)
        np.testing.assert_array_equal(form.quantize(VALUES, frac), expected)


@pytest.mark.parametrize("frac", range(0, 9))
def test_planes(frac):
    """The nearest of all sums of signed coefficients, a tie to the upper one."""
    for coefficients, own in itertools.product(PLANES, (0, 3, 10)):
        form = Planes(coefficients, own)
        sums = np.array(sorted({sum(signed) for signed in itertools.product(
            *((-c, c) for c in coefficients))}))
        # Both in units of 2**-(frac + own), where they are integers.
        distances = np.abs((VALUES[:, None] << own) - (sums[None, ::-1] << frac))
        expected = sums[::-1][np.argmin(distances, axis=1)]
        codes = form.quantize(VALUES, frac)
        np.testing.assert_array_equal(form.value(codes), expected)
        assert form.contains(codes)


def test_plane_values():
    form = Planes((5, 2), 3)
    np.testing.assert_array_equal(form.value(np.arange(4)), [-7, 3, -3, 7])
    assert form.levels == (0, 2, 1, 3)
    assert (form.width, form.magnitude) == (2, 7)


def test_scalar():
    for form in (Fixed(4, 2), Binary(), Ternary(), Planes((2, 1), 1)):
        codes = form.quantize(np.arange(-9, 10), 2)
        assert [int(form.quantize(value, 2)) for value in range(-9, 10)] == codes.tolist()


def test_values_beyond_cuts():
    """Thresholds may lie where no value is."""
    values = np.array([-2 ** 62, -1, 0, 1, 2 ** 62])
    np.testing.assert_array_equal(Ternary(2 ** 32 - 1, 0).quantize(values, 40), [0] * 5)
    np.testing.assert_array_equal(Ternary(1, 64).quantize(values, 0), [-1, -1, 0, 1, 1])


@pytest.mark.parametrize("form, codes, wire", [
    (Fixed(3, 1), [-4, -1, 0, 3], [4, 7, 0, 3]),
    (Fixed(3, 1, signed=False), [0, 7], [0, 7]),
    (Binary(), [-1, 1], [0, 1]),
    (Ternary(), [-1, 0, 1], [3, 0, 1]),
    (Planes((2, 1), 0), [0, 1, 2, 3], [0, 1, 2, 3]),
])
def test_wire_form(form, codes, wire):
    np.testing.assert_array_equal(form.bits(np.array(codes)), wire)
    assert max(wire) < 1 << form.width


@pytest.mark.parametrize("form", [Fixed(3, 1), Fixed(3, 1, signed=False), Binary(), Ternary(),
                                  Planes((2, 1), 0)])
def test_contents(form):
    every = range(form.low, form.high + 1) if isinstance(form, Fixed) else form.levels
    for code in range(-9, 10):
        assert form.contains(np.array([code])) == (code in every)
    assert form.magnitude == max(abs(int(form.value(np.int64(code)))) for code in every)


@pytest.mark.parametrize("form", [Fixed(8, 5, rounding=Rounding.HALF_EVEN), Binary(),
                                  Ternary(3, 4), Planes((2, 1), 1)])
def test_json(form):
    assert msgspec.json.decode(msgspec.json.encode(form), type=Format) == form
    assert hash(form) == hash(msgspec.json.decode(msgspec.json.encode(form), type=Format))


@pytest.mark.parametrize("make, message", [
    (lambda: Fixed(1, 0), "^Fixed width must be from 2 to 32, not 1$"),
    (lambda: Fixed(33, 0), "^Fixed width must be from 2 to 32, not 33$"),
    (lambda: Fixed(8, 33), "^Fixed fraction bits must be from -16 to 32, not 33$"),
    (lambda: Fixed(8, -17), "^Fixed fraction bits must be from -16 to 32, not -17$"),
    (lambda: Ternary(0), "^Ternary threshold must be from 1 to 4294967295, not 0$"),
    (lambda: Ternary(1, -1), "^Ternary threshold fraction bits must be from 0 to 64, not -1$"),
    (lambda: Planes((), 0), "^Planes must be one to four, not 0$"),
    (lambda: Planes((1,) * 5, 0), "^Planes must be one to four, not 5$"),
    (lambda: Planes((1, 0), 0),
     r"^Plane coefficients must be from 1 to 65535, not \(1, 0\)$"),
    (lambda: Planes((1,), 65), "^Plane fraction bits must be from 0 to 64, not 65$"),
])
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("field, value", [("overflow", "wrap"), ("overflow", "saturate"),
                                          ("rounding", "half-up"), ("rounding", None)])
def test_named_conduct(field, value):
    """There is one way to treat an overflow, and no other can be asked for."""
    kind = {"overflow": "Overflow", "rounding": "Rounding"}[field]
    with pytest.raises(ValueError, match=f"^Fixed {field} must be a {kind}, not {value!r}$"):
        Fixed(8, 5, **{field: value})
    assert list(Overflow) == [Overflow.SATURATE]
    form = Fixed(8, 0, overflow=Overflow.SATURATE)
    assert [int(form.quantize(value, 0)) for value in (-1000, 1000)] == [-128, 127]


def test_text():
    assert repr(Fixed(8, 5)) == "Fixed(width=8, frac=5)"
    assert repr(Fixed(8, 5, signed=False)) == "Fixed(width=8, frac=5, signed=False)"


@pytest.mark.parametrize("form, codes, numbers", [
    (Binary(), [-1, 1], [-1.0, 1.0]), (Ternary(3, 2), [-1, 0, 1], [-1.0, 0.0, 1.0]),
    (Planes((2, 1), 1), [0, 1, 2, 3], [-1.5, 0.5, -0.5, 1.5]),
    (Fixed(4, 2), [-8, 3], [-2.0, 0.75])])
def test_real(form, codes, numbers):
    """What the codes of a data set stand for, whatever its format."""
    found = form.real(np.array(codes))
    assert found.tolist() == numbers and found.dtype == np.float32
