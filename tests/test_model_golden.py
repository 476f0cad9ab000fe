"""The golden model against a scalar restatement of docs/design.md that shares no code with it."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from ternloom.model.bounds import bounds
from ternloom.model import online
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.golden import Session, run
from ternloom.model.network import Cell, Network, NetworkError, Precision, Weight, When
from ternloom.model.random import random_network, random_sequences
from ternloom.model.rounding import Rounding


def rounded(value, rounding):
    """Integer nearest to a fraction."""
    if rounding is Rounding.HALF_UP:
        return math.floor(value + Fraction(1, 2))
    if rounding is Rounding.HALF_AWAY:
        size = math.floor(abs(value) + Fraction(1, 2))
        return size if value >= 0 else -size
    return round(value)


def fixed(kind, value):
    """Code of a fraction in a fixed-point format."""
    return max(kind.low, min(kind.high, rounded(value * Fraction(2) ** kind.frac, kind.rounding)))


def seen(kind, code):
    """Integer that a dot product sees of a code; online planes come as that integer."""
    if isinstance(kind, Planes):
        return sum(c if code >> j & 1 else -c for j, c in enumerate(kind.coefficients))
    return code


def quantized(kind, value):
    """Code of a fraction in any format."""
    if isinstance(kind, Fixed):
        return fixed(kind, value)
    if isinstance(kind, Online):
        return fixed(kind.sample, value)
    if isinstance(kind, Binary):
        return 1 if value >= 0 else -1
    if isinstance(kind, Ternary):
        threshold = Fraction(kind.threshold, 2 ** kind.threshold_frac)
        return 1 if value >= threshold else -1 if value <= -threshold else 0
    ranked = sorted((seen(kind, code), code) for code in range(2 ** len(kind.coefficients)))
    chosen = ranked[0][1]
    for (lower, _), (upper, code) in zip(ranked, ranked[1:], strict=False):
        if value >= Fraction(lower + upper, 2 * 2 ** kind.frac):
            chosen = code
    return chosen


def table(function, precision, code):
    """Entry of a table, from double precision: no entry is closer than that to a tie."""
    low = -(1 << precision.preact.width - 1)
    size = code if code >= 0 else -code if code > low else -code - 1
    one = 1 << precision.gate_frac
    slope = precision.slope / 2 ** precision.slope_frac
    exact = one * function(size / 2 ** precision.preact.frac / slope)
    entry = min(math.floor(exact + 0.5), max(one - 1, 1))
    if code >= 0:
        return entry
    return one - entry if function is logistic else -entry


def logistic(value):
    return 1 / (1 + math.exp(-value))


def meant(weight, code):
    """Integer that a weight code stands for."""
    if weight is Weight.EXPONENTIAL:
        return int(math.copysign(2 ** (abs(code) - 1), code))
    return code


def row(matrix, index, kind, codes):
    """One row of a product."""
    total = 0
    for plane in range(matrix.codes.shape[0]):
        dot = sum(meant(matrix.weight, int(weight)) * seen(kind, code)
                  for weight, code in zip(matrix.codes[plane, index], codes, strict=True))
        total += int(matrix.coefficients[plane, index]) * dot
    return total


class Scalar:
    """One layer, one sequence, one unit at a time, in Python's integers and fractions."""

    def __init__(self, layer):
        self.layer = layer
        self.kind, self.precision = layer.state_format, layer.precision
        self.held = [0] * layer.units
        self.h = [quantized(self.kind, Fraction(0))] * layer.units
        self.lift = layer.precision.state.frac - layer.precision.gate_frac

    def preact(self, total):
        preact = self.precision.preact
        return fixed(preact, Fraction(total, 2 ** (self.layer.shift + preact.frac)))

    def merged(self, gate, unit, inputs, h):
        layer = self.layer
        index = layer.cell.gates.index(gate) * layer.units + unit
        return self.preact(row(layer.input, index, layer.input_format, inputs)
                           + row(layer.recurrent, index, self.kind, h) + int(layer.bias[index]))

    def gate(self, gate, code):
        return table(math.tanh if gate in "gn" else logistic, self.precision, code)

    def step(self, inputs):
        """Everything named of one step, by name and unit."""
        step = {Cell.LSTM: self.lstm, Cell.GRU_RESET_AFTER: self.after,
                Cell.GRU_RESET_BEFORE: self.before}[self.layer.cell]
        named = step(inputs)
        self.h = named["h"]
        if isinstance(self.kind, Online):
            named["sample"] = self.h
            codes, beta = online.quantize(self.kind, np.array([self.h]))
            named["h"], named["beta"] = codes[0].tolist(), beta[0].tolist()
            self.h = [sum(beta if code >> j & 1 else -beta for j, beta in enumerate(named["beta"]))
                      for code in named["h"]]
        return named

    def gates(self, names, inputs, h):
        named = {}
        for gate in names:
            codes = [self.merged(gate, unit, inputs, h) for unit in range(self.layer.units)]
            named[f"gate.{gate}.preact"] = codes
            named[f"gate.{gate}"] = [self.gate(gate, code) for code in codes]
        return named

    def lstm(self, inputs):
        named = self.gates("ifgo", inputs, self.h)
        precision, state = self.precision, self.precision.state
        named["cell"], named["h"] = [], []
        for unit, held in enumerate(self.held):
            i, f, g, o = (named[f"gate.{gate}"][unit] for gate in "ifgo")
            total = f * held + i * g * 2 ** self.lift
            cell = fixed(state, Fraction(total, 2 ** (state.frac + precision.gate_frac)))
            argument = fixed(precision.preact, Fraction(cell, 2 ** state.frac))
            product = o * table(math.tanh, precision, argument)
            named["cell"].append(cell)
            named["h"].append(quantized(self.kind, Fraction(product, 4 ** precision.gate_frac)))
        self.held = named["cell"]
        return named

    def update(self, named):
        frac, state = self.precision.gate_frac, self.precision.state
        named["state"] = []
        for held, z, n in zip(self.held, named["gate.z"], named["gate.n"], strict=True):
            wide = n * 2 ** self.lift
            total = wide * 2 ** frac + z * (held - wide)
            named["state"].append(fixed(state, Fraction(total, 2 ** (state.frac + frac))))
        named["h"] = [quantized(self.kind, Fraction(code, 2 ** state.frac))
                      for code in named["state"]]
        self.held = named["state"]
        return named

    def after(self, inputs):
        layer, precision = self.layer, self.precision
        named = self.gates("rz", inputs, self.h)
        names = ("input", "recurrent", "preact")
        named |= {f"gate.n.{name}": [] for name in names} | {"gate.n": []}
        for unit in range(layer.units):
            index = 2 * layer.units + unit
            ax = self.preact(row(layer.input, index, layer.input_format, inputs)
                             + int(layer.bias[index]))
            ah = self.preact(row(layer.recurrent, index, self.kind, self.h)
                             + int(layer.recurrent_bias[unit]))
            total = ax * 2 ** precision.gate_frac + named["gate.r"][unit] * ah
            an = fixed(precision.preact,
                       Fraction(total, 2 ** (precision.preact.frac + precision.gate_frac)))
            for name, code in zip(names, (ax, ah, an), strict=True):
                named[f"gate.n.{name}"].append(code)
            named["gate.n"].append(self.gate("n", an))
        return self.update(named)

    def before(self, inputs):
        named = self.gates("rz", inputs, self.h)
        scale = 2 ** (self.precision.state.frac + self.precision.gate_frac)
        named["reset"] = [quantized(self.kind, Fraction(r * held, scale))
                          for r, held in zip(named["gate.r"], self.held, strict=True)]
        return self.update(named | self.gates("n", inputs, named["reset"]))


