"""Geometry: sizes against their definitions, counted or enumerated."""

import itertools

import numpy as np
import pytest
from edit import refed

from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.geometry import (Arithmetic, Block, Source, layer_geometry,
                                       readout_geometry)
from ternloom.mapping.layout import InputLayout
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import (ALPHABETS, BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY,
                                     TERNARY, Alphabet)
from ternloom.model.alphabet.alphabet import LaneAlphabet
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.matrix import Matrix


SIZES = (1, 2, 3, 5, 8, 13)


def make_layer(cell=LSTM, units=5, inputs=4, input_format=Ternary(), **options):
    """A layer, also one with an input that only another layer can give."""
    layer = random_network(1, cell=cell, layers=1, units=units, inputs=inputs, **options).layers[0]
    return refed(layer, format=input_format)


@pytest.mark.parametrize("pe, simd, units, chains", [
    (4, 8, 64, 1),     # 8 words cover 4 elements
    (16, 8, 64, 2),    # 8 words, so chains of 8
    (16, 8, 32, 4),    # 4 words
    (16, 8, 8, 8),     # one word: as many chains as there are common divisors
    (7, 8, 64, 1),     # 7 elements are fewer than 8 words
    (9, 8, 64, 1),     # no common divisor: collisions are avoided by a longer period
    (12, 9, 9, 3),     # the largest common divisor, still 4 elements for one word
    (1, 1, 1, 1), (6, 6, 6, 6), (4096, 256, 1024, 256),
])
def test_chains(pe, simd, units, chains):
    assert layer_geometry(make_layer(units=units), LayerFolding(pe, simd), 1).chains == chains


