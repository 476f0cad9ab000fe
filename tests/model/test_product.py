"""Exact products by BLAS."""

import numpy as np
import pytest

from ternloom.model.alphabet import BINARY, PLANES
from ternloom.model.bounds import effective, worst_inputs
from ternloom.model.format import Fixed, Planes, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.product import Product


def matrix(seed, columns, scale, coefficients):
    """A matrix of four rows and two planes."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([-1, 1], size=(2, 4, columns)).astype(np.int8)
    return Matrix(PLANES, codes, (scale * rng.integers(*coefficients, (2, 4))).astype("i4"))


@pytest.mark.parametrize("form, columns, scale, coefficients", [
    (Ternary(), 30, 1, (1, 4)),
    (Fixed(8, 6), 300, 1 << 12, (1, 4)),
    (Fixed(16, 15), 511, 1, (1, 2)),
    (Fixed(16, 15), 512, 1, (2, 3)),
    (Fixed(32, 0), 1000, 1, (1, 1 << 15)),
    (Fixed(32, 0), 3000, 3, (5000, 10000)),
    (Planes((65535, 4, 3), 2), 200, 1, (1, 1 << 15)),
])
def test_exact_at_worst(form, columns, scale, coefficients):
    """Worst and random inputs, in Python's integers, at sizes around each type's limit."""
    weights = matrix(1, columns, scale, coefficients)
    rng = np.random.default_rng(2)
    codes = [ends for row in effective(weights) for ends in worst_inputs(row, form)]
    low, high = ((form.low, form.high) if isinstance(form, Fixed)
                 else (min(form.levels), max(form.levels)))
    codes = np.array(codes + list(rng.integers(low, high + 1, (20, columns))))
    values = form.value(codes).astype(object)
    expected = sum((values @ weights.codes[plane].T.astype(object)) * weights.coefficients[plane]
                   for plane in range(2))
    np.testing.assert_array_equal(Product(weights, form)(codes), expected)


@pytest.mark.parametrize("form, coefficient, columns", [
    (Fixed(16, 0), 513, 1), (Fixed(16, 0), 171, 3),
    (Fixed(32, 0), 32767, 129), (Fixed(32, 0), 12289, 343),
])
def test_exact_beyond_limit(form, coefficient, columns):
    """Odd sums just beyond what single (2**24) and double precision (2**53) hold exactly."""
    weights = Matrix(BINARY, np.ones((1, 1, columns), np.int8),
                     np.array([[coefficient]], np.int32))
    total = coefficient * columns * form.high
    assert total % 2 and total.bit_length() in (25, 54)
    found = Product(weights, form)(np.full((1, columns), form.high))
    assert found.tolist() == [[total]]


def test_rows():
    weights, codes = matrix(3, 9, 1, (1, 9)), np.arange(9)[None] - 4
    whole = Product(weights, Fixed(8, 0))(codes)
    part = Product(weights, Fixed(8, 0), np.int32, slice(1, 3))(codes)
    np.testing.assert_array_equal(part, whole[:, 1:3])
    assert part.dtype == np.int32


def test_zero_matrix():
    weights = matrix(4, 5, 0, (1, 2))
    np.testing.assert_array_equal(Product(weights, Ternary())(np.ones((2, 5), dtype=int)),
                                  np.zeros((2, 4)))
