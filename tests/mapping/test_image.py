"""Programs: ROM words, coefficients and addends give the exact rows of the matrices."""


import numpy as np
import pytest
from edit import refed
from hwarray import (Rows, by_unit, codes_of, drawn, exact_rows, folded, folded_readout, raw_sums,
                     source_form, worst_codes)
from hwsim import play
from cellstep import CORE

from ternloom.hw.adder import SelectAdd, ShiftAdd
from ternloom.hw.array import make_element, raw_shape
from ternloom.hw.element import GatedPopcount, QuaternaryPopcount, XnorPopcount
from ternloom.mapping.geometry import Arithmetic, Source
from ternloom.model.alphabet import (ALPHABETS, BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY,
                                     TERNARY)
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.product import Product


FORMATS = {"fixed": Fixed(6, 4), "unsigned": Fixed(3, 1, signed=False), "binary": Binary(),
           "ternary": Ternary(), "plane": Planes((3,), 1), "planes": Planes((5, 2, 1), 3)}
#: (pe, simd, beat_slots): sizes that do not divide, several chains, beats wider than words.
FOLDINGS = [(1, 1, 1), (3, 4, 2), (4, 4, 3), (8, 4, 1), (6, 9, 2), (5, 2, 7)]


def check(layer, image, rng, count=3):
    """Rows, their ranges and the accumulators' ranges, for random codes."""
    geometry = image.geometry
    scale = 1 << (image.shift - layer.shift)
    for _ in range(count):
        x, input_beta = drawn(layer.input_format, rng, layer.inputs)
        h, state_beta = drawn(layer.state_format, rng, layer.units)
        sources = [(x, input_beta) if block.source is Source.INPUT else (h, state_beta)
                   for block in geometry.blocks]
        raws = [raw_sums(image, index, source_form(layer, block), *sources[index])
                for index, block in enumerate(geometry.blocks)]
        for raw, part in zip(raws, image.blocks, strict=True):
            assert part.raw_low <= raw.min() and raw.max() <= part.raw_high
        rows = Rows(image, raws, [beta for _, beta in sources])
        assert image.row_low <= rows.low and rows.high <= image.row_high
        for index, block in enumerate(geometry.blocks):
            if block.source is Source.INPUT:
                continue
            total, aside = exact_rows(layer, block, x, h, (input_beta, state_beta))
            found = by_unit(geometry, rows.sums[index])
            np.testing.assert_array_equal(found, scale * total)
            if aside is not None:
                waiting = by_unit(geometry, rows.sums[index - 1])[-1]
                np.testing.assert_array_equal(waiting, scale * aside)


@pytest.mark.parametrize("source", [Fixed(5, 3), Planes((5, 2), 3), Online(Fixed(5, 4), 2),
                                    Online(Fixed(4, 1), 3)])
@pytest.mark.parametrize("state", [Online(Fixed(6, 4), 2), Online(Fixed(4, 3), 3), Fixed(6, 4),
                                   Ternary(), Planes((3, 1), 2)])
def test_online(source, state):
    """Coefficients of input or state that come with the vector, with every kind of weights."""
    rng = np.random.default_rng(12)
    for number, weight in enumerate(ALPHABETS.values()):
        layer = random_network(number, cell=(LSTM, GRU_RESET_AFTER)[number % 2],
                               layers=1, units=7, inputs=9, weight=weight,
                               state_format=state).layers[0]
        layer = refed(layer, format=source)
        check(layer, folded(layer, 4, 4, 2), rng)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("state", FORMATS)
def test_formats(source, state):
    """Every input format beside every state format, with every kind of weights."""
    rng = np.random.default_rng(11)
    for number, weight in enumerate(ALPHABETS.values()):
        network = random_network(number, layers=1, units=7, inputs=9, weight=weight,
                                 input_format=FORMATS[source], state_format=FORMATS[state])
        check(network.layers[0], folded(network.layers[0], 3, 4, 2), rng)