def test_chains_rule():
    """The smallest common divisor that gives chains no longer than the state's words."""
    layers = {units: make_layer(units=units) for units in SIZES}
    for pe, simd, (units, layer) in itertools.product(range(1, 13), range(1, 10), layers.items()):
        geometry = layer_geometry(layer, LayerFolding(pe, simd), 1)
        words = -(-units // simd)
        divisors = [d for d in range(1, 13) if pe % d == 0 and simd % d == 0]
        short = [d for d in divisors if pe / d <= words]
        assert geometry.chains == (min(short) if short else max(divisors))
        assert geometry.chains * geometry.chain_elements == pe
        assert geometry.slice * geometry.chains == simd


@pytest.mark.parametrize("simd, beat_slots, inputs", [
    (simd, slots, inputs) for simd in SIZES for slots in (*SIZES, 16, 40) for inputs in (*SIZES, 40)
])
def test_input_columns(simd, beat_slots, inputs):
    """Every element of the input is at one place, and beats fill words from the low lanes on."""
    layout = InputLayout(inputs, beat_slots, simd)
    columns = layout.columns
    assert columns.shape == (layout.words, simd)
    assert sorted(columns[columns >= 0]) == list(range(inputs))
    assert (np.diff(columns[columns >= 0]) == 1).all()
    assert layout.beats == -(-inputs // beat_slots)
    assert layout.words_per_row & (layout.words_per_row - 1) == 0
    assert layout.words_per_row * simd >= beat_slots
    beats = [set(columns.reshape(layout.rows, -1)[row] // beat_slots) - {-1}
             for row in range(layout.rows)]
    assert all(len(each) <= layout.beats_per_row for each in beats)
    assert sum(map(len, beats)) == layout.beats


@pytest.mark.parametrize("pe, simd", [(1, 1), (4, 4), (8, 4), (6, 9), (12, 8), (3, 5)])
@pytest.mark.parametrize("units", (1, 2, 7, 16, 33))
def test_state_columns(units, pe, simd):
    """Unit u is local unit u // chains of chain u % chains; a chain owns a slice of each word."""
    geometry = layer_geometry(make_layer(units=units), LayerFolding(pe, simd), 1)
    columns, lanes = geometry.state_columns, geometry.slice
    assert columns.shape == (geometry.state_words, simd)
    assert sorted(columns[columns >= 0]) == list(range(units))
    for unit in range(units):
        local, chain = divmod(unit, geometry.chains)
        assert columns[local // lanes, chain * lanes + local % lanes] == unit
    assert geometry.chain_units == -(-units // geometry.chains)


def test_columns():
    geometry = layer_geometry(make_layer(GRU_RESET_BEFORE), LayerFolding(2, 3), 2)
    for block in geometry.blocks:
        expected = (geometry.inputs[0].columns if block.source is Source.INPUT
                    else geometry.state_columns)
        np.testing.assert_array_equal(geometry.columns(block), expected)


@pytest.mark.parametrize("cell, expected", [
    (LSTM, [(Source.INPUT, (0, 1, 2, 3)), (Source.STATE, (0, 1, 2, 3))]),
    (GRU_RESET_AFTER, [(Source.INPUT, (0, 1, 2)), (Source.STATE, (0, 1, 2))]),
    (GRU_RESET_BEFORE, [(Source.INPUT, (0, 1)), (Source.STATE, (0, 1)), (Source.INPUT, (2,)),
                             (Source.RESET, (2,))]),
])
def test_blocks(cell, expected):
    geometry = layer_geometry(make_layer(cell, weight=PLANES), LayerFolding(2, 3), 2)
    layer = make_layer(cell, weight=PLANES)
    assert [(block.source, block.gates) for block in geometry.blocks] == expected
    for block in geometry.blocks:
        is_input = block.source is Source.INPUT
        assert block.planes == (layer.input if is_input else layer.recurrent).planes
        assert block.words == (geometry.inputs[0].words if is_input else geometry.state_words)
        assert block.rows == geometry.chain_units * len(block.gates)
        assert block.dots == block.rows * block.planes


def test_block_sizes():
    block = Block(Source.STATE, (0, 1, 2), planes=2, words=3, waits=True, serial=1, chain_units=5,
                  chain_elements=4)
    assert (block.rows, block.dots, block.groups) == (15, 30, 8)
    assert (block.period, block.cycles) == (4, 32)
    block = Block(Source.INPUT, (0, 1, 2, 3), planes=1, words=3, waits=False, serial=8,
                  chain_units=5, chain_elements=4)
    assert (block.rows, block.dots, block.groups) == (20, 20, 5)
    assert (block.period, block.cycles) == (24, 120)


def test_exits():
    """Results leave in the order of the dots, one a cycle at most, from the end of their group."""
    block = Block(Source.INPUT, (0,), planes=1, words=2, waits=False, serial=1, chain_units=7,
                  chain_elements=3)
    assert block.exits().tolist() == [2, 3, 4, 5, 6, 7, 8]
    block = Block(Source.INPUT, (0,), planes=1, words=5, waits=False, serial=1, chain_units=4,
                  chain_elements=3)
    assert block.exits().tolist() == [4, 5, 6, 9]
    for words, elements, units in itertools.product(range(1, 7), range(1, 7), range(1, 20)):
        exits = Block(Source.INPUT, (0,), 1, words, False, 1, units, elements).exits()
        assert len(exits) == units and (np.diff(exits) >= 1).all()


FORMATS = {"fixed": Fixed(6, 4), "unsigned": Fixed(6, 4, signed=False), "binary": Binary(),
           "ternary": Ternary(3, 2), "planes": Planes((5, 2), 3), "other": Planes((4, 2), 3),
           "three": Planes((4, 2, 1), 3), "online": Online(Fixed(5, 4), 2)}
#: Planes of the formats that feed lanes of one bit.
AT_ONCE = {"binary": 1, "planes": 2, "other": 2, "three": 3, "online": 2}


def together(source, state):
    """Whether codes of both formats are fed as planes of the same number."""
    return source == state or (state in AT_ONCE and AT_ONCE.get(source) == AT_ONCE[state])


@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("state", FORMATS)
def test_element(state, source, weight):
    """The state's format and the weights decide; the input's decides whether it is fed serially."""
    layer = make_layer(input_format=FORMATS[source], state_format=FORMATS[state], weight=weight)
    geometry = layer_geometry(layer, LayerFolding(2, 3), 1)
    binary = weight in (BINARY, PLANES)
    if state in ("fixed", "unsigned"):
        expected = Arithmetic.SHIFT_ADD
    elif weight in (EXPONENTIAL, INTEGER) or \
            (weight == QUATERNARY and state == "ternary"):
        expected = Arithmetic.SELECT_ADD
    elif weight == QUATERNARY:
        expected = Arithmetic.QUATERNARY_POPCOUNT
    elif binary and state != "ternary":
        expected = Arithmetic.XNOR_POPCOUNT
    else:
        expected = Arithmetic.GATED_POPCOUNT
    assert geometry.arithmetic is expected
    assert geometry.weight is (BINARY if binary else weight)
    assert geometry.weight_bits == max(matrix.code_bits for matrix in (layer.input,
                                                                       layer.recurrent))
    widths = {"fixed": 6, "unsigned": 7, "binary": 2, "ternary": 2, "planes": 4, "other": 4,
              "three": 4, "online": 7}
    if expected is Arithmetic.SHIFT_ADD:
        assert geometry.activation_bits == max(widths[state], widths[source])
    else:
        assert geometry.activation_bits == (2 if state == "ternary" else 1)
    assert geometry.activation_planes == AT_ONCE.get(state, 1)
    whole = expected is Arithmetic.SHIFT_ADD or together(source, state)
    assert [block.serial for block in geometry.blocks] == [1 if whole else widths[source], 1]
    for block, form, at_once in zip(geometry.blocks, (source, state), (whole, True), strict=True):
        if expected is Arithmetic.SHIFT_ADD or not at_once or form not in AT_ONCE:
            assert block.mix == (1,)
        else:
            assert block.mix == (None if form == "online" else FORMATS[form].coefficients)


def make_matrix(weight, codes):
    """Of an LSTM of two units."""
    codes = np.tile(np.array(codes, dtype=np.int8), (1, 8, 1))
    return Matrix(weight, codes, np.ones((1, 8), dtype=np.int32))


MATRICES = {
    "binary": make_matrix(BINARY, [1, -1]), "planes": make_matrix(PLANES, [1, -1]),
    "ternary": make_matrix(TERNARY, [1, 0]),
    "quaternary": make_matrix(QUATERNARY, [2, -1]),
    "one": make_matrix(EXPONENTIAL, [1, -1]), "two": make_matrix(EXPONENTIAL, [2, 1]),
    "power": make_matrix(EXPONENTIAL, [-7, 3]),
    "huge": make_matrix(EXPONENTIAL, [16, -1]),
    "trits": make_matrix(INTEGER, [1, -1]), "int2": make_matrix(INTEGER, [-2, 1]),
    "int8": make_matrix(INTEGER, [100, -3]),
}


@pytest.mark.parametrize("first, second, weight, bits", [
    ("binary", "planes", BINARY, 1), ("binary", "one", BINARY, 1),
    ("binary", "ternary", TERNARY, 2), ("planes", "trits", TERNARY, 2),
    ("binary", "quaternary", QUATERNARY, 2), ("two", "one", QUATERNARY, 2),
    ("quaternary", "power", EXPONENTIAL, 4), ("huge", "binary", EXPONENTIAL, 5),
    ("ternary", "quaternary", INTEGER, 3), ("ternary", "power", INTEGER, 7),
    ("int2", "int2", INTEGER, 2), ("int2", "int8", INTEGER, 8),
    ("trits", "quaternary", INTEGER, 3),
])
def test_mixed_weights(first, second, weight, bits):
    """The smallest form that holds the weights of both matrices of a layer."""
    layer = refed(make_layer(units=2, state_format=FORMATS["ternary"]),
                  matrix=MATRICES[first], recurrent=MATRICES[second])
    geometry = layer_geometry(layer, LayerFolding(1, 2), 1)
    assert (geometry.weight, geometry.weight_bits) == (weight, bits)
    swapped = refed(layer, matrix=layer.recurrent, recurrent=layer.input)
    assert layer_geometry(swapped, LayerFolding(1, 2), 1).weight is weight


class Five(Alphabet):
    """-2 to +2; without a wire form."""

    name = "five"
    codes = tuple(range(-2, 3))
    code_bits = digits = read = nearest = None


class FiveLanes(Five, LaneAlphabet):
    """The same with one."""

    lane_bits = 3, 3
    _wire = None

    def code_bits(self, codes):
        return 3


@pytest.mark.parametrize("alphabet, bits", [(Five(), 3), (FiveLanes(), 3)], ids=["codes", "lanes"])
def test_further_alphabet(monkeypatch, alphabet, bits):
    """Ternary and quaternary weights meet in an alphabet that holds both, if it has a wire form."""
    monkeypatch.setitem(ALPHABETS._known, "five", alphabet)
    codes = {weight: np.resize(np.array(weight.codes, dtype=np.int8), (1, 8, 2))
             for weight in (TERNARY, QUATERNARY)}
    layer = make_layer(units=2, inputs=2)
    layer = refed(layer, **{part: Matrix(weight, codes[weight], np.ones((1, 8), dtype=np.int32))
                            for part, weight in (("matrix", TERNARY), ("recurrent", QUATERNARY))})
    geometry = layer_geometry(layer, LayerFolding(1, 1), 1)
    assert geometry.weight == (alphabet if isinstance(alphabet, LaneAlphabet) else INTEGER)
    assert geometry.weight_bits == bits


def test_mixed_weights_too_wide():
    layer = refed(make_layer(units=2), matrix=MATRICES["huge"],
                                recurrent=MATRICES["ternary"])
    message = ("a layer's matrices must have weights from -128 to 127 where an exponential and "
               "another alphabet meet, not from -1 to 32768")
    with pytest.raises(NetworkError, match=f"^{message}$"):
        layer_geometry(layer, LayerFolding(1, 2), 1)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("state", FORMATS)
def test_multiplexed(state, source):
    """Only several activation planes are time-multiplexed; then a pass over the words each."""
    layer = make_layer(input_format=FORMATS[source], state_format=FORMATS[state],
                       weight=BINARY)
    at_once = layer_geometry(layer, LayerFolding(2, 3), 1)
    geometry = layer_geometry(layer, LayerFolding(2, 3, True), 1)
    planes = AT_ONCE.get(state, 1)
    assert geometry.multiplexed is (planes > 1)
    assert geometry.planes_at_once == 1 and at_once.planes_at_once == planes
    assert [block.turns for block in geometry.blocks] == [
        planes if together(source, state) else 1, planes]
    for block, other in zip(geometry.blocks, at_once.blocks, strict=True):
        assert block.passes == block.serial * block.turns == other.serial * block.turns
        assert block.period == max(block.words * block.passes, block.chain_elements)


def test_cycles():
    """Busy and ideal cycles of a step, counted by hand: 4 * 6 rows, 4 inputs, 6 units, 2 by 2."""
    layer = make_layer(units=6, inputs=4, input_format=Ternary(), state_format=Ternary(),
                       weight=TERNARY)
    geometry = layer_geometry(layer, LayerFolding(2, 2), 2)
    assert (geometry.chains, geometry.chain_elements) == (1, 2)
    assert [(block.groups, block.words) for block in geometry.blocks] == [(12, 2), (12, 3)]
    assert geometry.busy_cycles == 12 * 2 + 12 * 3
    assert geometry.ideal_cycles == (24 * 4 + 24 * 6) / 4 == geometry.busy_cycles


@pytest.mark.parametrize("seed", range(20))
def test_ideal_cycles(seed):
    """No array beats the ideal."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, layers=1)
    folding = Folding.uniform(network, *rng.integers(1, 9, 2).tolist())
    for geometry in Mapping(network, folding).geometries:
        cycles = sum(block.cycles for block in geometry.blocks)
        assert geometry.ideal_cycles <= geometry.busy_cycles <= cycles


def test_network():
    """Layers feed one another as many codes at once as they have chains; the readout has one."""
    network = random_network(3, layers=3, units=9, inputs=5)
    folding = Folding.line((LayerFolding(6, 4), LayerFolding(9, 3), LayerFolding(2, 5)),
                           LayerFolding(3, 2), 2)
    geometries = Mapping(network, folding).geometries
    assert [each.inputs[0].beat_slots for each in geometries] == [
        2, *(each.chains for each in geometries[:-1])]
    assert [each.chains for each in geometries] == [2, 3, 1, 1]
    last = geometries[-1]
    assert last == readout_geometry(network.readout, folding.arrays[-1], geometries[-2].chains)
    assert (last.chain_units, last.units, len(last.blocks)) == (network.readout.classes,) * 2 + (1,)
    assert last.blocks[0].source is Source.INPUT and last.inputs[0].elements == 9
