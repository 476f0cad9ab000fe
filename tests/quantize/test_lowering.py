"""Calibration and lowering: formats from data, integers that stand for the float weights."""

import dataclasses

import numpy as np
import pytest
from cellstep import CORE

from ternloom.evaluate.size import relative_errors
from ternloom.model import golden
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.network import When
from ternloom.quantize.calibration import calibrate
from ternloom.quantize.codes import relative_error
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import logits, run
from ternloom.quantize.lowering import lower
from ternloom.quantize.spec import QuantizationSpec
from ternloom.quantize.weights import parse


INPUT = Fixed(8, 5)
FINE = {"preact_width": 12, "preact_frac": 9, "gate_frac": 12, "state_frac": 14,
        "coefficient_bits": 12, "logits": Fixed(24, 12)}


def normal(rng, *shape, scale=0.5):
    return scale * rng.standard_normal(shape)


def make(cell=LSTM, layers=2, inputs=3, units=6, classes=4, words=None, seed=0, bias=0.5):
    """A float network of random numbers in float64."""
    rng = np.random.default_rng(seed)
    rows, made = len(cell.gates) * units, []
    for columns in [inputs] + [units] * (layers - 1):
        split = normal(rng, units) if cell is GRU_RESET_AFTER else None
        made.append(FloatLayer(cell, normal(rng, rows, columns), normal(rng, rows, units),
                               normal(rng, rows, scale=bias), split))
    readout = (normal(rng, classes, units), normal(rng, classes)) if classes else (None, None)
    table = None if words is None else normal(rng, words, inputs)
    return FloatNetwork("made", tuple(made), *readout, table, notes={"by": "hand"})


def codes(inputs=3, count=5, seed=1):
    rng = np.random.default_rng(seed)
    return [rng.integers(-64, 64, (int(steps), inputs)) for steps in rng.integers(3, 12, count)]


def reals(sequences, form=INPUT):
    return [sequence * 2.0**-form.frac for sequence in sequences]


def lowered(network, weights="integer:8:by-row", **fields):
    spec = QuantizationSpec(weights={"all": weights}, **fields)
    return lower(network, calibrate(network, reals(codes(network.inputs)), spec, INPUT))


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_close_to_float(cell):
    """With fine weights and formats the golden model computes the float network."""
    network = make(cell)
    integers = lowered(network, activations="fixed:16", **FINE)
    result = golden.run(integers, codes())
    for got, outputs in zip(result.logits, run(network, reals(codes()))[-1].outputs):
        np.testing.assert_allclose(got[0] * 2.0**-12, logits(network, outputs[-1]), atol=0.05)


def meant(matrix, exponent):
    """Real weights that the integers stand for."""
    return sum(values * coefficients[:, None] for values, coefficients
               in zip(matrix.values, matrix.coefficients.astype(float))) * 2.0**-exponent


@pytest.mark.parametrize("activations", ["fixed:6", "ternary", "planes:2", "binary"])
@pytest.mark.parametrize("weights", ["alternating:2", "twn", "ott-exponential", "integer:4"])
def test_integers(weights, activations):
    """Weights, biases and formats are those that the calibration says."""
    network = make(GRU_RESET_AFTER)
    spec = QuantizationSpec(weights={"all": weights}, activations=activations)
    calibration = calibrate(network, reals(codes()), spec, INPUT)
    integers = lower(network, calibration)
    assert (integers.name, integers.notes) == ("made", {"by": "hand"})
    for layer, held, fixed in zip(network.layers, integers.layers, calibration.layers):
        frac = held.precision.preact.frac + held.shift
        assert frac == fixed.sum_frac
        for part, form in (("input", held.input_format), ("recurrent", held.state_format)):
            np.testing.assert_array_equal(
                meant(getattr(held, part), frac - form.frac),
                getattr(fixed, part).values(getattr(layer, f"{part}_weight")))
        for name in ("bias", "recurrent_bias"):
            np.testing.assert_array_equal(
                getattr(held, name), np.floor(getattr(layer, name) * 2.0**frac + 0.5))
    readout = integers.readout
    frac = readout.logits.frac + readout.shift
    assert frac == calibration.readout.sum_frac and readout.when is When.LAST
    np.testing.assert_array_equal(
        meant(readout.weights, frac - readout.input_format.frac),
        calibration.readout.weights.values(network.readout_weight))