def worst_steps(layer, image):
    """For each row of each chain the raw sums of a step that makes all its dots extreme.

    Both halves of a row are at their smallest, or both at their largest, coefficients counted.
    """
    geometry = image.geometry
    for chain, row in np.ndindex(geometry.chains, geometry.blocks[0].rows):
        ends = []
        for index, (block, part) in enumerate(zip(geometry.blocks, image.blocks, strict=True)):
            form = source_form(layer, block)
            dot = min(row, block.rows - 1) * block.planes
            codes = worst_codes(image, index, form, chain, dot)
            if part.coefficients[chain, dot] < 0:
                codes = codes[::-1]
            ends.append([raw_sums(image, index, form, code) for code in codes])
        yield from zip(*ends, strict=True)


@pytest.mark.parametrize("weight", [weight for weight in ALPHABETS.values() if weight != PLANES])
@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("state", FORMATS)
def test_ranges_attained(state, source, weight):
    """Accumulators and rows reach both ends of their ranges and never leave them.

    So one bit less would overflow. With several weight planes the range of a row is an upper bound.
    """
    layer = random_network(5, layers=1, units=5, inputs=6, weight=weight,
                           input_format=FORMATS[source], state_format=FORMATS[state]).layers[0]
    image = folded(layer, 2, 4, 3)
    steps = list(worst_steps(layer, image))
    for index, part in enumerate(image.blocks):
        raws = [step[index] for step in steps]
        assert part.raw_low == min(0, *(int(raw.min()) for raw in raws))
        assert part.raw_high == max(int(raw.max()) for raw in raws)
    rows = [Rows(image, step) for step in steps]
    assert image.row_low == min(0, *(each.low for each in rows))
    assert image.row_high == max(0, *(each.high for each in rows))


