"""What the bench feeds a core, and what it expects of it."""

import dataclasses
import re

import numpy as np
import pytest
from edit import edited

from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model import golden
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Fixed, Planes, Ternary
from ternloom.model.network import When
from ternloom.sim.case import Case, beat_width


def _network(form=None, **given):
    return random_network(3, layers=1, units=4, inputs=5, classes=3, input_format=form, **given)


def _folding(slots, simd=4):
    return Folding.line((LayerFolding(1, simd),), LayerFolding(1, 1), slots)


@pytest.mark.parametrize("form, slots, width", [(Fixed(4, 0), 1, 8), (Fixed(4, 0), 3, 16),
                                                (Ternary(), 4, 8), (Fixed(9, 0), 2, 24)])
def test_beat_width(form, slots, width):
    network = _network(form)
    readout = dataclasses.replace(network.readout, logits=Fixed(17, 3))
    network = edited(network, readout=readout)
    assert beat_width(Mapping(network, _folding(slots))) == (width, 24, 2)


@pytest.mark.parametrize("when", When, ids=lambda when: when.value)
def test_transfers(when):
    network = _network(when=when)
    sequences = random_sequences(5, network, 3)
    case = Case(Mapping(network, _folding(2)), tuple(sequences))
    result = golden.run(network, sequences)
    mask = (1 << case.given.data_width) - 1
    flat = [int(x) & mask for logits in result.logits for x in np.asarray(logits).ravel()]
    assert [transfer.data for transfer in case.transfers] == flat
    last = [transfer for transfer in case.transfers if transfer.last]
    assert [transfer.sequence for transfer in last] == [0, 1, 2]
    assert [transfer.step + 1 for transfer in last] == [len(each) for each in sequences]
    winners = [transfer.user for transfer in case.transfers if transfer.index == 2]
    assert winners == [int(winner) for each in result.winners for winner in np.ravel(each)]
    assert case.first_transfers[-1] == len(case.transfers)


def test_code_transfers():
    network = _network(readout=False, state_format=Planes((2, 1), 0))
    sequences = random_sequences(5, network, 3)
    folding = Folding.line((LayerFolding(12, 3),), None, 2)
    case = Case(Mapping(network, folding), tuple(sequences))
    assert (case.given.slots, case.given.beats) == (3, 2)
    words = [word for codes in golden.run(network, sequences).codes
             for a, b, c, d in codes.tolist() for word in (a | b << 2 | c << 4, d)]
    assert [transfer.data for transfer in case.transfers] == words
    assert {transfer.user for transfer in case.transfers} == {0}
    ends = [transfer for transfer in case.transfers if transfer.last]
    assert [(end.sequence, end.step, end.index) for end in ends] == [
        (index, len(each) - 1, 1) for index, each in enumerate(sequences)]
    assert case.first_transfers == [0, *np.cumsum([2 * len(each) for each in sequences]).tolist()]


def test_places():
    network = _network()
    sequences = [np.ones((steps, 5), dtype=int) for steps in (2, 1, 3)]
    case = Case(Mapping(network, _folding(2)), tuple(sequences))
    assert case.first_beats == [0, 6, 9, 18]
    assert case.beat_place(5) == (0, 1)
    assert case.beat_place(6) == (1, 0)
    assert case.beat_place(17) == (2, 2)
    assert case.step_place(1, 0) == (1, 0)
    assert case.step_place(1, 3) == (2, 2)
    assert case.step_place(1, 4) is None
    assert case.beats[1] == [5, 8, 17]


def test_short():
    """Beats that lack aren't sent, and the models see zero bits in their place."""
    network = _network(Fixed(4, 0), when=When.EVERY)
    sequences = [np.full((steps, 5), 3) for steps in (2, 1, 3)]
    case = Case(Mapping(network, _folding(2)), tuple(sequences), short=(1, 2, 0))
    assert case.first_beats == [0, 5, 6, 15]
    assert case.beats == ([0x33, 0x33, 0xf3, 0x33, 0x33, 0x33, *[0x33, 0x33, 0xf3] * 3], [4, 5, 14])
    assert [case.beat_place(beat) for beat in (4, 5, 6, 14)] == [(0, 1), (1, 0), (2, 0), (2, 2)]
    assert [case.step_place(0, step) for step in (1, 2, 5, 6)] == [(0, 1), (1, 0), (2, 2), None]
    assert [case.error_beat(start) for start in range(3)] == [4, 0, None]
    filled = [np.array([[3] * 5, [3, 3, 3, 3, 0]]), np.array([[3, 3, 0, 0, 0]]), sequences[2]]
    sound = Case(Mapping(network, case.mapping.folding), tuple(filled))
    assert case.transfers == sound.transfers
    inputs, outputs = sound.cycles()
    assert case.cycles() == ([inputs[beat] for beat in (0, 1, 2, 3, 4, 6, *range(9, 18))], outputs)
    # The beats that lack are taken at once, whatever the source does.
    offers = [0, 0, 0, 0, 400, 900, *range(2000, 2009)]
    late = dataclasses.replace(sound, offers=(0, 0, 0, 0, 400, 0, 900, 0, 0, *offers[6:]))
    inputs, outputs = late.cycles()
    assert dataclasses.replace(case, offers=tuple(offers)).cycles() == (
        [inputs[beat] for beat in (0, 1, 2, 3, 4, 6, *range(9, 18))], outputs)


def test_wrong_short():
    with pytest.raises(ValueError, match="^" + re.escape(
            "short must be from 0 to 2 for each of the 1 sequences, not (3,)") + "$"):
        Case(Mapping(_network(), _folding(2)), (np.ones((2, 5)),), short=(3,))
    with pytest.raises(ValueError, match="^" + re.escape(
            "short must be from 0 to 2 for each of the 1 sequences, not (0, 0)") + "$"):
        Case(Mapping(_network(), _folding(2)), (np.ones((2, 5)),), short=(0, 0))


def test_no_sequences():
    with pytest.raises(ValueError, match="^there must be at least one sequence$"):
        Case(Mapping(_network(), _folding(1)), ())


def test_wrong_shape():
    with pytest.raises(ValueError,
                       match=r"^sequence 1 must have the shape \(steps, 5\), not \(2, 4\)$"):
        Case(Mapping(_network(), _folding(1)), (np.ones((2, 5)), np.ones((2, 4))))


def test_wrong_offers():
    with pytest.raises(ValueError, match="^offers must have 10 entries, one per beat, not 3$"):
        Case(Mapping(_network(), _folding(1)), (np.ones((2, 5)),), offers=(0, 1, 2))


def test_never_ready():
    with pytest.raises(ValueError, match="^ready must be 1 in at least one cycle$"):
        Case(Mapping(_network(), _folding(1)), (np.ones((2, 5)),), ready=(0, 0))
