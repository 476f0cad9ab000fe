"""Products of bit planes against the integers that they stand for, in NumPy and in machine code."""

import subprocess
import sys

import numpy as np
import pytest

from ternloom.model import online
from ternloom.model.alphabet import BINARY, PLANES, TERNARY
from ternloom.model.bitplanes import COMPILED, BitPlanes
from ternloom.model.format import Binary, Fixed, Online, Planes
from ternloom.model.matrix import Matrix
from ternloom.model.product import Product


KERNELS = pytest.mark.parametrize("compiled", [False, True], ids=["numpy", "numba"])


def matrix(planes, rows, columns, seed=1):
    """Sign planes with coefficients from one end of their range to the other."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([-1, 1], (planes, rows, columns)).astype(np.int8)
    coefficients = rng.integers(-(1 << 15) + 1, 1 << 15, (planes, rows)).astype(np.int32)
    return Matrix(PLANES, codes, coefficients)


def test_compiled():
    """The suite runs with Numba installed, so that both forms are tested."""
    assert COMPILED


@KERNELS
@pytest.mark.parametrize("columns", [1, 2, 63, 64, 65, 255, 256, 257, 300, 1024])
@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_columns(compiled, columns, planes):
    form = Planes((65535, 300, 7, 1)[:planes], 3)
    weights = matrix(5 - planes, 9, columns, seed=columns)
    codes = np.random.default_rng(2).integers(0, 1 << planes, (5, columns))
    made = BitPlanes(weights, compiled)
    for vector, expected in zip(codes, Product(weights, form)(codes), strict=True):
        rows = made.rows(vector, form.coefficients)
        assert rows.dtype == np.int64
        np.testing.assert_array_equal(rows, expected)


@KERNELS
@pytest.mark.parametrize("rows", [1, 511, 512, 513, 1025])
def test_rows(compiled, rows):
    weights = matrix(2, rows, 70)
    codes = np.random.default_rng(3).integers(0, 4, (1, 70))
    np.testing.assert_array_equal(BitPlanes(weights, compiled).rows(codes[0], (5, 3)),
                                  Product(weights, Planes((5, 3), 0))(codes)[0])


@KERNELS
def test_binary(compiled):
    """Binary weights times binary activations, whose code is 1 for +1 in wire form."""
    planes = matrix(1, 8, 100)
    weights = Matrix(BINARY, planes.codes, planes.coefficients)
    codes = np.random.default_rng(4).choice([-1, 1], (1, 100))
    np.testing.assert_array_equal(BitPlanes(weights, compiled).rows(Binary().bits(codes[0]), (1,)),
                                  Product(weights, Binary())(codes)[0])


def vectors(width, units):
    """Samples of every kind: random, sparse, ends of the range, few levels, constant, zero."""
    rng = np.random.default_rng(units)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    return np.concatenate([
        rng.integers(low, high + 1, (12, units)),
        np.clip(rng.normal(0, high / 3, (12, units)), low, high).astype(np.int64),
        rng.choice([0, 0, 0, high], (4, units)), rng.choice([low, high], (4, units)),
        rng.integers(-3, 4, (12, units)), rng.choice([-5, 5, 2], (4, units)),
        [[value] * units for value in (low, high, -1, 1, 0)]])


@KERNELS
@pytest.mark.parametrize("planes", [2, 3])
@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("width, units", [(4, 17), (8, 64), (16, 1), (16, 2), (16, 300),
                                          (16, 1024)])
def test_online(compiled, planes, rounds, width, units):
    """The online quantizer of the golden model, then the integer product of what it gives."""
    form = Online(Fixed(width, width - 1), planes, rounds)
    samples, weights = vectors(width, units), matrix(planes, 6, units)
    codes, betas = online.quantize(form, samples)
    values = online.values(form, codes, betas)
    expected = np.einsum("pr,prc,nc->nr", weights.coefficients.astype(np.int64), weights.codes,
                         values)
    made = BitPlanes(weights, compiled)
    for vector, rows, code, beta in zip(samples, expected, codes, betas, strict=True):
        np.testing.assert_array_equal(made.online(form, vector), rows)
        np.testing.assert_array_equal(made.rows(code, beta), rows)


def test_bad_weights():
    ternary = Matrix(TERNARY, np.ones((1, 2, 3), dtype=np.int8),
                     np.ones((1, 2), dtype=np.int32))
    with pytest.raises(ValueError, match="^Weights must be planes or binary, not ternary$"):
        BitPlanes(ternary)


def test_without_numba():
    """Numba is an extra: without it, NumPy takes its place."""
    program = """
import sys
sys.modules["numba"] = None
import numpy as np
from ternloom.model.alphabet import PLANES
from ternloom.model.matrix import Matrix
from ternloom.model.bitplanes import COMPILED, BitPlanes
weights = Matrix(PLANES, np.ones((1, 2, 3), dtype=np.int8), np.ones((1, 2), dtype=np.int32))
print(COMPILED, BitPlanes(weights).rows(np.array([1, 1, 0]), [4]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)
    assert done.stdout == "False [4 4]\n"
