"""Arrays and layers against exact rows and the golden model, in value and in cycle."""

import dataclasses

import numpy as np
import pytest
from amaranth import *
from amaranth.lib.memory import Memory
from hwarray import Rows, codes_of, exact_rows, folded, raw_sums, source_form, worst_codes
from hwsim import events, pack, play, unpack
from cellstep import CORE

from ternloom.hw.combiner import row_shape
from ternloom.hw.layer import RecurrentLayer
from ternloom.hw.matvec import MatrixVector, source_name
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.geometry import Source
from ternloom.mapping.mapping import Mapping
from ternloom.mapping.schedule import combiner_latency, exit_latency, result_latency, waits
from ternloom.model.alphabet import BINARY, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.golden import run
from ternloom.model.network import When
from ternloom.model.rounding import signed_width


#: Holds every sum of the layers here, unrounded.
WIDE = Fixed(32, 0)
FORMATS = {"fixed": Fixed(5, 3), "binary": Binary(), "ternary": Ternary(),
           "planes": Planes((5, 2), 3)}


class Bench(Elaboratable):
    """An array whose sources are ROMs that hold one vector each."""

    def __init__(self, layer, image, vectors):
        geometry = image.geometry
        formats = [source_form(layer, block) for block in geometry.blocks]
        self._array = MatrixVector(image, form=WIDE, waits=waits(layer, geometry))
        self._words = {source_name(block): _source_words(geometry, block, form, codes)
                       for block, form, codes
                       in zip(geometry.blocks, formats, vectors, strict=True)}
        self.pending, self.room, rows = self._array.pending, self._array.room, self._array.rows
        self.watched = {name: getattr(rows[0], name) for name in ("valid", "gate", "unit")}
        for chain, row in enumerate(rows):
            self.watched |= {f"value{chain}": row.value, f"aside{chain}": row.aside}

    def elaborate(self, platform):
        m = Module()
        m.submodules.array = array = self._array
        for name, words in self._words.items():
            port = getattr(array, name)
            m.submodules[f"{name}_words"] = rom = Memory(
                shape=len(port.codes), depth=max(len(words), 2), init=words)
            read = rom.read_port()
            m.d.comb += read.addr.eq(port.word)
            m.d.sync += port.codes.eq(read.data)
        return m


def _source_words(geometry, block, form, codes):
    """Words of codes as a buffer holds them."""
    columns = geometry.columns(block)
    bits = np.append(form.bits(codes) & ((1 << form.width) - 1), 0)
    return [pack(bits[np.where(row < 0, len(codes), row)], form.width) for row in columns]


def run_array(layer, image, vectors):
    """Rows that leave an array in one step: list of (cycle, gate, unit, values, asides)."""
    geometry = image.geometry
    cycles = sum(block.cycles for block in geometry.blocks) + sum(waits(layer, geometry))
    cycles += exit_latency(geometry) + geometry.chain_elements + combiner_latency(geometry) + 10
    dut = Bench(layer, image, vectors)
    pulse = [1] + [0] * (cycles - 1)
    found = play(dut, {"pending.full": pulse, "pending.last": [0] * cycles,
                       "room.space": [1] * cycles},
                 dut.watched)
    chains = range(geometry.chains)
    seen = events(found["valid"], found["gate"], found["unit"],
                  *(found[f"value{chain}"] for chain in chains),
                  *(found[f"aside{chain}"] for chain in chains))
    half = 3 + geometry.chains
    return [(*each[:3], each[3:half], each[half:]) for each in seen]


def due_rows(layer, image):
    """Cycle, gate and unit of each row that leaves, for blocks that start as soon as they may."""
    geometry, end, settled = image.geometry, 0, 0
    due = []
    for block, wait in zip(geometry.blocks, waits(layer, geometry), strict=True):
        start = max(end, settled if block.source is not Source.INPUT else 0)
        end = start + block.cycles
        settled = max(settled, end + wait) if wait else settled
        if block.source is not Source.INPUT:
            exits = block.exits()[block.planes - 1::block.planes]
            for row, leaves in enumerate(exits.tolist()):
                unit, place = divmod(row, len(block.gates))
                latency = exit_latency(geometry) + combiner_latency(geometry)
                due.append((start + 1 + leaves + latency,
                            block.gates[place], unit))
    return due


