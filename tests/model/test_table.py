"""Tables of sigmoid and tanh."""

import decimal
import math

import numpy as np
import pytest

from ternloom.model.format import Fixed
from ternloom.model.precision import Precision
from ternloom.model.table import sigmoid, sigmoid_half, softplus_tail, tanh, tanh_half


PREACTS = [Fixed(width, frac) for width in (4, 7, 10, 12) for frac in (0, 3, 6, 11)]
#: Numerator and fraction bits of sloping factors.
SLOPES = [(1, 0), (5, 4), (1, 8), (200, 0)]


def logistic(value):
    return 1 / (1 + math.exp(-value))


def widths(preact, gate_frac, slope=(1, 0)):
    return Precision(preact, gate_frac, Fixed(24, 16), slope=slope[0], slope_frac=slope[1])


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("gate_frac", [0, 2, 8, 15])
@pytest.mark.parametrize("preact", PREACTS)
@pytest.mark.parametrize("half, function", [(sigmoid_half, logistic), (tanh_half, math.tanh)])
def test_half(half, function, preact, gate_frac, slope):
    """Every entry is the nearest integer to the function in double precision, below one."""
    one, factor = 1 << gate_frac, slope[0] / 2 ** slope[1]
    expected = [min(math.floor(one * function(code / 2 ** preact.frac / factor) + 0.5),
                    max(one - 1, 1)) for code in range(1 << (preact.width - 1))]
    np.testing.assert_array_equal(half(widths(preact, gate_frac, slope)), expected)


@pytest.mark.parametrize("gate_frac", [0, 2, 8, 15])
@pytest.mark.parametrize("preact", PREACTS)
def test_symmetry(preact, gate_frac):
    precision = widths(preact, gate_frac)
    codes = np.arange(preact.low, preact.high + 1)
    magnitudes = np.minimum(np.abs(codes), preact.high)
    one = 1 << gate_frac
    for full, half, offset in ((sigmoid, sigmoid_half, one), (tanh, tanh_half, 0)):
        entries, upper = full(precision), half(precision)[magnitudes]
        expected = np.where(codes >= 0, upper, offset - upper)
        np.testing.assert_array_equal(entries[codes & ((1 << preact.width) - 1)], expected)
        np.testing.assert_array_equal(entries[codes], expected)
        assert (np.diff(entries[codes]) >= 0).all()


@pytest.mark.parametrize("gate_frac", [2, 8, 15])
@pytest.mark.parametrize("preact", PREACTS)
def test_softplus_tail(preact, gate_frac):
    """Even, without a slope: softplus less the positive part, to the nearest integer."""
    codes = np.arange(preact.low, preact.high + 1)
    magnitudes = np.minimum(np.abs(codes), preact.high) / 2 ** preact.frac
    expected = [math.floor(2 ** gate_frac * math.log1p(math.exp(-a)) + 0.5) for a in magnitudes]
    for slope in SLOPES:
        entries = softplus_tail(widths(preact, gate_frac, slope))
        np.testing.assert_array_equal(entries[codes], expected)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("preact", PREACTS)
def test_comparators(preact, slope):
    """Without fraction bits: a sign, and a dead zone whose limit is l * atanh(1/2)."""
    precision = widths(preact, 0, slope)
    codes = np.arange(preact.low, preact.high + 1)
    np.testing.assert_array_equal(sigmoid(precision)[codes], codes >= 0)
    # The code of most magnitude has no counterpart: it counts as one less.
    argument = np.clip(codes, -preact.high, None) * 2.0 ** -preact.frac
    limit = slope[0] / 2 ** slope[1] * math.atanh(0.5)
    expected = np.where(np.abs(argument) >= limit, np.sign(codes), 0)
    np.testing.assert_array_equal(tanh(precision)[codes], expected)


def test_slope_as_fraction():
    """The same factor in other terms makes the same table."""
    one, other = (widths(Fixed(10, 6), 8, slope) for slope in ((3, 2), (48, 6)))
    np.testing.assert_array_equal(tanh(one), tanh(other))
    assert (tanh(one) != tanh(widths(Fixed(10, 6), 8))).any()


@pytest.mark.parametrize("slope", [1, 5 / 16, 200])
@pytest.mark.parametrize("preact, gate_frac", [
    (Fixed(12, 6), 15), (Fixed(12, 9), 15), (Fixed(10, 6), 8), (Fixed(12, 0), 15),
    (Fixed(12, 11), 0),
])
def test_distance_from_ties(preact, gate_frac, slope):
    """40 digits decide every rounding: no entry comes near the error of 10**-38."""
    context, nearest = decimal.Context(prec=60), decimal.Decimal(1)
    for code in range(1, 1 << (preact.width - 1)):
        argument = context.divide(decimal.Decimal(-code),
                                  decimal.Decimal(2 ** preact.frac * slope))
        for factor, weight in ((1, 0), (2, -1)):
            decay = context.exp(factor * argument)
            exact = context.divide(1 + weight * decay, context.add(1, decay)) * 2 ** gate_frac
            if exact < max(2 ** gate_frac - 1, 1):
                nearest = min(nearest, abs(exact % 1 - decimal.Decimal("0.5")))
        exact = context.ln(1 + context.exp(argument)) * 2 ** gate_frac
        nearest = min(nearest, abs(exact % 1 - decimal.Decimal("0.5")))
    assert nearest > decimal.Decimal("1e-9")


def test_read_only():
    with pytest.raises(ValueError, match="^assignment destination is read-only$"):
        sigmoid(Precision())[0] = 1


def test_same_object():
    assert tanh(Precision()) is tanh(Precision())
    assert sigmoid_half(Precision()) is sigmoid_half(Precision(state=Fixed(20, 12)))
