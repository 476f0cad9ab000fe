"""The timing model against cases counted by hand and against a plain simulation of the rules."""

import re

import numpy as np
import pytest
from cellstep import CORE

from ternloom.mapping.folding import Folding, FoldingError, LayerFolding
from ternloom.mapping.geometry import Source
from ternloom.mapping.mapping import Mapping
from ternloom.mapping.schedule import combiner_latency, exit_latency, result_latency, waits
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Ternary
from ternloom.model.network import When


#: Cycles from a logit to the output stream.
QUEUE = 2


def make_case(cell=LSTM, when=When.LAST, layers=1, classes=2):
    """Four units on four inputs, two elements of two lanes: nothing is padded."""
    network = random_network(1, cell=cell, layers=layers, units=4, inputs=4, classes=classes,
                             when=when, input_format=Ternary(), state_format=Ternary(),
                             weight=TERNARY)
    folding = Folding.line((LayerFolding(2, 2),) * layers, LayerFolding(1, 4), 2)
    return network, folding, Mapping(network, folding).geometries


def test_single_step():
    """By hand: beats in 0 and 1; X and R take 16 cycles each; then two logits, one a cycle."""
    network, folding, (layer, readout) = make_case()
    assert [block.cycles for block in layer.blocks] == [16, 16]
    assert (layer.chains, readout.blocks[0].cycles) == (1, 2)
    timing = Mapping(network, folding).predict([1])
    assert timing.inputs.tolist() == [0, 1]
    end = 1 + 1 + 16 + 16
    assert timing.ends.tolist() == [[end]]
    assert timing.step_cycles == end + 1
    code = end + result_latency(network.layers[0], layer, layer.blocks[1])
    first = code + 1 + 1 + exit_latency(readout) + combiner_latency(readout) + QUEUE
    assert timing.outputs.tolist() == [first, first + 1]


def test_second_step():
    """X(1) follows R(0) at once; R(1) waits for the codes of R(0)."""
    network, folding, (layer, _) = make_case()
    timing = Mapping(network, folding).predict([2])
    codes = result_latency(network.layers[0], layer, layer.blocks[1])
    end = 34
    assert codes > 16
    assert timing.ends.ravel().tolist() == [end, end + codes + 16]
    assert timing.step_cycles == end + codes + 16 + 1
    # Two banks: the second vector goes in at once.
    assert timing.inputs.tolist() == [0, 1, 2, 3]


def test_third_vector():
    """The third vector waits until the first has been read."""
    network, folding, _ = make_case()
    timing = Mapping(network, folding).predict([3])
    read = 1 + 1 + 16
    assert timing.inputs.tolist() == [0, 1, 2, 3, read + 1, read + 2]
    assert timing.step_cycles == np.diff(timing.ends[:, 0])[-1]


def test_offers():
    """A beat is taken when it is offered, and nothing starts before the last."""
    network, folding, _ = make_case()
    timing = Mapping(network, folding).predict([1], offers=[5, 100])
    assert timing.inputs.tolist() == [5, 100]
    assert timing.ends.tolist() == [[100 + 1 + 32]]
    shifted = Mapping(network, folding).predict([1], offers=[0, 101])
    assert (shifted.outputs - timing.outputs).tolist() == [1, 1]
    # A beat that is offered early waits for the one before.
    assert Mapping(network, folding).predict([1], offers=[9, 0]).inputs.tolist() == [9, 10]


def test_reset_before():
    """By hand: four blocks, and R(n) waits for the codes of r*h."""
    network, folding, (layer, _) = make_case(GRU_RESET_BEFORE)
    assert [block.cycles for block in layer.blocks] == [8, 8, 4, 4]
    reset = result_latency(network.layers[0], layer, layer.blocks[1])
    assert reset > 4
    timing = Mapping(network, folding).predict([1])
    assert timing.ends.tolist() == [[2 + 8 + 8 + reset + 4]]


def test_every():
    """A readout of every step has a vector of logits for each."""
    network, folding, _ = make_case(when=When.EVERY)
    timing = Mapping(network, folding).predict([2, 3])
    assert len(timing.outputs) == 5 * 2 and len(timing.inputs) == 5 * 2
    assert timing.ends.shape == (5, 1)
    assert (np.diff(timing.outputs) >= 1).all()
    network, folding, _ = make_case()
    assert len(Mapping(network, folding).predict([2, 3]).outputs) == 2 * 2


