"""Conversion of float networks from the command line."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest
import safetensors.numpy

from ternloom.cli.main import main
from ternloom.evaluate.size import network_size
from ternloom.files.dataset import Dataset, Labels
from ternloom.files.dataset import load as load_dataset
from ternloom.files.dataset import save as save_dataset
from ternloom.files.floats import save
from ternloom.files.floats import load as load_floats
from ternloom.files.network import load
from ternloom.model.alphabet import PLANES
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.format import Fixed, Planes
from ternloom.model.network import When
from ternloom.quantize import activations, forward, weights
from ternloom.quantize.floats import FloatLayer, FloatNetwork


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A current folder with a float network and data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    rng = np.random.default_rng(6)
    layer = FloatLayer(LSTM, *(0.5 * rng.standard_normal(shape).astype(np.float32)
                                    for shape in ((32, 3), (32, 8), (32,))))
    save(FloatNetwork("small", (layer,), rng.standard_normal((4, 8)).astype(np.float32),
                      np.zeros(4, np.float32), notes={"by": "hand"}), "float.safetensors")
    sequences = [rng.integers(-100, 100, (steps, 3)).astype(np.int16) for steps in range(1, 25)]
    split = np.array(["train", "valid", "test", "train"])[np.arange(24) % 4]
    save_dataset(Dataset("waves", sequences, Labels(tuple("abcd"), np.arange(24) % 4), split,
                         Fixed(8, 5)), "data.safetensors")
    return tmp_path


COMPLETE = ("float.safetensors", "-o", "net.safetensors", "--calibration", "data.safetensors")


def told(capsys, *arguments):
    assert main(["convert", *arguments]) == 0
    return capsys.readouterr().out


def answer(capsys, *arguments):
    assert main(["convert", "float.safetensors", "-o", "net.safetensors", "--calibration",
                 "data.safetensors", *arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def mistake(capsys, *arguments):
    """The one line that a mistake gets; nothing is written."""
    assert main(["convert", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ternloom: ") and err.count("\n") == 1
    assert not os.path.exists("net.safetensors")
    return err.removeprefix("ternloom: ").removesuffix("\n")


def test_shipped(place, capsys):
    """Two bits a weight keep the digits network useful, and the network says where it is from."""
    text = told(capsys, "digits-lstm-float", "-o", "net.safetensors", "--calibration", "digits",
                "--weights", "alternating:2", "--activations", "planes:2")
    assert "200 sequences of digits, part train" in text and "layer0.recurrent" in text
    network = load("net.safetensors")
    assert network.labels[3] and network.notes["converted from"] == "digits-lstm-float"
    assert network.notes["weights"] == "alternating:2"
    kept = dict(part.split(" ") for part in network.notes["integer accuracy"].split(", "))
    assert float(kept["test"]) > 0.9
    assert main(["eval", "net.safetensors", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(float(kept["test"]),
                                                                           abs=1e-4)


def test_methods_by_place(place, capsys):
    data = answer(capsys, "--weights", "twn", "--weights", "recurrent=alternating:3", "--weights",
                  "recurrent.f=greedy:1", "--weights", "readout=mean-binary", "--activations",
                  "planes:2", "--coefficient-bits", "10", "--state-frac", "9", "--preact", "9,5")
    assert {each["name"]: (each["weights"], each["planes"]) for each in data["matrices"]} == {
        "layer0.input": ("ternary", 1), "layer0.recurrent": ("planes", 3),
        "readout.weights": ("binary", 1)}
    network = load("net.safetensors")
    layer = network.layers[0]
    assert isinstance(layer.state_format, Planes) and layer.precision.state.frac == 9
    assert layer.precision.preact == Fixed(9, 5)
    assert not layer.recurrent.coefficients[1:, 8:16].any()
    assert 512 <= max(layer.input.coefficients.max(), layer.recurrent.coefficients.max())
    assert set(data["accuracy"]) == {"valid", "test"}
    assert data["bytes"] == network_size(network).bytes
    assert data["float_bytes"] == 4 * (32 * 12 + 4 * 9)
    assert all(0 < each["relative_error"] < 0.5 for each in data["matrices"])


def test_defaults(place, capsys):
    answer(capsys)
    layer = load("net.safetensors").layers[0]
    assert (layer.input.weight, layer.input.planes) == (PLANES, 2)
    assert layer.state_format == Fixed(8, 7) and layer.input_format == Fixed(8, 5)


def test_power_of_two(place, capsys):
    answer(capsys, "--weights", "integer:4:by-row", "--power-of-two")
    coefficients = load("net.safetensors").layers[0].input.coefficients
    assert not (coefficients & (coefficients - 1)).any()


def test_bounded_exponents(place, capsys):
    """What bounding the powers costs is reported, matrix by matrix."""
    few, many = (answer(capsys, "--weights", f"ott-exponential:{levels}") for levels in (2, 16))
    assert few["unbounded_errors"] == many["unbounded_errors"]
    for coarse, fine in zip(few["matrices"], many["matrices"]):
        free = few["unbounded_errors"][coarse["name"]]
        assert coarse["relative_error"] > 1.5 * free
        assert fine["relative_error"] == pytest.approx(free, rel=1e-3)
    assert answer(capsys, "--weights", "twn")["unbounded_errors"] == {}


def test_state_dict(place, capsys):
    """PyTorch's tensors come in by their names."""
    rng = np.random.default_rng(3)
    shapes = {"rnn.weight_ih_l0": (12, 3), "rnn.weight_hh_l0": (12, 4), "rnn.bias_ih_l0": (12,),
              "rnn.bias_hh_l0": (12,), "head.weight": (4, 4), "head.bias": (4,)}
    safetensors.numpy.save_file({name: rng.standard_normal(shape).astype(np.float32)
                                 for name, shape in shapes.items()}, "float.safetensors")
    assert answer(capsys)["float_network"] == "float"
    network = load("net.safetensors")
    assert network.layers[0].cell is GRU_RESET_AFTER and network.readout.classes == 4


