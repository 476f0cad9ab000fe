"""The forward pass of a float network: what calibration looks at, and the accuracy to lose.

Real numbers throughout, with the equations of ``docs/design.md`` section 2 and of PyTorch's
documentation.
"""

import numpy as np

from ternloom.model.batch import Packing
from ternloom.model.frozen import Frozen
from ternloom.model.network import Cell


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

    outputs: tuple
    states: tuple


def run(network, sequences):
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
    layers = [([None] * len(sequences), [None] * len(sequences)) for _ in network.layers]
    order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
    for start in range(0, len(order), _BATCH):
        chosen = order[start:start + _BATCH]
        packing = Packing([len(sequences[index]) for index in chosen])
        values = packing.pack([sequences[index] for index in chosen],
                              network.layers[0].input_weight.dtype)
        for layer, (outputs, carried) in zip(network.layers, layers, strict=True):
            values, states = _run_layer(layer, values, packing.sizes)
            for index, output, state in zip(chosen, packing.unpack(values), packing.unpack(states),
                                            strict=True):
                outputs[index], carried[index] = output, state
    return [Forward(*made) for made in layers]


def logits(network, outputs):
    """Logits of the last layer's outputs, (..., units) to (..., classes)."""
    return outputs @ network.readout_weight.T + network.readout_bias


def _sigmoid(value):
    """Logistic function in the form that never overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * value)


def _run_layer(layer, values, sizes):
    """Outputs and states of all steps, packed."""
    step = {Cell.LSTM: _lstm, Cell.GRU_RESET_AFTER: _gru_after,
            Cell.GRU_RESET_BEFORE: _gru_before}[layer.cell]
    rows = values @ layer.input_weight.T + layer.bias
    hidden = state = np.zeros((sizes[0], layer.units), dtype=rows.dtype)
    outputs, states, start = [], [], 0
    for size in sizes:
        hidden, state = step(layer, rows[start:start + size], hidden[:size], state[:size])
        outputs.append(hidden)
        states.append(state)
        start += size
    return np.concatenate(outputs), np.concatenate(states)


def _lstm(layer, row, hidden, cell):
    units = layer.units
    sums = row + hidden @ layer.recurrent_weight.T
    i, f, o = (_sigmoid(sums[:, gate * units:(gate + 1) * units]) for gate in (0, 1, 3))
    cell = f * cell + i * np.tanh(sums[:, 2 * units:3 * units])
    return o * np.tanh(cell), cell


def _gru_after(layer, row, hidden, _):
    units = layer.units
    sums = hidden @ layer.recurrent_weight.T
    r, z = (_sigmoid((row + sums)[:, gate * units:(gate + 1) * units]) for gate in (0, 1))
    n = np.tanh(row[:, 2 * units:] + r * (sums[:, 2 * units:] + layer.recurrent_bias))
    hidden = n + z * (hidden - n)
    return hidden, hidden


def _gru_before(layer, row, hidden, _):
    units = layer.units
    gates = row[:, :2 * units] + hidden @ layer.recurrent_weight[:2 * units].T
    r, z = _sigmoid(gates[:, :units]), _sigmoid(gates[:, units:])
    n = np.tanh(row[:, 2 * units:] + (r * hidden) @ layer.recurrent_weight[2 * units:].T)
    hidden = n + z * (hidden - n)
    return hidden, hidden
