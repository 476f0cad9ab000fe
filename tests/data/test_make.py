"""Recordings become codes: windows, scaling, parts, and what cannot be."""

import numpy as np
import pytest

from ternloom.data import Recordings, RecordingsError, make
from ternloom.files.dataset import DatasetError, load, save
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed, Ternary
from ternloom.model.network import When
from ternloom.model.scaling import Scaling


def recordings(count=40, **fields):
    random = np.random.default_rng(1)
    sequences = [random.normal((3, -5), (0.1, 20), (int(random.integers(2, 9)), 2))
                 for _ in range(count)]
    return Recordings(**{"sequences": sequences, "labels": [str(index % 4 + 8)
                                                            for index in range(count)]} | fields)


def test_statistics_of_training_alone():
    given = Recordings([np.array([[1.0, 10.0], [3.0, 30.0]]), np.array([[1000.0, 20.0]])],
                       ["a", "a"], split=["train", "test"])
    with pytest.raises(RecordingsError, match="^no sequence is in the part valid; "):
        make(given, "waves")
    scaling = Scaling.fit(given.sequences[:1])
    assert (scaling.mean.tolist(), scaling.deviation.tolist()) == ([2.0, 20.0], [1.0, 10.0])
    codes = [scaling.codes(each, Fixed(8, 5)) for each in given.sequences]
    assert [code.tolist() for code in codes] == [[[-32, -32], [32, 32]], [[127, 0]]]
    assert all(code.dtype == np.int16 for code in codes)


def test_parts_and_classes(tmp_path):
    """Classes that are numbers come in their order, and the file keeps the scaling to the bit."""
    given = recordings()
    dataset = make(given, "waves", notes={"source": "drawn"})
    names, labels = dataset.targets.names, dataset.targets.values
    assert names == ("8", "9", "10", "11")
    assert [names[label] for label in labels] == list(given.labels)
    assert {part: int((dataset.split == part).sum()) for part in ("valid", "test")} \
        == {"valid": 8, "test": 8}
    training = np.concatenate([each for each, part in zip(given.sequences, dataset.split)
                               if part == "train"])
    assert np.array_equal(dataset.scaling.mean, training.mean(axis=0))
    assert dataset.notes["split"] == "stratified by class, 15 % test and 15 % valid, seed 1"
    expected = np.floor((given.sequences[0] - dataset.scaling.mean) / dataset.scaling.deviation
                        * 32 + 0.5).clip(-128, 127)
    assert np.array_equal(dataset.sequences[0], expected)
    save(dataset, tmp_path / "waves.safetensors")
    assert load(tmp_path / "waves.safetensors") == dataset
    assert load(tmp_path / "waves.safetensors").scaling == dataset.scaling


def test_groups_stay_together():
    given = recordings(groups=[f"person {index % 5}" for index in range(40)])
    dataset = make(given, "people")
    parts = {group: set(dataset.split[[each == group for each in given.groups]])
             for group in set(given.groups)}
    assert all(len(each) == 1 for each in parts.values())
    assert dataset.notes["split"] == "by group, 15 % test and 15 % valid, seed 1"


def test_given_parts():
    """What the source says stays; validation is drawn from its training part if it has none."""
    split = ["train"] * 30 + ["test"] * 10
    dataset = make(recordings(split=split), "given", valid=0.2)
    assert (dataset.split[30:] == "test").all() and (dataset.split[:30] == "valid").sum() == 6
    split[5] = "valid"
    assert make(recordings(split=split), "given").split.tolist() == split
    with pytest.raises(RecordingsError, match="^part 'dev' is none of train, valid, test$"):
        make(recordings(split=["dev"] * 40), "given")


def test_scaling_of_a_network():
    """New recordings are scaled as before, and nothing is drawn."""
    scaling = make(recordings(), "first").scaling
    dataset = make(recordings(3), "later", classes=("8", "9", "10", "11"), scaling=scaling)
    assert dataset.split.tolist() == ["test"] * 3 and dataset.scaling == scaling
    with pytest.raises(RecordingsError, match="^there are 2 inputs per step, but the scaling is "
                                              "of 1$"):
        make(recordings(), "later", scaling=Scaling(np.zeros(1), np.ones(1)))


def test_windows():
    given = Recordings([np.arange(10.0)[:, None], np.arange(3.0)[:, None]], ["a", "b"],
                       split=["train", "test"], groups=["x", "y"])
    pieces = given.windows(3, 2)
    assert [each[:, 0].tolist() for each in pieces.sequences] \
        == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8], [0, 1, 2]]
    assert pieces.labels == ("a", "a", "a", "a", "b") and pieces.groups[-2:] == ("x", "y")
    assert pieces.split[-1] == "test"
    assert len(given.windows(4).sequences) == 2
    with pytest.raises(RecordingsError, match="^no sequence has a window of 11 steps; the longest "
                                              "has 10$"):
        given.windows(11)


