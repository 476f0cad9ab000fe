"""Feeds: every code of every kind, as the lanes that the elements take."""


import numpy as np
import pytest
from edit import refed
from hwsim import pack, play, unpack

from ternloom.hw.feed import Feed
from ternloom.mapping.folding import LayerFolding
from ternloom.mapping.geometry import Arithmetic, layer_geometry
from ternloom.model.alphabet import ALPHABETS, BINARY, PLANES, TERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary


SIMD = 4
DRAWN = (BINARY, TERNARY, PLANES)
FORMATS = [Binary(), Ternary(), Ternary(5, 3), Planes((3,), 1), Planes((5, 2), 3),
           Planes((1, 4, 9), 2), Planes((4, 3, 2, 1), 2), Fixed(2, 1), Fixed(5, 3),
           Fixed(3, 1, signed=False)]


def codes(form):
    """Every code of a format."""
    return np.arange(form.low, form.high + 1) if isinstance(form, Fixed) else np.array(form.levels)


def make_geometry(source, state, weight):
    """Geometry of a layer with these formats of its input and its state."""
    layer = random_network(1, cell=LSTM, layers=1, units=5, inputs=6, input_format=source,
                           state_format=state, weight=weight).layers[0]
    return layer_geometry(layer, LayerFolding(2, SIMD), 2)


def fed(geometry, block, form, rows):
    """Activation words of rows of ``SIMD`` codes: an array (rows, bit planes)."""
    words = [pack(form.bits(row) & ((1 << form.width) - 1), form.width) for row in rows]
    found = play(Feed(geometry, block, form),
                 {"i_word": np.repeat(np.array(words, dtype=object), block.passes),
                  "i_plane": np.tile(np.arange(block.passes), len(words))}, ["o"])["o"]
    return found.reshape(len(rows), block.passes)


def lanes(geometry, word):
    """Lane values as an element reads them, (activation planes, SIMD)."""
    bits, planes = geometry.activation_bits, geometry.activation_planes
    values = np.array(unpack(word, bits, SIMD * planes, signed=bits > 1)).reshape(planes, SIMD)
    return 2 * values - 1 if bits == 1 else values


def rows_of(form):
    """Rows that hold every code in every lane, the others beside it."""
    every = codes(form)
    return np.stack([np.roll(every, shift) for shift in range(SIMD)], axis=1)


@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("form", FORMATS)
def test_state(form, weight):
    """Codes of the state's own kind: coefficients times lane planes are the values."""
    geometry = make_geometry(form, form, weight)
    rows = rows_of(form)
    mix = form.coefficients if geometry.activation_bits == 1 else (1,)
    for block in geometry.blocks:
        assert block.serial == 1
        for row, (word,) in zip(rows, fed(geometry, block, form, rows), strict=True):
            assert (np.array(mix) @ lanes(geometry, word)).tolist() == form.value(row).tolist()


@pytest.mark.parametrize("state", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_input(source, state):
    """Any input beside any state: bit planes give back the value in offset binary."""
    geometry = make_geometry(source, state, TERNARY)
    block, rows = geometry.blocks[0], rows_of(source)
    for row, words in zip(rows, fed(geometry, block, source, rows), strict=True):
        if block.serial == 1:
            mix = source.coefficients if geometry.activation_bits == 1 else (1,)
            value = np.array(mix) @ lanes(geometry, words[0])
        else:
            assert geometry.arithmetic is not Arithmetic.SHIFT_ADD
            planes = np.array([lanes(geometry, word)[0] for word in words])
            # A bit of a binary lane is -1 or +1, of a ternary lane 0 or +1.
            ones = (planes + 1) // 2 if geometry.activation_bits == 1 else planes
            assert set(ones.ravel()) <= {0, 1}
            weights = 1 << np.arange(block.serial)[::-1]
            value = weights @ ones - (1 << (block.serial - 1))
        assert value.tolist() == source.value(row).tolist()


@pytest.mark.parametrize("state", [Fixed(5, 3), Binary(), Ternary(), Planes((3,), 1)])
@pytest.mark.parametrize("form", [Online(Fixed(5, 4), 2), Online(Fixed(4, 2), 3)])
def test_online_input(form, state):
    """A code is fed as the value that it has just now, and a lane without a column as zero."""
    layer = random_network(1, cell=LSTM, layers=1, units=5, inputs=6, state_format=state,
                           weight=TERNARY).layers[0]
    geometry = layer_geometry(refed(layer, format=form), LayerFolding(2, SIMD),
                              2)
    block, width, rng = geometry.blocks[0], form.value_width, np.random.default_rng(form.planes)
    values = rng.integers(-form.magnitude, form.magnitude + 1, 1 << form.planes)
    present = geometry.columns(block) >= 0
    assert not present.all()
    for word in range(block.words):
        drawn = rng.integers(0, 1 << form.planes, SIMD)
        found = play(Feed(geometry, block, form),
                     {"i_word": [pack(drawn, form.width)] * block.passes,
                      "i_levels": [dict(enumerate(values.tolist()))] * block.passes,
                      "i_index": [word] * block.passes, "i_plane": range(block.passes)}, ["o"])["o"]
        planes = np.array([lanes(geometry, one)[0] for one in found.tolist()])
        if block.serial == 1:
            value = planes[0]
        else:
            ones = (planes + 1) // 2 if geometry.activation_bits == 1 else planes
            value = (1 << np.arange(width)[::-1]) @ ones - (1 << (width - 1))
        assert value.tolist() == np.where(present[word], values[drawn], 0).tolist()


def test_serial_breadth():
    """The pairs above are fed both ways, to each element."""
    kinds = {(geometry.arithmetic, geometry.blocks[0].serial > 1)
             for source in FORMATS for state in FORMATS for weight in DRAWN
             for geometry in [make_geometry(source, state, weight)]}
    assert kinds == {(Arithmetic.XNOR_POPCOUNT, False), (Arithmetic.XNOR_POPCOUNT, True),
                     (Arithmetic.GATED_POPCOUNT, False), (Arithmetic.GATED_POPCOUNT, True),
                     (Arithmetic.SHIFT_ADD, False)}