def check_array(layer, image, x, h):
    """All rows of a step are exact, unrounded, and leave when they are due."""
    geometry = image.geometry
    vectors = [x if block.source is Source.INPUT else h for block in geometry.blocks]
    seen = run_array(layer, image, vectors)
    assert [each[:3] for each in seen] == due_rows(layer, image)
    exact = {}
    for block in geometry.blocks:
        if block.source is not Source.INPUT:
            total, aside = exact_rows(layer, block, x, h)
            exact |= {gate: row for gate, row in zip(block.gates, total.tolist(), strict=True)}
            waiting = None if aside is None else aside.tolist()
    for _, gate, unit, values, asides in seen:
        units = range(unit * geometry.chains, min((unit + 1) * geometry.chains, geometry.units))
        assert list(values[:len(units)]) == [exact[gate][index] for index in units]
        if gate == 2 and waiting is not None:
            assert list(asides[:len(units)]) == [waiting[index] for index in units]


def make_layer(seed, **options):
    """A layer whose rows drop no bits."""
    layer = random_network(seed, layers=1, **options).layers[0]
    return dataclasses.replace(layer, shift=0)


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_array(seed, cell):
    rng = np.random.default_rng(seed)
    units, inputs = rng.integers(1, 9, 2).tolist()
    layer = make_layer(rng, cell=cell, units=units, inputs=inputs)
    image = folded(layer, int(rng.integers(1, 9)), int(rng.integers(1, 7)),
                     int(rng.integers(1, 5)))
    check_array(layer, image, codes_of(layer.input_format, rng, layer.inputs),
                codes_of(layer.state_format, rng, layer.units))


def worst_steps(layer, image):
    """The steps with the smallest and with the largest partial sum of a row: (x, h) each."""
    geometry, candidates = image.geometry, []
    for chain, row in np.ndindex(geometry.chains, geometry.blocks[0].rows):
        ends = []
        for index in range(2):
            block, part = geometry.blocks[index], image.blocks[index]
            codes = worst_codes(image, index, source_form(layer, block), chain,
                                row * block.planes)
            ends.append(codes if part.coefficients[chain, row * block.planes] > 0 else codes[::-1])
        for vectors in zip(*ends, strict=True):
            raws = [raw_sums(image, index, source_form(layer, block), codes)
                    for index, (block, codes) in enumerate(zip(geometry.blocks, vectors,
                                                               strict=True))]
            candidates.append((Rows(image, raws), vectors))
    return (min(candidates, key=lambda each: each[0].low),
            max(candidates, key=lambda each: each[0].high))


@pytest.mark.parametrize("cell, weight", [(LSTM, BINARY), (LSTM, TERNARY),
                                          (GRU_RESET_AFTER, TERNARY)])
@pytest.mark.parametrize("state, source", [(kind, kind) for kind in FORMATS]
                         + [("ternary", "fixed"), ("binary", "fixed"), ("fixed", "planes")])
def test_worst_rows(cell, weight, state, source):
    """A row's sum reaches both ends of its range, exactly, and its signal has no bit to spare."""
    layer = make_layer(12, cell=cell, units=5, inputs=6, weight=weight,
                       input_format=FORMATS[source], state_format=FORMATS[state])
    image = folded(layer, 4, 4, 3)
    (low, lowest), (high, highest) = worst_steps(layer, image)
    assert row_shape(image).width == signed_width(min(0, low.low), max(0, high.high))
    check_array(layer, image, *lowest)
    check_array(layer, image, *highest)


@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_AFTER])
def test_narrow_row(cell):
    """With one bit less the worst case comes out wrong."""
    layer = make_layer(12, cell=cell, units=5, inputs=6, weight=TERNARY,
                       input_format=FORMATS["fixed"], state_format=FORMATS["fixed"])
    layer = dataclasses.replace(layer, bias=np.zeros_like(layer.bias))
    image = folded(layer, 4, 4, 3)
    (low, lowest), (high, highest) = worst_steps(layer, image)
    half = 1 << (row_shape(image).width - 2)
    narrow = dataclasses.replace(image, row_low=-half, row_high=half - 1)
    assert row_shape(narrow).width == row_shape(image).width - 1
    assert low.low < -half or high.high >= half
    with pytest.raises(AssertionError):
        for x, h in (lowest, highest):
            check_array(layer, narrow, x, h)


def make_case(seed, cell, source, state, rng):
    """A network of one layer whose readout never makes the layer wait, and its folding."""
    network = random_network(seed, cell=cell, layers=1, units=int(rng.integers(1, 7)),
                             inputs=int(rng.integers(1, 7)), classes=1, when=When.LAST,
                             input_format=source, state_format=state)
    layers = (LayerFolding(int(rng.integers(1, 9)), int(rng.integers(1, 7))),)
    folding = Folding.line(layers, LayerFolding(1, 64), int(rng.integers(1, layers[0].simd + 1)))
    return network, folding


def program_of(network, folding):
    part = folding.arrays[0]
    return folded(network.layers[0], part.pe, part.simd, folding.input_slots)


