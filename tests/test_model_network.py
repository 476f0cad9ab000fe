"""The network: what may not be put together is refused, and named."""

import dataclasses

import numpy as np
import pytest

from ternloom.model.format import Binary, Fixed, Ternary
from ternloom.model.network import Cell, Matrix, Network, NetworkError, Precision, Weight
from ternloom.model.random import random_network
from ternloom.model.rounding import Rounding


NETWORK = random_network(1, cell=Cell.GRU_RESET_AFTER, layers=2, units=4, inputs=3, classes=2,
                         state_format=Ternary(), weight=Weight.TERNARY)


def with_layer(index, **fields):
    layers = list(NETWORK.layers)
    layers[index] = dataclasses.replace(layers[index], **fields)
    return dataclasses.replace(NETWORK, layers=tuple(layers))


def with_readout(**fields):
    return dataclasses.replace(NETWORK, readout=dataclasses.replace(NETWORK.readout, **fields))


def matrix(weight=Weight.TERNARY, shape=(1, 12, 4), coefficient=1, code=1):
    return Matrix(weight, np.full(shape, code, dtype=np.int8),
                  np.full(shape[:2], coefficient, dtype=np.int32))


def test_shapes():
    assert (NETWORK.inputs, NETWORK.input_format) == (3, NETWORK.layers[0].input_format)
    layer = NETWORK.layers[1]
    assert (layer.inputs, layer.units, layer.rows) == (4, 4, 12)
    assert (layer.input.planes, layer.input.rows, layer.input.columns) == (1, 12, 4)
    assert (NETWORK.readout.inputs, NETWORK.readout.classes) == (4, 2)


def test_gates():
    assert [cell.gates for cell in Cell] == [("i", "f", "g", "o"), ("r", "z", "n"),
                                             ("r", "z", "n")]


