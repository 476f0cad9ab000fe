"""Weights in training: what the model's quantizers mean, with a gradient and bounds."""

import numpy as np
import pytest
import torch

from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.weights import names, parse
from ternloom.train.weights import clip, effective


pytestmark = pytest.mark.train


def matrix(rows=8, columns=16, seed=3):
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.3, (rows, columns)))


def quantizer(text, gates=1):
    made = MatrixQuantizer((parse(text),) * gates)
    return made.with_exponent(made.exponents(matrix().numpy(), 8)[0])


@pytest.mark.parametrize("name", names())
def test_meaning(name):
    """The forward pass sees exactly the integers that are lowered; gradients go straight through.
    """
    latent, chosen = matrix().requires_grad_(), quantizer(name)
    weights = effective(chosen, latent)
    lowered = chosen.matrix(latent.detach().numpy())
    assert lowered.codes.shape[1:] == (8, 16)
    meant = (lowered.values * lowered.coefficients[:, :, None].astype(np.int64)).sum(0)
    assert torch.equal(weights, torch.from_numpy(meant * 2.0**-chosen.exponent))
    (weights * 3).sum().backward()
    assert torch.equal(latent.grad, torch.full_like(latent, 3))


def test_gates():
    """Each gate's rows by its own method."""
    latent = matrix()
    mixed = MatrixQuantizer((parse("mean-binary"), parse("twn")), exponent=12)
    weights = effective(mixed, latent)
    assert [len(part.unique()) for part in weights.split(4)] == [2, 3]


STOCHASTIC = [name for name in names() if parse(name).stochastic]


@pytest.mark.parametrize("name", STOCHASTIC)
def test_draws(name):
    """One sample a call, from PyTorch's random state."""
    latent, chosen = matrix(), quantizer(name)
    torch.manual_seed(5)
    first, second = (effective(chosen, latent, draw=True) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(5)
    assert torch.equal(effective(chosen, latent, draw=True), first)
    assert torch.equal(effective(chosen, latent), effective(chosen, latent))


def test_no_draws():
    """A method without a stochastic rule stays as it is."""
    chosen = quantizer("alternating:2")
    assert torch.equal(effective(chosen, matrix(), draw=True), effective(chosen, matrix()))


@pytest.mark.parametrize("text, bound", [("alternating:2", 1.0), ("ternary-connect", 1.0)])
def test_clip(text, bound):
    latent = 10 * matrix()
    sign = latent.sign()
    clip(quantizer(text), latent)
    assert float(latent.abs().max()) == bound
    assert torch.equal(latent.sign(), sign)


def test_frozen_clip():
    """Beyond a scale that training keeps, a weight would only take longer to come back."""
    chosen = quantizer("twn").freeze(matrix().numpy())
    latent = 10 * matrix()
    clip(chosen, latent)
    assert float(latent.abs().max()) == float(chosen.frozen[0, 0])
