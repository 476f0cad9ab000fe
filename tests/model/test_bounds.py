"""Worst-case ranges: attained by worst inputs, and never exceeded."""

import itertools

import numpy as np
import pytest
from cellstep import CORE

from ternloom.model.bounds import (bounds, dot_range, effective, row_range, working_range,
                                   worst_inputs)
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.golden import run
from ternloom.model.matrix import Matrix
from ternloom.model.network import When
from ternloom.model.precision import Precision
from ternloom.model.product import Product
from ternloom.model.range import Range
from ternloom.model.rounding import signed_width
from ternloom.model.table import sigmoid, tanh


FORMATS = [Fixed(8, 6), Fixed(16, 15), Fixed(5, 0, signed=False), Binary(), Ternary(),
           Planes((5, 2), 3), Planes((1, 1, 4), 2)]
#: Small enough to enumerate everything that the elementwise part can meet.
SMALL = [Precision(Fixed(4, 2), 3, Fixed(5, 3)), Precision(Fixed(5, 0), 2, Fixed(4, 4)),
         Precision(Fixed(4, 3), 4, Fixed(6, 4)), Precision(Fixed(4, 0), 3, Fixed(7, 3)),
         Precision(Fixed(4, 2), 0, Fixed(3, 0)), Precision(Fixed(5, 1), 0, Fixed(4, 2), slope=5)]


def plane(matrix, index):
    """One plane with coefficients of one: its rows are dot products."""
    return Matrix(matrix.weight, matrix.codes[index:index + 1],
                  np.ones_like(matrix.coefficients[:1]))


def extremes(matrix, form):
    """Smallest and largest result of each row on its own worst inputs."""
    rows, product = effective(matrix), Product(matrix, form)
    lows, highs = zip(*(worst_inputs(row, form) for row in rows), strict=True)
    return np.diag(product(np.array(lows))), np.diag(product(np.array(highs)))


@pytest.mark.parametrize("low, high, width", [
    (0, 0, 1), (-1, 0, 1), (0, 1, 2), (-2, 1, 2), (-2, 2, 3), (-3, 0, 3), (5, 6, 4), (-9, -5, 5),
    (-(1 << 40), 0, 41), (0, 1 << 40, 42),
])
def test_signed_width(low, high, width):
    assert signed_width(low, high) == Range(low, high).width == width
    assert -(1 << (width - 1)) <= low and high < 1 << (width - 1)


def test_range():
    assert Range(-3, 5) + Range(-1, 2) == Range(-4, 7)
    assert Range(-3, 5) | Range(-7, 2) == Range(-7, 5)
    assert Range(-3, 5) * Range(-2, 1) == Range(-10, 6)
    assert Range(-3, 5) << 2 == Range(-12, 20)
    assert Range(-8, 5).magnitude == 8
    with pytest.raises(ValueError, match="^Range must not end below its start, "
                                         r"not Range\(low=1, high=0\)$"):
        Range(1, 0)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("seed", range(6))
def test_dots_and_rows_attained(seed, form):
    network = random_network(seed, layers=1, input_format=form, state_format=form)
    layer, ranges = network.layers[0], bounds(network)
    for half, matrix in (("input", layer.input), ("recurrent", layer.recurrent)):
        ends = [extremes(plane(matrix, index), form) for index in range(matrix.planes)]
        attained = Range(min(low.min() for low, _ in ends), max(high.max() for _, high in ends))
        assert ranges[f"layer0.{half}.dot"] == dot_range(matrix, form) == attained
        lows, highs = extremes(matrix, form)
        assert row_range(matrix, form) == Range(lows.min(), highs.max())
    lows, highs = (ends + layer.bias for ends in extremes(layer.input, form))
    assert ranges["layer0.input.row"] == Range(lows.min(), highs.max())