def restated(network, sequence):
    """Everything named of one sequence: dict of name to list, a step each, of lists."""
    cells, trace, vectors = [Scalar(layer) for layer in network.layers], {}, []
    readout = network.readout
    for codes in sequence.tolist():
        for number, cell in enumerate(cells):
            named = cell.step(codes)
            for name, values in named.items():
                trace.setdefault(f"layer{number}.{name}", []).append(values)
            codes = cell.h
        sums = [row(readout.weights, index, readout.input_format, codes) + int(bias)
                for index, bias in enumerate(readout.bias)]
        vectors.append([fixed(readout.logits, Fraction(total, 2 ** (readout.logits.frac
                                                                   + readout.shift)))
                        for total in sums])
    if readout.when is When.LAST:
        vectors = vectors[-1:]
    trace["readout.logits"] = vectors
    trace["readout.argmax"] = [[vector.index(max(vector))] for vector in vectors]
    return trace


def compare(network, sequences):
    """Compare every named intermediate, logits and winners of the two models."""
    result = run(network, sequences, trace=True)
    assert len(result.logits) == len(result.winners) == len(sequences)
    for index, sequence in enumerate(sequences):
        expected = restated(network, sequence)
        assert result.trace.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(result.trace[name][index], values, strict=False,
                                          err_msg=f"{name} of sequence {index}")
        np.testing.assert_array_equal(result.logits[index], expected["readout.logits"])
        np.testing.assert_array_equal(result.winners[index],
                                      [winner for winner, in expected["readout.argmax"]])
        assert result.logits[index].dtype == np.int64
    return result


