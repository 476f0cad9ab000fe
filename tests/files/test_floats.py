"""Float networks: round trips, PyTorch's names, and a clear line for each thing that is wrong."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
from cellstep import CORE

from storing import forge, parts
from ternloom.cli import source
from ternloom.cli.error import UserError
from ternloom.files import floats
from ternloom.files import network as file
from ternloom.files.floats import PYTORCH, load, reader, save
from ternloom.files.reader import Reader
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.quantize.floats import FloatLayer, FloatNetwork


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def make(cell=LSTM, layers=2, inputs=3, units=4, classes=5, words=None, seed=0):
    """A float network of random numbers."""
    rng = np.random.default_rng(seed)
    rows, made = len(cell.gates) * units, []
    for columns in [inputs] + [units] * (layers - 1):
        bias = normal(rng, units) if cell is GRU_RESET_AFTER else None
        made.append(FloatLayer(cell, normal(rng, rows, columns), normal(rng, rows, units),
                               normal(rng, rows), bias))
    readout = (normal(rng, classes, units), normal(rng, classes)) if classes else (None, None)
    embedding = None if words is None else normal(rng, words, inputs)
    return FloatNetwork("made", tuple(made), *readout, embedding, notes={"by": "hand"})


def arrays(network):
    """Every array of a network, by name."""
    found = {name: getattr(network, name) for name in ("readout_weight", "readout_bias",
                                                       "embedding")}
    for index, layer in enumerate(network.layers):
        found |= {f"{index}.{name}": getattr(layer, name) for name in
                  ("input_weight", "recurrent_weight", "bias", "recurrent_bias")}
    return found


def same(one, other):
    first, second = arrays(one), arrays(other)
    return (one.name == other.name and one.labels == other.labels and one.notes == other.notes
            and [layer.cell for layer in one.layers] == [layer.cell for layer in other.layers]
            and all((first[name] is None and second[name] is None)
                    or (first[name].dtype == second[name].dtype
                        and np.array_equal(first[name], second[name])) for name in first))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def refusal(path):
    """What the file is refused with, less its path: one line."""
    with pytest.raises(NetworkError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"float network file {path} ") and "\n" not in message
    return message.removeprefix(f"float network file {path} ")


@pytest.mark.parametrize("cell", CORE, ids=lambda cell: cell.name)
@pytest.mark.parametrize("sizes", [{}, {"classes": 0}, {"words": 7, "layers": 1}], ids=str)
def test_round_trip(path, cell, sizes):
    network = make(cell, **sizes)
    save(network, path)
    assert same(load(path), network)


def test_labels(path):
    network = dataclasses.replace(make(), labels=("a", "b", "c", "d", "e"))
    save(network, path)
    assert load(path).labels == network.labels
    with pytest.raises(NetworkError, match="^labels must have 5 entries, one per class, not 2$"):
        dataclasses.replace(network, labels=("a", "b"))


def test_double_precision(path):
    """What is computed in float64 is stored as float32."""
    network = make(layers=1)
    layer = network.layers[0]
    save(dataclasses.replace(network, layers=(dataclasses.replace(
        layer, bias=layer.bias.astype(np.float64)),)), path)
    assert same(load(path), network)


@pytest.mark.parametrize("name, message", [
    ("input_weight", "layer1.input_weight must hold finite numbers, not {} in row 2, column 1"),
    ("recurrent_weight",
     "layer1.recurrent_weight must hold finite numbers, not {} in row 2, column 1"),
    ("bias", "layer1.bias must hold finite numbers, not {} in row 2"),
])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_bad_weights(path, name, message, value):
    network = make()
    save(network, path)
    document, tensors = parts(path)
    tensors[f"layer1.{name}"][(2, 1)[:tensors[f"layer1.{name}"].ndim]] = value
    forge(path, document, tensors)
    assert refusal(path) == "is invalid: " + message.format(value)


@pytest.mark.parametrize("change, message", [
    ({"layers": ()}, "^a float network must have at least one layer$"),
    ({"readout_bias": None}, "^a float network must have both readout.weight and readout.bias, or "
                             "neither$"),
    ({"readout_weight": np.zeros((5, 9), np.float32)},
     r"^readout.weight must have the shape \(5, 4\), not \(5, 9\)$"),
    ({"readout_bias": np.zeros(5, np.int32)},
     "^readout.bias must hold float32 or float64 numbers, not int32$"),
    ({"embedding": np.zeros((9, 2), np.float32)},
     r"^embedding must have the shape \(9, 3\), not \(9, 2\)$"),
])
def test_bad_fields(change, message):
    with pytest.raises(NetworkError, match=message):
        dataclasses.replace(make(), **change)


def test_bad_layers():
    first, second = make().layers
    with pytest.raises(NetworkError, match="^layer1 must have 4 inputs, as many as the units "
                                           "before it, not 3$"):
        FloatNetwork("made", (first, first))
    with pytest.raises(NetworkError, match="^recurrent_bias must be None in a lstm, which keeps no "
                                           "halves of a gate apart$"):
        dataclasses.replace(first, recurrent_bias=np.zeros(4, np.float32))
    with pytest.raises(NetworkError, match=r"^bias must have the shape \(16,\), not \(4,\)$"):
        dataclasses.replace(second, bias=np.zeros(4, np.float32))


def test_damage(path):
    save(make(), path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 128
    path.write_bytes(data)
    assert refusal(path) == "is damaged or was edited: its digest does not match its content"
    path.write_bytes(data[:100])
    assert refusal(path) == "is truncated"
    path.unlink()
    assert refusal(path) == "cannot be read: No such file or directory"


def test_integer_network(path):
    file.save(random_network(1), path)
    assert refusal(path) == "holds a network, not a float network"


def state_dict(cell=GRU_RESET_AFTER, prefix="rnn.", layers=2, bias=True):
    """Tensors by PyTorch's names."""
    rng, rows, tensors = np.random.default_rng(1), 4 * len(cell.gates), {}
    for index in range(layers):
        tensors[f"{prefix}weight_ih_l{index}"] = normal(rng, rows, 4 if index else 3)
        tensors[f"{prefix}weight_hh_l{index}"] = normal(rng, rows, 4)
        if bias:
            tensors |= {f"{prefix}{name}_l{index}": normal(rng, rows)
                        for name in ("bias_ih", "bias_hh")}
    return tensors


