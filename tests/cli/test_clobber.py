"""Nobody's files are written over: a folder with data, recipe and curve of one name, and others."""

import hashlib
import json
import os

import numpy as np
import pytest

from ternloom.cli.main import main
from ternloom.files.dataset import Dataset, Labels
from ternloom.files.dataset import save as save_dataset
from ternloom.files.network import load, save
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed


RECIPE = """
name = "{name}"
data = "motions.safetensors"
cell = "gru-reset-after"
units = 4
epochs = 1
float_epochs = 1

[quantization]
weights = {{all = "twn"}}
activations = "ternary:0.5"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with a recipe, its data and the recordings that they are from."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    save_dataset(Dataset(
        name="motions", format=Fixed(8, 5), notes={},
        sequences=[random.integers(-99, 99, (5, 3)).astype(np.int16) for _ in range(12)],
        targets=Labels(("left", "right"), np.arange(12) % 2),
        split=np.array(["train", "valid", "test"] * 4)),
        "motions.safetensors")
    (tmp_path / "motions.toml").write_text(RECIPE.format(name="motions"))
    (tmp_path / "motions.csv").write_text("time,x,y,z\n0.1,1,2,3\n")
    return tmp_path


def content(place):
    """Digest of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in place.iterdir() if path.is_file()}


def refusal(place, capsys, *arguments):
    """The line by which a command is refused, which leaves all files as they were."""
    before = content(place)
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert content(place) == before
    return err.removeprefix("ternloom: ").removesuffix("\n")


def done(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    capsys.readouterr()


READ = "Output {} is a file that this command reads; choose another with --output"
OTHER = ("Output {} exists and was not written by this command; choose another with --output, or "
         "replace it with --force")


@pytest.mark.train
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_folder_of_one_name(place, capsys, force):
    """Training from motions.toml replaces neither motions.safetensors nor motions.csv."""
    assert refusal(place, capsys, "train", "motions.toml", *force) == \
        READ.format("motions.safetensors")


@pytest.mark.train
def test_raw_recordings(place, capsys):
    """What is not read by the command, but not from it either."""
    (place / "motions.safetensors").rename(place / "data.safetensors")
    arguments = "train", "motions.toml", "--data", "data.safetensors"
    assert refusal(place, capsys, *arguments) == OTHER.format("motions.csv")
    done(capsys, *arguments, "--force")
    assert (place / "motions.csv").read_text().startswith("stage,epoch,loss,")


@pytest.mark.train
def test_name_of_recipe(place, capsys):
    """The output has the recipe's name; the same recipe may be trained again, another not."""
    (place / "first.toml").write_text(RECIPE.format(name="one"))
    (place / "second.toml").write_text(RECIPE.format(name="one"))
    done(capsys, "train", "first.toml")
    made = {"one.safetensors", "one.csv", "one.json", "one.float.safetensors"}
    assert set(content(place)) == made | {"first.toml", "second.toml", "motions.toml",
                                          "motions.csv", "motions.safetensors"}
    first, record = content(place), json.loads((place / "one.json").read_text())
    done(capsys, "train", "first.toml")
    again = json.loads((place / "one.json").read_text())
    # What a run takes is another number each time.
    assert again.pop("seconds").keys() == record.pop("seconds").keys() and again == record
    assert content(place) | {"one.json": first["one.json"]} == first
    assert refusal(place, capsys, "train", "second.toml") == OTHER.format("one.safetensors")


@pytest.mark.train
@pytest.mark.parametrize("output, told", [
    ("motions.safetensors", READ.format("motions.safetensors")),
    ("motions.toml", READ.format("motions.toml")),
    ("motions.csv", "Output motions.csv must not end in .csv, like a file written beside it"),
    ("motions.checkpoint", "Output motions.checkpoint must not end in .checkpoint, like the "
                           "checkpoint"),
    ("motions", OTHER.format("motions.csv")),
])
def test_output_of_training(place, capsys, output, told):
    assert refusal(place, capsys, "train", "motions.toml", "-o", output) == told


@pytest.mark.train
@pytest.mark.parametrize("suffix", [".csv", ".json", ".safetensors", ".float.safetensors"])
def test_beside(place, capsys, suffix):
    """What looks nearly like one's own isn't."""
    done(capsys, "train", "motions.toml", "-o", "mine.safetensors")
    path = place / f"mine{suffix}"
    if suffix == ".csv":
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines, "my remark"]) + "\n")
    elif suffix == ".safetensors":
        save(random_network(1, layers=1, units=4, inputs=3, classes=3), path)
    else:
        path.write_bytes((place / "motions.safetensors").read_bytes())
    assert refusal(place, capsys, "train", "motions.toml", "-o", "mine.safetensors") == \
        OTHER.format(f"mine{suffix}")
    done(capsys, "train", "motions.toml", "-o", "mine.safetensors", "--force")


