"""Outputs of a user's own model beside the reading of its tensors, and other forwards named."""

import numpy as np
import pytest
import safetensors.numpy
from cellstep import CORE

from ternloom.evaluate.check import compare, load
from ternloom.files.floats import load as load_floats
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.error import NetworkError
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import logits, run


def make(cell=LSTM, classes=4, words=None):
    rng = np.random.default_rng(3)

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    rows, layers = 5 * len(cell.gates), []
    for columns in (3, 5):
        split = normal(5) if cell is GRU_RESET_AFTER else None
        layers.append(FloatLayer(cell, normal(rows, columns), normal(rows, 5), normal(rows), split))
    readout = (normal(classes, 5), normal(classes)) if classes else (None, None)
    return FloatNetwork("made", tuple(layers), *readout, normal(words, 3) if words else None)


def values(count=6, steps=None):
    rng = np.random.default_rng(1)
    return [rng.standard_normal((steps or int(length), 3)).astype(np.float32)
            for length in rng.integers(1, 9, count)]


def forward(network, inputs):
    """h and c of the last layer of each sequence."""
    last = run(network, inputs)[-1]
    return last.outputs, last.states


def softmax(values):
    raised = np.exp(values)
    return raised / raised.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
def test_same_forward(cell, every):
    """Float32 outputs of the same forward pass, and outputs a hundred times farther do not."""
    network, inputs = make(cell), values()
    outputs = [logits(network, h if every else h[-1]) for h in forward(network, inputs)[0]]
    found = compare(network, list(zip(inputs, outputs)))
    assert found.passed and found.sequences == 6 and found.resembles is None
    assert found.vectors == (sum(map(len, inputs)) if every else 6)
    assert 0 < found.difference < found.bound < 1e-4
    outputs[4] = outputs[4] + np.float32(100 * found.bound)
    wrong = compare(network, list(zip(inputs, outputs)))
    assert not wrong.passed and wrong.sequence == 4
    assert wrong.line == (
        f"outputs of sequence 4 are {wrong.difference:.3g} away from those of the recurrent layers "
        "from a cleared state and a readout of their h, where float32 explains "
        f"{found.bound:.1e}: the model may have a layer or activation between, a mean "
        "over time, an initial state that is not zero, other scaling of the inputs, a model that "
        "is still training, or reduced precision")


OTHERS = {
    "a ReLU before the readout": lambda network, h, c: logits(network, np.maximum(h, 0)[-1]),
    "a tanh before the readout": lambda network, h, c: logits(network, np.tanh(h)[-1]),
    "a softmax after the readout": lambda network, h, c: softmax(logits(network, h[-1])),
    "a log-softmax after the readout":
        lambda network, h, c: np.log(softmax(logits(network, h[-1]))),
    "a sigmoid after the readout": lambda network, h, c: 1 / (1 + np.exp(-logits(network, h[-1]))),
    "c in place of h": lambda network, h, c: logits(network, c[-1]),
    "the mean of h over time": lambda network, h, c: logits(network, h.mean(axis=0)),
    "the largest h over time": lambda network, h, c: logits(network, h.max(axis=0)),
    "h of the first step": lambda network, h, c: logits(network, h[0]),
}


@pytest.mark.parametrize("words", OTHERS)
def test_other_forward(words):
    network, inputs = make(), values(steps=7)
    outputs = [OTHERS[words](network, h, c) for h, c in zip(*forward(network, inputs))]
    found = compare(network, list(zip(inputs, outputs)))
    assert not found.passed and found.resembles == words
    assert found.line.endswith(f": they match a forward pass with {words}")


@pytest.mark.train
@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_torch(tmp_path, kind, every):
    """PyTorch's own outputs are well within the bound, and those of another forward are not."""
    import torch

    torch.manual_seed(3)
    layers = getattr(torch.nn, kind)(10, 48, 2, batch_first=True)
    head, values = torch.nn.Linear(48, 5), torch.randn(4, 120, 10)
    tensors = {f"{prefix}.{name}": tensor.numpy()
               for prefix, module in (("rnn", layers), ("head", head))
               for name, tensor in module.state_dict().items()}
    safetensors.numpy.save_file(tensors, tmp_path / "net.safetensors")
    with torch.no_grad():
        hidden = layers(values)[0] if every else layers(values)[0][:, -1]
        outputs, other = head(hidden).numpy(), head(torch.relu(hidden)).numpy()
    network = load_floats(tmp_path / "net.safetensors")
    found = compare(network, list(zip(values.numpy(), outputs)))
    assert 0 < found.difference < found.bound / 3 < 1e-5
    wrong = compare(network, list(zip(values.numpy(), other)))
    assert wrong.difference > 1e4 * wrong.bound and wrong.resembles == "a ReLU before the readout"