@pytest.mark.parametrize("seed", range(40))
def test_random_network(seed):
    network = random_network(seed)
    compare(network, random_sequences(seed, network, 3, (1, 6)))


@pytest.mark.parametrize("weight", Weight)
@pytest.mark.parametrize("state", ["fixed", "binary", "ternary", "planes"])
@pytest.mark.parametrize("cell", Cell)
def test_every_combination(cell, state, weight):
    for seed, kind in enumerate(("fixed", "binary", "ternary", "planes")):
        network = random_network(seed, cell=cell, layers=2, units=7, inputs=5, input_format=kind,
                                 state_format=state, weight=weight)
        compare(network, random_sequences(seed, network, 2, (1, 7)))


@pytest.mark.parametrize("planes", [2, 3])
@pytest.mark.parametrize("cell", [Cell.LSTM, Cell.GRU_RESET_AFTER])
def test_online(cell, planes):
    for seed in range(6):
        form = Online(Fixed(5 + seed, 4 + seed), planes, 1 + seed % 3)
        network = random_network(seed, cell=cell, layers=2, units=1 + 3 * seed, state_format=form)
        result = compare(network, random_sequences(seed, network, 3, (1, 7)))
        assert result.trace["layer1.beta"][0].shape[1] == planes


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("cell", Cell)
def test_rounding(cell, rounding):
    precision = Precision(Fixed(7, 3, rounding=rounding), 3, Fixed(8, 5, rounding=rounding),
                          rounding)
    network = random_network(7, cell=cell, layers=1, units=20, state_format=Fixed(4, 3),
                             precision=precision)
    compare(network, random_sequences(7, network, 4, (8, 12)))


WIDE = Precision(Fixed(12, 4), 15, Fixed(24, 20))


@pytest.mark.parametrize("cell", Cell)
def test_wide_formats(cell):
    """Sums beyond 32 bits, and products that single precision cannot hold."""
    network = random_network(11, cell=cell, layers=2, units=9, input_format=Fixed(32, 3),
                             state_format=Fixed(16, 15), precision=WIDE)
    assert max(reach.width for reach in bounds(network).values()) > 36
    compare(network, random_sequences(11, network, 3, (1, 5)))


@pytest.mark.parametrize("precision", [
    Precision(Fixed(10, 6), 0, Fixed(4, 0)),
    Precision(Fixed(12, 11), 0, Fixed(2, 0), slope=5, slope_frac=2),
    Precision(Fixed(4, 0), 0, Fixed(6, 3), slope=7), Precision(Fixed(9, 32), 0, Fixed(24, 2)),
    Precision(slope=3, slope_frac=3),
])
@pytest.mark.parametrize("cell", Cell)
def test_comparators_and_slopes(cell, precision):
    for seed, kind in enumerate(("fixed", "binary", "ternary", "planes")):
        network = random_network(seed, cell=cell, layers=2, units=7, inputs=5, state_format=kind,
                                 precision=precision)
        compare(network, random_sequences(seed, network, 3, (3, 9)))


@pytest.mark.parametrize("cell", Cell)
def test_fine_state_codes(cell):
    """Codes that are finer than what they are made from are shifted left."""
    precision = Precision(Fixed(8, 2), 4, Fixed(20, 8))
    for frac in (20, 32):
        network = random_network(13, cell=cell, layers=2, units=5, state_format=Fixed(24, frac),
                                 precision=precision)
        compare(network, random_sequences(13, network, 3, (2, 5)))


def test_unsigned_input():
    network = random_network(3, layers=1, units=8, input_format=Fixed(8, 8, signed=False))
    compare(network, random_sequences(3, network, 3))


def test_batches():
    """Results don't depend on what else is computed, nor on the order."""
    network = random_network(4, layers=2, units=12, inputs=6, when=When.EVERY)
    sequences = random_sequences(4, network, 700, (1, 9))
    together = run(network, sequences, trace=True)
    for index in (0, 1, 350, 699):
        alone = run(network, [sequences[index]], trace=True)
        np.testing.assert_array_equal(together.logits[index], alone.logits[0])
        for name, values in alone.trace.items():
            np.testing.assert_array_equal(together.trace[name][index], values[0])
    for index, sequence in enumerate(sequences):
        assert together.logits[index].shape == (len(sequence), network.readout.classes)