@pytest.mark.parametrize("activations, form", [
    ("binary", Binary()), ("ternary:0.25", Ternary(1, 2)), ("fixed:6", Fixed(6, 5)),
])
def test_chain_of_formats(activations, form):
    network = lowered(make(layers=3), activations=activations)
    assert [layer.input_format for layer in network.layers] == [INPUT, form, form]
    assert network.readout.input_format == form


@pytest.mark.parametrize("fields, forms", [
    ({}, [Fixed(6, 5), Fixed(6, 5)]),
    ({"calibrated_range": True}, [Fixed(6, 8), Fixed(6, 13)]),
    ({"calibrated_range": True, "activations": "online:2"},
     [Online(Fixed(8, 10), 2, 2), Online(Fixed(8, 15), 2, 2)]),
    ({"calibrated_range": True, "gate_frac": 0, "state_frac": 6}, [Fixed(6, 5), Fixed(6, 5)]),
    ({"calibrated_range": True, "activations": "ternary"}, [Ternary(1, 1), Ternary(1, 1)]),
], ids=str)
def test_range_of_states(fields, forms):
    """A layer that puts out little gets finer steps where its range is asked for."""
    network = make(layers=2, bias=0.0)
    quiet = tuple(dataclasses.replace(layer, input_weight=0.1 * layer.input_weight,
                                      recurrent_weight=0.1 * layer.recurrent_weight)
                  for layer in network.layers)
    fields = {"activations": "fixed:6"} | fields
    made = lowered(dataclasses.replace(network, layers=quiet), **fields)
    assert [layer.state_format for layer in made.layers] == forms


def test_range_of_states_pays():
    """Of a small signal the finer steps lose a fraction."""
    rng = np.random.default_rng(5)
    layer = FloatLayer(LSTM, *(normal(rng, *shape, scale=0.1)
                                    for shape in ((96, 6), (96, 24), (96,))))
    network = FloatNetwork("quiet", (layer,), normal(rng, 4, 24), np.zeros(4))
    sequences = codes(6, count=40)
    expected = np.concatenate(run(network, reals(sequences))[-1].outputs)
    errors = []
    for calibrated in (False, True):
        made = lower(network, calibrate(network, reals(sequences), QuantizationSpec(
            weights={"all": "integer:8:by-row"}, activations="fixed:6",
            calibrated_range=calibrated), INPUT))
        found = np.concatenate(golden.run(made, sequences, trace=True).trace["layer0.h"])
        found = found * 2.0**-made.layers[0].state_format.frac
        errors.append(np.sqrt(np.square(found - expected).sum() / np.square(expected).sum()))
    assert errors[1] < 0.6 * errors[0]


def test_planes_of_each_layer():
    """Frozen coefficients fit each layer's own outputs."""
    network = make(layers=2, seed=4)
    forms = [layer.state_format for layer in lowered(network, activations="planes:2").layers]
    assert all(isinstance(form, Planes) for form in forms) and forms[0] != forms[1]


@pytest.mark.parametrize("steps, state", [(1, Fixed(13, 11)), (2, Fixed(13, 11)),
                                          (3, Fixed(14, 11)), (90, Fixed(16, 11))])
def test_state_of_lstm(steps, state):
    """Enough bits for the cells, and never more than sixteen units either way."""
    network = make(layers=1)
    layer = dataclasses.replace(network.layers[0], bias=np.full(24, 60.0))
    network = dataclasses.replace(network, layers=(layer,))
    spec = QuantizationSpec(weights={"all": "twn"})
    calibration = calibrate(network, [np.zeros((steps, 3))], spec, INPUT)
    assert calibration.layers[0].precision.state == state


def test_power_of_two():
    """No coefficient needs a multiplier, and the smallest one of a matrix sum is one."""
    network = lowered(make(), "twn:by-row", power_of_two=True)
    for layer in network.layers:
        both = np.concatenate([layer.input.coefficients, layer.recurrent.coefficients], axis=1)
        assert not (both & (both - 1)).any()
        assert both.min() == 1 or layer.shift == 0


