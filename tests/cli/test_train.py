"""Training of a language model from the command line: a text of one's own, and going on."""

import json
import os

import numpy as np
import pytest

from ternloom.cli.main import main


pytestmark = pytest.mark.train

RECIPE = """
task = "language"
name = "small"
data = "nowhere"
cell = "lstm"
units = 5
inputs = 4
steps = 4
batch = 3
float_epochs = 1
epochs = {epochs}
{more}
[quantization]
weights = {{all = "alternating:2"}}
activations = "online:2"
embedding = "planes:2"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with texts and two recipes."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("texts")
    random = np.random.default_rng(1)
    for part in ("train", "valid", "test"):
        words = np.array(list("abcd"))[random.integers(4, size=(20, 6))]
        (tmp_path / "texts" / f"{part}.txt").write_text("\n".join(map(" ".join, words)) + "\n")
    (tmp_path / "float.toml").write_text(RECIPE.format(epochs=0, more=""))
    more = "float_learning_rate = 0.0\n"
    (tmp_path / "small.toml").write_text(RECIPE.format(epochs=1, more=more))
    return tmp_path


def answer(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_language_model(place, capsys):
    data = answer(capsys, "train", "float.toml", "--data", "texts", "-o", "float.safetensors")
    assert set(data["perplexity"]) == {"float"}
    data = answer(capsys, "train", "small.toml", "--data", "texts", "--start", "float.safetensors")
    assert set(data["perplexity"]) == {"float", "quantized", "integer"}
    assert data["perplexity"]["integer"]["test"] == pytest.approx(
        data["perplexity"]["quantized"]["test"], rel=1e-9)
    found = answer(capsys, "eval", "small.safetensors", "--text", "texts/test.txt",
                   "--vocabulary", "texts/train.txt")
    assert found["perplexity"] == data["perplexity"]["integer"]["test"]
    assert not list(place.glob("*.checkpoint"))


def test_missing_texts(place, capsys):
    assert main(["train", "small.toml"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "must have exactly one text *train.txt, not none" in told


def test_foreign_checkpoint(place, capsys):
    (place / "small.checkpoint").write_bytes(b"something else")
    assert main(["train", "small.toml", "--data", "texts"]) == 2
    assert "delete it to restart" in capsys.readouterr().err
    assert (place / "small.checkpoint").read_bytes() == b"something else"


def test_start_of_another_size(place, capsys):
    assert main(["train", "digits-gru-ternary-ternary", "--start", "digits-lstm-float"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "but the recipe and its data call for gru-reset-after" in told
    assert not list(place.glob("*gru*"))


GESTURES = """
name = "gestures"
data = "digits"
cell = "lstm"
units = 4
float_epochs = 2
epochs = {epochs}
[quantization]
weights = {{all = "twn"}}
activations = "ternary:0.5"
"""


def test_few_updates(place, capsys):
    """Integers far below the float network are said, with what the schedule came to."""
    (place / "gestures.toml").write_text(GESTURES.format(epochs=1).replace(
        "float_epochs = 2", "float_epochs = 12\nlearning_rate = 0.0001\nbatch = 256\n"
        "float_learning_rate = 0.05"))
    assert main(["train", "gestures.toml"]) == 0
    told = capsys.readouterr().out
    assert "quantized" in told and "updates" in told
    assert "caution" in told and "try more epochs or smaller batches" in told