@pytest.mark.parametrize("fields, told", [
    ({"labels": ["a"] * 39}, "labels must have 40 entries, one per sequence, not 39"),
    ({"split": ["train"]}, "split must have 40 entries, one per sequence, not 1"),
    ({"sequences": []}, "there are no sequences"),
    ({"labels": []}, "there must be labels or numbers, not neither"),
    ({"numbers": [np.zeros(1)] * 40}, "there must be labels or numbers, not both"),
    ({"labels": [], "numbers": [np.zeros(1)] * 40, "names": ("a", "b")},
     r"numbers of sequence 0 must have the shape \(2,\), not \(1,\)"),
    ({"labels": [np.array(["a"])] * 40}, r"labels of sequence 0 must have the shape \(5,\), "
                                         r"not \(1,\)"),
    ({"sequences": [np.ones((2, 3))] * 39 + [np.ones((2, 2))]},
     r"sequence 39 must have the shape \(steps, 3\), not \(2, 2\)"),
    ({"sequences": [np.array([[1, 2], [3, np.nan]])] * 40, "columns": ("x", "y")},
     "sequence 0, step 1, input y is nan, not a number; fill or drop it first"),
])
def test_recordings_that_cannot_be(fields, told):
    with pytest.raises(RecordingsError, match=f"^{told}$"):
        recordings(**fields)


def test_tags(tmp_path):
    """A label of every step goes into the file and comes back; windows are drawn at random."""
    values = np.arange(60.0)[:, None]
    given = Recordings([values], [np.where(values[:, 0] % 7 < 2, "beat", "rest")]).windows(6)
    dataset = make(given, "tags")
    assert dataset.targets.when is When.EVERY and dataset.targets.names == ("beat", "rest")
    assert dataset.targets.values[2].tolist() == [1, 1, 0, 0, 1, 1]
    assert dataset.notes["split"] == "at random, 15 % test and 15 % valid, seed 1"
    save(dataset, tmp_path / "tags.safetensors")
    assert load(tmp_path / "tags.safetensors") == dataset


def test_in_time(tmp_path):
    """A forecast's parts follow one another, and its numbers are scaled by those of training."""
    values = np.arange(20.0)[:, None] ** 2
    given = Recordings([values[:-1]], numbers=[values[1:]], names=["next"])
    cut = given.in_time(0.2, 0.1)
    assert cut.split == ("train", "valid", "test")
    assert [len(each) for each in cut.sequences] == [13, 4, 2]
    assert cut.numbers[1][:, 0].tolist() == [196, 225, 256, 289]
    dataset = make(cut, "squares")
    training = values[1:14]
    assert dataset.targets.scaling == Scaling.fit([training])
    assert np.array_equal(dataset.targets.values[0], training)
    save(dataset, tmp_path / "squares.safetensors")
    assert load(tmp_path / "squares.safetensors") == dataset
    last = make(cut.windows(2).at_last(), "last", valid=0)
    assert last.targets.when is When.LAST and last.targets.values[0].tolist() == [4]
    again = make(given, "later", scaling=dataset.scaling, output_scaling=dataset.targets.scaling)
    assert again.targets.scaling == dataset.targets.scaling and set(again.split) == {"test"}
    with pytest.raises(RecordingsError, match="^the recordings are split already$"):
        cut.in_time(0.1, 0.1)
    with pytest.raises(RecordingsError, match="^parts one after the other in time need a label"):
        recordings().in_time(0.1, 0.1)


def test_class_without_training():
    split = ["train", "valid", "test"] * 13 + ["test"]
    labels = ["b"] * 39 + ["a"]
    with pytest.raises(RecordingsError, match="^class 'a' does not occur in the training part$"):
        make(recordings(split=split, labels=labels), "rare")
    with pytest.raises(RecordingsError, match="^label 'a' is none of the classes b$"):
        make(recordings(split=split, labels=labels), "rare", classes=["b"])


@pytest.mark.parametrize("mean, deviation, told", [
    ([0.0], [0.0], "deviation of the scaling must be above 0, not 0.0 of value 0"),
    ([0.0, np.inf], [1.0, 1.0], "mean of the scaling must hold finite numbers"),
    ([0.0, 1.0], [1.0], "deviation of the scaling must have 2 entries, one per value, not 1"),
    ([[0.0]], [[1.0]], r"mean of the scaling must be a float64 array \(values,\)"),
])
def test_scaling_that_cannot_be(mean, deviation, told):
    with pytest.raises(NetworkError, match=f"^{told}$"):
        Scaling(np.array(mean), np.array(deviation))


def test_constant_input_and_other_formats():
    scaling = Scaling.fit([np.array([[7.0, 1.0], [7.0, 3.0]])])
    assert scaling.deviation.tolist() == [1.0, 1.0]
    codes = scaling.codes([[7.0, 1e300], [7.0, -np.inf], [7.0, 2.4]], Ternary(1, 1))
    assert codes.tolist() == [[0, 1], [0, -1], [0, 0]] and codes.dtype == np.int16


def test_scaling_of_other_inputs():
    with pytest.raises(DatasetError, match="^scaling must have 2 entries, one per input, not 1$"):
        dataset = make(recordings(), "waves")
        type(dataset)(dataset.name, dataset.sequences, dataset.targets, dataset.split,
                      dataset.format, {}, Scaling(np.zeros(1), np.ones(1)))
