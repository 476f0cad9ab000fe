"""Comparison of networks from the command line, and its picture."""

import json
import os

import numpy as np
import pytest

from ternloom.cli import scatter
from ternloom.cli.main import main
from ternloom.evaluate.size import network_size
from ternloom.files.floats import save
from ternloom.files.network import load
from ternloom.model.cell import LSTM
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import logits, run


NETWORKS = ("digits-gru-ternary-ternary", "digits-gru-ternary-fixed8")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def convert(method, name):
    assert main(["convert", "digits-gru-float", "-o", f"{name}.safetensors", "--weights", method,
                 "--calibration", "digits"]) == 0


def answer(capsys, *arguments):
    capsys.readouterr()
    assert main(["compare", *arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def mistake(capsys, *arguments):
    """The one line that a mistake gets."""
    assert main(["compare", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ternloom: ") and err.count("\n") == 1
    return err.removeprefix("ternloom: ").removesuffix("\n")


def test_shipped(place, capsys):
    """Two shipped networks without data: sizes and costs alone, and nothing is written."""
    data = answer(capsys, *NETWORKS)
    assert [each["name"] for each in data["networks"]] == list(NETWORKS)
    assert data["float"] is None
    for each in data["networks"]:
        assert each["accuracy"] is None and each["weights"] == "ternary"
        assert each["cycles_per_step"] > 0 and each["luts"] > 500 and each["multipliers"] >= 2
        assert "relative_error" not in each["matrices"][0] and each["fidelity"] is None
    assert data["networks"][1]["luts"] > data["networks"][0]["luts"]
    assert os.listdir(place) == []


def test_size_of_hardware(place, capsys):
    """More lanes take more tables and fewer cycles."""
    small, = answer(capsys, NETWORKS[0])["networks"]
    large, = answer(capsys, NETWORKS[0], "--pe", "8", "--simd", "16")["networks"]
    assert large["luts"] > small["luts"] and large["cycles_per_step"] < small["cycles_per_step"]


def test_methods(place, capsys):
    """Converted networks beside their float network: errors, sizes, accuracy and the picture."""
    for planes in (1, 3):
        convert(f"alternating:{planes}", f"planes{planes}")
    data = answer(capsys, "planes1.safetensors", "planes3.safetensors", "--data", "digits",
                  "--float", "digits-gru-float", "-o", "out")
    one, three = data["networks"]
    assert (one["name"], one["weights"], one["activations"]) == ("planes1", "alternating:1",
                                                                 "fixed:8")
    assert one["accuracy"] < three["accuracy"] and three["accuracy"] > 0.95
    assert one["bytes"] < three["bytes"] < data["float"]["bytes"] == 62760
    assert three["bytes"] == network_size(load("planes3.safetensors")).bytes
    assert data["float"]["accuracy"] > 0.99
    for coarse, fine in zip(one["matrices"], three["matrices"]):
        assert 0 < fine["relative_error"] < 0.2 < coarse["relative_error"] < 0.6
    for coarse, fine in zip(one["fidelity"]["layers"], three["fidelity"]["layers"]):
        assert 0 < fine["error"] < coarse["error"]
    assert one["fidelity"]["agreement"] < three["fidelity"]["agreement"] <= 1
    assert one["fidelity"]["sequences"] == 300
    assert sorted(os.listdir("out")) == [".ternloom.json", "compare.json", "compare.png"]
    with open("out/compare.png", "rb") as stream:
        assert stream.read(4) == b"\x89PNG"
    with open("out/compare.json") as stream:
        assert json.load(stream) | {"output": "out"} == data


def test_tables(place, capsys):
    convert("twn", "mine")
    capsys.readouterr()
    assert main(["compare", "mine.safetensors", NETWORKS[0], "--float", "digits-gru-float"]) == 0
    text = capsys.readouterr().out
    assert "digits-gru-float" in text and "twn" in text and "layer0.recurrent" in text


def test_text(place, capsys):
    """Language networks are measured by their perplexity, the float one too."""
    rng = np.random.default_rng(2)
    (place / "text.txt").write_text("one two two three\nthree two one\n" * 20)
    layer = FloatLayer(LSTM, *(rng.standard_normal(shape).astype(np.float32)
                                    for shape in ((16, 3), (16, 4), (16,))))
    reference = FloatNetwork("words", (layer,), rng.standard_normal((4, 4)).astype(np.float32),
                             np.zeros(4, np.float32),
                             rng.standard_normal((4, 3)).astype(np.float32))
    save(reference, "float.safetensors")
    assert main(["convert", "float.safetensors", "-o", "net.safetensors", "--weights",
                 "integer:8:by-row", "--activations", "fixed:12", "--calibration",
                 "text.txt"]) == 0
    data = answer(capsys, "net.safetensors", "--text", "text.txt", "--vocabulary", "text.txt",
                  "--float", "float.safetensors", "-o", "out")
    network, = data["networks"]
    assert data["float"]["perplexity"] == pytest.approx(perplexity(reference), rel=1e-6)
    assert network["perplexity"] == pytest.approx(data["float"]["perplexity"], rel=0.05)
    assert sorted(os.listdir("out")) == [".ternloom.json", "compare.json", "compare.png"]


def perplexity(reference):
    """Of the text of the test above, word by word in float64."""
    words = ["two", "one", "three", "<eos>"]
    words.sort(key=lambda word: (-{"two": 3, "one": 2, "three": 2, "<eos>": 2}[word], word))
    tokens = [words.index(word) for word in "one two two three <eos> three two one <eos>".split()]
    tokens = np.array(tokens * 20)
    outputs = run(reference, [reference.embedding[tokens[:-1]]])[-1].outputs[0]
    scores = logits(reference, outputs).astype(np.float64)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return np.exp(-np.log(chances[np.arange(len(chances)), tokens[1:]]).mean())


def test_folder_without_data(place, capsys):
    """There is no picture where no accuracy was measured."""
    answer(capsys, *NETWORKS, "-o", "out")
    assert sorted(os.listdir("out")) == [".ternloom.json", "compare.json"]


def test_mistakes(place, capsys):
    assert mistake(capsys, NETWORKS[0], NETWORKS[0]) == (
        f"Two networks have the file name {NETWORKS[0]!r}; names must differ")
    assert mistake(capsys, "nothing") == (
        "No file and no shipped network is called 'nothing'; ternloom info lists all that are "
        "shipped")
    assert mistake(capsys, NETWORKS[0], "--float", "digits-lstm-float").startswith(
        "float network 'digits-lstm-float' has other matrices, ")
    assert mistake(capsys, NETWORKS[0], "--data", "japanese_vowels").startswith(
        "Data japanese_vowels has ")
    assert mistake(capsys, NETWORKS[0], "--data", "digits", "--text", "any") == (
        "--data and --text cannot be used together")
    (place / "full").mkdir()
    (place / "full" / "mine").write_text("")
    assert "was not written by ternloom" in mistake(capsys, NETWORKS[0], "-o", "full")


def boxes(points):
    """Centre, half width and half height of every number."""
    return [(x + dx, y + dy) for (x, y), (dx, dy) in zip(points, scatter.places(points))]


@pytest.mark.parametrize("seed", range(5))
def test_numbers_apart(seed):
    """No number of the picture covers another one or a point."""
    rng = np.random.default_rng(seed)
    points = [(float(x), float(y)) for x, y in rng.uniform(0, 300, (24, 2))]
    points += [(points[0][0] + 3, points[0][1] + 2)]
    found = boxes(points)
    for index, (x, y) in enumerate(found):
        assert all(abs(x - a) >= 16 or abs(y - b) >= 13 for a, b in found[index + 1:])
        assert all(abs(x - a) >= 13 or abs(y - b) >= 11.5 for a, b in points)