@pytest.mark.parametrize("state", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_plane_ranges(state, source):
    """Rows of several weight planes stay within their range in the worst case of each plane."""
    layer = random_network(6, layers=1, units=5, inputs=6, weight=PLANES,
                           input_format=FORMATS[source], state_format=FORMATS[state]).layers[0]
    image = folded(layer, 3, 4, 1)
    for step in worst_steps(layer, image):
        for part, raw in zip(image.blocks, step, strict=True):
            assert part.raw_low <= raw.min() and raw.max() <= part.raw_high
        rows = Rows(image, step)
        assert image.row_low <= rows.low and rows.high <= image.row_high


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("pe, simd, beat_slots", FOLDINGS)
def test_foldings(cell, pe, simd, beat_slots):
    rng = np.random.default_rng(pe)
    for seed in range(3):
        layer = random_network(seed, cell=cell, layers=1, units=10, inputs=13).layers[0]
        check(layer, folded(layer, pe, simd, beat_slots), rng)


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    """Anything, with weights that differ in kind between the halves."""
    rng = np.random.default_rng(seed)
    layer = random_network(rng, layers=1).layers[0]
    check(layer, folded(layer, int(rng.integers(1, 13)), int(rng.integers(1, 17)),
                        int(rng.integers(1, 6))), rng, 1)


@pytest.mark.parametrize("seed", range(20))
def test_readout(seed):
    rng = np.random.default_rng(seed)
    readout = random_network(rng, layers=1).readout
    image = folded_readout(readout, int(rng.integers(1, 6)), int(rng.integers(1, 9)),
                             int(rng.integers(1, 5)))
    codes = codes_of(readout.input_format, rng, readout.inputs)
    raw = raw_sums(image, 0, readout.input_format, codes)
    found = by_unit(image.geometry, Rows(image, [raw]).sums[0])[0]
    expected = Product(readout.weights, readout.input_format)(codes[None])[0] + readout.bias
    np.testing.assert_array_equal(found, expected << (image.shift - readout.shift))


def test_half_scale():
    """Bits of a binary lane count half, so that all is doubled and one bit more is dropped."""
    layer = random_network(1, layers=1, units=3, inputs=3, weight=BINARY,
                           input_format=Fixed(4, 2), state_format=Binary()).layers[0]
    image = folded(layer, 2, 2)
    assert image.geometry.arithmetic is Arithmetic.XNOR_POPCOUNT
    assert image.shift == layer.shift
    layer = random_network(1, layers=1, units=3, inputs=3, weight=TERNARY,
                           input_format=Fixed(4, 2), state_format=Binary()).layers[0]
    image = folded(layer, 2, 2)
    assert image.geometry.arithmetic is Arithmetic.GATED_POPCOUNT
    assert image.shift == layer.shift + 1


def test_raw_shape():
    """Counts are never negative and have no sign bit; sums of a shift-and-add have."""
    counted = folded(random_network(1, layers=1, units=5, inputs=4, weight=BINARY,
                                    input_format=Binary(), state_format=Binary()).layers[0], 2, 4)
    assert not raw_shape(counted).signed
    summed = folded(random_network(1, layers=1, units=5, inputs=4, input_format=Fixed(4, 2),
                                   state_format=Fixed(4, 2)).layers[0], 2, 4)
    assert raw_shape(summed).signed


def test_surplus_words():
    """Elements without a dot in the last group read words of their own, of zeros."""
    layer = random_network(1, cell=LSTM, layers=1, units=3, inputs=3,
                           weight=TERNARY).layers[0]
    image = folded(layer, 5, 2)
    geometry = image.geometry
    depths = {len(image.rom(chain, element)) for chain in range(geometry.chains)
              for element in range(geometry.chain_elements)}
    assert depths == {sum(block.groups * block.words for block in geometry.blocks)}
    block = geometry.blocks[0]
    missing = block.groups * block.chain_elements - block.dots
    assert missing == 3
    for element in range(geometry.chain_elements):
        last = image.rom(0, element)[(block.groups - 1) * block.words:block.groups * block.words]
        assert (last == [0] * block.words) == (element < missing)


@pytest.mark.parametrize("form, width", [
    (Binary(), 2), (Ternary(), 2), (Fixed(5, 2), 5), (Fixed(5, 2, signed=False), 6),
    (Planes((1,), 0), 2), (Planes((1, 2), 0), 3), (Planes((4, 4), 0), 5),
])
def test_value_width(form, width):
    """The narrowest signed number that holds the values; it also is the number of bit planes."""
    assert form.value_width == width
    codes = np.arange(form.low, form.high + 1) if isinstance(form, Fixed) else form.levels
    values = [int(form.value(np.int64(code))) for code in codes]
    assert -(1 << (width - 1)) <= min(values) and max(values) < 1 << (width - 1)


@pytest.mark.parametrize("state, weight, kind", [
    (Binary(), BINARY, XnorPopcount), (Planes((2, 1), 1), PLANES, XnorPopcount),
    (Binary(), TERNARY, GatedPopcount), (Ternary(), BINARY, GatedPopcount),
    (Ternary(), TERNARY, GatedPopcount), (Fixed(6, 3), BINARY, ShiftAdd),
    (Fixed(6, 3), TERNARY, ShiftAdd), (Fixed(6, 3), QUATERNARY, ShiftAdd),
    (Fixed(6, 3), EXPONENTIAL, ShiftAdd), (Fixed(6, 3), INTEGER, ShiftAdd),
    (Binary(), QUATERNARY, QuaternaryPopcount), (Ternary(), QUATERNARY, SelectAdd),
    (Binary(), EXPONENTIAL, SelectAdd), (Planes((2, 1), 1), INTEGER, SelectAdd),
])
def test_make_element(state, weight, kind):
    layer = random_network(1, layers=1, units=5, inputs=4, weight=weight, input_format=state,
                           state_format=state).layers[0]
    geometry = folded(layer, 2, 4).geometry
    element = make_element(geometry)
    assert type(element) is kind
    assert (element.simd, element.weight_bits, element.activation_bits) == \
        (geometry.simd, geometry.weight_bits, geometry.activation_bits)
    # Lanes of ones are +1 in one bit, of one sign in two, -1 in more.
    ones = {BINARY: 1, QUATERNARY: 2, EXPONENTIAL: -1 << (
        (1 << (geometry.weight_bits - 1)) - 1)}
    weights = (ones.get(geometry.weight, -1),) * geometry.simd
    activations = (1 if geometry.activation_bits == 1 else -1,) * geometry.simd
    found = play(element, {"weights": [(1 << len(element.weights)) - 1] * 5,
                           "activations": [(1 << len(element.activations)) - 1] * 5}, ["o"])["o"]
    assert found[element.latency] == element.reference(weights, activations)