def test_chaos():
    """Where float32 itself goes astray nothing is concluded."""
    rng = np.random.default_rng(0)
    layer = FloatLayer(GRU_RESET_AFTER, *(
        4 * rng.standard_normal(shape).astype(np.float32)
        for shape in ((192, 3), (192, 64), (192,), (64,))))
    readout = rng.standard_normal((4, 64)).astype(np.float32)
    network = FloatNetwork("wild", (layer,), readout, np.zeros(4, np.float32))
    inputs = values(2, steps=300)
    outputs = [logits(network, h) for h in forward(network, inputs)[0]]
    with pytest.raises(NetworkError, match="^outputs up to [0-9.]+ move by [0-9.]+ when the "
                                           "network is computed in float32, too much for a check; "
                                           "use shorter sequences$"):
        compare(network, list(zip(inputs, outputs)))


def test_words():
    network = make(words=9)
    tokens = [np.array([1, 8, 0]), np.array([4])]
    outputs = [logits(network, h) for h in forward(network, [network.embedding[each]
                                                             for each in tokens])[0]]
    assert compare(network, list(zip(tokens, outputs))).passed
    with pytest.raises(NetworkError, match=r"^inputs of sequence 0 must be words: integers from 0 "
                                           r"to 8, of the shape \(steps,\)$"):
        compare(network, [(np.array([9]), outputs[1])])


def test_without_readout():
    network, inputs = make(classes=0), values()
    assert compare(network, list(zip(inputs, forward(network, inputs)[0]))).passed


@pytest.mark.parametrize("pair, message", [
    ((np.zeros((4, 2)), np.zeros(4)),
     "inputs of sequence 0 must have the shape (steps, 3), not (4, 2)"),
    ((np.zeros((6, 3)), np.zeros((5, 4))), "outputs of sequence 0 must have the shape (4,) for the "
                                           "last step, or (6, 4) for every step, not (5, 4)"),
])
def test_shapes(pair, message):
    with pytest.raises(NetworkError) as caught:
        compare(make(), [pair])
    assert str(caught.value) == message


def save_npz(path, arrays):
    with path.open("wb") as stream:
        np.savez(stream, **arrays)


def save_safetensors(path, arrays):
    safetensors.numpy.save_file(arrays, path)


@pytest.mark.parametrize("save", [save_npz, save_safetensors], ids=["npz", "safetensors"])
def test_files(tmp_path, save):
    """Stacked sequences, or numbered ones in the order of their numbers."""
    stacked = {"inputs": np.ones((2, 4, 3), np.float32), "outputs": np.zeros((2, 5), np.float32)}
    save(tmp_path / "one", stacked)
    assert [(x.shape, y.shape) for x, y in load(tmp_path / "one")] == [((4, 3), (5,))] * 2
    numbered = {f"{name}{number}": np.full((number, 3), number, np.float32)
                for name in ("inputs", "outputs") for number in (10, 9, 2)}
    save(tmp_path / "more", numbered)
    assert [len(x) for x, _ in load(tmp_path / "more")] == [2, 9, 10]


@pytest.mark.parametrize("arrays, message", [
    ({"x": np.zeros(3)}, "must hold inputs and outputs, or inputs0, outputs0, inputs1 and so on, "
                         "not x"),
    ({"inputs": np.zeros((1, 2, 3))},
     "must hold one outputs array for each inputs array, with the same number"),
    ({"inputs1": np.zeros((2, 3)), "outputs2": np.zeros(4)},
     "must hold one outputs array for each inputs array, with the same number"),
    ({"inputs": np.zeros((1, 2, 3)), "outputs": np.zeros((1, 4)), "inputs0": np.zeros((2, 3)),
      "outputs0": np.zeros(4)}, "must hold either inputs and outputs or numbered ones, not both"),
    ({"inputs": np.zeros((1, 2, 3)), "outputs": np.full((1, 4), np.nan)},
     "must hold finite numbers in outputs"),
    ({"inputs": np.array(["a"]), "outputs": np.zeros(1)}, "must hold finite numbers in inputs"),
    ({"inputs": np.zeros((2, 2, 3)), "outputs": np.zeros((1, 4))},
     "must hold outputs for as many sequences as inputs, not the shapes (1, 4) and (2, 2, 3)"),
    ({}, "must hold one outputs array for each inputs array, with the same number"),
], ids=lambda value: "+".join(value) if isinstance(value, dict) else "")
def test_bad_files(tmp_path, arrays, message):
    path = tmp_path / "check.npz"
    np.savez(path, **arrays)
    with pytest.raises(NetworkError) as caught:
        load(path)
    assert str(caught.value) == f"check file {path} {message}"


@pytest.mark.parametrize("content, message", [
    (b"PK\x03\x04nothing", "is neither NPZ nor safetensors with plain numbers"),
    (b"something", "is not a safetensors file"),
    (None, "cannot be read: No such file or directory"),
], ids=["zip", "text", "missing"])
def test_other_files(tmp_path, content, message):
    path = tmp_path / "check.npz"
    if content:
        path.write_bytes(content)
    with pytest.raises(NetworkError) as caught:
        load(path)
    assert str(caught.value) == f"check file {path} {message}"
