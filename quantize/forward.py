"""The forward pass of a float network: what calibration looks at, and the accuracy to lose.

Real numbers throughout, with the equations of ``docs/design.md`` section 2 and of PyTorch's
documentation.
"""

import collections.abc

import numpy as np

from ternloom.model.batch import Batch
from ternloom.model.cell.reals import Reals
from ternloom.model.frozen import Frozen
from ternloom.quantize.floats import FloatNetwork


__all__ = ["Forward", "logits", "run"]


#: Sequences that are computed together.
_BATCH = 256


class Forward(Frozen):
    """What a layer of a float network makes of its sequences; every tuple has an entry a sequence.

    Parameters
    ----------
    outputs : tuple of float array (steps, units)
        h.
    states : tuple of float array (steps, units)
        What the layer carries over time: c of an LSTM, h of a GRU.
    """

    outputs: tuple[np.ndarray, ...]
    states: tuple[np.ndarray, ...]


def run(network: FloatNetwork,
        sequences: collections.abc.Sequence[np.ndarray]) -> list[Forward]:
    """Compute the layers of a float network, each sequence from a cleared state.

    Parameters
    ----------
    network : FloatNetwork
    sequences : list of float array (steps, inputs)
        Of any lengths from one step.

    Returns
    -------
    list of Forward
        One a layer.
    """
    layers: list[tuple[list, list]] = [([None] * len(sequences), [None] * len(sequences))
                                       for _ in network.layers]
    order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
    for start in range(0, len(order), _BATCH):
        chosen = order[start:start + _BATCH]
        batch = Batch([len(sequences[index]) for index in chosen])
        values = batch.pack([sequences[index] for index in chosen],
                            network.layers[0].input_weight.dtype)
        for layer, (outputs, carried) in zip(network.layers, layers, strict=True):
            values, states = _run_layer(layer, values, batch.sizes)
            for index, output, state in zip(chosen, batch.unpack(values), batch.unpack(states),
                                            strict=True):
                outputs[index], carried[index] = output, state
    return [Forward(tuple(outputs), tuple(states)) for outputs, states in layers]


def logits(network: FloatNetwork, outputs: np.ndarray) -> np.ndarray:
    """Logits of the last layer's outputs, (..., units) to (..., classes)."""
    return _sums(outputs, network.readout_weight, network.readout_bias)


def _sums(values, weight, bias):
    """Sums of a row of weights each."""
    return values @ weight.T + bias


def _sigmoid(value):
    """Logistic function in the form that never overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * value)


_FUNCTIONS: dict[str, collections.abc.Callable[..., np.ndarray]] = {
    "sigmoid": _sigmoid, "tanh": np.tanh, "relu": lambda value: np.maximum(value, 0),
    "softplus_tail": lambda value: np.log1p(np.exp(-np.abs(value)))}


def _run_layer(layer, values, sizes):
    """Outputs and states of all steps, packed; the state of a cell that carries none is h."""
    inputs = _sums(values, layer.input_weight, layer.bias)
    names = ("h", *layer.cell.carried)
    state = {name: np.zeros((sizes[0], layer.units), dtype=inputs.dtype) for name in names}
    kept: dict[str, list[np.ndarray]] = {name: [] for name in names}
    start = 0
    for size in sizes:
        state = {name: value[:size] for name, value in state.items()}
        state = _step(layer, inputs[start:start + size], state)
        for name, value in state.items():
            kept[name].append(value)
        start += size
    return np.concatenate(kept["h"]), np.concatenate(kept[names[-1]])


def _step(layer, inputs, state):
    """h and what is carried, by name, after a step."""
    cell, units, sums = layer.cell, layer.units, {}

    def product(gate, outputs):
        """Sums of the gate's pass, all at once, and the place of the gate's among them."""
        gates = next(gates for gates in cell.passes if gate in gates)
        if gates not in sums:
            start = cell.gates.index(gates[0]) * units
            sums[gates] = outputs @ layer.recurrent_weight[start:start + len(gates) * units].T
        start = gates.index(gate) * units
        return sums[gates][:, start:start + units]

    def row(what, outputs=None):
        place = cell.gates.index(what.gate) * units
        given = inputs[:, place:place + units]
        if what.part == "input":
            return given
        found = product(what.gate, state["h"] if outputs is None else outputs)
        return given + found if what.part == "both" else found + layer.recurrent_bias

    made = cell.outline.walk(Reals(row, state, layer.own_weights, _FUNCTIONS))
    return {name: made[node] for name, node in cell.outline.results}
