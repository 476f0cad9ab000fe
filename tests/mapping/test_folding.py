"""Foldings: limits with whole messages, and the uniform one."""

import re

import numpy as np
import pytest

from ternloom.mapping.folding import Folding, FoldingError, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.network import When


def refused(message):
    return pytest.raises(FoldingError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize("pe, simd", [(1, 1), (4096, 256), (7, 13), (np.int64(4), np.int64(8))])
def test_layer(pe, simd):
    folding = LayerFolding(pe, simd)
    assert (folding.pe, folding.simd, folding.lanes) == (pe, simd, pe * simd)


@pytest.mark.parametrize("pe, simd, message", [
    (0, 1, "pe must be from 1 to 4096, not 0"),
    (-3, 1, "pe must be from 1 to 4096, not -3"),
    (4097, 1, "pe must be from 1 to 4096, not 4097"),
    (1, 0, "simd must be from 1 to 256, not 0"),
    (1, 257, "simd must be from 1 to 256, not 257"),
    (2.0, 1, "pe must be an integer, not 2.0"),
    (1, "8", "simd must be an integer, not '8'"),
    (None, 1, "pe must be an integer, not None"),
])
def test_wrong_layer(pe, simd, message):
    with refused(message):
        LayerFolding(pe, simd)


@pytest.mark.parametrize("slots, message", [
    (0, "input_slots must be from 1 to 256, not 0"),
    (257, "input_slots must be from 1 to 256, not 257"),
    (5, "input_slots must be at most the first layer's simd of 4, not 5"),
    (1.5, "input_slots must be an integer, not 1.5"),
])
def test_wrong_slots(slots, message):
    with refused(message):
        Folding.line((LayerFolding(2, 4), LayerFolding(2, 8)), LayerFolding(1, 1), slots)


@pytest.mark.parametrize("given", (1, 3))
def test_check(given):
    network = random_network(1, layers=2)
    Folding.line((LayerFolding(1, 1),) * 2, LayerFolding(1, 1)).check(network)
    with refused("folding must have 3 arrays, one for each of layer0, layer1, readout, "
                 f"not {given + 1}"):
        Folding.line((LayerFolding(1, 1),) * given, LayerFolding(1, 1)).check(network)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("seed", range(10))
def test_uniform(seed, when):
    """Belongs to its network, and what it chooses keeps up with the slowest layer."""
    network = random_network(seed, when=when)
    folding = Folding.uniform(network, pe=3, simd=8)
    folding.check(network)
    assert folding.arrays[:-1] == (LayerFolding(3, 8),) * len(network.layers)
    assert folding.arrays[-1].simd == 8
    cycles = min(layer.rows * (layer.inputs + layer.units) // 24 for layer in network.layers)
    readout, slots = network.readout, folding.input_slots
    assert slots == 8 or slots * max(cycles, 1) >= network.inputs
    assert slots == 1 or slots // 2 * max(cycles, 1) < network.inputs
    assert slots & (slots - 1) == 0
    if when is When.LAST:
        assert folding.arrays[-1].pe == 1
    else:
        products = readout.classes * readout.inputs
        assert (folding.arrays[-1].pe >= readout.classes
                or products <= folding.arrays[-1].lanes * max(cycles, 1))


def test_uniform_given():
    network = random_network(2, cell=LSTM, layers=1, units=8, inputs=20)
    assert Folding.uniform(network).arrays == (LayerFolding(4, 8), LayerFolding(1, 8))
    assert Folding.uniform(network, pe=2, simd=6, input_slots=5).input_slots == 5
    with refused("simd must be from 1 to 256, not 0"):
        Folding.uniform(network, simd=0)
    assert len(Mapping.uniform(network).geometries) == 2
