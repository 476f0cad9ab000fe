"""The sequencer against a plain walk through the blocks, cycle by cycle."""

import operator

import numpy as np
import pytest
from hwarray import folded, folded_readout
from hwsim import play
from cellstep import CORE

from ternloom.hw.sequencer import Sequencer
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import waits
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Planes, Ternary


WATCHED = ("o_address", "o_block", "o_word", "o_plane", "o_control", "step.first", "step.last",
           "pending.release", "room.reserve")


def words_of(block, base):
    """Cycles of a block: (address, word, plane, first, shift, aside, last), None where it idles."""
    gap = block.period - block.words * block.passes
    for group in range(block.groups):
        yield from [None] * gap
        for plane in range(block.passes):
            for word in range(block.words):
                last = word == block.words - 1 and plane == block.passes - 1
                yield (base + group * block.words + word, word, plane,
                       word == 0 and plane == 0, word == 0,
                       word == 0 and plane > 0 and block.turns > 1, last)


class Walk:
    """What a sequencer must do, from what it is told in each cycle."""

    def __init__(self, blocks, pauses):
        self._blocks, self._pauses = blocks, pauses
        self._bases = np.cumsum([0] + [block.groups * block.words for block in blocks]).tolist()
        self._cycle = self._settled = 0
        self._index, self._issued = -1, []
        self._first, self._pending = True, None
        self.seen = {name: [] for name in ("issue", "index", "reserve", "release", "flags")}
        self._flags = None

    def step(self, full, last, following, following_last, space):
        """One cycle; inputs as in the ports."""
        issue = self._issued.pop(0) if self._issued else None
        ends = bool(issue) and not self._issued
        running = issue is not None or bool(self._issued)
        self.seen["issue"].append(issue)
        self.seen["index"].append(self._index)
        self.seen["flags"].append(self._flags)
        final_input = max(index for index, each in enumerate(self._blocks)
                          if each.source is Source.INPUT)
        release = ends and self._index == final_input
        self.seen["release"].append(int(release))
        if release:
            full, last = following, following_last
        if ends and self._pauses[self._index]:
            self._settled = max(self._settled, self._cycle + self._pauses[self._index])
        started = not (running and not ends) and self._start(full, last, space)
        self.seen["reserve"].append(int(started and self._index == len(self._blocks) - 1))
        self._cycle += 1

    def _start(self, full, last, space):
        """Let the next block in, if it may be."""
        blocks, upcoming = self._blocks, (self._index + 1) % len(self._blocks)
        if upcoming == 0 and not full:
            return False
        if blocks[upcoming].source is not Source.INPUT and self._cycle < self._settled:
            return False
        if upcoming == len(blocks) - 1 and not space:
            return False
        self._index = upcoming
        self._issued = list(words_of(blocks[upcoming], self._bases[upcoming]))
        if upcoming == 0:
            self._pending = bool(last)
        if upcoming == min(1, len(blocks) - 1):
            self._flags = self._first, self._pending
            self._first = self._pending
        return True


def compare(rng, geometry, pauses, full, space):
    """Run both; a figure counts only in cycles in which it means something.

    ``full`` are the vectors in the buffer, 0 to 2.
    """
    last, next_last = rng.integers(0, 2, (2, len(full))).tolist()
    full, following = (np.asarray(full) > 0).tolist(), (np.asarray(full) > 1).tolist()
    words = sum(block.groups * block.words for block in geometry.blocks)
    walk = Walk(geometry.blocks, pauses)
    for each in zip(full, last, following, next_last, space, strict=True):
        walk.step(*each)
    dut = Sequencer(geometry, waits=pauses, words=words)
    assert dut.waits == pauses
    watched = {name: operator.attrgetter(name)(dut) for name in WATCHED}
    watched |= {f"control.{name}": getattr(dut.o_control, name)
                for name in ("valid", "first", "shift", "aside", "last")}
    found = play(dut, {"pending.full": full, "pending.last": last, "pending.next": following,
                       "pending.next_last": next_last, "room.space": space}, watched)
    assert found["room.reserve"].tolist() == walk.seen["reserve"]
    assert found["pending.release"].tolist() == walk.seen["release"]
    for cycle, issue in enumerate(walk.seen["issue"]):
        assert found["control.valid"][cycle] == (issue is not None), f"cycle {cycle}"
        if issue is None:
            continue
        got = tuple(int(found[name][cycle])
                    for name in ("o_address", "o_word", "o_plane", "control.first",
                                 "control.shift", "control.aside", "control.last"))
        assert got == issue, f"cycle {cycle}"
        assert found["o_block"][cycle] == walk.seen["index"][cycle]
        index = walk.seen["index"][cycle]
        if geometry.blocks[index].source is not Source.INPUT or len(geometry.blocks) == 1:
            flags = found["step.first"][cycle], found["step.last"][cycle]
            assert flags == walk.seen["flags"][cycle]
    return walk