def blocked(blocks, pauses, arrivals, spaces):
    """Ends and releases of each step, cycle by cycle.

    ``arrivals`` are the cycles of the vectors' last beats; ``spaces`` the first cycle at which each
    result has room.
    """
    cycle, settled, index, left, step = 0, 0, -1, 0, -1
    ends, released = [], []
    final = max(place for place, block in enumerate(blocks) if block.source is Source.INPUT)
    while len(ends) < len(arrivals):
        if left:
            left -= 1
            if not left:
                if pauses[index]:
                    settled = max(settled, cycle + pauses[index])
                if index == final:
                    released.append(cycle)
                if index == len(blocks) - 1:
                    ends.append(cycle)
        if not left:
            upcoming = (index + 1) % len(blocks)
            vector = step + (upcoming == 0)
            allowed = vector < len(arrivals) and (
                (upcoming != 0 or arrivals[vector] < cycle)
                and (blocks[upcoming].source is Source.INPUT or cycle >= settled)
                and (upcoming != len(blocks) - 1 or cycle >= spaces[vector]))
            if allowed:
                index, step, left = upcoming, vector, blocks[upcoming].cycles
        cycle += 1
    return ends, released


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("seed", range(12))
def test_layer(seed, cell):
    """Ends of a layer that the readout never holds up, from the cycles of its input."""
    rng = np.random.default_rng(seed)
    units, inputs, pe, simd = rng.integers(1, 9, 4).tolist()
    network = random_network(rng, cell=cell, layers=1, units=units, inputs=inputs, classes=1,
                             when=When.LAST)
    folding = Folding.line((LayerFolding(pe, simd),), LayerFolding(1, 64), min(2, simd))
    geometry = Mapping(network, folding).geometries[0]
    steps = 5
    offers = np.cumsum(rng.integers(0, 40, steps * geometry.inputs[0].beats))
    timing = Mapping(network, folding).predict([steps], offers)
    arrivals = timing.inputs[geometry.inputs[0].beats - 1::geometry.inputs[0].beats]
    ends, released = blocked(geometry.blocks, waits(network.layers[0], geometry), arrivals,
                             [0] * steps)
    assert timing.ends[:, 0].tolist() == ends
    taken = -1
    for beat, cycle in enumerate(timing.inputs.tolist()):
        vector = beat // geometry.inputs[0].beats
        room = released[vector - 2] + 1 if vector >= 2 else 0
        taken = max(taken + 1, int(offers[beat]), room)
        assert cycle == taken


def test_following_room():
    """A fast layer before a slow one is slowed down to it by the two banks between them."""
    network = random_network(2, cell=LSTM, layers=2, units=6, inputs=2, classes=1,
                             when=When.LAST)
    fast, slow = LayerFolding(6, 6), LayerFolding(1, 1)
    timing = Mapping(network, Folding.line((fast, slow), LayerFolding(1, 6))).predict([12])
    gaps = np.diff(timing.ends, axis=0)
    assert (gaps[-4:, 0] == gaps[-1, 1]).all()
    assert timing.step_cycles == gaps[-1, 1]
    assert (timing.ends[:, 1] > timing.ends[:, 0]).all()
    alone = Mapping(network, Folding.line((fast, fast), LayerFolding(1, 6))).predict([12])
    assert alone.step_cycles < timing.step_cycles


def test_slow_readout():
    """A readout of every step that is slower than the layer sets the cycles per step."""
    network, folding, _ = make_case(when=When.EVERY, classes=40)
    slow = Folding.line(folding.arrays[:-1], LayerFolding(1, 1), 2)
    timing = Mapping(network, slow).predict([8])
    firsts = timing.outputs[::40]
    assert (np.diff(firsts)[-3:] == 40 * 4).all()
    assert timing.step_cycles == 40 * 4


def test_sequences():
    """Back-to-back sequences take the cycles of one as long: clearing the state is free."""
    network, folding, _ = make_case(when=When.EVERY)
    whole, parts = (Mapping(network, folding).predict(lengths) for lengths in ([6], [1, 3, 2]))
    assert whole.inputs.tolist() == parts.inputs.tolist()
    assert whole.outputs.tolist() == parts.outputs.tolist()


@pytest.mark.parametrize("offers", [[0], [0, 0, 0], [[0, 0]]])
def test_wrong_offers(offers):
    network, folding, _ = make_case()
    shape = np.shape(offers)
    with pytest.raises(ValueError, match="^" + re.escape(
            f"offers must have the shape (2,), one per beat, not {shape}") + "$"):
        Mapping(network, folding).predict([1], offers)


def test_wrong_folding():
    network, folding, _ = make_case(layers=2)
    with pytest.raises(FoldingError, match="^folding must have 3 arrays, one for each of "
                                           "layer0, layer1, readout, not 2$"):
        Mapping(network, Folding.line(folding.arrays[:1], folding.arrays[-1], 2)).predict([1])
