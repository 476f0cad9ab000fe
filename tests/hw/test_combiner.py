"""Combiner and row counter against exact integer arithmetic, in value and in cycle."""


import numpy as np
import pytest
from amaranth import *
from amaranth.back import rtlil
from amaranth.hdl import Fragment
from edit import refed
from hwarray import Rows, codes_of, drawn, folded, folded_readout, raw_sums, source_form
from hwsim import events, play
from cellstep import CORE

from ternloom.hw.array import raw_shape
from ternloom.hw.coefficient import Scaling, scaling
from ternloom.hw.combiner import Combiner, RowCounter, mix_bits
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import combiner_latency
from ternloom.model.alphabet import ALPHABETS, INTEGER, PLANES, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.matrix import Matrix


#: Cycles from an input row's sum until the recurrent half may ask for it (model.schedule).
HELD = 4


class Bench(Elaboratable):
    """One chain's combiner behind the row counter."""

    def __init__(self, image, chain, form, betas):
        self._image  = image
        self._betas    = betas
        self._counter  = RowCounter(image)
        self._combiner = Combiner(image, chain, form=form, raw=raw_shape(image))
        self.i_valid = self._counter.i_valid
        self.i_raw   = self._combiner.i_raw.as_value()
        self.o       = self._combiner.o

    def elaborate(self, platform):
        m = Module()
        m.submodules.counter = self._counter
        m.submodules.combiner = self._combiner
        m.d.comb += self._combiner.i_place.eq(self._counter.o)
        if mix_bits(self._image):
            with m.Switch(self._counter.o.block):
                for index, block in enumerate(self._image.geometry.blocks):
                    factors = self._betas[index].tolist() if block.mix is None else block.mix
                    with m.Case(index):
                        m.d.sync += self._combiner.i_mix.eq(Cat(
                            Const(factor, mix_bits(self._image)) for factor in factors))
        return m


class Stimulus:
    """Raw sums of one chain as the array gives them, step after step.

    Parameters
    ----------
    gap : function
        Idle cycles before a dot.
    """

    def __init__(self, rng, image, chain, gap):
        self._rng, self._image, self._chain, self._gap = rng, image, chain, gap
        self._width = raw_shape(image).width
        self.valid, self.raw = [], []
        #: Cycle of each row's last dot, in the order of the rows.
        self.ends = []

    def _cycle(self, valid, raw):
        self.valid.append(valid)
        self.raw.append(sum((int(value) & ((1 << self._width) - 1)) << (self._width * index)
                            for index, value in enumerate(raw)))

    def rubbish(self, valid):
        planes = self._image.geometry.activation_planes
        self._cycle(valid, self._rng.integers(0, 1 << min(self._width, 62), planes))

    def block(self, index, raws):
        """Dots of a block, and then what elements without a dot let out."""
        geometry = self._image.geometry
        block, waiting = geometry.blocks[index], list(self.ends)
        if block.source is Source.INPUT:
            self.ends = []
        for dot in range(block.dots):
            row, plane = divmod(dot, block.planes)
            for _ in range(self._gap()):
                self.rubbish(0)
            if block.source is not Source.INPUT and plane == 0:
                while len(self.valid) < waiting[row] + HELD:
                    self.rubbish(0)
            raw = list(raws[self._chain, dot])
            raw += [0] * (geometry.activation_planes - len(raw))
            if plane == block.planes - 1:
                self.ends.append(len(self.valid))
            self._cycle(1, raw)
        if block.source is not Source.INPUT:
            self.ends = self.ends[block.rows:]
        for _ in range(block.groups * block.chain_elements - block.dots):
            self.rubbish(1)


