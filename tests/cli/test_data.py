"""Raw values from the command line: a data file, its picture, and new recordings of a network's."""

import dataclasses
import json

import numpy as np
import pytest

from ternloom.cli.answers import drew as drew_answers
from ternloom.cli.main import main
from ternloom.cli.recordings import drew
from ternloom.files import shipped
from ternloom.files.dataset import DatasetError, load
from ternloom.files.network import load as load_network
from ternloom.files.network import save as save_network
from ternloom.model.draw import random_network
from ternloom.model.network import When
from ternloom.model.scaling import Scaling


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with recordings as CSV and NPZ."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    rows = ["clip,person,time,x,y,label"]
    for clip in range(40):
        label = ("left", "right")[clip % 2]
        rows += [f"{clip},{clip // 4},{step},{random.normal(clip % 2 * 4, 1):.3f},"
                 f"{random.normal(100, 9):.2f},{label}" for step in range(5 + clip % 3)]
    (tmp_path / "gestures.csv").write_text("\n".join(rows) + "\n")
    np.savez(tmp_path / "raw.npz", X=random.normal(2, 3, (20, 6, 13)), y=np.arange(20) % 10)
    return tmp_path


GESTURES = ("data", "gestures.csv", "--sequence", "clip", "--drop", "time", "--group", "person")


