"""Lowering: the integers are those that the quantized network stands for."""

import pytest
import torch
from cellstep import CORE

from ternloom.model.cell import LSTM
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train.lower import calibrate, lower
from ternloom.train.recurrent import RecurrentNetwork
from ternloom.train.weights import effective


pytestmark = pytest.mark.train


def calibrated(cell, weights, activations):
    torch.manual_seed(9)
    network = RecurrentNetwork(cell, 4, 6, 2, 3).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias" in name:
                parameter.normal_()
    sequences = [torch.randn(steps, 4, dtype=torch.float64).numpy() for steps in (3, 7, 5)]
    spec = QuantizationSpec(weights={"all": weights}, activations=activations)
    calibrate(network, spec, sequences, Fixed(8, 5))
    return network


def meant(matrix, exponent):
    """Real weights that the integers stand for."""
    codes, coefficients = (torch.tensor(array).double()
                           for array in (matrix.values, matrix.coefficients))
    return (codes * coefficients[:, :, None]).sum(0) * 2.0**-exponent


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
@pytest.mark.parametrize("weights, activations", [
    ("twn", "ternary:0.5"), ("mean-binary", "fixed:8"), ("alternating:2", "planes:2"),
    ("ott-exponential:6", "binary"), ("integer:8:by-row", "fixed:6"),
], ids=str)
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
                                         frac - integers.input_format.frac))
        assert torch.equal(recurrent, meant(integers.recurrent,
                                            frac - integers.state_format.frac))
        assert integers.bias.tolist() == (bias * 2.0**frac).tolist()
        assert (integers.recurrent_bias is None) == (recurrent_bias is None)
        if recurrent_bias is not None:
            assert integers.recurrent_bias.tolist() == (recurrent_bias * 2.0**frac).tolist()


def test_readout():
    network = calibrated(LSTM, "twn", "fixed:8")
    readout, quantization = lower(network, "test").readout, network.readout_quantization
    assert readout.when is When.LAST
    assert readout.logits.frac + readout.shift == quantization.sum_frac
    weights = effective(quantization.weights, network.readout_weight).detach()
    assert torch.equal(weights, meant(
        readout.weights, quantization.sum_frac - readout.input_format.frac))


def test_uncalibrated_network():
    network = RecurrentNetwork(LSTM, 5, 3, 1, 4)
    with pytest.raises(ValueError, match="^Network must be calibrated before it is lowered$"):
        lower(network, "test")
