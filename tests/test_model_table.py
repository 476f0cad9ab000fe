"""Tables of sigmoid and tanh."""

import decimal
import math

import numpy as np
import pytest

from ternloom.model.format import Fixed
from ternloom.model.table import sigmoid, sigmoid_half, tanh, tanh_half


PREACTS = [Fixed(width, frac) for width in (4, 7, 10, 12) for frac in (0, 3, 6, 11)]


def logistic(value):
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("gate_frac", [2, 8, 15])
@pytest.mark.parametrize("preact", PREACTS)
@pytest.mark.parametrize("half, function", [(sigmoid_half, logistic), (tanh_half, math.tanh)])
def test_half(half, function, preact, gate_frac):
    """Every entry is the nearest integer to the function in double precision, below one."""
    one = 1 << gate_frac
    expected = [min(math.floor(one * function(code / 2 ** preact.frac) + 0.5), one - 1)
                for code in range(1 << (preact.width - 1))]
    np.testing.assert_array_equal(half(preact, gate_frac), expected)


@pytest.mark.parametrize("gate_frac", [2, 8, 15])
@pytest.mark.parametrize("preact", PREACTS)
def test_symmetry(preact, gate_frac):
    codes = np.arange(preact.low, preact.high + 1)
    magnitudes = np.minimum(np.abs(codes), preact.high)
    one = 1 << gate_frac
    for full, half, offset in ((sigmoid, sigmoid_half, one), (tanh, tanh_half, 0)):
        entries, upper = full(preact, gate_frac), half(preact, gate_frac)[magnitudes]
        expected = np.where(codes >= 0, upper, offset - upper)
        np.testing.assert_array_equal(entries[codes & ((1 << preact.width) - 1)], expected)
        np.testing.assert_array_equal(entries[codes], expected)
        assert (np.diff(entries[codes]) >= 0).all()


@pytest.mark.parametrize("preact, gate_frac", [(Fixed(12, 6), 15), (Fixed(12, 9), 15),
                                               (Fixed(10, 6), 8), (Fixed(12, 0), 15)])
def test_distance_from_ties(preact, gate_frac):
    """40 digits decide every rounding: no entry comes near the error of 10**-38."""
    context, nearest = decimal.Context(prec=60), decimal.Decimal(1)
    for code in range(1, 1 << (preact.width - 1)):
        argument = context.divide(decimal.Decimal(-code), decimal.Decimal(2 ** preact.frac))
        for factor, weight in ((1, 0), (2, -1)):
            decay = context.exp(factor * argument)
            exact = context.divide(1 + weight * decay, context.add(1, decay)) * 2 ** gate_frac
            if exact < 2 ** gate_frac - 1:
                nearest = min(nearest, abs(exact % 1 - decimal.Decimal("0.5")))
    assert nearest > decimal.Decimal("1e-9")


def test_read_only():
    with pytest.raises(ValueError, match="^assignment destination is read-only$"):
        sigmoid(Fixed(10, 6), 8)[0] = 1


def test_same_object():
    assert tanh(Fixed(10, 6), 8) is tanh(Fixed(10, 6), 8)


def test_errors():
    with pytest.raises(ValueError, match=r"^Table argument must be a signed format of 2 to 12 "
                                         r"bits, with a fraction, not Fixed\(width=13, .*\)$"):
        sigmoid(Fixed(13, 6), 8)
    with pytest.raises(ValueError, match=r"^Table fraction bits must be from 1 to 31, not 0$"):
        tanh_half(Fixed(10, 6), 0)