def answer(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def refused(capsys, *arguments):
    assert main(list(arguments)) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


def test_csv(place, capsys):
    found = answer(capsys, *GESTURES)
    assert found["data"] == "gestures.safetensors" and found["sequences"] == 40
    assert [each["name"] for each in found["inputs"]] == ["x", "y"]
    assert found["steps"] == [5, 7] and set(found["classes"]) == {"left", "right"}
    dataset = load("gestures.safetensors")
    assert dataset.name == "gestures" and dataset.format.width == 8
    assert abs(dataset.scaling.mean[1] - 100) < 3 and abs(dataset.scaling.deviation[1] - 9) < 1
    assert dataset.notes["made from"] == "gestures.csv"
    assert drew(place / "gestures.png") and not drew(place / "gestures.csv")
    # The same command replaces what it made; a picture of anybody else's stays.
    assert main([*GESTURES]) == 0
    out = capsys.readouterr().out
    assert "left" in out and "deviation" in out and "gestures.png" in out
    (place / "gestures.png").write_bytes(b"mine")
    assert "gestures.png" in refused(capsys, *GESTURES)
    assert (place / "gestures.png").read_bytes() == b"mine"


def test_windows_and_format(place, capsys):
    found = answer(capsys, *GESTURES, "--window", "3", "--stride", "1", "--format", "6,5",
                   "-o", "cut.safetensors", "--name", "short", "--seed", "4")
    assert found["steps"] == [3, 3] and found["sequences"] == 40 * 3 + 13 + 2 * 13
    dataset = load("cut.safetensors")
    assert dataset.name == "short" and dataset.notes["windows"] == "3 steps every 1"
    assert max(each["saturated"] for each in found["inputs"]) > 0.02
    assert main([*GESTURES, "--format", "6,5", "-o", "cut2.safetensors"]) == 0
    assert "saturates in" in capsys.readouterr().out


def test_like_a_network(place, capsys):
    """New recordings go through the scaling that the network was made with."""
    network = load_network(shipped.folder() / "digits-gru-ternary-ternary.safetensors")
    told = refused(capsys, "data", "raw.npz", "--like", "digits-gru-ternary-ternary")
    assert "does not know how raw values are scaled" in told
    assert not (place / "raw.safetensors").exists()
    scaling = Scaling(np.full(13, 2.0), np.full(13, 3.0))
    save_network(dataclasses.replace(network, scaling=scaling), place / "net.safetensors")
    again = load_network(place / "net.safetensors")
    assert again.scaling == scaling and again != network
    answer(capsys, "data", "raw.npz", "--like", "net.safetensors")
    dataset = load("raw.safetensors")
    assert set(dataset.split) == {"test"} and dataset.targets.names == network.labels
    with np.load("raw.npz") as arrays:
        assert np.array_equal(dataset.sequences[3], again.codes(arrays["X"][3]))
    answer(capsys, "eval", "net.safetensors", "raw.safetensors")
    other = dataclasses.replace(again, scaling=Scaling(np.zeros(13), np.ones(13)))
    with pytest.raises(DatasetError, match="was scaled by another mean and deviation than network"):
        dataset.match(other)
    with pytest.raises(ValueError, match="does not know how raw values are scaled"):
        network.codes(np.zeros((2, 13)))
    with pytest.raises(ValueError, match=r"must have the shape \(steps, 13\), not \(2, 12\)"):
        again.codes(np.zeros((2, 12)))


def test_tags_and_forecast(place, capsys):
    """Labels of every step, and numbers some steps ahead, from raw rows to what is measured."""
    found = answer(capsys, *GESTURES, "--when", "every", "-o", "tags.safetensors")
    assert found["when"] == "every"
    assert sum(sum(each.values()) for each in found["classes"].values()) == 40 * 5 + 13 + 2 * 13
    found = answer(capsys, "data", "gestures.csv", "--target", "x", "--drop", "label", "--drop",
                   "person", "--drop", "clip", "--drop", "time", "--ahead", "2", "--window", "8",
                   "--when", "every", "--in-time", "-o", "ahead.safetensors")
    assert [each["name"] for each in found["inputs"]] == ["x", "y"]
    dataset = load("ahead.safetensors")
    raw = np.loadtxt("gestures.csv", delimiter=",", skiprows=1, usecols=3)
    assert np.array_equal(dataset.targets.values[0][:, 0], raw[2:10])
    assert dataset.notes["numbers"] == "x, 2 steps ahead"
    assert found["numbers"][0]["mean"] == pytest.approx(dataset.targets.scaling.mean[0])
    assert drew(place / "ahead.png") and drew(place / "tags.png")
    assert main(["info"]) == 0
    capsys.readouterr()
    network = random_network(2, inputs=2, classes=1, input_format=dataset.format, layers=1,
                             when=When.EVERY, name="net")
    save_network(dataclasses.replace(network, scaling=dataset.scaling,
                                     output_scaling=dataset.targets.scaling), "net.safetensors")
    found = answer(capsys, "eval", "net.safetensors", "ahead.safetensors", "--picture", "a.png")
    assert found["rmse"] == pytest.approx(found["rmse_by_number"][0]
                                          / dataset.targets.scaling.deviation[0])
    assert drew_answers(place / "a.png")
    assert main(["eval", "net.safetensors", "ahead.safetensors"]) == 0
    assert "of the mean" in capsys.readouterr().out
    answer(capsys, "data", "gestures.csv", "--target", "x", "--drop", "label", "--drop", "person",
           "--drop", "clip", "--drop", "time", "--ahead", "2", "--when", "every", "--window", "8",
           "--like", "net.safetensors", "-o", "later.safetensors")
    assert load("later.safetensors").targets.scaling == dataset.targets.scaling


def test_picture_of_others(place, capsys):
    """A picture that eval did not draw stays."""
    (place / "mine.png").write_bytes(b"mine")
    told = refused(capsys, "eval", "digits-gru-ternary-ternary", "digits", "--picture", "mine.png")
    assert "mine.png" in told and (place / "mine.png").read_bytes() == b"mine"


@pytest.mark.parametrize("arguments, told", [
    (("nothing.csv",), "No file is called 'nothing.csv'"),
    (("gestures.csv",), "sequence 0 has the label 'left' at first and 'right' at"),
    (("gestures.csv", "--sequence", "take"), "there is no column 'take'"),
    (("gestures.csv", "--sequence", "clip", "--stride", "2"), "--stride needs --window"),
    (("gestures.csv", "--sequence", "clip", "--test", "1.5"), "must be a share from 0 to below 1"),
    (("gestures.csv", "--sequence", "clip", "--seed", "-1"), "--seed must be 0 or more"),
    (("gestures.csv", "--sequence", "clip", "--valid", "0"), "no sequence is in the part valid"),
    (("raw.npz", "--group", "person"), "--group is about columns of a CSV file"),
    (("raw.npz", "--window", "9"), "no sequence has a window of 9 steps; the longest has 6"),
    (("raw.npz", "-o", "raw.npz"), "raw.npz"),
    (("raw.npz", "--format", "40,5"), "Invalid --format: "),
    (("raw.npz", "--when", "every"), "--when every needs a label or a number for every step"),
    (("raw.npz", "--in-time"), "parts one after the other in time need a label or a number"),
    (("raw.npz", "--target", "x"), "--target is about columns of a CSV file"),
    (("gestures.csv", "--ahead", "2"), "--ahead needs --target, the column to be told"),
    (("gestures.csv", "--target", "x", "--label", "label"),
     "--label and --target cannot be used together"),
    (("gestures.csv", "--target", "z"), "there is no column 'z'"),
    (("gestures.csv", "--target", "x", "--drop", "label", "--sequence", "clip"),
     "every step has a number of its own"),
    (("gestures.csv", "--target", "label", "--sequence", "clip"),
     "row 2, column label: 'left' is not a number"),
])
def test_mistakes(place, capsys, arguments, told):
    before = sorted(place.iterdir())
    assert told in refused(capsys, "data", *arguments)
    assert sorted(place.iterdir()) == before


def test_other_kind_of_file(place, capsys):
    (place / "song.wav").write_bytes(b"RIFF")
    assert "is neither .npz nor .csv" in refused(capsys, "data", "song.wav")
