"""Comparators against the tables that they replace, on their whole domain, and in networks."""

import dataclasses
import functools

import numpy as np
import pytest
from hwsim import Bare, play
from amaranth import *

from ternloom.hw.fixed import delayed
from ternloom.hw.table import compared, compared_unrounded
from ternloom.hw.verilog import generate
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.cell.ranges import format_range
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.model.precision import Precision
from ternloom.model.table import sigmoid, tanh
from ternloom.sim.case import Case
from ternloom.sim.run import simulate_many


#: Counters and finer states, with dead zones from none to all of the argument.
PRECISIONS = [
    Precision(Fixed(10, 6), 0, Fixed(4, 0)), Precision(Fixed(12, 11), 0, Fixed(2, 0)),
    Precision(Fixed(8, 5), 0, Fixed(6, 2), slope=3, slope_frac=4),
    Precision(Fixed(6, 1), 0, Fixed(10, 9), slope=5),
    Precision(Fixed(4, 0), 0, Fixed(12, 5), slope=7),
    Precision(Fixed(4, 2), 0, Fixed(3, 0), slope=9),
]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("function, entries", [("sigmoid", sigmoid), ("tanh", tanh)])
def test_every_entry(precision, function, entries):
    """All codes of the argument."""
    codes = np.arange(precision.preact.low, precision.preact.high + 1)
    value = Signal(signed(precision.preact.width))
    dut = Bare(lambda m: {"i": value, "o": delayed(m, compared(m, value, function, precision), 1)})
    found = play(dut, {"i": np.append(codes, 0)}, ["o"])["o"]
    np.testing.assert_array_equal(found[1:], entries(precision)[codes])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("function, entries", [("sigmoid", sigmoid), ("tanh", tanh)])
def test_unrounded(precision, function, entries):
    """Moved cuts are rounding and function in one, for all codes of the state."""
    form = precision.state
    state = np.arange(form.low, form.high + 1)
    value = Signal(signed(form.width))
    dut = Bare(lambda m: {"i": value, "o": delayed(m, compared_unrounded(
        m, value, format_range(form), form.frac, function, precision), 1)})
    found = play(dut, {"i": np.append(state, 0)}, ["o"])["o"]
    np.testing.assert_array_equal(
        found[1:], entries(precision)[precision.preact.quantize(state, form.frac)])


@functools.cache
def draw(seed):
    """A case of comparator gates, the same for the same seed."""
    rng = np.random.default_rng(seed)
    cells = LSTM, GRU_RESET_AFTER, GRU_RESET_BEFORE
    network = random_network(rng, cell=cells[seed % 3], layers=1, classes=2, when=When.EVERY,
                             units=int(rng.integers(1, 20)), inputs=int(rng.integers(1, 9)),
                             precision=PRECISIONS[seed % len(PRECISIONS)],
                             state_format=("ternary", "binary", "fixed", "planes")[seed % 4])
    layer = LayerFolding(int(rng.integers(1, 9)), int(rng.integers(1, 13)))
    folding = Folding.line((layer,), LayerFolding(2, 3), 1)
    case = Case(Mapping(network, folding), tuple(random_sequences(rng, network, 3, (1, 5))))
    return dataclasses.replace(case, design=generate(Mapping(network, folding)))


@pytest.mark.parametrize("simulator, first, last", [
    ("icarus", 0, 6), ("verilator", 0, 3),
    pytest.param("verilator", 3, 6, marks=pytest.mark.slow)])
def test_networks(simulator, first, last):
    """Two of every cell, bit and cycle exact; one of each on both simulators."""
    cases = [draw(seed) for seed in range(first, last)]
    for case, report in zip(cases, simulate_many(cases, simulator=simulator), strict=True):
        assert report.mismatch is None, f"{case.network.layers[0].cell}: {report.mismatch}"
        assert report.transfers > 0
