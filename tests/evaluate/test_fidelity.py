"""Fidelity of the integer network to its float network, beside the same computed by hand."""

import dataclasses
import math

import numpy as np
import pytest
from cellstep import CORE
from edit import edited

from ternloom.evaluate import fidelity
from ternloom.model import golden
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.quantize.calibration import calibrate
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import logits, run
from ternloom.quantize.lowering import lower
from ternloom.quantize.spec import QuantizationSpec


FORM = Fixed(8, 5)
FINE = {"activations": "fixed:16", "preact_width": 12, "preact_frac": 8, "gate_frac": 15,
        "state_frac": 19, "coefficient_bits": 12, "logits": Fixed(24, 16)}


def make(cell=LSTM, classes=3):
    rng = np.random.default_rng(4)
    rows, layers = 6 * len(cell.gates), []
    for columns in (3, 6):
        split = rng.standard_normal(6) if cell is GRU_RESET_AFTER else None
        layers.append(FloatLayer(cell, *(0.5 * rng.standard_normal(shape) for shape in
                                         ((rows, columns), (rows, 6), (rows,))), split))
    readout = (rng.standard_normal((classes, 6)), np.zeros(classes)) if classes else (None, None)
    return FloatNetwork("made", tuple(layers), *readout)


def data(count=9):
    rng = np.random.default_rng(2)
    codes = [rng.integers(-100, 100, (int(steps), 3)) for steps in rng.integers(1, 9, count)]
    return codes, [each * 2.0**-FORM.frac for each in codes]


def lowered(reference, **fields):
    spec = QuantizationSpec(**{"weights": {"all": "integer:8:by-row"}} | fields)
    return lower(reference, calibrate(reference, data()[1], spec, FORM))


def relative(found, expected):
    found, expected = np.concatenate(found), np.concatenate(expected)
    return math.sqrt(np.square(found - expected).sum() / np.square(expected).sum())


@pytest.mark.parametrize("when", list(When), ids=lambda when: when.value)
@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_by_hand(monkeypatch, cell, when):
    """Everything that is told, from a trace and the float network's own outputs."""
    monkeypatch.setattr(fidelity, "_TRACED", 7)
    reference, (codes, values) = make(cell), data()
    network = lowered(reference, activations="fixed:4", when=when, weights={"all": "twn"})
    found = fidelity.measure(network, reference, codes, values)
    result, passes = golden.run(network, codes, trace=True), run(reference, values)
    assert (found.sequences, found.steps) == (9, sum(map(len, codes)))
    for index, (layer, expected) in enumerate(zip(found.layers, passes)):
        h = result.trace[f"layer{index}.h"]
        assert layer.name == f"layer{index}"
        assert layer.error == pytest.approx(relative([each / 8 for each in h], expected.outputs))
        ends = np.isin(np.concatenate(h), (-8, 7))
        assert layer.saturated == ends.mean() and layer.state_saturated == 0.0
    said = [logits(reference, each if when is When.EVERY else each[-1:])
            for each in passes[-1].outputs]
    frac = network.readout.logits.frac
    assert found.logits_error == pytest.approx(
        relative([each * 2.0**-frac for each in result.logits], said))
    same = [mine == each.argmax(axis=1) for mine, each in zip(result.winners, said)]
    assert found.agreement == np.concatenate(same).mean()


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_fine(cell):
    """Fine formats are near, coarse ones are not."""
    reference, (codes, values) = make(cell), data()
    fine = fidelity.measure(lowered(reference, **FINE), reference, codes, values)
    coarse = fidelity.measure(lowered(reference, activations="ternary", weights={"all": "twn"}),
                              reference, codes, values)
    assert fine.agreement == 1.0 and max(layer.error for layer in fine.layers) < 0.02
    assert fine.logits_error < 0.02 and min(layer.error for layer in coarse.layers) > 0.2
    assert [layer.saturated for layer in coarse.layers] == [None, None]


def test_online():
    """Codes whose coefficients come with the vector are compared as what they stand for."""
    reference, (codes, values) = make(), data()
    three, two = (fidelity.measure(lowered(reference, activations=f"online:{planes}"),
                                   reference, codes, values).layers[0].error for planes in (3, 2))
    assert 0 < three < two < 0.5


def test_saturated_state():
    reference, (codes, values) = make(), data()
    network = lowered(reference)
    layers = tuple(dataclasses.replace(layer, precision=narrow(layer.precision))
                   for layer in network.layers)
    found = fidelity.measure(edited(network, layers=layers), reference, codes, values)
    assert found.layers[0].state_saturated > 0.1


def narrow(precision):
    """A state that holds a quarter at most."""
    return type(precision)(precision.preact, precision.gate_frac, Fixed(10, 11))


def test_part_of_steps():
    reference, (codes, values) = make(), data()
    found = fidelity.measure(lowered(reference), reference, codes, values, most=2)
    assert found.steps == sum(min(2, len(each)) for each in codes)


def test_without_readout():
    reference, (codes, values) = make(classes=0), data()
    found = fidelity.measure(lowered(reference), reference, codes, values)
    assert found.logits_error is None and found.agreement is None and len(found.layers) == 2


def test_other_network():
    with pytest.raises(NetworkError) as caught:
        fidelity.measure(lowered(make()), make(GRU_RESET_BEFORE), *data())
    assert str(caught.value) == (
        "float network 'made' has other layers, [('gru-reset-before', 3, 6), "
        "('gru-reset-before', 6, 6), ('readout', 3)], than network 'made', [('lstm', 3, 6), "
        "('lstm', 6, 6), ('readout', 3)]")
