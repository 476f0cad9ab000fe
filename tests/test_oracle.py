"""The golden model against an independent oracle, on networks at the ends of what is allowed."""

import itertools

import numpy as np
import pytest

from agreement import compare, compare_pieces
from hostile import Hostile
from ternloom.model.alphabet import ALPHABETS
from ternloom.model.cell import CELLS
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.golden import run
from ternloom.model.network import When


#: Networks of a test, and how many of ``make test`` and of ``make test-all`` alone.
BLOCK = 25
FAST, SLOW = 250, 1200


def networks(first):
    """A block of hostile networks, each with its draw."""
    for seed in range(first, first + BLOCK):
        draw = Hostile(seed)
        yield draw, draw.network()


def refused(network):
    """Whether the golden model says that a sum could be too large for it."""
    try:
        run(network, [])
    except NetworkError as error:
        assert str(error).partition(" must be less than 2**62 in magnitude, not ")[2].isdigit()
        return True
    return False


def check_hostile(first):
    compared = 0
    for draw, network in networks(first):
        sequences = [np.array(draw.sequence(network, draw.rng.randint(2, 6))) for _ in range(2)]
        if refused(network):
            continue
        compared += 1
        if draw.rng.random() < 0.3:
            compare_pieces(network, sequences, [draw.rng.randint(1, len(each) - 1)
                                                for each in sequences])
        else:
            compare(network, sequences)
    assert compared > BLOCK / 2


def check_random(first, hostile):
    compared = 0
    for seed in range(first, first + BLOCK):
        network = random_network(seed, readout=bool(seed % 4), hostile=hostile,
                                 state_format="online" if seed % 9 == 0 else None)
        if not refused(network):
            compare(network, random_sequences(seed, network, 2, (1, 6)))
            compared += 1
    assert compared > BLOCK / 2


@pytest.mark.parametrize("first", range(0, FAST, BLOCK))
def test_hostile(first):
    check_hostile(first)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FAST, FAST + SLOW, BLOCK))
def test_more_hostile(first):
    check_hostile(first)


@pytest.mark.parametrize("hostile", [0, 0.3])
def test_random(hostile):
    check_random(0, hostile)


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [0, 0.1, 0.5])
@pytest.mark.parametrize("first", range(BLOCK, BLOCK + 500, BLOCK))
def test_more_random(first, hostile):
    check_random(first, hostile)


def ends(values, low, high):
    """Whether both ends of a range occur, and something between."""
    return {low, high} < set(values)


def test_breadth():
    """What ``make test`` draws has every kind of everything, and the ends of every range."""
    drawn = [network for first in range(0, FAST, BLOCK) for _, network in networks(first)]
    layers = [layer for network in drawn for layer in network.layers]
    formats = (Fixed, Binary, Ternary, Planes)
    assert {(layer.cell, type(layer.state_format)) for layer in layers} == \
        {(cell, form) for cell in CELLS.values() for form in (*formats, Online)
         if not cell.feedback or form is not Online}
    assert {type(network.input_format) for network in drawn} == set(formats)
    assert {matrix.weight for layer in layers for matrix in layer.matrices.values()} \
        == set(ALPHABETS.values())
    assert {(network.readout and network.readout.when, len(network.layers))
            for network in drawn} == set(itertools.product((*When, None), (1, 2, 3)))
    precisions = [layer.precision for layer in layers]
    assert {each.comparators for each in precisions} == {True, False}
    assert ends([each.preact.width for each in precisions], 4, 12)
    assert ends([each.preact.frac for each in precisions], 0, 32)
    assert ends([each.gate_frac for each in precisions if not each.comparators], 2, 15)
    assert ends([each.state.width for each in precisions], 2, 24)
    assert ends([each.state.frac for each in precisions], 0, 32)
    assert ends([each.slope for each in precisions], 1, 65535)
    assert ends([each.slope_frac for each in precisions], 0, 16)
    assert ends([layer.shift for layer in layers], 0, 40)
    assert ends([layer.units for layer in layers], 1, 12)
    limit = (1 << 30) - 1
    assert ends([bias for layer in layers for bias in layer.bias.tolist()], -limit, limit)
    limit = (1 << 24) - 1
    assert ends([coefficient for layer in layers
                 for coefficient in layer.input.coefficients.ravel().tolist()], -limit, limit)
    states = [layer.state_format for layer in layers]
    fixed = [each for each in states if isinstance(each, Fixed)]
    assert ends([each.width for each in fixed], 2, 32)
    assert ends([each.frac for each in fixed], -16, 32)
    assert {each.signed for each in fixed} == {True, False}
    ternary = [each for each in states if isinstance(each, Ternary)]
    assert ends([each.threshold for each in ternary], 1, (1 << 32) - 1)
    assert ends([each.threshold_frac for each in ternary], 0, 64)
    planes = [each for each in states if isinstance(each, Planes)]
    assert ends([c for each in planes for c in each.coefficients], 1, 65535)
    assert ends([each.frac for each in planes], 0, 64)
    assert any(len(set(each.coefficients)) < len(each.coefficients) for each in planes)
    online = [each for each in states if isinstance(each, Online)]
    assert ends([each.sample.width for each in online], 4, 16)
    assert ends([each.sample.frac for each in online], -16, 32)
    assert ends([each.rounds for each in online], 1, 4)
    assert {each.planes for each in online} == {2, 3}
