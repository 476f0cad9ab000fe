"""The schedule: its figures are the hardware's, its waits are the least that are safe."""

import math

import numpy as np
import pytest
from cellstep import CORE

from ternloom.mapping.folding import LayerFolding
from ternloom.mapping.geometry import Arithmetic, Source, layer_geometry
from ternloom.mapping.schedule import (combiner_latency, element_latency, element_levels,
                                       exit_latency, pipeline_latency, result_latency, waits)
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, QUATERNARY, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.precision import Precision


@pytest.mark.parametrize("state, weight, depth, extra", [
    (Binary(), BINARY, 3, 0), (Ternary(), TERNARY, 3, 0),
    (Fixed(6, 4), TERNARY, 2, 0), (Binary(), QUATERNARY, 3, 2),
    (Ternary(), INTEGER, 2, 0), (Fixed(6, 4), QUATERNARY, 2, 0),
])
def test_element_latency(state, weight, depth, extra):
    """What the hardware's elements have, for every number of lanes, and more with more lanes."""
    layer = random_network(1, layers=1, units=2, inputs=2, input_format=state, state_format=state,
                           weight=weight).layers[0]
    figures = []
    for simd in range(1, 257):
        geometry = layer_geometry(layer, LayerFolding(1, simd), 1)
        figures.append(element_latency(geometry))
        assert figures[-1] == math.ceil((math.ceil(math.log2(simd)) + extra) / depth)
    assert figures == sorted(figures)


@pytest.mark.parametrize("weight, bits, extra", [
    (EXPONENTIAL, 2, 0), (EXPONENTIAL, 3, 1), (EXPONENTIAL, 5, 2),
    (INTEGER, 2, 0), (INTEGER, 3, 1), (INTEGER, 4, 1),
    (INTEGER, 6, 2), (INTEGER, 8, 2),
])
def test_element_levels(weight, bits, extra):
    """Shifters of two bits a level, and the sum of digits of two bits each."""
    for simd, lanes in ((1, 0), (8, 3), (9, 4)):
        assert element_levels(Arithmetic.SHIFT_ADD, weight, bits, simd) == lanes + extra
        assert element_levels(Arithmetic.SELECT_ADD, weight, bits, simd) == lanes


def layer_of(cell, units=4, inputs=4, pe=2, simd=2, slots=2, precision=Precision(),
             form=Ternary()):
    """A layer and its geometry."""
    layer = random_network(1, cell=cell, layers=1, units=units, inputs=inputs,
                           input_format=Ternary(), state_format=form,
                           weight=TERNARY, precision=precision).layers[0]
    return layer, layer_geometry(layer, LayerFolding(pe, simd), slots)


@pytest.mark.parametrize("form, latency, quantizer", [
    (Ternary(), 5, 0), (Planes((2, 1), 3), 5, 0), (Online(Fixed(8, 7), 2, 1), 8, 74),
    (Online(Fixed(8, 7), 3, 1), 8, 248),
])
def test_online(form, latency, quantizer):
    """Run-time coefficients take three cycles, and the quantizer its microcode."""
    layer, geometry = layer_of(LSTM, form=form)
    block = geometry.blocks[-1]
    assert combiner_latency(geometry) == latency
    assert result_latency(layer, geometry, block) == (
        exit_latency(geometry) + 1 + latency + pipeline_latency(layer, block.source) + quantizer)


@pytest.mark.parametrize("cell, source, tables, comparators", [
    (LSTM, Source.STATE, 13, 2), (GRU_RESET_AFTER, Source.STATE, 14, 4),
    (GRU_RESET_BEFORE, Source.STATE, 6, 2), (GRU_RESET_BEFORE, Source.RESET, 8, 3),
])
def test_pipeline_latency(cell, source, tables, comparators):
    """What the design says; the pipelines' own tests measure it."""
    for precision, expected in ((Precision(), tables),
                                (Precision(gate_frac=0, state=Fixed(4, 0)), comparators)):
        layer, _ = layer_of(cell, precision=precision)
        assert pipeline_latency(layer, source) == expected


@pytest.mark.parametrize("pe, simd", [(1, 1), (2, 2), (4, 9), (3, 70)])
def test_exit_latency(pe, simd):
    """Address and word in two cycles, weights in two, the element's own, and one an element."""
    _, geometry = layer_of(LSTM, units=40, inputs=3, pe=pe, simd=simd, slots=1)
    assert geometry.chains == 1
    assert exit_latency(geometry) == 2 + 2 + element_latency(geometry) + pe


@pytest.mark.parametrize("cell, units, place", [
    (LSTM, 4, 1), (LSTM, 3, 1), (GRU_RESET_AFTER, 4, 1),
    (GRU_RESET_AFTER, 3, 0), (GRU_RESET_BEFORE, 3, 0), (GRU_RESET_BEFORE, 4, 1),
])
def test_result_latency(cell, units, place):
    """With two elements the last of an odd number of dots is the first of its group."""
    layer, geometry = layer_of(cell, units=units)
    assert (geometry.chains, geometry.chain_elements) == (1, 2)
    block = geometry.blocks[-1]
    latency = exit_latency(geometry) + place + combiner_latency(geometry)
    assert result_latency(layer, geometry, block) == latency + pipeline_latency(layer, block.source)


@pytest.mark.parametrize("cell", CORE, ids=str)
def test_recurrent_waits(cell):
    """After a recurrent block all of its codes."""
    layer, geometry = layer_of(cell)
    for block, wait in zip(geometry.blocks, waits(layer, geometry), strict=True):
        if block.source is not Source.INPUT:
            assert wait == result_latency(layer, geometry, block)


def distances(geometry, index, wait):
    """Cycles from a row's last input dot to its first recurrent one, less what is needed."""
    block, following = geometry.blocks[index], geometry.blocks[index + 1]
    held = block.exits()[block.planes - 1::block.planes]
    wanted = block.cycles + wait + following.exits()[::following.planes]
    return wanted - held - 4


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("seed", range(30))
def test_input_waits(seed, cell):
    """After an input block what its rows need to be in memory, to the cycle."""
    rng = np.random.default_rng(seed)
    units, inputs, pe, simd = rng.integers(1, 7, 4).tolist()
    layer = random_network(rng, cell=cell, layers=1, units=units, inputs=inputs).layers[0]
    geometry = layer_geometry(layer, LayerFolding(pe, simd), int(rng.integers(1, 4)))
    for index, wait in enumerate(waits(layer, geometry)):
        if geometry.blocks[index].source is Source.INPUT:
            slack = distances(geometry, index, wait).min()
            assert slack >= 0
            assert wait == 0 or slack == 0


def test_least_layer():
    """One unit: by hand, rows that would be read before they are in memory."""
    layer, geometry = layer_of(LSTM, units=1, inputs=1, pe=4, simd=1, slots=1)
    assert [block.cycles for block in geometry.blocks] == [4, 4]
    assert waits(layer, geometry)[0] == 0
    layer, geometry = layer_of(GRU_RESET_BEFORE, units=1, inputs=1, pe=1, simd=1, slots=1)
    assert [block.cycles for block in geometry.blocks] == [2, 2, 1, 1]
    assert waits(layer, geometry)[::2] == (2, 3)