def torch_like(place):
    """A state_dict of a one-layer GRU with a readout, and what reads it."""
    rng = np.random.default_rng(3)
    shapes = {"rnn.weight_ih_l0": (12, 3), "rnn.weight_hh_l0": (12, 4), "rnn.bias_ih_l0": (12,),
              "rnn.bias_hh_l0": (12,), "head.weight": (4, 4), "head.bias": (4,)}
    safetensors.numpy.save_file({name: rng.standard_normal(shape).astype(np.float32)
                                 for name, shape in shapes.items()}, "float.safetensors")
    return load_floats("float.safetensors")


def save_check(reference, change=lambda outputs: outputs):
    """Outputs at every step of unequal sequences, after a change."""
    rng = np.random.default_rng(8)
    inputs = [rng.standard_normal((steps, 3)).astype(np.float32) for steps in (4, 1, 7)]
    hidden = forward.run(reference, inputs)[-1].outputs
    arrays = {f"inputs{index}": each for index, each in enumerate(inputs)}
    arrays |= {f"outputs{index}": forward.logits(reference, change(each))
               for index, each in enumerate(hidden)}
    np.savez("check.npz", **arrays)


ASSUMED = ("assumed, not checked: from a cleared state, nothing between h and the readout; --check "
           "FILE compares it with outputs of your model, see ternloom convert --help")


def test_assumed_forward(place, capsys, monkeypatch):
    """Of a state_dict it is said that its forward is assumed, of Ternloom's own file it is not."""
    monkeypatch.setenv("COLUMNS", "200")
    assert "as described in Ternloom's own file" in told(capsys, *COMPLETE)
    (place / "net.safetensors").unlink()
    torch_like(place)
    assert ASSUMED in told(capsys, *COMPLETE)
    assert answer(capsys)["forward"] == {"known": "assumed"}


