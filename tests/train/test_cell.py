"""Float cells against PyTorch's own; cells on grids against the golden model, bit for bit."""

import itertools

import msgspec
import numpy as np
import pytest
import torch
from cellstep import CORE

from ternloom.model import golden
from ternloom.model.cell import CELLS, GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.format import Fixed
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train.batches import SequenceSet
from ternloom.train.cell import Carry, RecurrentLayer, quantize_bias
from ternloom.train.lower import calibrate, lower
from ternloom.train.recurrent import RecurrentNetwork


pytestmark = pytest.mark.train

INPUT_FORMAT = Fixed(8, 5)
SPEC = QuantizationSpec(weights={"all": "twn"}, activations="ternary:0.5", power_of_two=True)
#: Every weight alphabet, and every kind of activation.
WEIGHTS = ("mean-binary", "twn", "alternating:2", "quaternary-connect", "ott-exponential",
           "integer:6")
ACTIVATIONS = ("binary", "ternary:0.5", "planes:2", "fixed:8", "online:2")
LENGTHS = [1, 12, 5, 9, 2]


def reference(layer):
    """PyTorch's layer with the same weights."""
    kind = torch.nn.LSTM if layer.cell is LSTM else torch.nn.GRU
    twin = kind(layer.inputs, layer.units, dtype=torch.float64)
    hidden_bias = torch.zeros_like(layer.bias)
    if layer.recurrent_bias is not None:
        hidden_bias[2 * layer.units:] = layer.recurrent_bias
    twin.load_state_dict({"weight_ih_l0": layer.input_weight, "bias_ih_l0": layer.bias,
                          "weight_hh_l0": layer.recurrent_weight, "bias_hh_l0": hidden_bias})
    return twin


@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_AFTER])
def test_float_cell(cell):
    torch.manual_seed(5)
    layer = RecurrentLayer(cell, 3, 4).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    sequences = torch.randn(6, 2, 3, dtype=torch.float64)
    expected, _ = reference(layer)(sequences)
    torch.testing.assert_close(layer(sequences), expected, rtol=1e-12, atol=1e-12)


def test_float_reset_before():
    """The convention that PyTorch lacks, against its equations step by step."""
    torch.manual_seed(6)
    layer = RecurrentLayer(GRU_RESET_BEFORE, 3, 4).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    sequences = torch.randn(6, 2, 3, dtype=torch.float64)
    h = torch.zeros(2, 4, dtype=torch.float64)
    (w_r, w_z, w_n), (u_r, u_z, u_n), (b_r, b_z, b_n) = (
        tensor.split(4) for tensor in (layer.input_weight, layer.recurrent_weight, layer.bias))
    for x, output in zip(sequences, layer(sequences)):
        r = torch.sigmoid(x @ w_r.t() + h @ u_r.t() + b_r)
        z = torch.sigmoid(x @ w_z.t() + h @ u_z.t() + b_z)
        n = torch.tanh(x @ w_n.t() + (r * h) @ u_n.t() + b_n)
        h = (1 - z) * n + z * h
        torch.testing.assert_close(output, h, rtol=1e-12, atol=1e-12)


def test_bias_grid():
    bias = torch.tensor([0.3, -0.3, 0.125, -0.125], dtype=torch.float64, requires_grad=True)
    rounded = quantize_bias(bias, 2)
    assert rounded.tolist() == [0.25, -0.25, 0.25, 0.0]
    rounded.sum().backward()
    assert bias.grad.tolist() == [1.0] * 4


def sequence_set(seed=11):
    """Random codes of ``LENGTHS``, as integers and as a ``SequenceSet``."""
    random = np.random.default_rng(seed)
    codes = [random.integers(-128, 128, (length, 5)).astype(np.int16) for length in LENGTHS]
    values = np.zeros((max(LENGTHS), len(LENGTHS), 5))
    for index, sequence in enumerate(codes):
        values[:len(sequence), index] = sequence / 32
    return codes, SequenceSet(torch.from_numpy(values), torch.tensor(LENGTHS),
                              torch.zeros(len(LENGTHS), dtype=torch.int64))


def calibration():
    batch = sequence_set(seed=12)[1]
    return [batch.values[:length, index].numpy() for index, length in enumerate(LENGTHS)]


def quantized(spec, cell=LSTM, units=7, layers=1, scale=1.5, seed=7, apart=1):
    """A random network, calibrated on random sequences; ``apart`` divides recurrent weights."""
    torch.manual_seed(seed)
    network = RecurrentNetwork(cell, 5, units, layers, 4).double()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "bias" in name or "diagonals" in name:
                parameter.normal_()
            else:
                parameter.mul_(scale / apart if "recurrent" in name else scale)
    calibrate(network, spec, calibration(), INPUT_FORMAT)
    return network.eval()


def assert_exact(spec, **options):
    network = quantized(spec, **options)
    codes, padded = sequence_set()
    carried = []
    with torch.no_grad():
        logits = network(padded.values, padded.lengths, carried)
    lowered = lower(network, "test")
    if options.get("apart", 1) > 1:
        assert lowered.layers[0].input.coefficients.max() >= 1 << 14
    result = golden.run(lowered, codes, trace=True)
    frac = lowered.readout.logits.frac
    assert [vector[0].tolist() for vector in result.logits] == (logits * 2.0**frac).tolist()
    for layer, states in enumerate(carried):
        frac = lowered.layers[layer].precision.state.frac
        states = (torch.stack(states) * 2.0**frac).numpy()
        name = next(iter(lowered.layers[layer].cell.carried), None)
        for index, trace in enumerate(result.trace[f"layer{layer}.{name}"] if name else ()):
            assert np.array_equal(trace, states[:LENGTHS[index], index])


