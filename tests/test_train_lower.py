"""Lowering: the integers are those that the quantized network stands for."""

import pytest
import torch

from ternloom.model.format import Fixed
from ternloom.model.network import Cell, Weight, When
from ternloom.train.batches import SequenceSet
from ternloom.train.calibrate import calibrate
from ternloom.train.lower import lower
from ternloom.train.quantize import value_frac
from ternloom.train.recipe import Activation, Recipe
from ternloom.train.recurrent import RecurrentNetwork


pytestmark = pytest.mark.train


def calibrated(cell, weights, activations):
    recipe = Recipe(name="test", data="none", cell=cell, units=6, layers=2, weights=weights,
                    activations=activations, readout_weights=weights)
    torch.manual_seed(9)
    network = RecurrentNetwork(cell, 4, 6, 2, 3).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias" in name:
                parameter.normal_()
    values = torch.randn(7, 3, 4, dtype=torch.float64)
    batch = SequenceSet(values, torch.tensor([3, 7, 5]), torch.zeros(3).long())
    calibrate(network, recipe, Fixed(8, 5), [batch])
    return network


def meant(matrix, exponent):
    """Real weights that the integers stand for."""
    codes, coefficients = (torch.from_numpy(array).double()
                           for array in (matrix.codes, matrix.coefficients))
    return (codes * coefficients[:, :, None]).sum(0) * 2.0**-exponent


@pytest.mark.parametrize("cell", list(Cell), ids=lambda cell: cell.value)
@pytest.mark.parametrize("weights, activations", [
    (Weight.TERNARY, Activation.TERNARY), (Weight.BINARY, Activation.FIXED),
    (Weight.PLANES, Activation.PLANES),
], ids=lambda value: value.value)
def test_layers(cell, weights, activations):
    network = calibrated(cell, weights, activations)
    lowered = lower(network, "test", ("a", "b", "c"), {"by": "hand"})
    assert (lowered.name, lowered.labels, lowered.notes) == ("test", ("a", "b", "c"),
                                                             {"by": "hand"})
    for layer, integers in zip(network.layers, lowered.layers):
        frac = integers.precision.preact.frac + integers.shift
        inputs, recurrent, bias, recurrent_bias = (
            None if tensor is None else tensor.detach() for tensor in layer.effective())
        assert torch.equal(inputs, meant(integers.input,
                                         frac - value_frac(integers.input_format)))
        assert torch.equal(recurrent, meant(integers.recurrent,
                                            frac - value_frac(integers.state_format)))
        assert integers.bias.tolist() == (bias * 2.0**frac).tolist()
        assert (integers.recurrent_bias is None) == (recurrent_bias is None)
        if recurrent_bias is not None:
            assert integers.recurrent_bias.tolist() == (recurrent_bias * 2.0**frac).tolist()


def test_readout():
    network = calibrated(Cell.LSTM, Weight.TERNARY, Activation.FIXED)
    readout, quantization = lower(network, "test").readout, network.readout_quantization
    assert readout.when is When.LAST
    assert readout.logits.frac + readout.shift == quantization.sum_frac
    effective = quantization.weights.effective(network.readout_weight).detach()
    assert torch.equal(effective, meant(
        readout.weights, quantization.sum_frac - value_frac(readout.input_format)))


def test_uncalibrated_network():
    network = RecurrentNetwork(Cell.LSTM, 5, 3, 1, 4)
    with pytest.raises(ValueError, match="^Network must be calibrated before it is lowered$"):
        lower(network, "test")
