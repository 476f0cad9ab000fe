"""What a data set says is right: classes and numbers, of sequences and of steps."""

import dataclasses

import numpy as np
import pytest

from ternloom.files.dataset import Dataset, DatasetError, Labels, Numbers, load, save
from ternloom.files.network import load as load_network
from ternloom.files.network import save as save_network
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.model.scaling import Scaling


SCALING = Scaling(np.array([1.0, -2.0]), np.array([0.5, 4.0]))
STEPS = [np.arange(2.0 * count).reshape(count, 2) for count in (1, 3, 2)]


def dataset(targets):
    sequences = [np.full((steps, 3), steps, np.int16) for steps in (1, 3, 2)]
    return Dataset("made", sequences, targets, ["train", "valid", "test"], Fixed(8, 5))


@pytest.mark.parametrize("targets, when", [
    (Labels(("a", "b"), [0, 1, 1]), When.LAST),
    (Labels(("a", "b"), [[1], [0, 1, 0], [1, 1]]), When.EVERY),
    (Numbers(("x", "y"), np.arange(6.0).reshape(3, 2), SCALING), When.LAST),
    (Numbers(("x", "y"), STEPS, SCALING), When.EVERY),
])
def test_kinds(tmp_path, targets, when):
    """They are kept, also through a file, and parts keep theirs."""
    assert targets.when is when and len(targets) == 3
    assert len(targets.flat) == (6 if when is When.EVERY else 3)
    data = dataset(targets)
    save(data, tmp_path / "data.safetensors")
    assert load(tmp_path / "data.safetensors") == data
    part = data.part("valid").targets
    assert part.when is when and np.array_equal(part.values[0], targets.values[1])
    empty = data.take([]).targets
    assert len(empty) == 0 and empty.when is when and empty.flat.shape[1:] == targets.flat.shape[1:]


@pytest.mark.parametrize("make, told", [
    (lambda: Labels(("a", "b"), [0, 2]), "labels must be from 0 to 1, not 0 to 2"),
    (lambda: Labels(("a", "b"), [[0], [-1, 0]]), "labels must be from 0 to 1, not -1 to 0"),
    (lambda: Labels(("a",), np.zeros(2)),
     r"labels must be integers, one per sequence or step, not float64 \(2,\)"),
    (lambda: Numbers(("x", "y"), np.zeros((2, 3)), SCALING),
     r"numbers must have the shape \(sequences or steps, 2\), not \(2, 3\)"),
    (lambda: Numbers(("x", "y"), np.full((1, 2), np.nan), SCALING), "numbers must be finite"),
    (lambda: Numbers(("x",), np.zeros((1, 1)), SCALING),
     "scaling of the numbers must have 1 entries, not 2"),
    (lambda: dataset(Labels(("a",), [0, 0])), "labels must have 3 entries, one per sequence, "
                                              "not 2"),
    (lambda: dataset(Numbers(("x", "y"), STEPS[::-1], SCALING)),
     "numbers of sequence 0 must have 1 entries, one per step, not 2"),
])
def test_that_cannot_be(make, told):
    with pytest.raises(DatasetError, match=f"^{told}$"):
        make()


def network(when=When.EVERY, scaling=None, classes=2):
    drawn = random_network(1, inputs=3, classes=classes, input_format=Fixed(8, 5), name="net",
                           when=when)
    return dataclasses.replace(drawn, output_scaling=scaling)


@pytest.mark.parametrize("targets, other, told", [
    (Labels(("a", "b"), [[1], [0, 1, 0], [1, 1]]), network(When.LAST),
     "Data made has labels of every step, but network net answers at a sequence's last step alone"),
    (Labels(("a",), [0, 0, 0]), network(scaling=SCALING),
     "Data made has classes, but network net gives numbers"),
    (Numbers(("x", "y"), STEPS, SCALING), network(),
     "Data made has numbers, but network net gives classes"),
    (Numbers(("x", "y"), STEPS, Scaling(np.zeros(2), np.ones(2))), network(scaling=SCALING),
     "Data made has numbers of another mean and deviation than network net gives; make it of the "
     "raw values with ternloom data --like"),
])
def test_mismatch(targets, other, told):
    with pytest.raises(DatasetError, match=f"^{told}$"):
        dataset(targets).match(other)


def test_match():
    """What fits is not refused; without a readout there is nothing to contradict."""
    numbers, labels = Numbers(("x", "y"), STEPS, SCALING), Labels(("a",), [0, 0, 0])
    assert dataset(numbers).match(network(scaling=SCALING)) is None
    assert dataset(labels).match(network()) is None
    assert dataset(numbers).match(network().edited(readout=None)) is None


def test_numbers_of_a_network(tmp_path):
    """Logits become numbers in units of their own, also after a file."""
    made = network(scaling=SCALING)
    save_network(made, tmp_path / "net.safetensors")
    assert load_network(tmp_path / "net.safetensors") == made
    frac = made.readout.logits.frac
    assert made.numbers([[2**frac, 0], [0, -2**frac]]).tolist() == [[1.5, -2.0], [1.0, -6.0]]
    plain = dataclasses.replace(made, output_scaling=None)
    assert plain.numbers([[2**frac, 0]]).tolist() == [[1.0, 0.0]]
    with pytest.raises(NetworkError, match="^output_scaling must have 3 entries, one per logit, "
                                           "not 2$"):
        network(scaling=SCALING, classes=3)