def check(image, form, step_raws, rng, gap, betas=None):
    """Drive steps of raw sums through every chain; what comes out is exact."""
    geometry = image.geometry
    for chain in range(geometry.chains):
        stimulus, expected = Stimulus(rng, image, chain, gap), []
        for raws in step_raws:
            rows = Rows(image, raws, betas)
            for index, block in enumerate(geometry.blocks):
                start = len(stimulus.valid)
                stimulus.block(index, raws[index])
                if block.source is Source.INPUT and len(geometry.blocks) > 1:
                    continue
                valid = np.flatnonzero(stimulus.valid[start:])[:block.dots] + start
                cycles = valid[block.planes - 1::block.planes] + combiner_latency(geometry)
                expected.extend(results(image, form, rows, chain, index, cycles))
        for _ in range(combiner_latency(geometry) + 2):
            stimulus.rubbish(0)
        found = play(Bench(image, chain, form, betas), {"i_valid": stimulus.valid,
                                                   "i_raw": stimulus.raw},
                     ["o.valid", "o.gate", "o.unit", "o.value", "o.aside"])
        seen = events(found["o.valid"], found["o.gate"], found["o.unit"], found["o.value"],
                      found["o.aside"])
        assert len(seen) == len(expected)
        for got, want in zip(seen, expected, strict=True):
            assert got[:4] == want[:4]
            assert want[4] is None or got[4] == want[4]


def results(image, form, rows, chain, index, cycles):
    """Results of a block: (cycle, gate, unit, value, aside or None)."""
    block = image.geometry.blocks[index]

    def code(total):
        return int(form.quantize(int(total), form.frac + image.shift))

    for row, cycle in enumerate(cycles):
        unit, place = divmod(row, len(block.gates))
        aside = None
        if image.split and place == len(block.gates) - 1:
            aside = code(rows.sums[index - 1][chain, unit, place])
        yield (int(cycle), block.gates[place], unit, code(rows.sums[index][chain, unit, place]),
               aside)


def random_steps(rng, layer, image, count):
    """Raw sums of each block, for random codes."""
    return [[raw_sums(image, index, source_form(layer, block),
                      codes_of(source_form(layer, block), rng,
                               layer.inputs if block.source is Source.INPUT else layer.units))
             for index, block in enumerate(image.geometry.blocks)] for _ in range(count)]


@pytest.mark.parametrize("weight", ALPHABETS.values())
@pytest.mark.parametrize("state", ["fixed", "binary", "ternary", "planes"])
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_layers(cell, state, weight):
    """Every cell, element and kind of weights, with several chains, at full rate."""
    rng = np.random.default_rng(13)
    network = random_network(rng, cell=cell, layers=1, units=5, inputs=4, state_format=state,
                             weight=weight)
    layer = network.layers[0]
    image = folded(layer, 4, 4, 2)
    assert image.geometry.chains == 2
    check(image, layer.precision.preact, random_steps(rng, layer, image, 3), rng, lambda: 0)


@pytest.mark.parametrize("weight", [TERNARY, INTEGER, PLANES])
@pytest.mark.parametrize("source", [Fixed(4, 2), Planes((5, 3), 3), Online(Fixed(5, 4), 2)])
@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_AFTER])
def test_online(cell, source, weight):
    """Coefficients that come with the vectors, with constants and without beside them."""
    rng = np.random.default_rng(14)
    layer = random_network(rng, cell=cell, layers=1, units=5, inputs=4, weight=weight,
                           state_format=Online(Fixed(6, 5), 2)).layers[0]
    layer = refed(layer, format=source)
    image = folded(layer, 4, 4, 2)
    vectors = [drawn(source_form(layer, block), rng,
                     layer.inputs if block.source is Source.INPUT else layer.units)
               for block in image.geometry.blocks]
    raws = [raw_sums(image, index, source_form(layer, block), *vectors[index])
            for index, block in enumerate(image.geometry.blocks)]
    check(image, layer.precision.preact, [raws, raws], rng, lambda: rng.integers(0, 2),
          [beta for _, beta in vectors])


