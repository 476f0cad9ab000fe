"""Elements in a row: when each sum leaves, and that the widest ones fit and need their width."""

import numpy as np
import pytest
from amaranth import *
from hwarray import activation_words, codes_of, folded, raw_sums, source_form, worst_codes
from hwsim import events, pack, play, unpack

from ternloom.hw.array import Chain, ProcessingElement, drain_layout, raw_shape
from ternloom.mapping.geometry import Arithmetic, Source
from ternloom.mapping.schedule import element_latency
from ternloom.model.alphabet import ALPHABETS, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Planes, Ternary


FORMATS = {"fixed": Fixed(6, 4), "binary": Binary(), "ternary": Ternary(),
           "planes": Planes((5, 2, 1), 3)}
#: Whole words for each kind of state, and inputs that are fed bit by bit.
PAIRS = [(kind, kind) for kind in FORMATS] + [("fixed", "ternary"), ("binary", "fixed"),
                                              ("ternary", "fixed"), ("ternary", "binary"),
                                              ("planes", "ternary")]
IDLE = {"valid": 0, "first": 1, "shift": 1, "aside": 1, "last": 1}


class Schedule:
    """Words of groups on a chain's first element: address, activation, then control.

    Parameters
    ----------
    latency : int
        Of an element.
    """

    def __init__(self, rng, latency):
        self._rng, self._latency, self._words = rng, latency, []

    @property
    def cycle(self):
        """Cycle in which the next activation word enters."""
        return len(self._words) + 2

    def idle(self, cycles):
        self._words += [None] * cycles

    def group(self, base, words, activations, multiplexed=False):
        """A group's activation words; planes repeat its ``words`` addresses."""
        for index, activation in enumerate(activations):
            control = {"valid": 1, "first": int(index == 0), "shift": int(index % words == 0),
                       "aside": int(multiplexed and index > 0 and index % words == 0),
                       "last": int(index == len(activations) - 1)}
            self._words.append((base + index % words, activation, control))

    def drive(self, tail):
        """Stimulus of the ports, with rubbish and no ``valid`` where there is no word."""
        self.idle(tail)
        rubbish = 0, int(self._rng.integers(2)), IDLE
        rows = [word or rubbish for word in self._words]
        idle = [rubbish] * (2 + self._latency)
        shifted = {"i.address": (0, rows + idle), "i.activation": (1, idle[:2] + rows + idle[2:]),
                   "i.control": (2, idle + rows)}
        return {name: [row[place] for row in values] for name, (place, values) in shifted.items()}


def run_block(image, chain, index, form, codes, rng, *, gap=lambda: 0, shape=None):
    """Cycles and raw sums of the results of a block, and the cycles in which they are due."""
    geometry, block = image.geometry, image.geometry.blocks[index]
    latency = element_latency(geometry)
    schedule, due = Schedule(rng, latency), []
    base = sum(before.groups * before.words for before in geometry.blocks[:index])
    activations = activation_words(image, index, form, codes)
    for group in range(block.groups):
        schedule.idle(block.period - len(activations) + gap())
        schedule.group(base + group * block.words, block.words, activations, block.turns > 1)
        last = schedule.cycle - 1
        due += [last + 2 + latency + geometry.chain_elements + place
                for place in range(block.chain_elements)]
    roms = [image.rom(chain, element) for element in range(geometry.chain_elements)]
    dut = Chain(geometry, roms, shape=shape or raw_shape(image))
    found = play(dut, schedule.drive(2 * geometry.chain_elements + 8),
                 {"valid": dut.o.valid, "raw": dut.o.raw.as_value()})
    shape = shape or raw_shape(image)
    seen = [(cycle, unpack(raw, shape.width, geometry.activation_planes, signed=shape.signed))
            for cycle, raw in events(found["valid"], found["raw"])]
    return seen, due


def vectors(layer, block):
    return layer.inputs if block.source is Source.INPUT else layer.units


def check(layer, image, rng, gap):
    """All blocks of all chains with random codes: each sum is exact and leaves when it is due."""
    geometry = image.geometry
    for index, block in enumerate(geometry.blocks):
        form = source_form(layer, block)
        codes = codes_of(form, rng, vectors(layer, block))
        expected = raw_sums(image, index, form, codes)
        for chain in range(geometry.chains):
            seen, due = run_block(image, chain, index, form, codes, rng, gap=gap)
            assert [cycle for cycle, _ in seen] == due
            planes = expected.shape[-1]
            found = [raw[:planes] for _, raw in seen[:block.dots]]
            assert found == expected[chain].tolist()


@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("state, source", PAIRS)
def test_chain(state, source, weight):
    """Every element, also fed bit by bit, in groups as close as they may be."""
    layer = random_network(3, cell=LSTM, layers=1, units=5, inputs=6, weight=weight,
                           input_format=FORMATS[source], state_format=FORMATS[state]).layers[0]
    check(layer, folded(layer, 3, 4, 2), np.random.default_rng(19), lambda: 0)


@pytest.mark.parametrize("words", [1, 2, 3])
@pytest.mark.parametrize("source", ["planes", "ternary"])
@pytest.mark.parametrize("weight", ALPHABETS.values())
def test_multiplexed(weight, source, words):
    """Activation planes one after another, beside an input that is fed whole or bit by bit."""
    layer = random_network(4, cell=LSTM, layers=1, units=words * 4, inputs=3, weight=weight,
                           input_format=FORMATS[source], state_format=FORMATS["planes"]).layers[0]
    image = folded(layer, 3, 4, 2, multiplexed=True)
    assert [block.turns for block in image.geometry.blocks] == [1 if source == "ternary" else 3,
                                                                  3]
    check(layer, image, np.random.default_rng(23), lambda: 0)


