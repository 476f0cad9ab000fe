"""Buffers: where every code is read again, and the account of full and free banks."""

import numpy as np
import pytest
from hwsim import events, pack, play

from ternloom.hw.buffer import InputBuffer
from ternloom.hw.state import StateBuffer
from ternloom.mapping.geometry import Arithmetic, Geometry
from ternloom.mapping.layout import InputLayout
from ternloom.model.alphabet import BINARY
from ternloom.model.format import Fixed


WIDTH = 5
FORM = Fixed(WIDTH, 0)


def make_geometry(*, simd=4, chains=1, units=4, inputs=6, beat_slots=1):
    return Geometry(Arithmetic.SHIFT_ADD, BINARY, 1, WIDTH, 1, False, chains, 1, simd,
                    -(-units // chains), units, (InputLayout(inputs, beat_slots, simd),), ())


def word(columns, codes):
    """Word of the codes in these columns, zero where there is none."""
    return pack([codes[column] if column >= 0 else 0 for column in columns], WIDTH)


class Account:
    """What the input buffer must say about its banks, restated with a queue."""

    def __init__(self):
        self.vectors, self.reserved = [], 0

    def outputs(self):
        """Flags of a cycle; those that mean nothing are None."""
        first, following = (self.vectors + [None, None])[:2]
        return {"i.ready": len(self.vectors) < 2, "i.room.space": self.reserved < 2,
                "pending.full": bool(self.vectors), "pending.last": first,
                "pending.next": len(self.vectors) > 1, "pending.next_last": following}

    def tick(self, release, reserve, completed):
        if release:
            self.vectors.pop(0)
        if completed is not None:
            self.vectors.append(completed)
        self.reserved += reserve - release


class Scenario:
    """A writer and a reader of vectors, cycle by cycle, at random speeds.

    Parameters
    ----------
    geometry : Geometry
    vectors : int array (vectors, inputs)
        Codes.
    reserving : bool
        Whether the writer takes its bank ahead, as a layer does, or waits for each beat, as the
        input stream does.
    write_rate, read_rate : float
        Probability of a beat, of a read.
    """

    def __init__(self, rng, geometry, vectors, *, reserving, write_rate, read_rate):
        self._rng, self._layout, self._vectors = rng, geometry.inputs[0], vectors
        self._reserving = reserving
        self._rates = write_rate, read_rate
        self._account = Account()
        self._last = rng.integers(0, 2, len(vectors)).tolist()
        self._written = self._beat = self._read = self._word = self._granted = 0
        self.drive = {name: [] for name in ("i.valid", "i.data", "i.last", "pending.release",
                                            "words.word",
                                            *(["i.room.reserve"] if reserving else []))}
        self.flags, self.words = [], {}

    def run(self):
        while self._read < len(self._vectors):
            self._cycle()
        for _ in range(3):
            for values in self.drive.values():
                values.append(0)
            self.flags.append(self._account.outputs())
        return self

    def _cycle(self):
        rng, layout, cycle = self._rng, self._layout, len(self.flags)
        reserve, completed = 0, None
        more = self._written < len(self._vectors)
        if self._reserving:
            reserve = int(self._granted < len(self._vectors) and self._account.reserved < 2
                          and rng.random() < 0.5)
            may_write = more and self._granted > self._written
        else:
            may_write = more and len(self._account.vectors) < 2
        valid = int(may_write and rng.random() < self._rates[0])
        data, last = self._next_beat() if valid else (self._rubbish(), int(rng.integers(2)))
        if valid and self._beat == layout.beats:
            completed, self._beat = last, 0
            self._written += 1
        release, read = 0, int(rng.integers(layout.words))
        if self._account.vectors and rng.random() < self._rates[1]:
            read = self._word
            self.words[cycle] = word(layout.columns[read], self._vectors[self._read])
            self._word += 1
            if self._word == layout.words:
                self._word, release = 0, 1
                self._read += 1
        for name, value in zip(self.drive, (valid, data, last, release, read, reserve)):
            self.drive[name].append(value)
        self.flags.append(self._account.outputs())
        self._account.tick(release, reserve, completed)
        self._granted += reserve

    def _rubbish(self):
        return int(self._rng.integers(1 << 30)) & ((1 << (self._layout.beat_slots * WIDTH)) - 1)

    def _next_beat(self):
        """A beat; slots beyond the vector hold rubbish, and so does a layer's ``last`` but at its
        end.
        """
        slots, beat = self._layout.beat_slots, self._beat
        codes = self._vectors[self._written][beat * slots:(beat + 1) * slots].tolist()
        codes += self._rng.integers(1 << WIDTH, size=slots - len(codes)).tolist()
        self._beat += 1
        ends = self._beat == self._layout.beats
        early = int(self._rng.integers(2)) if self._reserving else 0
        return pack(codes, WIDTH), self._last[self._written] if ends else early


def check_input(rng, geometry, *, count=6, **options):
    vectors = rng.integers(0, 1 << WIDTH, (count, geometry.inputs[0].elements))
    scenario = Scenario(rng, geometry, vectors, **options).run()
    names = ["i.room.space" if options["reserving"] else "i.ready", "pending.full",
             "pending.last", "pending.next", "pending.next_last"]
    dut = InputBuffer(geometry.inputs[0], FORM, streamed=not options["reserving"])
    found = play(dut, scenario.drive, [*names, "words.codes"])
    for cycle, flags in enumerate(scenario.flags):
        for name in names:
            if flags[name] is not None:
                assert found[name][cycle] == flags[name], f"{name} in cycle {cycle}"
    assert len(scenario.words) == count * geometry.inputs[0].words
    for cycle, expected in scenario.words.items():
        assert found["words.codes"][cycle + 2] == expected


@pytest.mark.parametrize("inputs", (1, 4, 11, 16))
@pytest.mark.parametrize("simd, beat_slots", [(1, 1), (4, 1), (4, 2), (4, 3), (4, 4), (5, 2),
                                              (2, 3), (4, 8), (3, 7), (1, 5), (8, 16)])
def test_words(simd, beat_slots, inputs):
    """Beats narrower than a word, as wide, and wider, that divide it or do not."""
    geometry = make_geometry(simd=simd, beat_slots=beat_slots, inputs=inputs)
    rng = np.random.default_rng(inputs)
    check_input(rng, geometry, reserving=False, write_rate=1, read_rate=1)


@pytest.mark.parametrize("reserving", (False, True))
@pytest.mark.parametrize("write_rate, read_rate", [(1, 1), (1, 0.3), (0.3, 1), (0.6, 0.6)])
def test_account(reserving, write_rate, read_rate):
    """A fast or slow writer before a slow or fast reader, both kinds of writers."""
    rng = np.random.default_rng(4)
    for geometry in (make_geometry(inputs=5, beat_slots=2), make_geometry(inputs=1)):
        check_input(rng, geometry, count=30, reserving=reserving, write_rate=write_rate,
                    read_rate=read_rate)


@pytest.mark.parametrize("simd, beat_slots", [(1, 1), (4, 1), (4, 2), (3, 7), (5, 2)])
def test_short(simd, beat_slots):
    """A vector that ends early is filled up, a beat a cycle, whatever lay there before."""
    geometry = make_geometry(simd=simd, beat_slots=beat_slots, inputs=11)
    beats, rng = geometry.inputs[0].beats, np.random.default_rng(simd)
    drive = {name: [] for name in ("i.valid", "i.data", "i.last", "pending.release", "words.word")}

    def cycle(values):
        for name, column in drive.items():
            column.append(values.get(name, int(rng.integers(1 << 5)) if name == "i.data" else 0))
        return len(drive["i.valid"]) - 1

    due, shorts, busy, ends = {}, [], [], []
    for sent in (*range(1, beats + 1), 1, 1, beats):
        codes = rng.integers(1, 1 << WIDTH, beats * beat_slots)
        for beat in range(sent):
            word_in = pack(codes[beat * beat_slots:(beat + 1) * beat_slots].tolist(), WIDTH)
            ends.append(cycle({"i.valid": 1, "i.data": word_in,
                               "i.last": int(beat == sent - 1)}))
        if sent < beats:
            shorts.append(ends[-1])
        # It takes valid as it comes, so the writer must look at ready.
        busy += [cycle({"i.last": int(rng.integers(2))}) for _ in range(beats - sent)]
        codes[sent * beat_slots:] = 0
        for index, columns in enumerate(geometry.inputs[0].columns):
            due[cycle({"words.word": index})] = word(columns, codes)
        cycle({"pending.release": 1})
    cycle({})
    cycle({})
    found = play(InputBuffer(geometry.inputs[0], FORM, streamed=True), drive,
                 ["words.codes", "i.short", "i.ready", "pending.full", "pending.last"])
    for when, expected in due.items():
        assert found["words.codes"][when + 2] == expected
        assert found["pending.full"][when] == found["pending.last"][when] == 1
    assert np.flatnonzero(found["i.short"]).tolist() == shorts
    assert np.flatnonzero(found["i.ready"] == 0).tolist() == busy


def test_release_with_completion():
    """A vector completes in the cycle in which the one before is released: the bank changes."""
    geometry = make_geometry(inputs=1)
    found = play(InputBuffer(geometry.inputs[0], FORM, streamed=True),
                 {"i.valid": [1, 1, 0, 0, 0, 0], "i.data": [3, 9, 0, 0, 0, 0],
                  "i.last": [0, 1, 0, 0, 0, 0], "pending.release": [0, 1, 0, 1, 0, 0],
                  "words.word": [0] * 6},
                 ["pending.full", "pending.last", "pending.next", "words.codes", "i.ready"])
    assert found["pending.full"].tolist() == [0, 1, 1, 1, 0, 0]
    assert found["pending.next"].tolist() == [0] * 6
    assert found["pending.last"][1:4].tolist() == [0, 1, 1]
    assert found["i.ready"].tolist() == [1] * 6
    assert found["words.codes"][3:5].tolist() == [3, 9]


def state_case(rng, geometry, chain, banks, steps, gap):
    """Stimulus of one chain's slice, and the words that must be read: dict of cycle to word."""
    depth, chains = geometry.chain_units, geometry.chains
    mine = slice(chain * geometry.slice, (chain + 1) * geometry.slice)
    drive, due = {"i.valid": [], "i.data": [], "words.word": []}, {}
    complete = None

    def cycle(valid, code):
        read = int(rng.integers(geometry.state_words))
        if complete is not None:
            due[len(drive["i.valid"])] = word(geometry.state_columns[read, mine], complete)
        for name, value in zip(drive, (valid, code, read), strict=True):
            drive[name].append(int(value))

    for _ in range(steps):
        codes = rng.integers(0, 1 << WIDTH, depth * chains)
        for unit in range(depth):
            for _ in range(gap()):
                cycle(0, rng.integers(1 << WIDTH))
            if banks == 1 and unit == 0:
                complete = None
            cycle(1, codes[unit * chains + chain])
        complete = np.where(np.arange(len(codes)) < geometry.units, codes, 0)
        for _ in range(2 * geometry.state_words):
            cycle(0, rng.integers(1 << WIDTH))
    complete = None
    cycle(0, 0)
    cycle(0, 0)
    return drive, due


@pytest.mark.parametrize("banks", (1, 2))
@pytest.mark.parametrize("simd, chains, units", [
    (4, 1, 1), (4, 1, 4), (4, 1, 9), (1, 1, 3), (4, 2, 9), (4, 4, 9), (6, 3, 10), (6, 2, 1),
    (6, 3, 24),
])
def test_state(simd, chains, units, banks):
    """Slices of all chains, also with a unit that the layer lacks; old words while new are written.
    """
    geometry = make_geometry(simd=simd, chains=chains, units=units)
    rng = np.random.default_rng(units)
    for chain in range(chains):
        present = len(range(chain, units, chains))
        for gap in (lambda: 0, lambda: rng.integers(3)):
            drive, due = state_case(rng, geometry, chain, banks, 4, gap)
            found = play(StateBuffer(geometry, WIDTH, present=present, banks=banks), drive,
                         ["words.codes"])["words.codes"]
            assert {cycle: int(found[cycle + 2]) for cycle in due} == due


def test_single_write():
    """A word is written once it is whole: a memory of one bank shows no part of it before."""
    geometry = make_geometry(simd=4, units=4)
    found = play(StateBuffer(geometry, WIDTH, present=4, banks=1),
                 {"i.valid": [1, 1, 1, 1, 0, 0, 0], "i.data": [1, 2, 3, 4, 0, 0, 0],
                  "words.word": [0] * 7}, ["words.codes"])["words.codes"]
    assert events(found, found) == [(6, pack([1, 2, 3, 4], WIDTH))]