def far_apart(cell=LSTM, frac=-1):
    """A network as PyTorch starts one, and codes of features whose steps are of ``2**-frac``."""
    rng = np.random.default_rng(0)
    reach, rows = 24**-0.5, 24 * len(cell.gates)

    def uniform(*shape):
        return rng.uniform(-reach, reach, shape).astype(np.float32)

    split = uniform(24) if cell is GRU_RESET_AFTER else None
    layer = FloatLayer(cell, uniform(rows, 13), uniform(rows, 24), uniform(rows), split)
    network = FloatNetwork("far", (layer,), uniform(4, 24), uniform(4))
    return network, [rng.integers(-100, 100, (20, 13)) for _ in range(20)], Fixed(8, frac)


@pytest.mark.parametrize("weights", ["integer:8", "alternating:2", "twn"])
@pytest.mark.parametrize("frac", [3, 1, -1])
@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_scales_far_apart(cell, frac, weights):
    """Large features beside a state of 16 bits leave the recurrent weights what they are."""
    network, sequences, form = far_apart(cell, frac)
    spec = QuantizationSpec(weights={"all": weights}, activations="fixed:16")
    integers = lower(network, calibrate(network, reals(sequences, form), spec, form))
    layer = integers.layers[0]
    assert layer.recurrent.coefficients.max() >= 36
    assert layer.input.coefficients.max() >= 1 << 17
    method = parse(weights)
    for part in ("input", "recurrent"):
        latent = getattr(network.layers[0], f"{part}_weight")
        lost = relative_errors(integers, network)[f"layer0.{part}"]
        assert lost - relative_error(latent, method.fit(latent, units=24)) < 1e-4


def test_scales_that_nearly_fit():
    """One multiplier's bits are kept to where nothing is felt of it."""
    network, sequences, form = far_apart(frac=1)
    spec = QuantizationSpec(weights={"all": "integer:8"})
    layer = lower(network, calibrate(network, reals(sequences, form), spec, form)).layers[0]
    assert (layer.input.coefficients.max(), layer.recurrent.coefficients.max()) == (13478, 211)


def test_coarser_codes():
    """What coefficients cannot tell of integer weights' scales, their codes do."""
    network, sequences, form = far_apart()
    layer = dataclasses.replace(network.layers[0], input_weight=np.full((96, 13), 300, np.float32))
    network = dataclasses.replace(network, layers=(layer,))
    integers = lower(network, calibrate(network, reals(sequences, form), QuantizationSpec(
        weights={"all": "integer:8"}, activations="fixed:16"), form))
    recurrent = integers.layers[0].recurrent
    assert recurrent.coefficients.max() == 1 and recurrent.codes.max() == 7
    assert 1e-4 < relative_errors(integers, network)["layer0.recurrent"] < 1e-2


@pytest.mark.parametrize("weights, change, message", [
    ("integer:8", {"bias": np.full(96, 1e5, np.float32)},
     "layer0.recurrent: integer coefficients miss the scales of its weights by 100 %, and at most "
     "10 % are allowed: biases up to 1e+05 leave no room for them in a sum; use activations with "
     "fewer bits, or scale the network's inputs"),
    ("alternating:2", {"input_weight": np.full((96, 13), 300, np.float32)},
     "layer0.recurrent: integer coefficients miss the scales of its weights by 100 %, and at most "
     "10 % are allowed: they share a sum with those of layer0.input, whose codes have -1 fraction "
     "bits, where those of layer0.recurrent have 15; use activations with fewer bits, or "
     "an input format with more fraction bits"),
], ids=["bias", "input"])
def test_scales_too_far_apart(weights, change, message):
    """What no coefficients can keep is refused: which matrix, why, and what to do."""
    network, sequences, form = far_apart()
    layer = dataclasses.replace(network.layers[0], **change)
    network = dataclasses.replace(network, layers=(layer,))
    with pytest.raises(ValueError) as caught:
        calibrate(network, reals(sequences, form),
                  QuantizationSpec(weights={"all": weights}, activations="fixed:16"), form)
    assert str(caught.value) == message


def test_large_biases():
    """The scale of a sum leaves its biases in range."""
    network = make(layers=1)
    layer = dataclasses.replace(network.layers[0], bias=np.full(24, 3000.0))
    integers = lowered(dataclasses.replace(network, layers=(layer,)), "integer:8")
    assert (1 << 27) < integers.layers[0].bias.max() < 1 << 30


