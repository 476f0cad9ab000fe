"""Calibration of a trainable network: the model's, attached."""

import numpy as np
import pytest
import torch

from ternloom.model.cell import LSTM
from ternloom.model.format import Fixed, Online, Ternary
from ternloom.quantize import calibration
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train.lower import calibrate, floats
from ternloom.train.recurrent import RecurrentNetwork


pytestmark = pytest.mark.train


def network():
    torch.manual_seed(5)
    return RecurrentNetwork(LSTM, 5, 9, 2, 4)


def sequences():
    random = np.random.default_rng(4)
    return [random.normal(size=(steps, 5)).astype(np.float32) for steps in (10, 7)]


@pytest.mark.parametrize("activations, form", [
    ("ternary:0.5", Ternary(1, 1)), ("fixed:6", Fixed(6, 5)), ("online:3", Online(Fixed(8, 7), 3)),
])
def test_formats(activations, form):
    spec, made = QuantizationSpec(weights={"all": "twn"}, activations=activations), network()
    calibrate(made, spec, sequences(), Fixed(8, 5))
    first, second = (layer.quantization for layer in made.layers)
    assert (first.input_format, first.state_format) == (Fixed(8, 5), form)
    assert (second.input_format, second.state_format) == (form, form)
    assert made.readout_quantization.input_format == form


def test_calibration():
    """What is attached is what the model finds for the same floats."""
    spec, made = QuantizationSpec(weights={"all": "alternating:2"}), network()
    calibrate(made, spec, sequences(), Fixed(8, 5))
    expected = calibration.calibrate(floats(made, "same"), sequences(), spec, Fixed(8, 5))
    assert tuple(layer.quantization for layer in made.layers) == expected.layers
    assert made.readout_quantization == expected.readout


def test_bad_data():
    with pytest.raises(ValueError, match="^Calibration data have no sequences$"):
        calibrate(network(), QuantizationSpec(weights={"all": "twn"}), [], Fixed(8, 5))
