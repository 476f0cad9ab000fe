"""Language networks and networks without a readout at the command line."""

import dataclasses
import json

import numpy as np
import pytest
from edit import edited

from ternloom.cli.main import main
from ternloom.evaluate import perplexity
from ternloom.files import text
from ternloom.files.network import save
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed, Planes
from ternloom.model.network import When
from ternloom.model.precision import Precision


TRAINED = "a b a\nc a <unk>\nb a d\n"
#: By frequency: a, <eos>, b, and then by code point.
VOCABULARY = ("a", "<eos>", "b", "<unk>", "c", "d")
READ = "b a mouse\na\n"

NET = "talker.safetensors"


@pytest.fixture
def network(tmp_path, monkeypatch):
    """A small language network, saved beside a text and the text that it was trained on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    form = Planes((3, 1), 2)
    drawn = random_network(1, layers=1, cell=LSTM, units=6, inputs=4, classes=6,
                           when=When.EVERY, input_format=form, state_format=form,
                           precision=Precision(), name="talker")
    readout = dataclasses.replace(drawn.readout, logits=Fixed(12, 6))
    embedding = np.random.default_rng(2).integers(0, 4, (6, 4)).astype(np.int8)
    network = edited(drawn, readout=readout, embedding=embedding)
    save(network, NET)
    (tmp_path / "trained.txt").write_text(TRAINED)
    (tmp_path / "read.txt").write_text(READ)
    return network


def answer(capsys, *arguments):
    """JSON that a verb prints."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def mistake(capsys, *arguments):
    """The one line that a mistake gets."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err.removeprefix("ternloom: ").removesuffix("\n")


def test_perplexity(network, capsys):
    data = answer(capsys, "eval", NET, "--text", "read.txt", "--vocabulary", "trained.txt")
    expected = perplexity.predict(network, [2, 0, 3, 1, 0, 1])
    assert (data["words"], data["right"]) == (5, expected.right)
    assert data["perplexity"] == expected.perplexity
    assert data["vocabulary"] == 6
    assert main(["eval", NET, "--text", "read.txt", "--vocabulary", "trained.txt"]) == 0
    assert f"{expected.perplexity:.2f} per word" in capsys.readouterr().out


def test_named_words(network, capsys):
    """A network that names its words needs no other vocabulary."""
    save(dataclasses.replace(network, labels=VOCABULARY), NET)
    data = answer(capsys, "eval", NET, "--text", "read.txt")
    assert data["perplexity"] == perplexity.predict(
        network, text.encode(text.read("read.txt"), VOCABULARY)).perplexity


def test_no_readout_info(network, capsys):
    data = answer(capsys, "info", NET, "--no-readout")
    assert (data["readouts"], data["words"]) == ([], 6)
    assert [each["name"] for each in data["folding"]] == ["layer0"]
    assert main(["info", NET, "--no-readout"]) == 0
    assert "none: outputs the last layer's codes at every step" in capsys.readouterr().out


def test_simulated_text(network, capsys):
    data = answer(capsys, "simulate", NET, "--text", "read.txt", "--vocabulary", "trained.txt",
                  "--words", "5", "--no-readout", "--simulator", "icarus", "--pe", "4", "--simd",
                  "2")
    assert data["exact"] and data["data"] == "5 words of read.txt"
    # Two chains: three beats of codes a word; two beats of embedding a word.
    assert data["runs"][0]["transfers"] >= 5 * (3 + 2)


def test_no_readout_generate(network, capsys):
    data = answer(capsys, "generate", NET, "-o", "out", "--no-readout")
    assert [each["name"] for each in data["design"]["arrays"]] == ["layer0"]


@pytest.mark.parametrize("arguments, message", [
    (["eval", NET], "--text is missing: a text whose words talker is to predict"),
    (["eval", "digits-gru-ternary-ternary"],
     "DATA is missing: a data file, or the name of shipped data such as digits"),
    (["eval", NET, "digits", "--text", "read.txt"], "DATA and --text cannot be used together"),
    (["eval", NET, "--text", "read.txt"],
     "--vocabulary is missing: the file of talker does not name its 6 words; give the text that it "
     "was trained on"),
    (["eval", NET, "--text", "read.txt", "--vocabulary", "read.txt"],
     "--vocabulary must have 6 different words, as talker has, not 4"),
    (["eval", NET, "--text", "none.txt", "--vocabulary", "trained.txt"],
     "none.txt: No such file or directory"),
    (["eval", "digits-gru-ternary-ternary", "--text", "read.txt"],
     "network 'digits-gru-ternary-ternary' cannot predict a text: it needs an embedding, and a "
     "readout at every step with one class per word"),
    (["simulate", "digits-gru-ternary-ternary", "--text", "read.txt"],
     "--text needs a network with an embedding, and digits-gru-ternary-ternary has none"),
    (["simulate", NET, "digits", "--text", "read.txt", "--vocabulary", "trained.txt"],
     "DATA and --text cannot be used together"),
    (["simulate", NET, "--text", "read.txt", "--vocabulary", "trained.txt", "--words", "7"],
     "--words must be at most 6, the length of read.txt, not 7"),
])
def test_mistakes(network, capsys, arguments, message):
    assert mistake(capsys, *arguments) == message


def test_empty_text(network, capsys, tmp_path):
    (tmp_path / "empty.txt").write_text("\n\n")
    assert mistake(capsys, "eval", NET, "--text", "empty.txt", "--vocabulary", "trained.txt") == \
        "Text empty.txt has no words"


def test_no_readout_eval(network, capsys):
    save(edited(network, readout=None), NET)
    assert mistake(capsys, "eval", NET, "digits") == \
        "Network talker has no readout, so it cannot be measured on labelled data"
