"""The readout against exact logits."""

import dataclasses

import numpy as np
import pytest
from edit import refed
from hwarray import codes_of, folded_readout
from hwsim import converse, events, pack

from ternloom.hw.readout import DenseReadout
from ternloom.mapping.schedule import combiner_latency, exit_latency
from ternloom.model.alphabet import ALPHABETS, BINARY, PLANES
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.network import When
from ternloom.model.product import Product


FORMATS = {"fixed": Fixed(5, 3), "binary": Binary(), "ternary": Ternary(),
           "planes": Planes((5, 2), 3)}
OUTPUT = ("data", "user", "last")


def make_readout(seed, **options):
    return random_network(seed, layers=1, **options).readout


def with_when(readout, when):
    return dataclasses.replace(readout, when=when)


def logits_of(readout, vectors):
    """Logits (vectors, classes), exactly."""
    sums = Product(readout.weights, readout.input_format)(vectors) + readout.bias
    return readout.logits.quantize(sums, readout.logits.frac + readout.shift)


def beats_out(readout, vectors, last):
    """Beats (logit, winner so far, last) of the vectors that a readout puts out."""
    beats = []
    for logits, ends in zip(logits_of(readout, vectors).tolist(), last, strict=True):
        if readout.when is When.LAST and not ends:
            continue
        for index, logit in enumerate(logits):
            seen = logits[:index + 1]
            beats.append((logit, seen.index(max(seen)), int(ends and index + 1 == len(logits))))
    return beats


class Writer:
    """A layer before the readout: takes a bank when there is one, and fills it some time later."""

    def __init__(self, rng, readout, geometry, vectors, last, eager):
        width = readout.input_format.width
        self._rng, self._eager, self._wide = rng, eager, geometry.inputs[0].beat_slots * width
        bits = readout.input_format.bits(vectors) & ((1 << width) - 1)
        self._vectors = [[(pack(row[first:first + geometry.inputs[0].beat_slots], width), int(ends))
                          for first in range(0, len(row), geometry.inputs[0].beat_slots)]
                         for row, ends in zip(bits, last, strict=True)]
        self._due = []
        #: Cycle of the last beat.
        self.end = None

    def act(self, cycle, get):
        rng = self._rng
        eager = self._eager or rng.random() < 0.4
        reserve = int(bool(self._vectors and get("i.room.space") and eager))
        answer = {"i.room.reserve": reserve, "i.valid": 0, "i.last": int(rng.integers(2)),
                  "i.data": int(rng.integers(1 << 30)) & ((1 << self._wide) - 1)}
        if self._due and (self._eager or rng.random() < 0.6):
            data, last = self._due.pop(0)
            self.end = cycle
            answer |= {"i.valid": 1, "i.data": data, "i.last": last}
        if reserve:
            self._due += self._vectors.pop(0)
        return answer


def run_readout(readout, image, vectors, last, rng, *, eager=True, ready=lambda: 1, cycles=None):
    """Beats that a consumer takes: list of (cycle, (logit, winner, last)); and the writer."""
    geometry = image.geometry
    writer = Writer(rng, readout, geometry, vectors, last, eager)
    if cycles is None:
        step = geometry.blocks[0].cycles + geometry.inputs[0].beats + readout.classes + 10
        cycles = 8 * step * len(vectors) + 100
    dut = DenseReadout(readout, image)
    watched = {"valid": dut.o.valid, "ready": dut.o.ready}
    watched |= {name: getattr(dut.o.payload, name) for name in OUTPUT}
    found = converse(dut, lambda cycle, get: writer.act(cycle, get) | {"o.ready": ready()}, watched,
                     cycles)
    taken = events(found["valid"] & found["ready"], *(found[name] for name in OUTPUT))
    return [(cycle, tuple(beat)) for cycle, *beat in taken], writer