@pytest.mark.parametrize("seed", range(15))
def test_gaps(seed):
    """Anything, with idle cycles between the dots."""
    rng = np.random.default_rng(seed)
    layer = random_network(rng, layers=1, units=int(rng.integers(1, 6)), inputs=5).layers[0]
    image = folded(layer, int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    check(image, layer.precision.preact, random_steps(rng, layer, image, 3), rng,
          lambda: rng.integers(0, 3))


@pytest.mark.parametrize("seed", range(6))
def test_readout(seed):
    rng = np.random.default_rng(seed)
    readout = random_network(rng, layers=1, classes=int(rng.integers(1, 8))).readout
    image = folded_readout(readout, int(rng.integers(1, 4)), int(rng.integers(1, 9)))
    steps = [[raw_sums(image, 0, readout.input_format,
                       codes_of(readout.input_format, rng, readout.inputs))] for _ in range(4)]
    check(image, readout.logits, steps, rng, lambda: rng.integers(0, 2))


def with_coefficients(layer, values):
    """The layer with coefficients (input, recurrent), each the same in every row or an array."""
    def fill(matrix, value):
        return Matrix(matrix.weight, matrix.codes,
                      np.broadcast_to(np.int32(value), matrix.coefficients.shape).copy())
    return refed(layer, matrix=fill(layer.input, values[0]),
                               recurrent=fill(layer.recurrent, values[1]))


def parts(image, form):
    """Submodules of a combiner, and whether it multiplies."""
    combiner = Combiner(image, 0, form=form, raw=raw_shape(image))
    names = {name for _, name, _ in Fragment.get(combiner, None).subfragments}
    text = rtlil.convert(Combiner(image, 0, form=form, raw=raw_shape(image)))
    return names, "cell $mul " in text


#: One coefficient a row, of three units of an LSTM: powers of two, with signs, with zeros.
POWERS = [[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]]
SIGNED = [[4, -2, 1, -8, 16, 32, 2, 2, -64, 1, 1, 4]]
ZEROS = [[0, -2, 1, 0, 16, 4, 2, 2, -4, 1, 0, 4]]


@pytest.mark.parametrize("state, values, kind", [
    (Ternary(), (1, 1), Scaling.CONSTANT), (Ternary(), (8, 64), Scaling.CONSTANT),
    (Ternary(), (8, 3), Scaling.PRODUCT), (Ternary(), (-2, 4), Scaling.SHIFT),
    (Binary(), (4, 16), Scaling.CONSTANT), (Fixed(6, 3), (2, 1), Scaling.CONSTANT),
    (Fixed(6, 3), (2, 6), Scaling.PRODUCT), (Planes((4,), 2), (8, 2), Scaling.CONSTANT),
    (Planes((3,), 2), (8, 2), Scaling.PRODUCT), (Ternary(), (POWERS, 1), Scaling.SHIFT),
    (Ternary(), (16, POWERS), Scaling.SHIFT), (Fixed(6, 3), (SIGNED, POWERS), Scaling.SHIFT),
    (Ternary(), (ZEROS, SIGNED), Scaling.SHIFT), (Binary(), (POWERS, SIGNED), Scaling.SHIFT),
    (Ternary(), (0, 0), Scaling.SHIFT), (Ternary(), (ZEROS, 5), Scaling.PRODUCT),
])
def test_multiplier(state, values, kind):
    """Made only where a coefficient is not a power of two."""
    layer = random_network(2, cell=LSTM, layers=1, units=3, inputs=3, weight=TERNARY,
                           input_format=state, state_format=state).layers[0]
    layer = with_coefficients(layer, values)
    image, form = folded(layer, 2, 2), layer.precision.preact
    assert scaling(image) is kind
    names, multiplies = parts(image, form)
    assert multiplies == (kind is Scaling.PRODUCT)
    assert ("coefficients" in names) == (kind is not Scaling.CONSTANT)
    assert names >= {"addends", "waiting"}
    rng = np.random.default_rng(17)
    check(image, form, random_steps(rng, layer, image, 2), rng, lambda: 0)


def test_readout_memories():
    """A readout has no halves, so that nothing waits."""
    readout = random_network(2, layers=1).readout
    names, _ = parts(folded_readout(readout, 2, 2), readout.logits)
    assert "waiting" not in names and "addends" in names