def input_drive(network, geometry, sequences, accepted, cycles):
    """Stimulus that has a beat in each cycle in which one is taken, and rubbish elsewhere."""
    slots, form = geometry.inputs[0].beat_slots, network.input_format
    drive = {"i.valid": [0] * cycles, "i.data": [(1 << (slots * form.width)) - 1] * cycles,
             "i.last": [0, 1] * (cycles // 2) + [0] * (cycles % 2), "o.room.space": [1] * cycles}
    turn = iter(accepted.tolist())
    for sequence in sequences:
        for step, vector in enumerate(sequence):
            bits = form.bits(vector) & ((1 << form.width) - 1)
            for first in range(0, len(bits), slots):
                cycle = next(turn)
                drive["i.valid"][cycle] = 1
                drive["i.data"][cycle] = pack(bits[first:first + slots], form.width)
                drive["i.last"][cycle] = int(step == len(sequence) - 1
                                             and first + slots >= len(bits))
    return drive


def due_codes(network, geometry, sequences, ends):
    """Cycle, codes of the chains' units and last of each beat that leaves."""
    layer, block = network.layers[0], geometry.blocks[-1]
    rows = block.exits()[block.planes - 1::block.planes][len(block.gates) - 1::len(block.gates)]
    offset = rows - rows[-1]
    trace = run(network, sequences, trace=True).trace["layer0.h"]
    due, vectors = [], iter(ends.tolist())
    for codes in trace:
        bits = layer.state_format.bits(codes) & ((1 << layer.state_format.width) - 1)
        for step, vector in enumerate(bits):
            final = next(vectors) + result_latency(layer, geometry, block)
            for unit, early in enumerate(offset.tolist()):
                first = unit * geometry.chains
                due.append((final + early, vector[first:first + geometry.chains].tolist(),
                            int(step == len(codes) - 1)))
    return due


@pytest.mark.parametrize("gaps", (False, True))
@pytest.mark.parametrize("state", FORMATS)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_layer(cell, state, gaps):
    """Sequences back to back: codes, their cycles, and when each beat is taken."""
    rng = np.random.default_rng(sum(map(ord, cell.name + state)) + gaps)
    source = rng.choice(list(FORMATS))
    network, folding = make_case(rng, cell, FORMATS[source], FORMATS[state], rng)
    sequences = random_sequences(rng, network, 2, (1, 3))
    layer, image = network.layers[0], program_of(network, folding)
    geometry = image.geometry
    beats = geometry.inputs[0].beats * sum(map(len, sequences))
    offers = np.cumsum(rng.integers(0, 12, beats)) if gaps else np.zeros(beats, dtype=np.int64)
    timing = Mapping(network, folding).predict([len(sequence) for sequence in sequences], offers)
    due = due_codes(network, geometry, sequences, timing.ends[:, 0])
    drive = input_drive(network, geometry, sequences, timing.inputs, due[-1][0] + 5)
    found = play(RecurrentLayer(layer, image, streamed=(0,)), drive,
                 ["i.ready", "o.valid", "o.data", "o.last"])

    assert found["i.ready"][timing.inputs].all()
    if not gaps:
        refused = np.setdiff1d(np.arange(timing.inputs[-1]), timing.inputs)
        assert not found["i.ready"][refused].any()
    seen = events(found["o.valid"], found["o.data"], found["o.last"])
    assert [(cycle, last) for cycle, _, last in seen] == [(cycle, last) for cycle, _, last in due]
    for (_, word, _), (_, codes, _) in zip(seen, due, strict=True):
        assert unpack(word, layer.state_format.width, len(codes)) == codes


def test_room():
    """A layer without room behind it holds its last block back, and nothing before it."""
    rng = np.random.default_rng(5)
    network, folding = make_case(4, LSTM, Fixed(4, 2), Ternary(), rng)
    image = program_of(network, folding)
    geometry = image.geometry
    sequences = random_sequences(3, network, 1, (2, 2))
    timing = Mapping(network, folding).predict([2])
    late = int(timing.ends[1, 0]) + 7
    cycles = 2 * late
    drive = input_drive(network, geometry, sequences, timing.inputs, cycles)
    drive["o.room.space"] = [0] * late + [1] * (cycles - late)
    found = play(RecurrentLayer(network.layers[0], image, streamed=(0,)), drive,
                 ["o.room.reserve", "o.valid"])
    reserved = np.flatnonzero(found["o.room.reserve"])
    assert reserved[0] == late and len(reserved) == 2
    first = np.flatnonzero(found["o.valid"])[geometry.chain_units - 1]
    block = geometry.blocks[-1]
    assert first == late + block.cycles + result_latency(network.layers[0], geometry, block)
