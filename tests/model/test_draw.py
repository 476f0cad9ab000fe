"""Random networks: reproducible, sound, and with gates that aren't stuck."""

import hashlib

import numpy as np
import pytest
from cellstep import CORE

from ternloom.files.network import save
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY, TERNARY
from ternloom.model.bounds import bounds
from ternloom.model.cell import CELLS, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.golden import run
from ternloom.model.network import When
from ternloom.model.precision import Precision


def digest(path, network):
    save(network, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_same_seed(tmp_path):
    digests = [digest(tmp_path / "net", random_network(seed)) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    network = random_network(1)
    one, other = (random_sequences(5, network, 4) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_choices():
    network = random_network(7, cell=LSTM, layers=2, units=9, inputs=4, classes=3,
                             input_format=Binary(), state_format="ternary", weight=PLANES,
                             when=When.EVERY, precision=Precision(), name="given")
    assert network.name == "given" and network.inputs == 4 and len(network.layers) == 2
    assert network.input_format == Binary() and network.readout.when is When.EVERY
    assert network.readout.classes == 3 and network.readout.weights.weight == PLANES
    for layer in network.layers:
        assert (layer.cell, layer.units, layer.precision) == (LSTM, 9, Precision())
        assert layer.input.weight is layer.recurrent.weight == PLANES
        assert isinstance(layer.state_format, Ternary)
    with pytest.raises(ValueError, match="^Format must be one of fixed, binary, ternary, planes "
                                         "or online, not 'float'$"):
        random_network(1, state_format="float")


def test_variety():
    """Every cell, kind of format and weight occurs among a hundred seeds."""
    networks = [random_network(seed) for seed in range(100)]
    layers = [layer for network in networks for layer in network.layers]
    assert {layer.cell for layer in layers} == set(CORE)
    assert {type(layer.state_format) for layer in layers} == {Fixed, Binary, Ternary, Planes}
    assert {type(network.input_format) for network in networks} == {Fixed, Binary, Ternary, Planes}
    drawn = {layer.input.weight for layer in layers}
    assert drawn == {BINARY, TERNARY, PLANES, QUATERNARY, EXPONENTIAL, INTEGER}
    assert {layer.recurrent.planes for layer in layers} == {1, 2, 3, 4}
    assert {network.readout.when for network in networks} == set(When)
    assert {layer.units for layer in layers} >= {1, 2, 39, 40}
    assert any((layer.recurrent.coefficients < 0).any() for layer in layers)
    assert any(len(np.unique(layer.recurrent.coefficients)) == 1 for layer in layers)


def arrays(network):
    """Every array of a network, joined."""
    found = []
    for layer in network.layers:
        found += [layer.input.codes, layer.input.coefficients, layer.recurrent.codes,
                  layer.recurrent.coefficients, layer.bias]
    return np.concatenate([each.ravel() for each in found]).astype(np.int64)


def test_kept():
    """A seed's network is what it was when tests and measurements were chosen by it."""
    whole = hashlib.sha256()
    for seed in range(20):
        whole.update(arrays(random_network(seed)).tobytes())
    assert whole.hexdigest()[:16] == "be756f31f482d3cb"


def ends(values, low, high):
    """Whether both ends of a range occur, and something between."""
    return {low, high} < set(values)


def test_hostile():
    """Every parameter goes to its ends, in networks that are hostile in little and in all."""
    networks = [random_network(seed, hostile=(0.1, 0.3, 1.0)[seed % 3],
                               state_format="online" if seed % 5 == 0 else None)
                for seed in range(400)]
    layers = [layer for network in networks for layer in network.layers]
    precisions = [layer.precision for layer in layers]
    states = [layer.state_format for layer in layers]
    fixed = [each for each in states if isinstance(each, Fixed)]
    ternary = [each for each in states if isinstance(each, Ternary)]
    planes = [each for each in states if isinstance(each, Planes)]
    online = [each for each in states if isinstance(each, Online)]
    readouts = [network.readout for network in networks]
    for values, low, high in (
            ([layer.units for layer in layers], 1, 40), ([layer.inputs for layer in layers], 1, 40),
            ([each.preact.width for each in precisions], 4, 12),
            ([each.preact.frac for each in precisions], 0, 32),
            ([each.gate_frac for each in precisions], 0, 15),
            ([each.state.width for each in precisions], 2, 24),
            ([each.state.frac for each in precisions], 0, 32),
            ([each.slope for each in precisions], 1, 65535),
            ([each.slope_frac for each in precisions], 0, 16),
            ([each.width for each in fixed], 2, 32), ([each.frac for each in fixed], -16, 32),
            ([each.threshold for each in ternary], 1, (1 << 32) - 1),
            ([each.threshold_frac for each in ternary], 0, 64),
            ([each.frac for each in planes], 0, 64),
            ([each for form in planes for each in form.coefficients], 1, 65535),
            ([each.sample.width for each in online], 4, 16),
            ([each.sample.frac for each in online], -16, 32),
            ([each.rounds for each in online], 1, 4), ([layer.shift for layer in layers], 0, 40),
            ([each.shift for each in readouts], 0, 40),
            ([each.logits.width for each in readouts], 2, 32),
            ([each.logits.frac for each in readouts], -16, 32),
            ([each.classes for each in readouts], 1, 12)):
        assert ends(values, low, high)
    limit = (1 << 24) - 1
    assert ends(np.concatenate([layer.recurrent.coefficients.ravel() for layer in layers]).tolist(),
                -limit, limit)
    limit = (1 << 30) - 1
    assert ends(np.concatenate([layer.bias for layer in layers]).tolist(), -limit, limit)
    assert 1 not in {each.gate_frac for each in precisions}


def test_sequences():
    network = random_network(3, input_format=Fixed(5, 2), inputs=7)
    sequences = random_sequences(3, network, 200, (2, 5))
    assert {len(sequence) for sequence in sequences} == {2, 3, 4, 5}
    codes = np.concatenate(sequences)
    assert codes.shape[1] == 7 and (codes.min(), codes.max()) == (-16, 15)


@pytest.mark.parametrize("cell", list(CELLS.values()), ids=str)
def test_spread(cell):
    """Pre-activations use their range: in most networks neither stuck nor always saturated."""
    spread, saturated = [], []
    for seed in range(40):
        network = random_network(seed, cell=cell, units=24, inputs=12)
        result = run(network, random_sequences(seed, network, 20, (5, 9)), trace=True)
        for number, layer in enumerate(network.layers):
            codes = np.concatenate(result.trace[f"layer{number}.gate.{layer.cell.gates[0]}.preact"])
            preact = layer.precision.preact
            spread.append(codes.std() / preact.high)
            saturated.append(np.mean((codes == preact.low) | (codes == preact.high)))
    assert 0.2 < np.quantile(spread, 0.1) and np.quantile(spread, 0.9) < 0.8
    assert 0 < np.mean(saturated) < 0.25


def test_widths():
    """Sums stay within what hardware is built for."""
    widest = max(reach.width for seed in range(60)
                 for reach in bounds(random_network(seed)).values())
    assert 24 < widest <= 48