def levels(rng, cycles, rate):
    """Levels that change now and then and are up for about ``rate`` of the time."""
    return np.repeat((rng.random(cycles) < rate).astype(int), rng.integers(1, 9, cycles))[:cycles]


def vectors(rng, cycles, rate):
    """Vectors in a buffer, which come and go: two for about half of the time that there are any."""
    return levels(rng, cycles, rate) * (1 + levels(rng, cycles, 0.5))


def layer_case(seed, cell, multiplexed=False, **options):
    rng = np.random.default_rng(seed)
    layer = random_network(rng, cell=cell, layers=1, units=int(rng.integers(1, 7)),
                           inputs=int(rng.integers(1, 9)), **options).layers[0]
    geometry = folded(layer, int(rng.integers(1, 7)), int(rng.integers(1, 6)),
                      int(rng.integers(1, 4)), multiplexed).geometry
    return rng, layer, geometry


def assert_busy(walk, blocks):
    """The run saw every block a few times."""
    started = [index for index, issue in zip(walk.seen["index"], walk.seen["issue"], strict=True)
               if issue is not None and issue[-1]]
    assert all(started.count(index) >= 3 for index in range(blocks))


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_free(seed, cell):
    """Input and room are always there: blocks follow one another as the waits allow."""
    rng, layer, geometry = layer_case(seed, cell)
    pauses = waits(layer, geometry)
    step = sum(block.cycles for block in geometry.blocks) + sum(pauses)
    cycles = 4 * step + 20
    walk = compare(rng, geometry, pauses, [2] * cycles, [1] * cycles)
    assert_busy(walk, len(geometry.blocks))


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_starved(seed, cell):
    """Input and room come and go, and the waits are anything."""
    rng, layer, geometry = layer_case(seed + 50, cell)
    pauses = tuple(int(pause) for pause in rng.integers(0, 12, len(geometry.blocks)))
    cycles = 9 * (sum(block.cycles for block in geometry.blocks) + 40)
    walk = compare(rng, geometry, pauses, vectors(rng, cycles, 0.5), levels(rng, cycles, 0.5))
    assert_busy(walk, len(geometry.blocks))


@pytest.mark.parametrize("source", [Fixed(4, 2), Planes((2, 1), 1), Binary()])
def test_serial(source):
    """Bit planes repeat the addresses of their group."""
    rng, layer, geometry = layer_case(3, LSTM, input_format=source, state_format=Ternary(),
                                      weight=TERNARY)
    assert geometry.blocks[0].serial > 1
    cycles = 5 * sum(block.cycles for block in geometry.blocks) + 200
    walk = compare(rng, geometry, waits(layer, geometry), [2] * cycles, [1] * cycles)
    assert_busy(walk, 2)


@pytest.mark.parametrize("source", [Planes((2, 1), 1), Fixed(4, 2)])
def test_multiplexed(source):
    """Activation planes repeat the addresses too, beside an input of bit planes or of its own."""
    rng, layer, geometry = layer_case(4, LSTM, True, input_format=source,
                                      state_format=Planes((2, 1), 1))
    assert geometry.blocks[1].turns == 2
    cycles = 5 * sum(block.cycles for block in geometry.blocks) + 200
    walk = compare(rng, geometry, waits(layer, geometry), [2] * cycles, [1] * cycles)
    assert_busy(walk, 2)


@pytest.mark.parametrize("rate", (1.0, 0.4))
@pytest.mark.parametrize("seed", range(4))
def test_single_block(seed, rate):
    """A readout has one block, which needs input and room."""
    rng = np.random.default_rng(seed)
    readout = random_network(rng, layers=1).readout
    geometry = folded_readout(readout, int(rng.integers(1, 5)), int(rng.integers(1, 9))).geometry
    cycles = 12 * geometry.blocks[0].cycles + 100
    walk = compare(rng, geometry, (0,), vectors(rng, cycles, rate), levels(rng, cycles, rate))
    assert_busy(walk, 1)


def test_no_gap():
    """Without waits and with as many words as elements, every cycle issues a word."""
    layer = random_network(4, cell=LSTM, layers=1, units=8, inputs=8,
                           input_format=Ternary(), state_format=Ternary()).layers[0]
    geometry = folded(layer, 2, 2).geometry
    assert all(block.words * block.passes == block.period for block in geometry.blocks)
    cycles = 200
    walk = compare(np.random.default_rng(4), geometry, (0, 0), [2] * cycles, [1] * cycles)
    assert [issue is not None for issue in walk.seen["issue"]] == [False] + [True] * (cycles - 1)
