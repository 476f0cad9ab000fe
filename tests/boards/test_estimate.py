"""The estimate of tables and multipliers: what it grows with, and how far it was from synthesis."""

import pytest

from ternloom.boards.estimate import beside, estimate, lane_tables
from ternloom.cli import source
from ternloom.files.network import load
from ternloom.hw.array import raw_shape
from ternloom.hw.report import describe
from ternloom.mapping.geometry import Arithmetic
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed, Online, Planes
from ternloom.model.precision import Precision


#: Tables of elements of 8 lanes after synthesis for ECP5, a lane.
MEASURED = {
    (Arithmetic.XNOR_POPCOUNT, BINARY, 1, 1): 2.0,
    (Arithmetic.GATED_POPCOUNT, TERNARY, 2, 2): 4.62,
    (Arithmetic.GATED_POPCOUNT, TERNARY, 2, 1): 3.75,
    (Arithmetic.GATED_POPCOUNT, BINARY, 1, 2): 3.75,
    (Arithmetic.QUATERNARY_POPCOUNT, QUATERNARY, 2, 1): 5.5,
    (Arithmetic.SHIFT_ADD, BINARY, 1, 8): 17.0,
    (Arithmetic.SHIFT_ADD, TERNARY, 2, 4): 9.5,
    (Arithmetic.SHIFT_ADD, TERNARY, 2, 8): 17.0,
    (Arithmetic.SHIFT_ADD, QUATERNARY, 2, 8): 18.5,
    (Arithmetic.SHIFT_ADD, EXPONENTIAL, 3, 8): 32.25,
    (Arithmetic.SHIFT_ADD, EXPONENTIAL, 4, 8): 49.75,
    (Arithmetic.SHIFT_ADD, INTEGER, 2, 8): 18.5,
    (Arithmetic.SHIFT_ADD, INTEGER, 4, 4): 29.0,
    (Arithmetic.SHIFT_ADD, INTEGER, 4, 8): 48.5,
    (Arithmetic.SHIFT_ADD, INTEGER, 8, 8): 112.1,
    (Arithmetic.SELECT_ADD, INTEGER, 4, 1): 9.5,
    (Arithmetic.SELECT_ADD, INTEGER, 4, 2): 11.0,
    (Arithmetic.SELECT_ADD, INTEGER, 8, 1): 17.0,
    (Arithmetic.SELECT_ADD, INTEGER, 8, 2): 18.5,
    (Arithmetic.SELECT_ADD, EXPONENTIAL, 4, 1): 19.0,
    (Arithmetic.SELECT_ADD, EXPONENTIAL, 4, 2): 31.5,
    (Arithmetic.SELECT_ADD, QUATERNARY, 2, 2): 7.25,
}


def network(**settings):
    return random_network(3, **{"layers": 1, "units": 12, "inputs": 6, "classes": 4,
                                "cell": LSTM, "weight": TERNARY,
                                "input_format": "fixed", "state_format": "ternary",
                                "precision": Precision()} | settings)


@pytest.mark.parametrize("kind", MEASURED, ids=lambda kind: "-".join(map(str, kind[1:])))
def test_lanes(kind):
    assert lane_tables(*kind) == pytest.approx(MEASURED[kind], rel=0.1)


def test_growth():
    """More lanes take more tables; more chains more multipliers."""
    made = network()
    sizes = [estimate(Mapping.uniform(made, pe, simd)) for pe, simd in ((2, 4), (4, 8),
                                                                            (8, 16))]
    assert sizes[0].luts < sizes[1].luts < sizes[2].luts
    assert sizes[0].multipliers <= sizes[2].multipliers


def test_weights():
    """What a lane adds is seen in the whole."""
    fixed, ternary = (estimate(Mapping.uniform(made, 4, 8)) for made in (
        network(state_format="fixed"), network()))
    assert fixed.luts > ternary.luts


def test_counts():
    made = network()
    images = Mapping.uniform(made, 2, 8).images
    layer, readout = images
    assert beside(images) == {
        "core": 1, "chain": 1, "word bit": 8 * 2 + 8 * 2,
        "accumulator bit": 2 * raw_shape(layer).width + raw_shape(readout).width}


#: Networks, elements and lanes, and the tables of their cores after synthesis for ECP5.
SYNTHESIZED = {
    ("digits-gru-ternary-ternary", 4, 8): 1626, ("digits-gru-ternary-ternary", 8, 16): 3197,
    ("digits-lstm-planes2-planes2", 4, 8): 1935, ("digits-gru-ternary-fixed8", 4, 8): 2656,
    ("digits-lstm-binary-ternary", 4, 8): 1612, ("digits-lstm-planes2-planes2", 8, 32): 6424,
}


@pytest.mark.parametrize("name, pe, simd", SYNTHESIZED)
def test_synthesized(name, pe, simd):
    made = load(source.network_path(name))
    found = estimate(Mapping.uniform(made, pe, simd))
    assert found.luts == pytest.approx(SYNTHESIZED[name, pe, simd], rel=0.1)


@pytest.mark.parametrize("planes", [2, 3])
def test_online(planes):
    """Fitting activations at every step takes tables and multipliers beside frozen planes."""
    frozen, online = (estimate(Mapping.uniform(made, 2, 8)) for made in (
        network(weight=PLANES, state_format=form) for form in (
            Planes((2,) * planes, 1), Online(Fixed(8, 7), planes))))
    assert 500 < online.luts - frozen.luts < 1700
    assert online.multipliers >= frozen.multipliers + planes - 1


def test_multipliers():
    """Two in the cell, one a matrix whose coefficients are no powers of two."""
    made = network()
    report = describe(Mapping.uniform(made, 2, 8))
    expected = sum(part["multipliers"] for part in report["arrays"]) + 2
    assert estimate(Mapping.uniform(made, 2, 8)).multipliers == expected