@pytest.mark.parametrize("make, message", [
    (lambda: Network("x", (), NETWORK.readout), "^a network must have at least one layer$"),
    (lambda: with_layer(0, input=matrix(shape=(1, 11, 3))),
     r"^layer0\.input\.codes must have the shape \(planes, 12, 3\) with 1 to 1 planes, "
     r"not \(1, 11, 3\)$"),
    (lambda: with_layer(1, recurrent=matrix(shape=(1, 12, 3))),
     r"^layer1\.recurrent\.codes must have the shape \(planes, 12, 4\) with 1 to 1 planes, "
     r"not \(1, 12, 3\)$"),
    (lambda: with_layer(1, recurrent=matrix(Weight.PLANES, (5, 12, 4))),
     r"^layer1\.recurrent\.codes must have the shape \(planes, 12, 4\) with 1 to 4 planes, "
     r"not \(5, 12, 4\)$"),
    (lambda: with_layer(1, recurrent=matrix(Weight.BINARY, (2, 12, 4))),
     r"^layer1\.recurrent\.codes must have the shape \(planes, 12, 4\) with 1 to 1 planes, "
     r"not \(2, 12, 4\)$"),
    (lambda: with_layer(1, recurrent=Matrix(Weight.TERNARY, np.ones((1, 12, 4), dtype=np.int8),
                                            np.ones(12, dtype=np.int32))),
     r"^layer1\.recurrent\.coefficients must have the shape \(1, 12\), not \(12,\)$"),
    (lambda: with_layer(1, recurrent=matrix(code=2)),
     r"^layer1\.recurrent\.codes must be ternary codes \(-1, 0, 1\), not 2$"),
    (lambda: with_layer(1, recurrent=matrix(Weight.BINARY, code=0)),
     r"^layer1\.recurrent\.codes must be binary codes \(-1, 1\), not 0$"),
    (lambda: with_layer(1, recurrent=matrix(coefficient=-(1 << 15))),
     r"^layer1\.recurrent\.coefficients must be from -32767 to 32767$"),
    (lambda: with_layer(0, bias=np.zeros(11, dtype=np.int32)),
     r"^layer0\.bias must have the shape \(12,\), not \(11,\)$"),
    (lambda: with_layer(0, bias=np.full(12, -(1 << 30), dtype=np.int32)),
     r"^layer0\.bias must be less than 2\*\*30 in magnitude$"),
    (lambda: with_layer(0, recurrent_bias=None),
     r"^layer0\.recurrent_bias belongs to gru-reset-after and to no other cell, this one is "
     r"gru-reset-after$"),
    (lambda: with_layer(0, cell=Cell.GRU_RESET_BEFORE),
     r"^layer0\.recurrent_bias belongs to gru-reset-after and to no other cell, this one is "
     r"gru-reset-before$"),
    (lambda: with_layer(0, recurrent_bias=np.zeros(12, dtype=np.int32)),
     r"^layer0\.recurrent_bias must have the shape \(4,\), not \(12,\)$"),
    (lambda: with_layer(0, shift=41), r"^layer0\.shift must be from 0 to 40, not 41$"),
    (lambda: with_layer(1, input=matrix(shape=(1, 12, 5))),
     r"^layer1 must have 4 inputs, as many as the units before it, not 5$"),
    (lambda: with_layer(1, input_format=Binary()),
     r"^layer1\.input_format must be the state format before it, Ternary\(.*\), "
     r"not Binary\(\)$"),
    (lambda: with_readout(weights=matrix(shape=(1, 2, 5))),
     r"^readout must have 4 inputs, as many as the units before it, not 5$"),
    (lambda: with_readout(weights=matrix(shape=(1, 2, 4), code=-2)),
     r"^readout\.weights\.codes must be ternary codes \(-1, 0, 1\), not -2$"),
    (lambda: with_readout(bias=np.zeros(3, dtype=np.int32)),
     r"^readout\.bias must have the shape \(2,\), not \(3,\)$"),
    (lambda: with_readout(shift=-1), r"^readout\.shift must be from 0 to 40, not -1$"),
    (lambda: with_readout(logits=Fixed(8, 0, signed=False)), r"^readout\.logits must be signed$"),
    (lambda: dataclasses.replace(NETWORK, labels=("a", "b", "c")),
     r"^labels must be 2, one a class, not 3$"),
])
def test_network_errors(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


HALF_EVEN = Rounding.HALF_EVEN


@pytest.mark.parametrize("make, message", [
    (lambda: Precision(Fixed(13, 6)),
     r"^Pre-activations must be signed and of 4 to 12 bits, not Fixed\(width=13, .*\)$"),
    (lambda: Precision(Fixed(10, 6, signed=False)),
     r"^Pre-activations must be signed and of 4 to 12 bits, not Fixed\(.*signed=False.*\)$"),
    (lambda: Precision(Fixed(10, 12)),
     r"^Pre-activations must have from 0 to 11 fraction bits \(the state's\), not 12$"),
    (lambda: Precision(gate_frac=16),
     r"^Gate fraction bits must be 0 \(comparators\) or from 2 to 15, not 16$"),
    (lambda: Precision(gate_frac=1),
     r"^Gate fraction bits must be 0 \(comparators\) or from 2 to 15, not 1$"),
    (lambda: Precision(Fixed(10, -1), 0),
     r"^Pre-activations must have from 0 to 32 fraction bits, not -1$"),
    (lambda: Precision(slope=0), r"^Slope must be from 1 to 65535, not 0$"),
    (lambda: Precision(slope_frac=17), r"^Slope fraction bits must be from 0 to 16, not 17$"),
    (lambda: Precision(state=Fixed(25, 11)),
     r"^The state must be signed and of 2 to 24 bits, not Fixed\(width=25, .*\)$"),
    (lambda: Precision(gate_frac=12),
     r"^The state must have at least the gates' 12 fraction bits, not 11$"),
    (lambda: Precision(rounding=HALF_EVEN),
     r"^Rounding must be half-even as the precision says, not half-up$"),
    (lambda: Precision(Fixed(10, 6, rounding=HALF_EVEN), rounding=HALF_EVEN),
     r"^Rounding must be half-even as the precision says, not half-up$"),
])
def test_precision_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_comparators():
    """Pre-activations may be finer than a counter that counts ones."""
    precision = Precision(Fixed(10, 6), 0, Fixed(4, 0))
    assert precision.comparators and precision.gate_width == 2
    assert not Precision().comparators and Precision().gate_width == 9