def test_embedding():
    """The input's format is fitted to the table, whose codes come along."""
    network = make(words=9)
    spec = QuantizationSpec(weights={"all": "alternating:2"}, embedding="fixed:8")
    sequences = [network.embedding[[1, 4, 4, 8]]]
    integers = lower(network, calibrate(network, sequences, spec))
    form = integers.input_format
    assert form.width == 8 and integers.readout.when is When.EVERY
    np.testing.assert_allclose(integers.embedding * 2.0**-form.frac, network.embedding,
                               atol=0.5001 * 2.0**-form.frac)
    spec = QuantizationSpec(weights={"all": "twn"}, embedding="planes:3")
    planes = lower(network, calibrate(network, sequences, spec))
    form = planes.input_format
    levels = form.value(np.arange(8)) * 2.0**-form.frac
    nearest = levels[np.abs(network.embedding[..., None] - levels).argmin(axis=-1)]
    np.testing.assert_array_equal(form.value(planes.embedding.astype(int)) * 2.0**-form.frac,
                                  nearest)


def test_without_readout():
    network = make(classes=0)
    spec = QuantizationSpec(weights={"all": "twn"})
    calibration = calibrate(network, reals(codes()), spec, INPUT)
    assert calibration.readout is None and lower(network, calibration).readout is None


@pytest.mark.parametrize("sequences, message", [
    ([], "Calibration data have no sequences"),
    ([np.zeros((0, 3))], "Calibration sequence 0 must have the shape (steps, 3), not (0, 3)"),
    ([np.zeros((2, 3)), np.zeros((2, 4))],
     "Calibration sequence 1 must have the shape (steps, 3), not (2, 4)"),
    ([np.array([[0.0, np.inf, 0.0]])], "Calibration sequence 0 must hold finite numbers, not inf"),
])
def test_bad_data(sequences, message):
    with pytest.raises(ValueError) as caught:
        calibrate(make(), sequences, QuantizationSpec(weights={"all": "twn"}), INPUT)
    assert str(caught.value) == message


@pytest.mark.parametrize("activations", ["fixed:8", "planes:3", "ternary", "online:2"])
@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_constant_data(cell, activations):
    """Data that never change still give defined formats."""
    if activations == "online:2" and cell is GRU_RESET_BEFORE:
        activations = "binary"
    network = make(cell)
    still = dataclasses.replace(network, layers=tuple(
        dataclasses.replace(layer, bias=0 * layer.bias, recurrent_bias=None
                            if layer.recurrent_bias is None else 0 * layer.recurrent_bias)
        for layer in network.layers))
    spec = QuantizationSpec(weights={"all": "twn"}, activations=activations)
    calibration = calibrate(still, [np.zeros((4, 3))], spec, INPUT)
    assert lower(still, calibration).layers[0].precision.state.frac == 11


@pytest.mark.parametrize("sizes", [{"units": 1}, {"inputs": 1}, {"classes": 1},
                                   {"units": 1, "inputs": 1, "classes": 1}], ids=str)
@pytest.mark.parametrize("weights", ["alternating:3", "twn:by-row", "integer:8", "uniform:2"])
def test_one_row_or_column(sizes, weights):
    network = make(**sizes)
    assert golden.run(lowered(network, weights), codes(network.inputs)).logits[0].shape[0] == 1


def test_zero_weights():
    """A matrix of zeros has coefficients of zero and leaves the scale to the other."""
    network = make(layers=1)
    layer = dataclasses.replace(network.layers[0], recurrent_weight=np.zeros((24, 6)))
    integers = lowered(dataclasses.replace(network, layers=(layer,)), "alternating:2").layers[0]
    assert not integers.recurrent.coefficients.any()
    assert integers.input.coefficients.max() >= 127


def test_method_that_cannot_be():
    network = make()
    with pytest.raises(ValueError, match="^layer0.input: The gates of a matrix must share an "
                                         "alphabet, and none holds integer and planes$"):
        calibrate(network, reals(codes()),
                  QuantizationSpec(weights={"all": "integer:4", "input.f": "greedy"}), INPUT)


def test_unknown_input():
    with pytest.raises(ValueError, match="^Calibration needs the input format of a network without "
                                         "an embedding$"):
        calibrate(make(), reals(codes()), QuantizationSpec(weights={"all": "twn"}))
