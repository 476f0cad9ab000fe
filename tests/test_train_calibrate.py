"""What calibration chooses."""

import msgspec
import numpy as np
import pytest
import torch

from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.network import Cell, Weight
from ternloom.train.batches import SequenceSet
from ternloom.train.calibrate import calibrate
from ternloom.train.recipe import Activation, Recipe
from ternloom.train.recurrent import RecurrentNetwork


pytestmark = pytest.mark.train

RECIPE = Recipe(name="test", data="none", cell=Cell.GRU_RESET_AFTER, units=9,
                weights=Weight.TERNARY, activations=Activation.TERNARY)


def batch(steps=10):
    torch.manual_seed(4)
    return SequenceSet(torch.randn(steps, 6, 5), torch.full((6,), steps), torch.zeros(6).long())


def calibrated(scale=1.0, steps=10, bias=0.0, **changes):
    recipe = msgspec.structs.replace(RECIPE, **changes)
    torch.manual_seed(5)
    network = RecurrentNetwork(recipe.cell, 5, recipe.units, recipe.layers, 4)
    with torch.no_grad():
        for weight, _ in network.matrices():
            weight.mul_(scale)
        network.layers[0].bias.add_(bias)
    calibrate(network, recipe, Fixed(8, 5), [batch(steps)])
    return network


@pytest.mark.parametrize("changes, number_format", [
    ({"activations": Activation.BINARY}, Binary()), ({}, Ternary(1, 1)),
    ({"threshold": 0.25}, Ternary(1, 2)), ({"threshold": 0.375}, Ternary(3, 3)),
    ({"threshold": 0.3}, Ternary(77, 8)), ({"threshold": 0.004}, Ternary(1, 8)),
    ({"activations": Activation.FIXED, "activation_bits": 6}, Fixed(6, 5)),
], ids=str)
def test_state_format(changes, number_format):
    assert calibrated(**changes).layers[0].quantization.state_format == number_format


@pytest.mark.parametrize("planes", [1, 2, 3])
def test_plane_coefficients(planes):
    """The levels fit what the float layer puts out better than slightly other ones do."""
    chosen = calibrated(activations=Activation.PLANES, activation_planes=planes)
    number_format = chosen.layers[0].quantization.state_format
    assert isinstance(number_format, Planes) and number_format.width == planes
    assert list(number_format.coefficients) == sorted(number_format.coefficients, reverse=True)
    chosen.layers[0].quantization = None
    with torch.no_grad():
        outputs = chosen.layers[0](batch().values).numpy().ravel()

    def error(coefficients):
        candidate = Planes(coefficients, number_format.frac)
        values = candidate.value(np.arange(1 << planes)) / 2**number_format.frac
        return (np.abs(outputs[:, None] - values).min(axis=1) ** 2).mean()

    for change in (-10, 10):
        other = [max(1, coefficient + change) for coefficient in number_format.coefficients]
        assert error(number_format.coefficients) < error(tuple(other))


def test_chain_of_formats():
    network = calibrated(layers=3, activations=Activation.PLANES)
    formats = [layer.quantization.state_format for layer in network.layers]
    inputs = [layer.quantization.input_format for layer in network.layers]
    assert inputs == [Fixed(8, 5), *formats[:-1]]
    assert network.readout_quantization.input_format == formats[-1]


@pytest.mark.parametrize("cell", [Cell.GRU_RESET_AFTER, Cell.GRU_RESET_BEFORE])
def test_gru_state(cell):
    assert calibrated(cell=cell).layers[0].quantization.precision.state == Fixed(12, 11)


def test_lstm_state():
    """Enough bits for the float cells, and never more than sixteen units either way."""
    for steps, state in ((2, Fixed(13, 11)), (3, Fixed(14, 11)), (90, Fixed(16, 11))):
        network = calibrated(cell=Cell.LSTM, steps=steps, bias=20.0)
        assert network.layers[0].quantization.precision.state == state


def test_exact_scales():
    """Powers of two are coefficients as they are, with the smallest shift that allows it."""
    for scale in (0.02, 1.0, 40.0):
        network = calibrated(scale)
        quantization = network.layers[0].quantization
        least = []
        for quantizer, latent in ((quantization.input, network.layers[0].input_weight),
                                  (quantization.recurrent, network.layers[0].recurrent_weight)):
            matrix = quantizer.lower(latent.detach())
            meant = float(quantizer.frozen[0, 0])
            assert matrix.coefficients[0, 0] == meant * 2**quantizer.exponent
            least.append(matrix.coefficients.min())
        assert min(least) == 1 or quantization.shift == 0


def test_logits():
    readout = calibrated().readout_quantization
    assert readout.logits.width == 16 and 4 <= readout.logits.frac <= 6
    assert readout.sum_frac == readout.weights.exponent
    wide = calibrated(activations=Activation.FIXED).readout_quantization
    assert wide.logits == Fixed(16, 6)
    assert wide.sum_frac == wide.weights.exponent + 7