def makes_sense(cell, activations):
    """Coefficients of a step's vector come too late for a reset before the product."""
    return not (cell is GRU_RESET_BEFORE and activations.startswith("online"))


CASES = [case for case in itertools.product(CORE, WEIGHTS, ACTIVATIONS)
         if makes_sense(case[0], case[2])]


@pytest.mark.parametrize("cell, weights, activations", CASES, ids=str)
def test_golden_model(cell, weights, activations):
    assert_exact(msgspec.structs.replace(SPEC, weights={"all": weights}, activations=activations),
                 cell=cell)


@pytest.mark.parametrize("changes", [
    {}, {"activations": "fixed:8"}, {"gate_frac": 0, "state_frac": 0}], ids=str)
@pytest.mark.parametrize("cell", [cell for cell in CELLS.values() if cell not in CORE], ids=str)
def test_golden_model_others(cell, changes):
    spec = msgspec.structs.replace(SPEC, **changes)
    if not spec.gate_frac and not cell.comparable:
        with pytest.raises(ValueError, match=f"^gate_frac must be at least 2 for {cell.name}, "
                                             "whose gates cannot be comparators, not 0$"):
            quantized(spec, cell=cell)
        return
    assert_exact(spec, cell=cell)


@pytest.mark.parametrize("changes", [
    {"power_of_two": False}, {"weights": {"all": "mean-binary:by-row"}, "power_of_two": False},
    {"weights": {"all": "twn:by-row"}},
    {"weights": {"all": "twn", "recurrent": "alternating:3", "input": "integer:8:by-row"}},
    {"preact_width": 12, "preact_frac": 8, "gate_frac": 11, "state_frac": 15},
    {"activations": "ternary:0.3"}, {"activations": "fixed:5"}, {"activations": "planes:3"},
    {"weights": {"all": "alternating:4"}, "coefficient_bits": 11},
    {"preact_width": 4, "preact_frac": 1, "gate_frac": 2, "state_frac": 3},
    {"gate_frac": 0, "state_frac": 0}, {"gate_frac": 0, "state_frac": 0, "slope": 3},
    {"slope": 1, "slope_frac": 1},
    {"activations": "fixed:6", "calibrated_range": True},
    {"weights": {"all": "ott-ternary"}, "power_of_two": False, "bias_as_weight": True},
    {"weights": {"all": "alternating:2", "recurrent": "twn"}, "bias_as_weight": True},
], ids=str)
@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_golden_model_options(cell, changes):
    assert_exact(msgspec.structs.replace(SPEC, **changes), cell=cell)


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
@pytest.mark.parametrize("sizes", [{"layers": 3}, {"units": 1}], ids=str)
def test_golden_model_sizes(cell, sizes):
    assert_exact(SPEC, cell=cell, **sizes)


@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_AFTER], ids=lambda cell: cell.name)
def test_golden_model_online(cell):
    spec = msgspec.structs.replace(SPEC, weights={"all": "alternating:3"}, activations="online:3")
    assert_exact(spec, cell=cell, layers=2)


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_golden_model_gates(cell):
    """Methods of their own for single gates."""
    last = cell.gates[-1]
    spec = msgspec.structs.replace(
        SPEC, weights={"all": "twn", last: "integer:4", f"recurrent.{cell.gates[0]}": "greedy:1",
                       "recurrent": "mean-binary", f"recurrent.{last}": "twn"})
    assert_exact(spec, cell=cell)


@pytest.mark.parametrize("weights", ["integer:8", "alternating:2"])
@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_golden_model_wide_coefficients(cell, weights):
    """Scales that are far apart: float64 holds the sums of coefficients of more than 15 bits."""
    spec = msgspec.structs.replace(SPEC, weights={"all": weights}, activations="fixed:16",
                                   power_of_two=False)
    assert_exact(spec, cell=cell, apart=64)


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_golden_model_saturation(cell):
    """Weights that drive pre-activations and cells to their ends."""
    assert_exact(msgspec.structs.replace(SPEC, activations="fixed:8"), cell=cell, scale=30)


def test_every_gradient():
    for cell, activations in itertools.product(CORE, ACTIVATIONS):
        if not makes_sense(cell, activations):
            continue
        network = quantized(msgspec.structs.replace(SPEC, activations=activations), cell=cell)
        _, padded = sequence_set()
        network(padded.values, padded.lengths).square().sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and bool((parameter.grad != 0).any()), name


@pytest.mark.parametrize("activations", ACTIVATIONS)
def test_carry(activations):
    """Two runs, the second from where the first ended, are one run."""
    layer = quantized(msgspec.structs.replace(SPEC, activations=activations)).layers[0]
    values = sequence_set()[1].values
    whole, carry = layer(values), Carry()
    parts = [layer(part, carry=carry) for part in values.split(5)]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(carry.code, whole[-1]) and not carry.state.requires_grad


def test_draws():
    """Training draws, evaluation compares."""
    spec = msgspec.structs.replace(SPEC, gate_frac=0, state_frac=0)
    network = quantized(spec)
    network.draw(weights=False, activations=True)
    values = sequence_set()[1].values
    layer = network.layers[0]
    assert torch.equal(layer(values), layer(values))
    layer.train()
    torch.manual_seed(1)
    first, second = layer(values), layer(values)
    assert not torch.equal(first, second)
    assert set(first.unique().tolist()) <= {-1.0, 0.0, 1.0}