@pytest.mark.train
def test_file_that_appears_during_training(place, capsys, monkeypatch):
    """It is kept, and so is the checkpoint, from which the training goes on."""
    from ternloom.train import run

    written = run._write_curve
    monkeypatch.setattr(run, "_write_curve", lambda curve, path: (
        written(curve, path), (place / "mine.csv").write_text("mine")))
    arguments = "train", "motions.toml", "-o", "mine.safetensors", "--checkpoint-every", "0"
    assert main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"ternloom: {OTHER.format('mine.csv')}"
    assert (place / "mine.csv").read_text() == "mine"
    assert (place / "mine.checkpoint").is_file() and not (place / "mine.safetensors").exists()


@pytest.mark.train
def test_hostile_name(place, capsys):
    (place / "motions.toml").write_text(RECIPE.format(name="../motions"))
    assert refusal(place, capsys, "train", "motions.toml") == (
        "'../motions' cannot be used as the name of the output file; choose another with "
        "--output")


CONVERT = ("convert", "digits-lstm-float", "--calibration", "digits", "--sequences", "2",
           "--part", "all", "--weights", "twn")


def test_output_of_conversion(place, capsys):
    assert refusal(place, capsys, *CONVERT, "-o", "motions.safetensors") == \
        OTHER.format("motions.safetensors")
    done(capsys, *CONVERT, "-o", "mine.safetensors")
    done(capsys, *CONVERT, "-o", "mine.safetensors")
    network = load("mine.safetensors")
    save(random_network(1, layers=1, units=4, inputs=3, classes=3), "mine.safetensors")
    assert refusal(place, capsys, *CONVERT, "-o", "mine.safetensors") == \
        OTHER.format("mine.safetensors")
    done(capsys, *CONVERT, "-o", "mine.safetensors", "--force")
    assert load("mine.safetensors").notes == network.notes


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("option", ["source", "calibration"])
def test_input_of_conversion(place, capsys, option, force):
    """Neither the float network nor the data is replaced by what is made of them."""
    from ternloom.cli import source

    shipped = {"source": source._find("float network", "digits-lstm-float"),
               "calibration": source.data_path("digits")}[option]
    (place / "own.safetensors").write_bytes(shipped.read_bytes())
    own = {"source": "digits-lstm-float", "calibration": "digits"} | {option: "own.safetensors"}
    assert refusal(place, capsys, "convert", own["source"], "--calibration", own["calibration"],
                   "-o", "own.safetensors", *force) == READ.format("own.safetensors")


def test_waves(place, capsys):
    save(random_network(1, layers=1, units=4, inputs=3, classes=3), "tiny.safetensors")
    (place / "mine.vcd").write_text("$date today $end")
    (place / "mine.fst").write_text("mine")
    arguments = "simulate", "tiny.safetensors", "--simulator=icarus", "--sequences=1", "--waves"
    for name in ("mine.vcd", "mine.fst"):
        assert refusal(place, capsys, *arguments, name) == \
            OTHER.format(name).replace("--output", "--waves")
    done(capsys, *arguments, "mine.vcd", "--force")
    done(capsys, *arguments, "mine.vcd")


def test_network_in_output_folder(place, capsys):
    """A folder that holds what is read is not replaced, whatever is said."""
    save(random_network(1, layers=1, units=4, inputs=3, classes=3), "tiny.safetensors")
    done(capsys, "generate", "tiny.safetensors", "-o", "out")
    os.rename("tiny.safetensors", "out/tiny.safetensors")
    for verb in (["generate"], ["synth", "--board=icebreaker"], ["compare"]):
        assert refusal(place, capsys, *verb, "out/tiny.safetensors", "-o", "out", "--force") == (
            "Output folder out contains out/tiny.safetensors, which this command reads; "
            "choose another with --output")
    assert os.path.exists("out/tiny.safetensors")
