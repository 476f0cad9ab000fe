"""The judgement of a bench's record: each kind of difference, and none."""

import copy
import dataclasses

import numpy as np
import pytest
from edit import edited

from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.sim.case import Case, Transfer
from ternloom.sim.compare import Mismatch, checked, first_mismatch, first_probe_mismatch


#: Two sequences of two and one steps: beats go in every tenth cycle, logits come 5 cycles later.
INPUTS = [0, 10, 20]
OUTPUTS = [15, 16, 25, 26]
LOGITS = [-3, 5, 7, -8]


class KnownCase(Case):
    """A case whose models are the tables above."""

    @property
    def transfers(self):
        places = [(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)]
        return [Transfer(*place, logit & 0xff, winner, place[2]) for place, logit, winner
                in zip(places, LOGITS, (0, 1, 0, 0), strict=True)]

    def cycles(self, start=0):
        return (INPUTS, OUTPUTS) if start == 0 else ([0], [5, 6])

    @property
    def trace(self):
        return {"layer0.h": [np.array([[1, 2, 3], [4, 5, 6]]), np.array([[7, 8, 9]])]}


@dataclasses.dataclass
class Probe:
    valid: str
    names: tuple


@pytest.fixture
def case():
    network = random_network(1, layers=1, units=3, inputs=1, classes=2, when=When.LAST)
    readout = dataclasses.replace(network.readout, logits=Fixed(4, 0))
    network = edited(network, readout=readout)
    sequences = (np.ones((2, 1), dtype=int), np.ones((1, 1), dtype=int))
    folding = Folding.line((LayerFolding(1, 1),), LayerFolding(1, 1))
    return KnownCase(Mapping(network, folding), sequences)


@pytest.fixture
def good():
    # Logits have four bits, and their wire form is sign-extended to eight.
    outputs = [[15, 0xfd, 0, 0], [16, 5, 1, 1], [25, 7, 0, 0], [26, 0xf8, 0, 1]]
    return [{"start": 0, "inputs": list(INPUTS), "outputs": outputs, "faults": [], "probes": {},
             "error": [[0, 0]], "end": 90, "why": "stop"}]


def _replaced(record, index, **fields):
    record = copy.deepcopy(record)
    record[index].update(fields)
    return record


def _output(record, index, place, value):
    record = copy.deepcopy(record)
    record[0]["outputs"][index][place] = value
    return record


def test_agreement(case, good):
    assert first_mismatch(case, good) is None
    assert checked(good) == 7


def test_wrong_logit(case, good):
    assert first_mismatch(case, _output(good, 2, 1, 0xff)) == Mismatch(
        1, 0, 25, "readout.logits[0]", 7, -1)


def test_unknown_logit(case, good):
    assert first_mismatch(case, _output(good, 2, 1, "0000x111")) == Mismatch(
        1, 0, 25, "m_axis_tdata", "00000111", "0000x111")


def test_wrong_winner(case, good):
    assert first_mismatch(case, _output(good, 1, 2, 0)) == Mismatch(
        0, 1, 16, "readout.argmax", 1, 0)


def test_wrong_last(case, good):
    assert first_mismatch(case, _output(good, 1, 3, 0)) == Mismatch(0, 1, 16, "m_axis_tlast", 1, 0)


def test_late_output(case, good):
    assert first_mismatch(case, _output(good, 1, 0, 18)) == Mismatch(
        0, 1, 16, "m_axis_tvalid", "1 at cycle 16", "1 at cycle 18")


def test_early_output(case, good):
    assert first_mismatch(case, _output(good, 2, 0, 24)) == Mismatch(
        1, 0, 24, "m_axis_tvalid", "1 at cycle 25", "1 at cycle 24")


def test_missing_output(case, good):
    outputs = good[0]["outputs"][:3]
    assert first_mismatch(case, _replaced(good, 0, outputs=outputs)) == Mismatch(
        1, 0, 26, "m_axis_tvalid", "1", "0 until cycle 89")


def test_extra_output(case, good):
    outputs = [*good[0]["outputs"], [40, 0, 0, 0]]
    assert first_mismatch(case, _replaced(good, 0, outputs=outputs)) == Mismatch(
        1, 0, 40, "m_axis_tvalid", "0 after the last transfer", "1")


def test_late_input(case, good):
    assert first_mismatch(case, _replaced(good, 0, inputs=[0, 12, 20])) == Mismatch(
        0, 1, 10, "s_axis_tready", "1 at cycle 10", "1 at cycle 12")


