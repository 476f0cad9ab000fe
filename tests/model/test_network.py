"""The network: what may not be put together is refused, and named."""

import dataclasses

import numpy as np
import pytest
from cellstep import CORE

from edit import edited, refed
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError, located
from ternloom.model.format import Binary, Fixed, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.network import Network, embedding_type
from ternloom.model.precision import Precision
from ternloom.model.rounding import Rounding


NETWORK = random_network(1, cell=GRU_RESET_AFTER, layers=2, units=4, inputs=3, classes=2,
                         state_format=Ternary(), weight=TERNARY)


def with_layer(index, **fields):
    layers = list(NETWORK.layers)
    layers[index] = refed(layers[index], **fields)
    return edited(NETWORK, layers=layers)


def with_readout(**fields):
    return edited(NETWORK, readout=refed(NETWORK.readout, **fields))


def matrix(weight=TERNARY, shape=(1, 12, 4), coefficient=1, code=1):
    return Matrix(weight, np.full(shape, code, dtype=np.int8),
                  np.full(shape[:2], coefficient, dtype=np.int32))


def test_shapes():
    assert (NETWORK.inputs, NETWORK.input_format) == (3, NETWORK.layers[0].input_format)
    layer = NETWORK.layers[1]
    assert (layer.inputs, layer.units, layer.rows) == (4, 4, 12)
    assert (layer.input.planes, layer.input.rows, layer.input.columns) == (1, 12, 4)
    assert (NETWORK.readout.inputs, NETWORK.readout.classes) == (4, 2)


def test_no_readout():
    bare = NETWORK.edited(readout=None)
    assert (bare.readout, bare.inputs) == (None, 3)


def with_embedding(embedding, form=Ternary(), **fields):
    """A network without a readout on inputs of a format."""
    network = random_network(1, layers=1, units=4, inputs=3, input_format=form, readout=False)
    return dataclasses.replace(network, name="x", embedding=embedding, **fields)


def test_embedding():
    codes = np.array([[1, 0, -1], [0, 0, 1]], dtype=np.int8)
    network = with_embedding(codes, labels=("the", "cat"))
    found = network.embed([1, 0, 1])
    np.testing.assert_array_equal(found, codes[[1, 0, 1]])
    assert found.dtype == np.int64


@pytest.mark.parametrize("form, dtype", [
    (Binary(), np.int8), (Fixed(8, 2), np.int8), (Fixed(7, 2, signed=False), np.int8),
    (Fixed(8, 2, signed=False), np.int16), (Fixed(16, 2), np.int16)])
def test_embedding_type(form, dtype):
    assert embedding_type(form) is dtype