@pytest.mark.parametrize("pe, simd", [(1, 1), (1, 9), (5, 2), (7, 1), (4, 4), (6, 9), (2, 70)])
def test_foldings(pe, simd):
    """One element and one lane, several chains, elements deeper than a word is long; with gaps."""
    layer = random_network(8, cell=GRU_RESET_AFTER, layers=1, units=7, inputs=5,
                           input_format=Ternary(), state_format=Ternary()).layers[0]
    rng = np.random.default_rng(pe)
    check(layer, folded(layer, pe, simd), rng, lambda: rng.integers(0, 4))


def worst_blocks(layer, image):
    """For each block with the smallest, the largest accumulator: (index, chain, codes, sums)."""
    candidates = []
    for index, block in enumerate(image.geometry.blocks):
        form = source_form(layer, block)
        for chain, dot in np.ndindex(image.geometry.chains, block.dots):
            low, high = worst_codes(image, index, form, chain, dot)
            candidates.append((index, chain, low, raw_sums(image, index, form, low)[chain]))
            candidates.append((index, chain, high, raw_sums(image, index, form, high)[chain]))
    return (min(candidates, key=lambda each: each[3].min()),
            max(candidates, key=lambda each: each[3].max()))


@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("state, source", PAIRS)
def test_worst_case(state, source, weight):
    """The extremes of the accumulators are exact, and with one bit less they are not."""
    layer = random_network(9, cell=LSTM, layers=1, units=5, inputs=6, weight=weight,
                           input_format=FORMATS[source], state_format=FORMATS[state]).layers[0]
    image, rng = folded(layer, 4, 4, 3), np.random.default_rng(23)
    exact_shape, narrow = raw_shape(image), []
    assert exact_shape.width > 1
    for index, chain, codes, expected in worst_blocks(layer, image):
        form = source_form(layer, image.geometry.blocks[index])
        seen, _ = run_block(image, chain, index, form, codes, rng)
        planes = expected.shape[-1]
        assert [raw[:planes] for _, raw in seen[:len(expected)]] == expected.tolist()
        shape = Shape(exact_shape.width - 1, exact_shape.signed)
        seen, _ = run_block(image, chain, index, form, codes, rng, shape=shape)
        narrow.append([raw[:planes] for _, raw in seen[:len(expected)]] == expected.tolist())
    assert not all(narrow)


def test_elements():
    """The formats above make all elements, fed whole and bit by bit."""
    kinds = set()
    for state, source in PAIRS:
        for weight in ALPHABETS.values():
            layer = random_network(9, cell=LSTM, layers=1, units=5, inputs=6, weight=weight,
                                   input_format=FORMATS[source],
                                   state_format=FORMATS[state]).layers[0]
            geometry = folded(layer, 4, 4, 3).geometry
            kinds.add((geometry.arithmetic, geometry.blocks[0].serial > 1))
    assert len(kinds) == 2 * len(Arithmetic) - 1


def make_pe(simd=5):
    layer = random_network(8, cell=LSTM, layers=1, units=5, inputs=5, weight=TERNARY,
                           input_format=Ternary(), state_format=Ternary()).layers[0]
    image = folded(layer, 1, simd)
    return image, ProcessingElement(image.geometry, image.rom(0, 0), shape=raw_shape(image))


def test_element_passes():
    """Words, addresses and controls leave a cycle later; results of others two cycles later."""
    image, dut = make_pe()
    rng, cycles = np.random.default_rng(29), 40
    width = drain_layout(raw_shape(image), 1).size
    drive = {"i.activation": rng.integers(0, 1 << 10, cycles),
             "i.address": rng.integers(0, len(image.rom(0, 0)), cycles),
             "i.control": [dict(zip(IDLE, (0, *bits), strict=True))
                           for bits in rng.integers(0, 2, (cycles, 4)).tolist()],
             "i_drain": [{"valid": int(valid), "raw": [int(raw)]} for valid, raw in
                         zip(rng.integers(0, 2, cycles), rng.integers(0, 1 << (width - 1), cycles),
                             strict=True)]}
    found = play(dut, drive, ["o.activation", "o.address", "o.control", "o_drain"])
    assert found["o.activation"][1:].tolist() == drive["i.activation"][:-1].tolist()
    assert found["o.address"][1:].tolist() == drive["i.address"][:-1].tolist()
    controls = [pack(control.values(), 1) for control in drive["i.control"]]
    assert found["o.control"][1:].tolist() == controls[:-1]
    drained = [each["valid"] | each["raw"][0] << 1 for each in drive["i_drain"]]
    assert found["o_drain"][2:].tolist() == drained[:-2]


@pytest.mark.parametrize("simd", (1, 5, 9))
def test_element_latency(simd):
    """A sum of one word is on the drain three cycles and the element's latency after the word."""
    image, dut = make_pe(simd)
    latency = element_latency(image.geometry)
    schedule = Schedule(np.random.default_rng(31), latency)
    schedule.idle(3)
    schedule.group(0, 1, [0])
    entered = schedule.cycle - 1
    drive = schedule.drive(8)
    found = play(dut, drive, {"valid": dut.o_drain.valid, "raw": dut.o_drain.raw[0]})
    # A ternary lane of zero counts one.
    assert events(found["valid"], found["raw"]) == [(entered + 3 + latency, simd)]