def stored(path, tensors, metadata=None):
    safetensors.numpy.save_file(tensors, path, metadata=metadata)
    return load(path)


@pytest.mark.parametrize("prefix", ["", "rnn.", "model.encoder."])
def test_gru_state_dict(path, prefix):
    tensors = state_dict(prefix=prefix)
    head = {"head.weight": np.ones((6, 4), np.float32),
            "head.bias": np.arange(6, dtype=np.float32)}
    network = stored(path, tensors | head, {"format": "pt"})
    assert network.name == "net" and network.classes == 6 and network.embedding is None
    for index, layer in enumerate(network.layers):
        assert layer.cell is GRU_RESET_AFTER
        first, second = (tensors[f"{prefix}bias_{half}_l{index}"] for half in ("ih", "hh"))
        np.testing.assert_array_equal(layer.input_weight, tensors[f"{prefix}weight_ih_l{index}"])
        np.testing.assert_array_equal(layer.bias[:8], first[:8] + second[:8])
        np.testing.assert_array_equal(layer.bias[8:], first[8:])
        np.testing.assert_array_equal(layer.recurrent_bias, second[8:])


def test_lstm_state_dict(path):
    tensors = state_dict(LSTM, layers=1)
    network = stored(path, tensors)
    assert network.layers[0].cell is LSTM and network.classes == 0
    np.testing.assert_array_equal(network.layers[0].bias,
                                  tensors["rnn.bias_ih_l0"] + tensors["rnn.bias_hh_l0"])


def test_state_dict_without_biases(path):
    network = stored(path, state_dict(bias=False) | {"out.weight": np.ones((6, 4), np.float32)})
    assert not network.layers[1].bias.any() and not network.layers[1].recurrent_bias.any()
    assert network.classes == 6 and not network.readout_bias.any()


