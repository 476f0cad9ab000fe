"""Weight quantizers against their definitions."""

import itertools

import numpy as np
import pytest
import torch

from ternloom.model.network import Weight
from ternloom.train.weights import MatrixQuantizer, alternating, power_of_two, ternary_scale


pytestmark = pytest.mark.train


def matrix(rows=5, columns=16, seed=3):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.3, (rows, columns)))


def error(latent, codes, scales):
    return ((latent - (codes * scales[:, :, None]).sum(0)) ** 2).sum(1)


def test_ternary_definition():
    latent = matrix()
    scale, threshold = ternary_scale(latent, by_row=True)
    for row, alpha, delta in zip(latent.numpy(), scale.numpy()[:, 0], threshold.numpy()[:, 0]):
        size = np.abs(row)
        assert delta == pytest.approx(0.7 * size.mean(), rel=1e-12)
        assert alpha == pytest.approx(size[size > delta].mean(), rel=1e-12)


def test_matrix_scale():
    latent = matrix()
    scale, threshold = ternary_scale(latent, by_row=False)
    alone, _ = ternary_scale(latent.reshape(1, -1), by_row=True)
    assert scale.shape == threshold.shape == (5, 1)
    assert scale.unique().tolist() == alone[0].tolist()


def test_powers_of_two():
    scales = torch.tensor([1.0, 1.4, 1.5, 0.3, 0.07])
    assert power_of_two(scales).tolist() == [1.0, 1.0, 2.0, 0.25, 0.0625]


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_alternating_codes(planes):
    latent = matrix()
    codes, scales = alternating(latent, planes)
    assert codes.shape == (planes, 5, 16) and scales.shape == (planes, 5)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert bool((scales >= 0).all())


def test_alternating_nearest():
    latent = matrix()
    codes, scales = alternating(latent, 2)
    chosen = (latent - (codes * scales[:, :, None]).sum(0)).abs()
    for signs in itertools.product((-1.0, 1.0), repeat=2):
        level = (torch.tensor(signs, dtype=latent.dtype) @ scales)[:, None]
        assert bool((chosen <= (latent - level).abs() + 1e-12).all())


def test_alternating_improvement():
    latent = matrix(rows=20, columns=64)
    errors = [error(latent, *alternating(latent, 3, rounds)).sum() for rounds in (0, 1, 2, 4)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0]


def test_alternating_optimum():
    """Of two planes on few weights: no assignment of codes is much better, by brute force."""
    latent = matrix(rows=1, columns=5, seed=1)
    found = float(error(latent, *alternating(latent, 2, rounds=10))[0])
    best = found
    for first in itertools.product((-1.0, 1.0), repeat=5):
        for second in itertools.product((-1.0, 1.0), repeat=5):
            basis = np.array([first, second]).T
            solution, *_ = np.linalg.lstsq(basis, latent.numpy()[0], rcond=None)
            best = min(best, float(((basis @ solution - latent.numpy()[0]) ** 2).sum()))
    assert found <= 1.5 * best


def test_equal_planes():
    """Weights of one magnitude make all planes equal, which has no unique coefficients."""
    latent = torch.tensor([[0.5, -0.5, 0.5]], dtype=torch.float64)
    codes, scales = alternating(latent, 2)
    assert float(error(latent, codes, scales)[0]) < 1e-9


QUANTIZERS = [
    MatrixQuantizer(Weight.BINARY), MatrixQuantizer(Weight.BINARY, by_row=True),
    MatrixQuantizer(Weight.TERNARY), MatrixQuantizer(Weight.TERNARY, by_row=True),
    MatrixQuantizer(Weight.PLANES, 1), MatrixQuantizer(Weight.PLANES, 2),
    MatrixQuantizer(Weight.PLANES, 3),
]
FROZEN = [quantizer.freeze(matrix()) for quantizer in QUANTIZERS[:4]]


def title(quantizer):
    """Of a test case."""
    scale = "power of two" if quantizer.frozen is not None else "real"
    return f"{quantizer.planes} {quantizer.weight.value}, {scale}, " \
           f"{'row' if quantizer.by_row else 'matrix'}"


@pytest.mark.parametrize("quantizer", QUANTIZERS + FROZEN, ids=title)
def test_lowered_matrix(quantizer):
    latent = matrix()
    quantizer = quantizer.with_exponent(quantizer.exponents(latent, 8)[0])
    lowered = quantizer.lower(latent)
    lowered.validate("matrix", 5, 16)
    meant = (lowered.codes * lowered.coefficients[:, :, None].astype(np.int64)).sum(0)
    assert torch.equal(quantizer.effective(latent),
                       torch.from_numpy(meant * 2.0**-quantizer.exponent))


@pytest.mark.parametrize("quantizer", FROZEN, ids=title)
def test_power_of_two_coefficients(quantizer):
    latent = matrix()
    quantizer = quantizer.with_exponent(quantizer.exponents(latent, 8)[0])
    coefficients = quantizer.lower(latent).coefficients
    assert coefficients.min() == 1
    assert not np.any(coefficients & (coefficients - 1))
    if not quantizer.by_row:
        assert coefficients.max() == 1


@pytest.mark.parametrize("quantizer", QUANTIZERS, ids=title)
def test_coefficient_bits(quantizer):
    latent = matrix()
    largest = quantizer.with_exponent(quantizer.exponents(latent, 8)[0]).lower(latent)
    assert 128 <= largest.coefficients.max() <= 256


@pytest.mark.parametrize("quantizer", QUANTIZERS + FROZEN, ids=title)
def test_largest_coefficients(quantizer):
    _, most = quantizer.exponents(matrix(), 8)
    for exponent, limit in ((most, 1 << 14), (most + 9, (1 << 15) - 1)):
        lowered = quantizer.with_exponent(exponent).lower(matrix())
        lowered.validate("matrix", 5, 16)
        assert limit / 2 <= lowered.coefficients.max() <= limit


@pytest.mark.parametrize("quantizer", QUANTIZERS + FROZEN, ids=title)
def test_straight_through(quantizer):
    latent = matrix().requires_grad_()
    (quantizer.effective(latent) * 3).sum().backward()
    assert torch.equal(latent.grad, torch.full_like(latent, 3))