def test_checked_forward(place, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    save_check(torch_like(place))
    found = answer(capsys, "--check", "check.npz", "--when", "every")
    assert found["when"] == "every" and found["forward"]["known"] == "checked"
    assert found["forward"]["sequences"] == 3 and found["forward"]["vectors"] == 12
    assert found["forward"]["difference"] < found["forward"]["bound"] < 1e-4
    text = told(capsys, *COMPLETE, "--check", "check.npz")
    assert "12 outputs of your model match within " in text
    assert load("net.safetensors").notes["forward"].startswith(
        "12 outputs of your model match within ")


def test_other_forward(place, capsys):
    save_check(torch_like(place), lambda hidden: np.maximum(hidden, 0))
    line = mistake(capsys, *COMPLETE, "--check", "check.npz")
    assert re.fullmatch(
        r"check.npz: outputs of sequence 0 are [\d.]+ away from those of the recurrent layers from "
        r"a cleared state and a readout of their h, where float32 explains \d\.\de-0\d: they match "
        r"a forward pass with a ReLU before the readout", line)


@pytest.mark.parametrize("options, when, said", [
    ((), When.LAST, "at the last step"), (("--when", "last"), When.LAST, "at the last step"),
    (("--when", "every"), When.EVERY, "at every step"),
], ids=str)
def test_when(place, capsys, options, when, said):
    text = told(capsys, *COMPLETE, *options)
    assert re.search(rf"^readout +{said} *$", text, re.M)
    assert load("net.safetensors").readout.when is when


def test_every_when(place, capsys):
    """The option has a name for every ``when`` of a readout."""
    for when in When:
        assert answer(capsys, "--when", when.value)["when"] == when.value
    os.remove("net.safetensors")
    assert mistake(capsys, *COMPLETE, "--when", "each").startswith(
        "argument --when: invalid choice: 'each' (choose from ")


def test_fidelity(place, capsys, monkeypatch):
    """What is lost is told of states, logits and decisions, and kept in the network's notes."""
    monkeypatch.setenv("COLUMNS", "200")
    coarse = answer(capsys, "--weights", "twn", "--activations", "ternary")["fidelity"]
    found = answer(capsys, "--weights", "integer:8", "--activations", "fixed:10",
                   "--sequences", "5")
    fine = found["fidelity"]
    assert fine["sequences"] == 5 and fine["steps"] == 1 + 4 + 5 + 8 + 9 and not fine["cut"]
    assert [layer["name"] for layer in fine["layers"]] == ["layer0"]
    assert 0 < fine["layers"][0]["error"] < 0.1 < coarse["layers"][0]["error"]
    assert 0 < fine["logits_error"] < coarse["logits_error"]
    assert coarse["layers"][0]["saturated"] is None and coarse["agreement"] < 1.0
    assert fine["agreement"] == 1.0
    notes = load("net.safetensors").notes
    error = 100 * fine["layers"][0]["error"]
    assert notes["fidelity"] == (f"layer0.h {error:.2f} %, "
                                 f"logits {100 * fine['logits_error']:.2f} %")
    assert notes["weight errors"] == ", ".join(
        f"{each['name']} {each['relative_error']:.4f}" for each in found["matrices"])
    text = told(capsys, *COMPLETE, "--weights", "integer:8")
    assert "caution" not in text
    assert re.search(r"^layer0\.h +[\d.]+ % +[\d.]+ % +[\d.]+ %", text, re.M)
    assert re.search(r"^logits +[\d.]+ % +[\d.]+ %", text, re.M)


def test_caution(place, capsys, monkeypatch):
    """A conversion that decides otherwise says so in words."""
    monkeypatch.setenv("COLUMNS", "300")
    text = told(capsys, *COMPLETE, "--weights", "binary-connect", "--activations", "binary")
    assert re.search(r"^caution +\d+ % of the decisions below differ from the float network's: "
                     r"use more bits for weights or activations, such as --weights "
                     r"integer:8:by-row --activations fixed:12, or train \(ternloom train\) *$",
                     text, re.M)


def test_scales_far_apart(place, capsys):
    """Features of thousands beside states of 16 bits: the recurrent half is what it was."""
    network = load_floats("float.safetensors")
    layer = dataclasses.replace(network.layers[0],
                                input_weight=network.layers[0].input_weight / 200)
    save(dataclasses.replace(network, layers=(layer,)), "float.safetensors")
    dataset = load_dataset("data.safetensors")
    save_dataset(dataclasses.replace(dataset, format=Fixed(8, -3)), "data.safetensors")
    found = answer(capsys, "--weights", "integer:8", "--activations", "fixed:16")
    assert all(each["relative_error"] < 1e-3 for each in found["matrices"])
    assert found["fidelity"]["agreement"] == 1.0
    assert found["fidelity"]["layers"][0]["error"] < 0.05


def test_state_range(place, capsys):
    """A layer that puts out little gets finer codes, unless the whole range is asked for."""
    network = load_floats("float.safetensors")
    layer = dataclasses.replace(network.layers[0], **{
        name: getattr(network.layers[0], name) / 20
        for name in ("input_weight", "recurrent_weight", "bias")})
    save(dataclasses.replace(network, layers=(layer,)), "float.safetensors")
    errors = {}
    for chosen in ("full", "calibrated"):
        found = answer(capsys, "--state-range", chosen, "--activations", "fixed:6",
                       "--weights", "integer:8")
        network = load("net.safetensors")
        assert found["state_range"] == chosen == network.notes["state range"]
        errors[chosen] = found["fidelity"]["layers"][0]["error"]
        assert (network.layers[0].state_format == Fixed(6, 5)) == (chosen == "full")
    assert errors["calibrated"] < 0.7 * errors["full"]


def test_text(place, capsys):
    """A network with an embedding is calibrated on a text, whose words it knows by frequency."""
    rng = np.random.default_rng(2)
    (place / "text.txt").write_text("one two two\nthree two one\n")
    layer = FloatLayer(GRU_RESET_BEFORE, *(rng.standard_normal(shape).astype(np.float32)
                                                for shape in ((12, 3), (12, 4), (12,))))
    save(FloatNetwork("words", (layer,), rng.standard_normal((4, 4)).astype(np.float32),
                      np.zeros(4, np.float32), rng.standard_normal((4, 3)).astype(np.float32)),
         "float.safetensors")
    assert main(["convert", "float.safetensors", "-o", "net.safetensors", "--calibration",
                 "text.txt", "--embedding", "fixed:6", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["calibration"] == "8 words of text.txt" and data["accuracy"] == {}
    assert data["embedding_bits"] == 4 * 3 * 6
    network = load("net.safetensors")
    assert network.readout.when is When.EVERY and network.embedding.shape == (4, 3)
    (place / "text.txt").write_text("one two\n")
    os.remove("net.safetensors")
    assert mistake(capsys, "float.safetensors", "-o", "net.safetensors", "--calibration",
                   "text.txt") == ("The vocabulary has 3 words, but the embedding has 4; name "
                                   "the training text with --vocabulary")


def test_list(place, capsys):
    """Every method, with its source."""
    text = told(capsys, "--list")
    assert all(f"\n{name}" in text for name in (*weights.names(), *activations.names()))
    assert main(["convert", "--list", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["weights"]) == len(weights.names())
    assert all(each["source"].endswith(".") for kind in data.values() for each in kind)


@pytest.mark.parametrize("options, message", [
    (("--weights", "binry"), r"Weight method must be one of alternating, .*, twn, uniform, not "
                             r"'binry'; ternloom convert --list shows all methods"),
    (("--activations", "twn"), r"Activation method must be one of binary, fixed, online, planes, "
                               r"ternary, not 'twn', which is for weights alone; ternloom .*"),
    (("--weights", "q=twn"), r"Weights cannot be set for 'q': it must be all, .*"),
    (("--weights", "input=twn"), r"Weights of layer0.recurrent.i have no method: give one "
                                 r"for them, or for all"),
    (("--weights", "twn", "--weights", "greedy"),
     r"--weights gives 'all' two methods; give each place one"),
    (("--weights", "integer", "--weights", "f=greedy"),
     r"layer0.input: The gates of a matrix must share an alphabet, and none holds integer and "
     r"planes"),
    (("--preact", "9"), r"argument --preact: must be two whole numbers separated by a comma, .*"),
    (("--gate-frac", "99"), r"Gate fraction bits must be .*, not 99"),
    (("--calibration", "nothing"), r"No file and no shipped data set is called 'nothing'; "
                                   r"ternloom info lists all that are shipped"),
    (("--calibration", "digits"), r"Data digits has 13 inputs per step, but float network small "
                                  r"expects 3"),
], ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_mistakes(place, capsys, options, message):
    assert re.fullmatch(message, mistake(capsys, *COMPLETE, *options))


@pytest.mark.parametrize("left", [0, 1, 3], ids=["SOURCE", "--output", "--calibration"])
def test_missing_argument(place, capsys, left):
    given = list(COMPLETE)
    del given[left:left + (1 if left == 0 else 2)]
    name = ("SOURCE", "--output", "", "--calibration")[left]
    assert mistake(capsys, *given) == f"{name} is missing; see ternloom convert --help"


def test_bad_weights(place, capsys):
    tensors = safetensors.numpy.load_file("float.safetensors")
    tensors = {name.replace("layer0.input_weight", "weight_ih_l0")
               .replace("layer0.recurrent_weight", "weight_hh_l0"): tensor
               for name, tensor in tensors.items() if "bias" not in name and "readout" not in name}
    tensors["weight_ih_l0"][7, 2] = np.inf
    safetensors.numpy.save_file(tensors, "float.safetensors")
    assert mistake(capsys, *COMPLETE) == (
        "float network file float.safetensors is invalid: layer0.input_weight must hold finite "
        "numbers, not inf in row 7, column 2")