@pytest.mark.parametrize("inputs, names", [(3, ("words", "head")), (4, ("embed", "decoder"))])
def test_embedding_in_state_dict(path, inputs, names):
    """An embedding is known by its size, and where that is not enough by its name."""
    tensors = state_dict(layers=1)
    tensors["rnn.weight_ih_l0"] = np.ones((12, inputs), np.float32)
    table, weight = np.full((7, inputs), 2, np.float32), np.full((7, 4), 3, np.float32)
    network = stored(path, tensors | {f"{names[0]}.weight": table, f"{names[1]}.weight": weight})
    np.testing.assert_array_equal(network.embedding, table)
    np.testing.assert_array_equal(network.readout_weight, weight)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_simple_rnn(path, nonlinearity):
    """Biases add up, and the cell is what the user says."""
    rng = np.random.default_rng(5)
    tensors = {f"rnn.{name}_l0": rng.standard_normal(shape).astype(np.float32)
               for name, shape in (("weight_ih", (4, 3)), ("weight_hh", (4, 4)),
                                   ("bias_ih", (4,)), ("bias_hh", (4,)))}
    safetensors.numpy.save_file(tensors, path)
    layer, = load(path, nonlinearity).layers
    assert layer.cell.name == f"rnn-{nonlinearity}" and layer.recurrent_bias is None
    np.testing.assert_array_equal(layer.bias,
                                  tensors["rnn.bias_ih_l0"] + tensors["rnn.bias_hh_l0"])


@pytest.mark.parametrize("write, message", [
    (lambda path: safetensors.numpy.save_file(state_dict(layers=1), path),
     "weight_hh_l0 is of an nn.GRU; a nonlinearity can only be given for an nn.RNN"),
    (lambda path: save(make(), path),
     "a nonlinearity can only be given for an nn.RNN in a state_dict; this file names its cells"),
])
def test_nonlinearity_of_another(path, write, message):
    write(path)
    with pytest.raises(NetworkError) as caught:
        load(path, "tanh")
    assert str(caught.value).endswith(message)


def test_half_precision(path):
    tensors = {name: tensor.astype(np.float16) for name, tensor in state_dict().items()}
    network = stored(path, tensors)
    assert network.layers[0].input_weight.dtype == np.float32


@pytest.mark.parametrize("change, message", [
    ({"rnn.weight_ih_l0": None}, "the state_dict has no weight_ih_l0"),
    ({"rnn.weight_hh_l0": None}, "the state_dict has no weight_hh_l0"),
    ({"other.weight_ih_l0": np.zeros((12, 3), np.float32)},
     "the state_dict has several recurrent modules, and only one is supported: "
     "'other.' and 'rnn.'"),
    ({"rnn.weight_hh_l0": np.zeros((8, 4), np.float32)},
     "weight_hh_l0 must have as many rows as columns (RNN), or three (GRU) or four (LSTM) times as "
     "many, not the shape (8, 4)"),
    ({"rnn.bias_hh_l0": np.zeros(4, np.float32)},
     "bias_hh_l0 must have the shape (12,), not (4,)"),
    ({"rnn.weight_ih_l0": np.zeros((9, 3), np.float32)},
     "layer0.input_weight must have the shape (12, 3), not (9, 3)"),
    ({"norm.running_mean": np.zeros(4, np.float32), "conv.weight": np.zeros((2, 2, 2), np.float32)},
     "the state_dict has tensors that are not supported, conv.weight (2, 2, 2), norm.running_mean "
     "(4,): it must hold one LSTM, GRU or RNN, and at most one Linear of its units and one "
     "Embedding of its inputs"),
    ({"rnn.weight_ih_l0_reverse": np.zeros((12, 3), np.float32)},
     "rnn.weight_ih_l0_reverse is of a bidirectional network, which is not supported: a network "
     "must read its sequence in one direction"),
    ({"rnn.weight_hr_l0": np.zeros((2, 4), np.float32)},
     "rnn.weight_hr_l0 is of a projection, which is not supported: train the nn.LSTM without "
     "proj_size"),
    ({"rnn.weight_ih_l0": np.zeros((4, 3), np.float32),
      "rnn.weight_hh_l0": np.zeros((4, 4), np.float32)},
     "weight_hh_l0 is of an nn.RNN, whose tensors do not record its nonlinearity: give "
     "--nonlinearity tanh (PyTorch's default) or relu"),
    ({"cell.weight_hh": np.zeros((12, 4), np.float32)},
     "cell.weight_hh is of an nn.LSTMCell, nn.GRUCell or nn.RNNCell; rename the tensors of the "
     "cell to what nn.LSTM or nn.GRU calls them, here cell.weight_hh_l0"),
    ({"steps": np.zeros(1, np.int64)}, "steps must hold floating-point numbers, not int64"),
], ids=lambda value: "+".join(value) if isinstance(value, dict) else "")
def test_bad_state_dict(path, change, message):
    tensors = {name: tensor for name, tensor in (state_dict(layers=1) | change).items()
               if tensor is not None}
    safetensors.numpy.save_file(tensors, path)
    assert refusal(path) == f"is invalid: {message}"


