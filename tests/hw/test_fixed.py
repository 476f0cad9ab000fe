"""Arithmetic between formats, exhaustively against the model's."""

import numpy as np
import pytest
from amaranth import *
from hwsim import Bare, play

from ternloom.hw.fixed import delayed, quantized, range_shape, rounded, rounded_sum, saturated
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.rounding import Rounding, shift_right


def every(width):
    """All numbers of a signed width."""
    return np.arange(-(1 << (width - 1)), 1 << (width - 1))


def answers(width, functions):
    """Results of expressions of one number, for every number: a dict of name to array."""
    def build(m):
        value = Signal(signed(width))
        results = {name: function(m, value) for name, function in functions.items()}
        return {"value": value, "results": results}
    dut = Bare(build)
    return play(dut, {"value": every(width)}, dut.results)


@pytest.mark.parametrize("low, high, width", [
    (0, 0, 1), (-1, 0, 1), (0, 1, 2), (-1, 1, 2), (-2, 1, 2), (-2, 2, 3), (-3, 1, 3), (0, 255, 9),
    (-256, 255, 9), (-257, 0, 10), (3, 3, 3), (-4, -4, 3), (-(1 << 62), 0, 63), (0, 1 << 62, 64),
])
def test_range_shape(low, high, width):
    assert range_shape(low, high) == signed(width)


@pytest.mark.parametrize("width", range(1, 7))
def test_rounded(width):
    cases = {(rounding, shift): lambda m, value, r=rounding, s=shift: rounded(m, value, s, r)
             for rounding in Rounding for shift in range(-3, width + 3)}
    found = answers(width, cases)
    for (rounding, shift), values in found.items():
        expected = shift_right(every(width), shift, rounding)
        np.testing.assert_array_equal(values, expected, err_msg=f"{rounding} by {shift}")


@pytest.mark.parametrize("shift", range(1, 5))
def test_rounded_sum(shift):
    """All pairs of a number of three bits and one of five."""
    def split(m, value, rounding):
        fine = Signal(signed(5))
        m.d.comb += fine.eq(value[3:])
        return rounded_sum(m, value[:3].as_signed(), fine, shift, rounding)
    found = answers(8, {rounding: lambda m, value, r=rounding: split(m, value, r)
                        for rounding in Rounding})
    fine = every(8) >> 3
    whole = ((every(8) & 7) ^ 4) - 4
    for rounding, values in found.items():
        expected = shift_right((whole << shift) + fine, shift, rounding)
        np.testing.assert_array_equal(values, expected, err_msg=f"{rounding}")


@pytest.mark.parametrize("width", range(1, 9))
def test_saturated(width):
    forms = [Fixed(bits, 0) for bits in range(2, 9)]
    found = answers(width, {form.width: lambda m, value, f=form: saturated(m, value, f)
                            for form in forms})
    for form in forms:
        np.testing.assert_array_equal(found[form.width],
                                      np.clip(every(width), form.low, form.high))


FORMS = [Fixed(width, frac, signed, rounding) for width, frac in ((2, 0), (3, 2), (4, 5), (6, -2))
         for signed in (False, True) for rounding in Rounding]
FORMS += [Binary(), Ternary(), Ternary(3, 2), Ternary(1, 4), Ternary(9, 1), Planes((1,), 0),
          Planes((1, 2), 1), Planes((3, 3), 2), Planes((5, 2, 1), 3), Planes((1, 1, 4, 7), 2)]


@pytest.mark.parametrize("width", (2, 5, 8))
@pytest.mark.parametrize("frac", (0, 2, 5))
def test_quantized(width, frac):
    found = answers(width, {index: lambda m, value, f=form: quantized(m, value, frac, f)
                            for index, form in enumerate(FORMS)})
    for index, form in enumerate(FORMS):
        bits = found[index] & ((1 << form.width) - 1)
        expected = form.bits(form.quantize(every(width), frac))
        np.testing.assert_array_equal(bits, expected & ((1 << form.width) - 1), err_msg=f"{form!r}")


@pytest.mark.parametrize("cycles", (0, 1, 4))
def test_delayed(cycles):
    def build(m):
        value = Signal(signed(4))
        return {"value": value, "result": delayed(m, value, cycles)}
    values = np.random.default_rng(1).integers(-8, 8, 40)
    found = play(Bare(build), {"value": values}, ["result"])["result"]
    np.testing.assert_array_equal(found[cycles:], values[:40 - cycles])
    assert not found[:cycles].any()
