"""Sign planes on tensors beside the NumPy functions that define them."""

import numpy as np
import pytest
import torch

from ternloom.model import online
from ternloom.model.format import Fixed, Online
from ternloom.quantize import multibit
from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.weights import parse
from ternloom.train import planes


pytestmark = pytest.mark.train


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_alternating(count, rounds):
    rng = np.random.default_rng(10 * count + rounds)
    rows = rng.normal(size=(200, 37))
    rows[0], rows[1], rows[2] = 0, 0.5, np.where(np.arange(37) % 2, 1, -1)
    codes, scales = planes.alternating(torch.from_numpy(rows), count, rounds)
    wanted = multibit.alternating(rows, count, rounds, greedy_start=True)
    # Planes that depend on each other have many solutions.
    np.testing.assert_allclose(scales[:, 3:].numpy(), wanted[1][:, 3:], rtol=1e-12)
    # Where rounding orders two sums otherwise a code may differ, but not what the rows mean.
    meant = (codes * scales[:, :, None]).sum(0).numpy()
    np.testing.assert_allclose(meant, (wanted[0] * wanted[1][:, :, None]).sum(0), atol=1e-12)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("units", [1, 2, 5, 300])
def test_online(count, rounds, units):
    form = Online(Fixed(8, 7), count, rounds)
    rng = np.random.default_rng(units)
    samples = np.concatenate([
        rng.integers(-128, 128, (300, units)), rng.integers(-3, 4, (300, units)),
        np.zeros((1, units), int), np.full((1, units), -128), np.full((1, units), 127)])
    wanted = online.values(form, *online.quantize(form, samples))
    np.testing.assert_array_equal(planes.online(torch.from_numpy(samples), count, rounds), wanted)


@pytest.mark.parametrize("text", ["alternating:2", "alternating:2:1",
                                  "alternating:3:2:greedy-start", "hitnet-ternary:0.7:scaled"])
def test_planes_on_tensors(text):
    """What a GPU computes without NumPy: coefficients are integers there too."""
    latent = np.random.default_rng(3).normal(0, 0.3, (8, 16))
    one = MatrixQuantizer((parse(text),), exponent=9)
    assert planes.covers(one)
    np.testing.assert_array_equal(planes.values(one, torch.from_numpy(latent)), one.values(latent))


@pytest.mark.parametrize("text", ["alternating:3", "twn", "integer:8", "hitnet-ternary"])
def test_numpy_on_a_gpu(text):
    """What has no function of tensors, that of three planes from the better start included."""
    assert not planes.covers(MatrixQuantizer((parse(text),)))
