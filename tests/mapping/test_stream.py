"""Codes and logits in beats, and back."""

import numpy as np
import pytest

from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.mapping.stream import Stream, whole_bytes
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary


FORMS = [
    (Fixed(4, 0), (-8, 7, -1, 0, 3), 2, [0x78, 0x0f, 0x3]),
    (Fixed(16, 0), (-1, 1, 2, 3, 4), 1, [0xffff, 1, 2, 3, 4]),
    (Fixed(4, 0, signed=False), (15, 1, 2, 3, 4), 4, [0x321f, 4]),
    (Binary(), (1, -1, -1, 1, 1), 4, [0b1001, 0b1]),
    (Ternary(), (1, 0, -1, -1, 0), 4, [0b11110001, 0]),
    (Planes((2, 1), 0), (3, 0, 1, 2, 1), 3, [0b010011, 0b0110]),
]


@pytest.mark.parametrize("form, codes, slots, words", FORMS)
def test_pack(form, codes, slots, words):
    stream = Stream(form, 5, slots)
    assert stream.beats == len(words)
    assert stream.pack(np.array([codes, codes])) == words * 2


@pytest.mark.parametrize("form, codes, slots, words", FORMS)
def test_unpack(form, codes, slots, words):
    np.testing.assert_array_equal(Stream(form, 5, slots).unpack(words * 3), [codes] * 3)


def test_filling():
    stream = Stream(Fixed(4, 0), 5, 4)
    words = stream.pack([(1, 2, 3, 4, 5)], filling=1)
    assert words == [0x4321, 0xfff5]
    assert stream.unpack(words).tolist() == [[1, 2, 3, 4, 5]]


@pytest.mark.parametrize("form", [Fixed(5, 2), Fixed(5, 2, signed=False), Binary(), Ternary(),
                                  Planes((4, 2, 1), 3)])
def test_decode(form):
    codes = (np.arange(form.low, form.high + 1) if isinstance(form, Fixed)
             else np.array(form.levels))
    np.testing.assert_array_equal(form.decode(form.bits(codes)), codes)


def test_coefficients():
    """They precede the codes, and widen the beat where need be."""
    form = Online(Fixed(8, 7), planes=2)
    stream = Stream(form, 5, 2, 1)
    assert (stream.header, stream.beats) == (2, 5)
    assert stream.data_width == whole_bytes(form.coefficient_bits) > 8
    codes, coefficients = [(3, 0, 1, 2, 1), (0, 1, 2, 3, 3)], [(300, 20), (5, 0)]
    words = stream.pack(codes, coefficients=coefficients)
    assert words == [300, 20, 0b0011, 0b1001, 0b01, 5, 0, 0b0100, 0b1110, 0b11]
    assert stream.unpack(words).tolist() == [list(row) for row in codes]
    assert stream.coefficients(words).tolist() == [list(row) for row in coefficients]


@pytest.mark.parametrize("bits, expected", [(0, 0), (1, 8), (8, 8), (9, 16)])
def test_whole_bytes(bits, expected):
    assert whole_bytes(bits) == expected


def test_streams():
    form = Planes((2, 1), 0)
    folding = Folding.line((LayerFolding(12, 3),), LayerFolding(1, 1), 2)
    network = random_network(3, layers=1, units=4, inputs=5, classes=6, input_format=Ternary(),
                             state_format=form)
    assert Mapping(network, folding).taken == Stream(Ternary(), 5, 2)
    assert Mapping(network, folding).given == Stream(network.readout.logits, 6, 1, 3)
    bare = random_network(3, layers=1, units=4, inputs=5, state_format=form, readout=False)
    assert Mapping(bare, Folding.line(folding.arrays[:-1], None, 2)).given == Stream(form, 4, 3, 1)
