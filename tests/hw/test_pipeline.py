"""Elementwise pipelines against the cells of the model, in value and in cycle."""

import msgspec
import numpy as np
import pytest
from cellstep import CORE, step
from hwsim import events, play

from ternloom.hw.pipeline import CellPipeline
from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import pipeline_latency
from ternloom.model.cell import CELLS, LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.precision import Precision
from ternloom.model.rounding import Rounding


FORMATS = [Fixed(8, 6), Fixed(4, 3, rounding=Rounding.HALF_EVEN), Fixed(16, 15),
           Fixed(5, 4, signed=False), Binary(), Ternary(3, 3), Planes((5, 2), 3)]


def precision(preact, gate_frac, state, rounding=Rounding.HALF_UP):
    """Precision of (width, frac) pairs."""
    forms = [Fixed(*pair, rounding=rounding) for pair in (preact, state)]
    return Precision(forms[0], gate_frac, forms[1], rounding)


#: The default, then limits of each width and fraction.
PRECISIONS = [Precision(), precision((4, 0), 2, (2, 2)), precision((4, 3), 2, (24, 3)),
              precision((12, 11), 15, (24, 23), Rounding.HALF_AWAY),
              precision((12, 2), 15, (2, 15), Rounding.HALF_EVEN), precision((5, 2), 6, (9, 6)),
              msgspec.structs.replace(Precision(), slope=3, slope_frac=3)]
#: Comparators: a counter, the narrowest one, finer states, and tanh of nothing but zero.
COMPARATORS = [precision((10, 6), 0, (4, 0)), precision((12, 11), 0, (2, 0)),
               precision((7, 2), 0, (8, 3), Rounding.HALF_EVEN),
               msgspec.structs.replace(precision((6, 4), 0, (5, 1)), slope=5, slope_frac=2),
               msgspec.structs.replace(precision((4, 2), 0, (24, 4)), slope=9)]
PRECISIONS += COMPARATORS


def make_layer(cell, form, units, widths=PRECISIONS[0]):
    return random_network(1, cell=cell, layers=1, units=units, inputs=1, state_format=form,
                          precision=widths).layers[0]


def expected_codes(layer, rows, asides, first):
    """Codes of h, and of r*h where there are any: (steps, units) each.

    ``rows`` are (steps, gates, units), ``asides`` (steps, units), ``first`` (steps,).
    """
    cell, state = layer.cell, np.zeros(layer.units, dtype=np.int64)
    codes, resets = [], []
    for row, aside, is_first in zip(rows, asides, first, strict=True):
        state = np.zeros_like(state) if is_first else state
        given = {gate: row[place] for place, gate in enumerate(cell.gates)}
        for gate in cell.apart:
            given |= {f"{gate}.recurrent": given[gate], f"{gate}.input": aside}
        named = step(cell, layer.precision, layer.state_format, given, state,
                     diagonals=layer.own_weights, diagonal_format=layer.diagonal_format)
        for name in cell.carried:
            state = named[name]
        codes.append(named["h"])
        resets += [named[cell.feedback]] if cell.feedback else []
    return np.array(codes), np.array(resets)


def passes(cell):
    """Gates in the order of the blocks of a step."""
    return [[cell.gates.index(gate) for gate in gates] for gates in cell.passes]


class Stimulus:
    """Rows as the combiner gives them, with rubbish wherever nothing is valid."""

    def __init__(self, layer, rng):
        self._layer, self._rng = layer, rng
        self.drive = {name: [] for name in ("i.valid", "i.gate", "i.unit", "i.value", "i.aside",
                                            "first")}

    def __len__(self):
        return len(self.drive["i.valid"])

    def cycle(self, first, *, valid=0, gate=None, unit=None, value=None, aside=None):
        rng, preact = self._rng, self._layer.precision.preact
        drawn = (valid, rng.integers(4), rng.integers(self._layer.units),
                 *rng.integers(preact.low, preact.high + 1, 2), first)
        given = (valid, gate, unit, value, aside, first)
        for name, one, other in zip(self.drive, given, drawn, strict=True):
            self.drive[name].append(int(other if one is None else one))

    def idle(self, first, cycles):
        for _ in range(cycles):
            self.cycle(first)


def run_pipeline(layer, rows, asides, first, gap, rng):
    """Events of codes, of codes of r*h, and the cycles in which both must come.

    ``gap()`` gives the idle cycles before each row.
    """
    stimulus, due, reset_due = Stimulus(layer, rng), [], []
    before = layer.cell.feedback is not None
    for step, is_first in enumerate(first):
        for number, gates in enumerate(passes(layer.cell)):
            for unit in range(layer.units):
                for gate in gates:
                    stimulus.idle(is_first, gap())
                    cycle = len(stimulus)
                    if gate == 0 and before:
                        reset_due.append(cycle + pipeline_latency(layer, Source.STATE))
                    stimulus.cycle(is_first, valid=1, gate=gate, unit=unit,
                                   value=rows[step, gate, unit],
                                   aside=asides[step, unit] if gate == 2 else None)
                source = Source.RESET if before else Source.STATE
                if number == len(passes(layer.cell)) - 1:
                    due.append(cycle + pipeline_latency(layer, source))
            # The codes are there before the rows that they make can be.
            source = Source.STATE if before and not number else source
            stimulus.idle(is_first, pipeline_latency(layer, source) + 2)
    seen = play(CellPipeline(layer, layer.units), stimulus.drive,
                ["o.valid", "o.data", "reset.valid", "reset.data"])
    return (events(seen["o.valid"], seen["o.data"]), due,
            events(seen["reset.valid"], seen["reset.data"]), reset_due)