def test_trace_off():
    network = random_network(5, layers=1)
    sequences = random_sequences(5, network, 3)
    plain, traced = run(network, sequences), run(network, sequences, trace=True)
    assert plain.trace == {}
    for one, other in zip(plain.logits, traced.logits, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("seed", range(12))
def test_session(seed):
    """Pieces of any length give what the whole sequences do, each step of the trace too."""
    network = random_network(seed, readout=seed % 3 != 0, when=When.EVERY)
    sequences = random_sequences(seed, network, 3, (6, 12))
    whole = run(network, sequences, trace=True)
    rng, session = np.random.default_rng(seed), Session(network, 3)
    cuts = [np.sort(rng.integers(1, len(each), 2)).tolist() for each in sequences]
    cuts = [[0, first, max(second, first + 1), len(each) + 1]
            for (first, second), each in zip(cuts, sequences, strict=True)]
    padded = [np.concatenate([each, each[:1]]) for each in sequences]
    pieces = [session.run([each[cut[part]:cut[part + 1]] for each, cut
                           in zip(padded, cuts, strict=True)], trace=True) for part in range(3)]
    for name, expected in whole.trace.items():
        for index, values in enumerate(expected):
            joined = np.concatenate([piece.trace[name][index] for piece in pieces])
            np.testing.assert_array_equal(joined[:len(values)], values)
    field = "codes" if network.readout is None else "logits"
    for index, values in enumerate(getattr(whole, field)):
        joined = np.concatenate([getattr(piece, field)[index] for piece in pieces])
        np.testing.assert_array_equal(joined[:len(values)], values)
    assert (whole.codes is None) == (whole.logits is not None)


def test_no_sequences():
    result = run(random_network(6), [])
    assert (result.logits, result.winners, result.trace) == ((), (), {})


def test_lowest_of_equal_logits():
    network = random_network(8, layers=1, classes=5, when=When.EVERY)
    readout = network.readout
    weights = dataclasses.replace(readout.weights,
                                  coefficients=readout.weights.coefficients * 0)
    network = dataclasses.replace(network, readout=dataclasses.replace(
        readout, weights=weights, bias=np.full(5, 3 << readout.shift)))
    result = run(network, random_sequences(8, network, 1, (4, 4)))
    np.testing.assert_array_equal(result.winners[0], [0, 0, 0, 0])


@pytest.mark.parametrize("sequence, message", [
    (np.zeros((3, 4), dtype=int), r"^sequence 1 must have the shape \(steps, 5\), not \(3, 4\)$"),
    (np.zeros(5, dtype=int), r"^sequence 1 must have the shape \(steps, 5\), not \(5,\)$"),
    (np.zeros((0, 5), dtype=int), r"^sequence 1 must have at least one step, not 0$"),
    (np.zeros((3, 5)), r"^sequence 1 must hold integer codes, not float64$"),
    (np.array([[0] * 5, [0, 0, 0, -9, 8]]),
     r"^sequence 1 step 1 must hold codes of Fixed\(width=4, .*\), not -9 in column 3$"),
])
def test_bad_sequence(sequence, message):
    network = random_network(9, inputs=5, input_format=Fixed(4, 2))
    with pytest.raises(ValueError, match=message):
        run(network, [np.zeros((2, 5), dtype=np.int8), sequence])


def test_bad_code():
    network = random_network(9, inputs=2, input_format=Planes((2, 1), 1))
    with pytest.raises(ValueError, match=r"^sequence 0 step 0 must hold codes of Planes\("
                                         r"coefficients=\(2, 1\), frac=1\), not 4 in column 1$"):
        run(network, [np.array([[3, 4]])])


def test_sums_beyond_int64():
    network = random_network(10, layers=1, units=2, inputs=1 << 17, input_format=Fixed(32, 0),
                             weight=Weight.BINARY)
    layer = network.layers[0]
    layer = dataclasses.replace(layer, input=dataclasses.replace(
        layer.input, coefficients=np.full_like(layer.input.coefficients, (1 << 15) - 1)))
    with pytest.raises(NetworkError, match=r"^layer0\.input\.row must be less than 2\*\*62 in "
                                           r"magnitude, not \d+$"):
        run(Network("big", (layer,), network.readout), [])
