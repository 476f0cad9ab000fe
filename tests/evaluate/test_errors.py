"""Answers at every step, and errors of numbers, against the golden model's own logits."""

import dataclasses

import numpy as np
import pytest

from ternloom.evaluate import floats
from ternloom.evaluate.measure import measure
from ternloom.evaluate.score import Accuracy, Rmse, integer_score
from ternloom.files.dataset import Dataset, Labels, Numbers
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed
from ternloom.model.golden import run
from ternloom.model.network import When
from ternloom.model.scaling import Scaling
from ternloom.quantize.floats import FloatLayer, FloatNetwork


SCALING = Scaling(np.array([10.0, 0.0]), np.array([2.0, 0.5]))


def drawn(when, count=9):
    network = random_network(4, layers=1, inputs=3, classes=2, input_format=Fixed(6, 4), when=when,
                             name="net")
    sequences = [each.astype(np.int16) for each in random_sequences(3, network, count, (1, 5))]
    parts = ["train", "valid", "test"] * (count // 3)
    return network, sequences, lambda targets: Dataset("drawn", sequences, targets, parts,
                                                       Fixed(6, 4))


def test_tags():
    network, sequences, data = drawn(When.EVERY)
    rng = np.random.default_rng(1)
    labels = [rng.integers(0, 2, len(each)) for each in sequences]
    found = measure(network, data(Labels(("a", "b"), labels)))
    winners, truth = np.concatenate(run(network, sequences).winners), np.concatenate(labels)
    assert np.array_equal(found.winners, winners)
    assert (found.count, found.sequences) == (len(truth), 9)
    assert found.fraction == np.mean(winners == truth)
    for each in (0, 1):
        hits = int(np.sum((winners == each) & (truth == each)))
        assert found.recall[each] * np.sum(truth == each) == pytest.approx(hits)
        assert found.f1[each] == pytest.approx(
            2 * hits / (np.sum(truth == each) + np.sum(winners == each)))
    last = measure(network, data(Labels(("a", "b"), [each[-1] for each in labels])))
    assert last.winners.tolist() == [int(each[-1]) for each in run(network, sequences).winners]


def test_class_that_never_occurs():
    network, sequences, data = drawn(When.LAST)
    found = measure(network, data(Labels(("a", "b"), np.zeros(9, int))))
    assert np.isnan(found.recall[1]) and found.data()["recall"][1] is None


@pytest.mark.parametrize("when", When)
def test_numbers(when):
    network, sequences, data = drawn(when)
    network = dataclasses.replace(network, output_scaling=SCALING)
    rng = np.random.default_rng(2)
    values = [rng.normal(size=(len(each), 2)) for each in sequences]
    if when is When.LAST:
        values = np.stack([each[-1] for each in values])
    dataset = data(Numbers(("x", "y"), values, SCALING))
    found = measure(network, dataset)
    logits = np.concatenate(run(network, sequences).logits) * 2.0**-network.readout.logits.frac
    numbers = logits * (2.0, 0.5) + (10.0, 0.0)
    truth = np.concatenate(values) if when is When.EVERY else values
    assert np.array_equal(found.numbers, numbers)
    assert np.array_equal(found.by_number, np.sqrt(((numbers - truth)**2).mean(axis=0)))
    assert found.rmse == pytest.approx(np.sqrt((((numbers - truth) / (2.0, 0.5))**2).mean()))
    score = integer_score(network, dataset)
    assert score == Rmse(measure(network, dataset.part("valid")).rmse,
                         measure(network, dataset.part("test")).rmse)
    assert Rmse.from_note(score.note()).test == pytest.approx(score.test, abs=1e-4)
    assert Rmse(0.1, 0.2).rank > Rmse(0.2, 0.1).rank and Accuracy(0.1, 0.2).rank == 0.1


def test_last_step_alone():
    network, sequences, data = drawn(When.LAST)
    with pytest.raises(NetworkError, match="^network 'net' answers at the last step alone, but the "
                                           "data have labels of every step$"):
        measure(network, data(Labels(("a", "b"), [np.zeros(len(each), int)
                                                           for each in sequences])))


def test_float_network():
    """A float network of no recurrence worth the name: its readout's bias alone."""
    layer = FloatLayer(LSTM, np.ones((12, 4), np.float32), np.ones((12, 3), np.float32),
                       np.zeros(12, np.float32))
    reference = FloatNetwork("constant", (layer,), np.zeros((2, 3)), np.array([1.0, -1.0]))
    sequences = [np.ones((steps, 4), np.int16) for steps in (1, 2)]
    numbers = Numbers(("x", "y"), [SCALING.raw([[1.0, -1.0]] * steps) for steps in (1, 2)], SCALING)
    data = Dataset("d", sequences, numbers, ["test"] * 2, Fixed(6, 4))
    assert floats.score(reference, data) == 0
    tags = Dataset("d", sequences, Labels(("a", "b"), [[0], [0, 1]]), ["test"] * 2, Fixed(6, 4))
    assert floats.score(reference, tags) == pytest.approx(2 / 3)