def make_case(readout, count, rng):
    vectors = codes_of(readout.input_format, rng, (count, readout.inputs))
    last = rng.random(count) < 0.4
    last[-1] = True
    return vectors, last


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("kind", FORMATS)
def test_values(kind, weight, when):
    """Vectors as fast as they go in, beats taken at once."""
    rng = np.random.default_rng(37)
    readout = make_readout(rng, units=int(rng.integers(1, 12)), state_format=FORMATS[kind],
                           weight=weight, classes=int(rng.integers(1, 5)), when=when)
    image = folded_readout(readout, int(rng.integers(1, 9)), int(rng.integers(1, 6)), 2)
    vectors, last = make_case(readout, 8, rng)
    taken, _ = run_readout(readout, image, vectors, last, rng)
    assert [beat for _, beat in taken] == beats_out(readout, vectors, last)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("seed", range(6))
def test_back_pressure(seed, when):
    """A slow consumer behind a fast or slow layer: nothing is lost, nothing doubled."""
    rng = np.random.default_rng(seed)
    readout = with_when(make_readout(rng, units=int(rng.integers(1, 9)),
                                     classes=int(rng.integers(1, 5))), when)
    image = folded_readout(readout, int(rng.integers(1, 9)), int(rng.integers(1, 9)),
                             int(rng.integers(1, 4)))
    vectors, last = make_case(readout, 10, rng)
    taken, _ = run_readout(readout, image, vectors, last, rng, eager=seed % 2,
                           ready=lambda: rng.random() < 0.3)
    assert [beat for _, beat in taken] == beats_out(readout, vectors, last)


@pytest.mark.parametrize("classes, pe", [(1, 1), (1, 4), (2, 4), (2, 8), (1, 2), (3, 5)])
def test_planes_in_one_group(classes, pe):
    """Rows of several planes that leave while the next vector is already read keep their flag."""
    rng = np.random.default_rng(41)
    readout = make_readout(rng, units=2, state_format=Binary(), weight=BINARY,
                           classes=classes, when=When.EVERY)
    codes = rng.choice([-1, 1], (4, classes, 2)).astype(np.int8)
    coefficients = rng.integers(1, 9, (4, classes)).astype(np.int32)
    readout = refed(readout, matrix=Matrix(PLANES, codes, coefficients))
    image = folded_readout(readout, pe, 2, 2)
    vectors, last = make_case(readout, 12, rng)
    taken, _ = run_readout(readout, image, vectors, last, rng)
    assert [beat for _, beat in taken] == beats_out(readout, vectors, last)


def test_ties():
    """The winner of equals is the first; a later one must be larger."""
    readout = make_readout(2, units=3, state_format=Binary(), weight=BINARY, classes=5,
                           when=When.EVERY)
    bias = np.array([4, 4, 9, 9, 4], dtype=np.int32)
    silent = Matrix(BINARY, readout.weights.codes, np.zeros_like(readout.weights.coefficients))
    readout = refed(readout, matrix=silent, bias=bias, shift=0, logits=Fixed(8, 0))
    rng = np.random.default_rng(43)
    vectors, last = make_case(readout, 3, rng)
    taken, _ = run_readout(readout, folded_readout(readout, 2, 2), vectors, last, rng)
    assert [beat[:2] for _, beat in taken] == [(4, 0), (4, 0), (9, 2), (9, 2), (4, 2)] * 3


@pytest.mark.parametrize("pe, simd, beat_slots", [(1, 1, 1), (3, 4, 2), (8, 2, 1), (2, 3, 5)])
def test_latency(pe, simd, beat_slots):
    """From the last beat of a lone vector to each logit on the output."""
    rng = np.random.default_rng(pe)
    readout = make_readout(rng, units=7, classes=4)
    image = folded_readout(readout, pe, simd, beat_slots)
    vectors, last = make_case(readout, 1, rng)
    taken, writer = run_readout(readout, image, vectors, last, rng)
    block = image.geometry.blocks[0]
    rows = block.exits()[block.planes - 1::block.planes]
    queue = 2
    geometry = image.geometry
    expected = writer.end + 2 + rows + exit_latency(geometry) + combiner_latency(geometry) + queue
    assert [cycle for cycle, _ in taken] == expected.tolist()