def test_missing_input(case, good):
    assert first_mismatch(case, _replaced(good, 0, inputs=[0, 10])) == Mismatch(
        1, 0, 20, "s_axis_tready", "1", "0 until cycle 89")


def test_earliest_of_two(case, good):
    late = _output(good, 3, 1, 0)
    assert first_mismatch(case, _replaced(late, 0, inputs=[0, 10, 21])).cycle == 20


def test_withdrawn_offer(case, good):
    faults = [[16, [5, 1, 1], None]]
    paced = dataclasses.replace(case, ready=(0, 1))
    outputs = good[0]["outputs"][:1]
    assert first_mismatch(paced, _replaced(good, 0, outputs=outputs, faults=faults, end=17)) == \
        Mismatch(0, 1, 16, "m_axis_tvalid", "held at [5, 1, 1] until taken", "0")


def test_free_cycles(case, good):
    """With a sink that isn't always ready values count, and cycles don't."""
    paced = dataclasses.replace(case, ready=(0, 1))
    later = [[cycle + 7, *rest] for cycle, *rest in good[0]["outputs"]]
    assert first_mismatch(paced, _replaced(good, 0, outputs=later)) is None
    later[1][1] = 0
    assert first_mismatch(paced, _replaced(good, 0, outputs=later)).signal == "readout.logits[1]"


def test_reset_cut(case, good):
    """What was due after a reset isn't missing, what was due before it is."""
    cut = _replaced(good, 0, inputs=[0, 10], outputs=good[0]["outputs"][:1], end=16, why="reset")
    after = {"start": 1, "inputs": [0], "outputs": [[5, 7, 0, 0], [6, 0xf8, 0, 1]], "faults": [],
             "probes": {}, "error": [[0, 0]], "end": 60, "why": "stop"}
    reset = dataclasses.replace(case, resets=(16,))
    assert first_mismatch(reset, [*cut, after]) is None
    assert first_mismatch(reset, [*_replaced(cut, 0, end=17), after]).cycle == 16
    assert first_mismatch(reset, [*cut, after | {"outputs": [[5, 6, 0, 0]]}]) == Mismatch(
        1, 0, 5, "readout.logits[0]", 7, 6)


class ShortCase(KnownCase):
    """The same, of which the second beat ends a vector early."""

    def error_beat(self, start=0):
        return 1 if start == 0 else None


def test_error(case, good):
    """A core tells of a short vector in the cycle after it, and of nothing else."""
    short = ShortCase(case.mapping, case.sequences)
    told = _replaced(good, 0, error=[[0, 0], [11, 1]])
    assert first_mismatch(short, told) is None
    assert first_mismatch(short, good) == Mismatch(0, 1, 11, "error", "1 at cycle 11", "unchanged")
    assert first_mismatch(case, told) == Mismatch(0, 1, 11, "error", "unchanged", "1 at cycle 11")
    assert first_mismatch(short, _replaced(good, 0, error=[[0, 0], [11, 1], [30, 0]])) == Mismatch(
        1, 0, 30, "error", "unchanged", "0 at cycle 30")
    assert first_mismatch(case, _replaced(good, 0, error=[[0, "X"]])) == Mismatch(
        0, 0, 0, "error", "0 at cycle 0", "X at cycle 0")


def test_probes(case, good):
    names = tuple(("layer0.h", unit) for unit in range(3))
    probes = [Probe("late", names), Probe("early", names[:2])]
    late = [[20 + i, i + 1] for i in range(6)] + [[40, 7], [41, 0]]
    early = [[10, 1], [11, 2], [30, 4], [31, 5], [35, 7], [36, 8]]
    seen = _replaced(good, 0, probes={"late": late, "early": early})
    assert first_probe_mismatch(case, seen, probes) == Mismatch(1, 0, 41, "layer0.h[1]", 8, 0)
    early[3][1] = 6
    seen = _replaced(good, 0, probes={"late": late, "early": early})
    assert first_probe_mismatch(case, seen, probes) == Mismatch(0, 1, 31, "layer0.h[1]", 5, 6)
    assert first_probe_mismatch(case, good, probes) is None


def test_text():
    assert str(Mismatch(1, 2, 30, "layer0.cell[4]", -5, 6)) == \
        "sequence 1, step 2, cycle 30: layer0.cell[4] must be -5, not 6"
