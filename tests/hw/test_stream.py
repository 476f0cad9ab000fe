"""Vectors that end early: filled up with zero bits, told by ``error``, and forgotten after."""

import dataclasses

import numpy as np
import pytest

from ternloom.hw import verilog
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Planes
from ternloom.model.network import When
from ternloom.sim.build import SIMULATORS
from ternloom.sim.case import Case
from ternloom.sim.run import simulate_many


#: Steps of each sequence, and beats that its last vector lacks of four: every number of them in a
#: sequence's first vector and in a later one, alone and in turn, before and after sound sequences.
SEQUENCES = [(1, 1), (2, 0), (1, 2), (1, 3), (3, 0), (2, 1), (3, 2), (1, 0), (2, 3), (2, 2), (1, 3),
             (1, 1), (3, 0), (1, 0)]
#: Format of the inputs, state codes, cell, ``when`` of the readout if there is one, and slots of a
#: beat and of an element: beats that are a fraction of a word, a word, or not a whole fraction.
CORES = [
    (Fixed(5, 3), "ternary", GRU_RESET_AFTER, When.LAST, 2, 4),
    (Binary(), "binary", LSTM, When.EVERY, 2, 2),
    (Planes((2, 1), 1), "fixed", GRU_RESET_BEFORE, None, 2, 3),
    (Fixed(4, 2), "online", LSTM, When.LAST, 2, 8),
]


def make_case(place, kind, fields):
    form, state, cell, when, slots, simd = kind
    rng = np.random.default_rng(place)
    network = random_network(rng, cell=cell, layers=1 + place % 2, units=4, inputs=7, classes=3,
                             input_format=form, state_format=state, when=when,
                             readout=when is not None)
    folding = Folding.line((LayerFolding(4, simd),) * len(network.layers),
                      when and LayerFolding(2, 3), slots)
    sequences = [random_sequences(rng, network, 1, (steps, steps))[0] for steps, _ in SEQUENCES]
    case = Case(Mapping(network, folding), tuple(sequences),
                short=tuple(lack for _, lack in SEQUENCES))
    return dataclasses.replace(case, **{name: value(rng, case) for name, value in fields.items()})


def gaps(rng, case):
    return tuple(np.cumsum(rng.integers(0, 9, case.first_beats[-1]) ** 2 // 3).tolist())


def pressure(rng, case):
    return (*rng.integers(0, 2, 7).tolist(), 1)


def resets(rng, case):
    return tuple(rng.integers(1, case.cycles()[1][-1] // 2, 3).tolist())


@pytest.fixture(scope="module")
def cases():
    designs = {}
    kinds = [{}, {"offers": gaps}, {"ready": pressure}, {"offers": gaps, "ready": pressure},
             {"resets": resets}]
    found = []
    for place, kind in enumerate(CORES):
        for fields in (kinds[0], kinds[1 + place]):
            case = make_case(place, kind, fields)
            if place not in designs:
                designs[place] = verilog.generate(case.mapping)
            found.append(dataclasses.replace(case, design=designs[place]))
    return found


@pytest.mark.parametrize("simulator", [
    pytest.param(name, marks=[pytest.mark.slow] * (name == "verilator")) for name in SIMULATORS])
def test_short_vectors(cases, simulator):
    """Value and cycle of every transfer, and of ``error``, on the way and after."""
    for place, report in enumerate(simulate_many(cases, simulator=simulator)):
        assert report.mismatch is None, f"{place} on {report.simulator}: {report.mismatch}"


def test_breadth(cases):
    assert all(case.taken.beats == 4 for case in cases)
    assert {case.resets != () for case in cases} == {True, False}
    lacks = {(steps > 1, lack) for steps, lack in SEQUENCES}
    assert lacks == {(later, lack) for later in (False, True) for lack in range(4)}
    assert any(case.offers and case.ready for case in cases)