def check(layer, rows, first, gap, rng):
    preact = layer.precision.preact
    asides = rng.integers(preact.low, preact.high + 1, (len(rows), layer.units))
    codes, resets = expected_codes(layer, rows, asides, first)
    found, due, found_resets, reset_due = run_pipeline(layer, rows, asides, first, gap, rng)
    bits = layer.state_format.bits
    mask = (1 << layer.state_format.width) - 1
    assert found == list(zip(due, (bits(codes) & mask).ravel().tolist(), strict=True))
    wanted = (bits(resets) & mask).ravel().tolist() if reset_due else []
    assert found_resets == list(zip(reset_due, wanted, strict=True))


def random_rows(rng, layer, steps):
    """Pre-activations, one in four an extreme."""
    preact, shape = layer.precision.preact, (steps, len(layer.cell.gates), layer.units)
    even = rng.integers(preact.low, preact.high + 1, shape)
    extreme = rng.choice([preact.low, preact.high], shape)
    return np.where(rng.random(shape) < 0.25, extreme, even)


@pytest.mark.parametrize("gap", [0, 5])
@pytest.mark.parametrize("widths", [PRECISIONS[0], PRECISIONS[3], COMPARATORS[0], COMPARATORS[2]])
@pytest.mark.parametrize("cell", [cell for cell in CELLS.values() if cell not in CORE], ids=str)
def test_other_cells(cell, widths, gap):
    """Three sequences, rows one a cycle or with gaps between them; tables where the gates cannot be
    comparators.
    """
    if widths.comparators and not cell.comparable:
        widths = PRECISIONS[2 if widths is COMPARATORS[0] else 5]
    for form in (Fixed(8, 6), Ternary(3, 3)):
        rng = np.random.default_rng(3)
        layer = make_layer(cell, form, 5, widths)
        check(layer, random_rows(rng, layer, 6), [True, False, False, True, False, False],
              lambda: int(rng.integers(0, gap + 1)), rng)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_formats(cell, form):
    """Three sequences of several units, one row a cycle."""
    layer, rng = make_layer(cell, form, 5), np.random.default_rng(3)
    check(layer, random_rows(rng, layer, 9), [1, 0, 0, 0, 1, 0, 0, 0, 1], lambda: 0, rng)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("widths", COMPARATORS)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_comparator_formats(cell, widths, form):
    """Three sequences of several units, one row a cycle."""
    layer, rng = make_layer(cell, form, 3, widths), np.random.default_rng(4)
    check(layer, random_rows(rng, layer, 12), ([1] + [0] * 5) * 2, lambda: 0, rng)


@pytest.mark.parametrize("widths", (PRECISIONS[0], COMPARATORS[0]))
@pytest.mark.parametrize("units", (1, 2, 7))
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_gaps(cell, units, widths):
    """Rows with random idle cycles in between, as weight planes and waits make them."""
    layer, rng = make_layer(cell, Fixed(6, 5), units, widths), np.random.default_rng(units)
    check(layer, random_rows(rng, layer, 6), [1, 0, 0, 1, 1, 0], lambda: rng.integers(0, 5), rng)


@pytest.mark.parametrize("widths", PRECISIONS)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_precisions(cell, widths):
    layer, rng = make_layer(cell, Fixed(12, 10), 3, widths), np.random.default_rng(5)
    check(layer, random_rows(rng, layer, 8), [1, 0, 0, 0, 0, 1, 0, 0], lambda: 0, rng)


@pytest.mark.parametrize("widths", PRECISIONS)
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_worst_case(cell, widths):
    """The state is driven to a limit of its format or of its equation, then meets all extremes.

    Each unit has another combination of extreme gates; the last step of a sequence has them
    inverted, so that sums meet the limits of the state with either sign.
    """
    gates, preact = len(cell.gates), widths.preact
    units = 1 << gates
    layer, rng = make_layer(cell, Fixed(16, 14), units, widths), np.random.default_rng(7)
    corner = np.array([[unit >> gate & 1 for unit in range(units)] for gate in range(gates)])
    hold = np.ones((gates, units), dtype=np.int64)
    if cell is LSTM:
        hold[2] = np.arange(units) % 2
    else:
        hold[1], hold[2] = 0, np.arange(units) % 2
    steps = np.array([hold] * 5 + [corner, 1 - corner])
    rows = np.where(steps, preact.high, preact.low)
    check(layer, rows, [1] + [0] * 6, lambda: 0, rng)


def test_saturated_state():
    """The case above reaches both limits of a narrow state."""
    widths = PRECISIONS[1]
    layer = make_layer(LSTM, Fixed(16, 14), 2, widths)
    preact, state = widths.preact, np.zeros(2, dtype=np.int64)
    row = np.full((4, 2), preact.high)
    row[2] = preact.low, preact.high
    for _ in range(5):
        state = step(LSTM, widths, layer.state_format, dict(zip("ifgo", row)), state)["cell"]
    assert state.tolist() == [widths.state.low, widths.state.high]