@pytest.mark.parametrize("start", [
    b"PK\x03\x04\x00\x00\x08\x08" + bytes(22) + b"model/data.pkl",
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
], ids=["zip", "pickle"])
def test_torch_file(tmp_path, start):
    """What torch.save wrote is told as such, with the line that makes what is wanted."""
    path = tmp_path / "model.pt"
    path.write_bytes(start + bytes(64))
    assert refusal(path) == ("was written by torch.save, which cannot be read; write a "
                             "safetensors file instead: "
                             "safetensors.torch.save_file(model.state_dict(), "
                             f"{str(tmp_path / 'model.safetensors')!r})")


@pytest.mark.train
@pytest.mark.parametrize("zipped", [True, False])
def test_file_of_torch(tmp_path, zipped):
    import torch

    path = tmp_path / "model.pth"
    torch.save({"weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
    assert refusal(path).startswith("was written by torch.save, which ")


def test_other_archive(tmp_path):
    path = tmp_path / "model.npz"
    np.savez(path, weight=np.zeros(3))
    assert refusal(path) == "is not a safetensors file"


def test_bfloat16(path):
    header = json.dumps({"weight_hh_l0": {"dtype": "BF16", "shape": [4, 1],
                                          "data_offsets": [0, 8]}})
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    assert refusal(path) == ("has weight_hh_l0 as bfloat16; it must be float32, float16 or "
                             "float64: save model.float().state_dict()")


def test_no_recurrent_network(path):
    safetensors.numpy.save_file({"a.weight": np.zeros((2, 2), np.float32)}, path)
    assert refusal(path) == ("is invalid: the state_dict has no weight_ih_l0 and weight_hh_l0 of "
                             "an LSTM, GRU or RNN; it has a.weight")


def test_not_a_number_in_state_dict(path):
    tensors = state_dict(layers=1)
    tensors["rnn.weight_hh_l0"][3, 2] = np.nan
    safetensors.numpy.save_file(tensors, path)
    assert refusal(path) == ("is invalid: layer0.recurrent_weight must hold finite numbers, "
                             "not nan in row 3, column 2")


def test_description(path):
    """The description is our own: an unknown key is refused with the known ones."""
    save(make(), path)
    data = path.read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    document = json.loads(header["__metadata__"]["ternloom"]) | {"colour": "red"}
    safetensors.numpy.save_file(safetensors.numpy.load(data), path,
                                metadata={"ternloom": json.dumps(document)})
    assert refusal(path).startswith("has an invalid description: unknown key 'colour'")


def test_reader(path):
    """Chosen by content; what none knows is taken as a state_dict."""
    save(make(), path)
    assert reader(path) is None
    for tensors in (state_dict(layers=1), {"a.weight": np.zeros((2, 2), np.float32)}):
        safetensors.numpy.save_file(tensors, path)
        assert reader(path) is PYTORCH


def test_further_reader(path, monkeypatch):
    """Another tool's file needs a reader and its place in the list, and is refused by name."""
    wanted = make(layers=1)
    layer = wanted.layers[0]

    def read(path, nonlinearity):
        return {"layers": [(LSTM, layer.input_weight, layer.recurrent_weight, layer.bias, None)],
                "readout_weight": wanted.readout_weight, "readout_bias": wanted.readout_bias,
                "embedding": None}

    mine = Reader("a float network of mine", lambda path: path.read_bytes() == b"mine", read)
    path.write_bytes(b"mine")
    assert refusal(path) == "is not a safetensors file"
    monkeypatch.setattr(floats, "READERS", (PYTORCH, mine))
    assert reader(path) is mine
    found = load(path)
    assert found.name == path.stem and found.layers == wanted.layers
    assert source.float_path(path) == path
    with pytest.raises(UserError, match="is a float network of mine, not a network; use ternloom "
                                        "convert to make a network from it$"):
        source.network_path(path)
