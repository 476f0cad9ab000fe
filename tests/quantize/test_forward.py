"""The float forward pass: against PyTorch's modules, and against the equations, one by one."""

import math

import numpy as np
import pytest
from cellstep import CORE

from ternloom.files.floats import load
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import logits, run


LENGTHS = (5, 1, 9, 5)


def sequences(inputs, seed=3):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, inputs)).astype(np.float32) for length in LENGTHS]


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def one_unit(cell, input_weight, recurrent_weight, bias, recurrent_bias):
    column = [np.array(values, dtype=np.float64)[:, None]
              for values in (input_weight, recurrent_weight)]
    split = None if recurrent_bias is None else np.array([recurrent_bias])
    return FloatNetwork("unit", (FloatLayer(cell, *column, np.array(bias), split),))


def scalar_lstm(w, u, b, xs):
    h = c = 0.0
    for x in xs:
        i, f, g, o = (w[k] * x + u[k] * h + b[k] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * math.tanh(g)
        h = sigmoid(o) * math.tanh(c)
        yield h, c


def scalar_gru(w, u, b, after, xs):
    h = 0.0
    for x in xs:
        r, z = (sigmoid(w[k] * x + u[k] * h + b[k]) for k in range(2))
        inner = u[2] * (r * h) if after is None else r * (u[2] * h + after)
        n = math.tanh(w[2] * x + b[2] + inner)
        h = (1 - z) * n + z * h
        yield h, h


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_equations(cell):
    rng = np.random.default_rng(8)
    gates = len(cell.gates)
    w, u, b = rng.standard_normal((3, gates)).tolist()
    after = 0.7 if cell is GRU_RESET_AFTER else None
    xs = rng.standard_normal(12)
    steps = scalar_lstm(w, u, b, xs) if cell is LSTM else scalar_gru(w, u, b, after, xs)
    forward, = run(one_unit(cell, w, u, b, after), [xs[:, None]])
    found = np.concatenate([forward.outputs[0], forward.states[0]], axis=1)
    np.testing.assert_allclose(found, list(steps), rtol=1e-12, atol=1e-14)


def test_large_arguments():
    """No overflow where the gates saturate."""
    layer = FloatLayer(LSTM, np.full((4, 1), 1e4), np.zeros((4, 1)), np.zeros(4))
    forward, = run(FloatNetwork("large", (layer,)), [np.array([[1.0], [-1.0]])])
    np.testing.assert_array_equal(forward.states[0], [[1.0], [0.0]])


@pytest.mark.train
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_pytorch_modules(kind, tmp_path):
    import safetensors.torch
    import torch

    torch.manual_seed(2)
    module = torch.nn.ModuleDict({"rnn": getattr(torch.nn, kind)(6, 7, num_layers=2),
                                  "head": torch.nn.Linear(7, 3)})
    safetensors.torch.save_file(module.state_dict(), tmp_path / "net.safetensors")
    network = load(tmp_path / "net.safetensors")
    layers = run(network, sequences(6))
    with torch.no_grad():
        for index, sequence in enumerate(sequences(6)):
            outputs, _ = module["rnn"](torch.from_numpy(sequence))
            np.testing.assert_allclose(layers[1].outputs[index], outputs.numpy(), atol=2e-6)
            np.testing.assert_allclose(logits(network, layers[1].outputs[index]),
                                       module["head"](outputs).numpy(), atol=4e-6)