@pytest.mark.parametrize("make, message", [
    (lambda: with_embedding(np.ones((2, 4), dtype=np.int8)),
     r"^embedding must have the shape \(words, 3\), not \(2, 4\)$"),
    (lambda: with_embedding(np.ones((0, 3), dtype=np.int8)),
     r"^embedding must have the shape \(words, 3\), not \(0, 3\)$"),
    (lambda: with_embedding(np.ones((2, 3), dtype=np.int16)),
     r"^embedding must be of int8, which holds the codes of Ternary\(.*\), not of int16$"),
    (lambda: with_embedding(np.array([[0, 0, 1], [0, 2, 0]], dtype=np.int8)),
     r"^embedding must hold codes of Ternary\(.*\), and word 1 does not$"),
    (lambda: with_embedding(np.ones((2, 3), dtype=np.int16), Fixed(16, 0, signed=False)),
     r"^embedding must have an input format whose codes fit 16 bits, not Fixed\(width=16, .*\)$"),
    (lambda: with_embedding(np.ones((2, 3), dtype=np.int8), labels=("a",)),
     "^labels must have 2 entries, one per word, not 1$"),
    (lambda: with_embedding(None, labels=("a",)),
     "^labels must have 0 entries, one per word, not 1$"),
])
def test_embedding_errors(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


@pytest.mark.parametrize("tokens, message", [
    ([0, 2], "^Words must be from 0 to 1, not 2$"), ([-1], "^Words must be from 0 to 1, not -1$")])
def test_unknown_words(tokens, message):
    with pytest.raises(ValueError, match=message):
        with_embedding(np.ones((2, 3), dtype=np.int8)).embed(tokens)


def test_no_embedding():
    with pytest.raises(ValueError, match="^Network x must have an embedding to read words$"):
        with_embedding(None).embed([0])


def test_gates():
    assert [cell.gates for cell in CORE] == [("i", "f", "g", "o"), ("r", "z", "n"),
                                             ("r", "z", "n")]


@pytest.mark.parametrize("make, message", [
    (lambda: Network("x", ()), "^a network must have at least one node$"),
    (lambda: with_layer(0, matrix=matrix(shape=(1, 11, 3))),
     r"^input\.codes must have the shape \(planes, 12, 3\), not \(1, 11, 3\)$"),
    (lambda: with_layer(1, recurrent=matrix(shape=(1, 12, 3))),
     r"^recurrent\.codes must have the shape \(planes, 12, 4\), not \(1, 12, 3\)$"),
    (lambda: with_layer(1, recurrent=matrix(PLANES, (5, 12, 4))),
     r"^codes must have the shape \(planes, rows, columns\) with 1 to 4 planes, "
     r"not \(5, 12, 4\)$"),
    (lambda: with_layer(1, recurrent=matrix(BINARY, (2, 12, 4))),
     r"^codes must have the shape \(planes, rows, columns\) with 1 to 1 planes, "
     r"not \(2, 12, 4\)$"),
    (lambda: with_layer(1, recurrent=Matrix(TERNARY, np.ones((1, 12, 4), dtype=np.int8),
                                            np.ones(12, dtype=np.int32))),
     r"^coefficients must have the shape \(1, 12\), not \(12,\)$"),
    (lambda: with_layer(1, recurrent=matrix(code=2)),
     r"^codes must be ternary codes \(-1, 0, 1\), not 2$"),
    (lambda: with_layer(1, recurrent=matrix(BINARY, code=0)),
     r"^codes must be binary codes \(-1, 1\), not 0$"),
    (lambda: with_layer(1, recurrent=matrix(coefficient=-(1 << 24))),
     r"^coefficients must be from -16777215 to 16777215$"),
    (lambda: with_layer(0, bias=np.zeros(11, dtype=np.int32)),
     r"^bias must have the shape \(12,\), not \(11,\)$"),
    (lambda: with_layer(0, bias=np.full(12, -(1 << 30), dtype=np.int32)),
     r"^bias must be less than 2\*\*30 in magnitude$"),
    (lambda: with_layer(0, recurrent_bias=None),
     r"^recurrent_bias must be given in a gru-reset-after, which keeps the halves of gate n "
     r"apart$"),
    (lambda: with_layer(0, cell=GRU_RESET_BEFORE),
     r"^recurrent_bias must be None in a gru-reset-before, which keeps no halves of a gate apart$"),
    (lambda: with_layer(0, recurrent_bias=np.zeros(12, dtype=np.int32)),
     r"^recurrent_bias must have the shape \(4,\), not \(12,\)$"),
    (lambda: with_layer(0, shift=41), r"^shift must be from 0 to 40, not 41$"),
    (lambda: with_layer(1, matrix=matrix(shape=(1, 12, 5))),
     r"^layer1\.operands\[0\] must have 4 columns, as many as layer0 has elements, not 5$"),
    (lambda: with_layer(1, format=Binary()),
     r"^layer1\.operands\[0\]\.format must be that of layer0, Ternary\(.*\), not Binary\(\)$"),
    (lambda: with_readout(matrix=matrix(shape=(1, 2, 5))),
     r"^readout\.operands\[0\] must have 4 columns, as many as layer1 has elements, not 5$"),
    (lambda: with_readout(matrix=matrix(shape=(1, 2, 4), code=-2)),
     r"^codes must be ternary codes \(-1, 0, 1\), not -2$"),
    (lambda: with_readout(bias=np.zeros(3, dtype=np.int32)),
     r"^bias must have the shape \(2,\), not \(3,\)$"),
    (lambda: with_readout(shift=-1), r"^shift must be from 0 to 40, not -1$"),
    (lambda: with_readout(logits=Fixed(8, 0, signed=False)), r"^logits must be signed$"),
    (lambda: dataclasses.replace(NETWORK, labels=("a", "b", "c")),
     r"^labels must have 2 entries, one per class, not 3$"),
])
def test_network_errors(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


ONES = np.ones((1, 1), dtype=np.int32)


@pytest.mark.parametrize("make, message", [
    (lambda: matrix(PLANES, (9, 12, 4), code=77),
     r"^codes must have the shape \(planes, rows, columns\) with 1 to 4 planes, "
     r"not \(9, 12, 4\)$"),
    (lambda: matrix(PLANES, code=77), r"^codes must be planes codes \(-1, 1\), not 77$"),
    (lambda: matrix(EXPONENTIAL, code=-17),
     "^codes must be exponential codes from -16 to 16, not -17$"),
    (lambda: matrix(EXPONENTIAL, code=0),
     "^codes must be exponential codes from -16 to 16, not 0$"),
    (lambda: Matrix(INTEGER, np.full((1, 1, 1), 128), ONES),
     "^codes must be integer codes from -128 to 127, not 128$"),
    (lambda: Matrix(INTEGER, np.full((1, 1, 1), 1 << 32 | 1), ONES),
     "^codes must be integer codes from -128 to 127, not 4294967297$"),
    (lambda: matrix(shape=(1, 0, 4)),
     r"^codes must have the shape \(planes, rows, columns\) with 1 to 1 planes, "
     r"not \(1, 0, 4\)$"),
    (lambda: matrix(shape=(12, 4)),
     r"^codes must have the shape \(planes, rows, columns\) with 1 to 1 planes, not \(12, 4\)$"),
    (lambda: Matrix("ternary", ONES[None], ONES),
     "^weight must be of the type Alphabet, not 'ternary'$"),
    (lambda: Matrix(BINARY, [[[1]]], ONES),
     "^codes must be an array of integers, not list$"),
    (lambda: Matrix(BINARY, np.ones((1, 1, 1)), ONES),
     "^codes must be an array of integers, not float64$"),
    (lambda: Matrix(BINARY, ONES[None], ONES > 0),
     "^coefficients must be an array of integers, not bool$"),
    (lambda: Matrix(BINARY, ONES[None], ONES.astype(np.uint64) << 63),
     "^coefficients must be from -16777215 to 16777215$"),
    (lambda: with_layer(0, cell="lstm"), "^cell must be of the type Cell, not 'lstm'$"),
    (lambda: with_layer(0, units=0), "^units must be at least 1, not 0$"),
    (lambda: with_layer(0, units=None), "^units must be of the type int, not None$"),
    (lambda: with_layer(0, state_format=3), "^state_format must be of the type Format, not 3$"),
    (lambda: with_layer(0, matrix=None), "^matrix must be of the type Matrix, not None$"),
    (lambda: dataclasses.replace(NETWORK.readout, operands=()),
     "^there must be at least one operand$"),
    (lambda: dataclasses.replace(NETWORK.readout, operands=(3,)),
     "^operands must be of the type Operand, not 3$"),
    (lambda: with_layer(0, shift=1.5), "^shift must be from 0 to 40, not 1.5$"),
    (lambda: with_layer(0, bias=None), "^bias must be an array of integers, not NoneType$"),
    (lambda: with_readout(when="last"), "^when must be of the type When, not 'last'$"),
    (lambda: with_readout(logits=Binary()), r"^logits must be of the type Fixed, not Binary\(\)$"),
    (lambda: Network("x", (3,)), "^nodes must be of the type Node, not 3$"),
    (lambda: NETWORK.edited(layer0=3),
     "^layer0 must be a Layer, a Readout or another Body, not 3$"),
])
def test_parts_alone(make, message):
    """Every part refuses what is unsound by itself."""
    with pytest.raises(NetworkError, match=message):
        make()


def test_wide_integers():
    """Integers of any type are held as the narrow ones."""
    wide = Matrix(INTEGER, np.full((1, 1, 1), -128), np.full((1, 1), 32767))
    assert (wide.codes.dtype, wide.coefficients.dtype) == (np.int8, np.int32)
    narrow = Matrix(INTEGER, np.full((1, 1, 1), -128, np.int8), ONES * 32767)
    assert wide == narrow
    layer = NETWORK.layers[0]
    assert with_layer(0, bias=layer.bias.astype(np.int64)) == NETWORK


def test_located():
    with pytest.raises(NetworkError, match="^layer3.input.codes must be binary codes"):
        with located("layer3"), located("input"):
            matrix(BINARY, code=0)


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