@pytest.mark.parametrize("cell", CORE, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_sums_attained(seed, cell):
    network = random_network(seed, cell=cell, layers=1)
    layer, ranges = network.layers[0], bounds(network)
    inputs = [ends + layer.bias for ends in extremes(layer.input, layer.input_format)]
    recurrent = extremes(layer.recurrent, layer.state_format)
    if cell is GRU_RESET_AFTER:
        gates = 2 * layer.units
        recurrent = [np.concatenate([ends[:gates], ends[gates:] + layer.recurrent_bias])
                     for ends in recurrent]
        sums = [np.concatenate([x[:gates] + h[:gates], x[gates:], h[gates:]])
                for x, h in zip(inputs, recurrent, strict=True)]
    else:
        sums = [x + h for x, h in zip(inputs, recurrent, strict=True)]
    assert ranges["layer0.recurrent.row"] == Range(recurrent[0].min(), recurrent[1].max())
    assert ranges["layer0.sum"] == Range(sums[0].min(), sums[1].max())
    readout = network.readout
    lows, highs = extremes(readout.weights, readout.input_format)
    assert ranges["readout.row"] == Range(lows.min(), highs.max())
    assert ranges["readout.sum"] == Range((lows + readout.bias).min(), (highs + readout.bias).max())


def ends(values):
    values = list(values)
    return Range(min(values), max(values))


@pytest.mark.parametrize("precision", SMALL)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_elementwise_tight(cell, precision):
    """The ranges are those of all combinations of table entries and state codes."""
    ranges = bounds(random_network(1, cell=cell, layers=1, units=2, precision=precision))
    preact, frac, state = precision.preact, precision.gate_frac, precision.state
    lift = state.frac - frac
    sigmoids, tanhs = (set(table(precision).tolist()) for table in (sigmoid, tanh))
    states = range(state.low, state.high + 1)
    if cell is LSTM:
        products = ends((i * g) << lift for i in sigmoids for g in tanhs)
        assert ranges["layer0.cell.sum"] == ends(f * c for f in sigmoids for c in states) + products
        arguments = {int(preact.quantize(code, state.frac)) for code in states}
        assert ranges["layer0.h.product"] == ends(
            o * int(tanh(precision)[code]) for o in sigmoids for code in arguments)
        return
    candidates = [n << lift for n in tanhs]
    assert ranges["layer0.state.difference"] == ends(h - n for h in states for n in candidates)
    assert ranges["layer0.state.sum"] == ends(
        (n << frac) + z * (h - n) for z, h, n in itertools.product(sigmoids, states, candidates))
    if cell is GRU_RESET_AFTER:
        codes = range(preact.low, preact.high + 1)
        assert ranges["layer0.gate.n.sum"] == ends(
            (ax << frac) + r * ah for r, ax, ah in itertools.product(sigmoids, codes, codes))
    else:
        assert ranges["layer0.reset.product"] == ends(r * h for r in sigmoids for h in states)


def before(values):
    """What was carried into each step."""
    return np.concatenate([np.zeros_like(values[:1]), values[:-1]])


def observed(layer, prefix, trace, index, sequence):
    """Sums of one sequence, remade from its trace, by the name of their bound."""
    def named(name):
        return trace[f"{prefix}.{name}"][index].astype(np.int64)
    precision = layer.precision
    lift = precision.state.frac - precision.gate_frac
    sums = {"input.row": Product(layer.input, layer.input_format)(sequence) + layer.bias}
    if layer.cell is LSTM:
        old = before(named("cell"))
        sums["cell.sum"] = named("gate.f") * old + ((named("gate.i") * named("gate.g")) << lift)
        argument = precision.preact.quantize(named("cell"), precision.state.frac)
        sums["h.product"] = named("gate.o") * tanh(precision)[argument]
        return sums
    old, lifted = before(named("state")), named("gate.n") << lift
    sums["state.difference"] = old - lifted
    sums["state.sum"] = (lifted << precision.gate_frac) + named("gate.z") * (old - lifted)
    if layer.cell is GRU_RESET_AFTER:
        sums["gate.n.sum"] = ((named("gate.n.input") << precision.gate_frac)
                              + named("gate.r") * named("gate.n.recurrent"))
    else:
        sums["reset.product"] = named("gate.r") * old
    return sums


@pytest.mark.parametrize("seed", range(30))
def test_never_exceeded(seed):
    network = random_network(seed, cell=CORE[seed % len(CORE)], when=When.EVERY)
    ranges = bounds(network)
    sequences = random_sequences(seed, network, 5, (1, 20))
    trace = run(network, sequences, trace=True).trace
    checked = set()
    for index, sequence in enumerate(sequences):
        for number, layer in enumerate(network.layers):
            prefix = f"layer{number}"
            for name, sums in observed(layer, prefix, trace, index, sequence).items():
                reach = ranges[f"{prefix}.{name}"]
                assert reach.low <= sums.min() and sums.max() <= reach.high, name
                checked.add(name)
            sequence = trace[f"{prefix}.h"][index]
        readout = network.readout
        sums = Product(readout.weights, readout.input_format)(sequence) + readout.bias
        assert ranges["readout.sum"].low <= sums.min()
        assert sums.max() <= ranges["readout.sum"].high
    assert len(checked) >= 3


#: Ends of everything that moves a sum: the gates', the state's and the codes' fraction bits.
ENDS = [Precision(Fixed(12, frac), gate_frac, Fixed(24, state_frac))
        for gate_frac in (0, 2, 15) for state_frac in (gate_frac, 32)
        for frac in (0, 32 if gate_frac == 0 else state_frac)]


@pytest.mark.parametrize("precision", ENDS)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_working_range_fits(cell, precision):
    """Whatever the precision and the state's format, rounding included: 64 bits hold it."""
    forms = [Fixed(width, frac, signed=signed) for width in (2, 32) for frac in (-16, 32)
             for signed in (True, False)] + [Ternary((1 << 32) - 1, 0), Planes((65535,) * 4, 0)]
    if cell is not GRU_RESET_BEFORE:
        forms += [Online(Fixed(16, frac)) for frac in (-16, 32)]
    widths = []
    for form in forms:
        network = random_network(1, cell=cell, layers=1, units=2, inputs=2, precision=precision,
                                 state_format=form)
        ranges = {name.removeprefix("layer0."): reach for name, reach in bounds(network).items()}
        # A sum may come up to 2**62 without being refused.
        ranges["sum"] = ranges["input.row"] = Range(1 - (1 << 62), (1 << 62) - 1)
        widths.append(working_range(network.layers[0], ranges).width)
    assert max(widths) <= 64


def quantizations(value, frac, form):
    """Integers on the way through ``form.quantize``, one value at a time."""
    shift = frac - form.frac
    half = 1 << shift - 1 if shift > 0 else 0
    return [value, half, value + half, value << max(-shift, 0), form.low, form.high]


@pytest.mark.parametrize("frac", [-16, 0, 4, 32])
@pytest.mark.parametrize("precision", SMALL)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_working_range_holds(cell, precision, frac):
    """Every integer of the elementwise part is in it, over all table entries and state codes."""
    form = Fixed(5, frac)
    network = random_network(1, cell=cell, layers=1, units=2, inputs=2, precision=precision,
                             state_format=form)
    layer = network.layers[0]
    ranges = {name.removeprefix("layer0."): reach for name, reach in bounds(network).items()}
    whole = working_range(layer, ranges)
    preact, gate_frac, state = precision.preact, precision.gate_frac, precision.state
    lift, wide = state.frac - gate_frac, state.frac + gate_frac
    sigmoids, tanhs = (set(table(precision).tolist()) for table in (sigmoid, tanh))
    states, codes = range(state.low, state.high + 1), range(preact.low, preact.high + 1)
    met = [*sigmoids, *states, *codes]
    for total in (ranges["sum"].low, ranges["sum"].high):
        met += quantizations(total, preact.frac + layer.shift, preact)
    reached = set()
    if cell is LSTM:
        for f, c, product in itertools.product(sigmoids, states, {i * g for i in sigmoids
                                                                  for g in tanhs}):
            met += [f * c, product << lift]
            met += quantizations(f * c + (product << lift), wide, state)
            reached.add(int(state.quantize(f * c + (product << lift), wide)))
        met += [each for c in reached for each in quantizations(c, state.frac, preact)]
        arguments = {int(preact.quantize(code, state.frac)) for code in reached}
        for o, k in itertools.product(sigmoids, arguments):
            met += quantizations(o * int(tanh(precision)[k]), 2 * gate_frac, form)
    else:
        for z, h, n in itertools.product(sigmoids, states, [n << lift for n in tanhs]):
            met += [n << gate_frac, h - n, z * (h - n)]
            met += quantizations((n << gate_frac) + z * (h - n), wide, state)
            reached.add(int(state.quantize((n << gate_frac) + z * (h - n), wide)))
        met += [each for h in reached for each in quantizations(h, state.frac, form)]
    if cell is GRU_RESET_AFTER:
        for r, ax, ah in itertools.product(sigmoids, codes, codes):
            met += [ax << gate_frac, r * ah]
            met += quantizations((ax << gate_frac) + r * ah, preact.frac + gate_frac, preact)
    if cell is GRU_RESET_BEFORE:
        for r, h in itertools.product(sigmoids, states):
            met += quantizations(r * h, wide, form)
    assert whole.low <= min(met) and max(met) <= whole.high
