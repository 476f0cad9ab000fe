"""Sizes with every scale counted, and errors of weights, on networks counted by hand."""

import dataclasses
import math

import numpy as np
import pytest
from edit import edited

from ternloom.evaluate.size import (Size, float_bits, matrix_size, meant, network_size,
                                    relative_errors)
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed
from ternloom.model.matrix import Matrix
from ternloom.quantize.calibration import calibrate
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.lowering import lower
from ternloom.quantize.spec import QuantizationSpec


def matrix(weight, codes, coefficients):
    return Matrix(weight, np.array(codes, dtype=np.int8), np.array(coefficients, dtype=np.int32))


@pytest.mark.parametrize("made, size", [
    (matrix(BINARY, [[[1, -1, 1], [1, 1, 1]]], [[4, 4]]), Size(6, 3)),
    (matrix(BINARY, [[[1, -1, 1], [1, 1, 1]]], [[4, 1]]), Size(6, 6)),
    (matrix(TERNARY, [[[1, 0, 1], [1, 1, 1]]], [[1, 1]]), Size(12, 1)),
    (matrix(PLANES, [[[1, 1], [1, 1]], [[1, 1], [1, 1]]], [[200, 100], [50, 0]]),
     Size(8, 32)),
    (matrix(PLANES, [[[1, 1], [1, 1]], [[1, 1], [1, 1]]], [[2, 2], [1, 1]]), Size(8, 4)),
    (matrix(QUATERNARY, [[[1, -2]]], [[1]]), Size(4, 1)),
    (matrix(EXPONENTIAL, [[[1, -8]]], [[1]]), Size(8, 1)),
    (matrix(INTEGER, [[[7, -8, 0]]], [[300]]), Size(12, 9)),
], ids=str)
def test_matrix(made, size):
    assert matrix_size(made) == size


def test_network():
    """Biases are counted, those of a GRU's n row too, and an embedding."""
    network = random_network(3, layers=1, units=4, inputs=3, classes=2, cell=GRU_RESET_AFTER,
                             weight=TERNARY, input_format=Fixed(8, 5),
                             state_format="ternary")
    layer = dataclasses.replace(network.layers[0], bias=np.full(12, -8, np.int32),
                                recurrent_bias=np.full(4, 3, np.int32))
    readout = dataclasses.replace(network.readout, bias=np.array([0, 255], np.int32))
    network = edited(network, layers=(layer,), readout=readout,
                                  embedding=np.ones((5, 3), np.int8))
    size = network_size(network)
    assert size.biases == 16 * 4 + 2 * 9
    assert size.embedding == 15 * 8
    parts = [matrix_size(each) for each in network.matrices.values()]
    assert size.weights == sum(part.weights for part in parts)
    assert size.scales == sum(part.scales for part in parts)
    assert size.bits == size.weights + size.scales + size.biases + size.embedding
    assert size.bytes == math.ceil(size.bits / 8)


def make(seed=0):
    rng = np.random.default_rng(seed)
    layer = FloatLayer(LSTM, *(0.4 * rng.standard_normal(shape).astype(np.float32)
                                    for shape in ((64, 20), (64, 16), (64,))))
    return FloatNetwork("made", (layer,), rng.standard_normal((4, 16)).astype(np.float32),
                        np.zeros(4, np.float32))


def converted(reference, **fields):
    rng = np.random.default_rng(1)
    spec = QuantizationSpec(**{"weights": {"all": "alternating:2"}} | fields)
    return lower(reference, calibrate(reference, [rng.standard_normal((9, 20))], spec, Fixed(8, 5)))


@pytest.mark.parametrize("activations", ["fixed:8", "planes:2", "ternary"])
def test_errors(activations):
    """Integers mean nearly the weights that the method fits; more planes are nearer."""
    reference, errors = make(), []
    for planes in (1, 2, 3, 4):
        network = converted(reference, weights={"all": f"alternating:{planes}"},
                            activations=activations, coefficient_bits=12)
        errors.append(relative_errors(network, reference))
        weights = meant(network)["layer0.recurrent"]
        latent = reference.layers[0].recurrent_weight.astype(np.float64)
        assert errors[-1]["layer0.recurrent"] == pytest.approx(
            ((latent - weights) ** 2).sum() / (latent ** 2).sum(), rel=1e-12)
    for name in ("layer0.input", "layer0.recurrent", "readout.weights"):
        falling = [error[name] for error in errors]
        assert falling == sorted(falling, reverse=True) and 0 < falling[3] < falling[0] < 0.6


def test_errors_as_lowered():
    """Coefficients that were rounded away are part of the error."""
    reference = make()
    network = converted(reference, weights={"all": "integer:8"})
    layer = network.layers[0]
    for share in (0.5, 0.0):
        cut = dataclasses.replace(layer.recurrent, coefficients=(
            layer.recurrent.coefficients * share).astype(np.int32))
        cut = edited(network, layers=(dataclasses.replace(layer, recurrent=cut),))
        errors = relative_errors(cut, reference)
        assert errors["layer0.recurrent"] == pytest.approx((1 - share) ** 2, rel=0.02)
        assert errors["layer0.input"] < 1e-3


def test_float_bits():
    assert float_bits(make()) == 32 * (64 * 37 + 4 * 17)
    assert float_bits(dataclasses.replace(make(), embedding=np.zeros((7, 20), np.float32))) \
        == 32 * (64 * 37 + 4 * 17 + 140)


def test_other_network():
    other = dataclasses.replace(make(), readout_weight=None, readout_bias=None)
    with pytest.raises(NetworkError, match="^float network 'made' has other matrices, {.*}, than "
                                           "network 'made', {.*}$"):
        relative_errors(converted(make()), other)
