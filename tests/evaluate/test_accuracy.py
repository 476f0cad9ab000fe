"""Accuracy: winners of the last step against the labels, and who has none."""

import numpy as np
import pytest

from ternloom.evaluate.measure import measure
from ternloom.files.dataset import Dataset, Labels
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary, Fixed
from ternloom.model.golden import run
from ternloom.model.network import Network, Node


def make(form=Fixed(6, 4), count=9):
    network = random_network(3, layers=1, inputs=4, classes=3, input_format=form, name="net")
    sequences = [each.astype(np.int16) for each in random_sequences(3, network, count, (1, 5))]
    labels = Labels(("a", "b", "c"), np.arange(count) % 3)
    return network, Dataset("drawn", sequences, labels, ["test"] * count, form)


@pytest.mark.parametrize("form", [Fixed(6, 4), Binary()])
def test_decisions(form):
    network, data = make(form)
    seen = []
    found = measure(network, data, lambda *count: seen.append(count))
    assert seen[-1] == (9, 9)
    winners = [int(each[-1]) for each in run(network, data.sequences).winners]
    assert found.winners.tolist() == winners and found.sequences == 9
    assert found.correct == sum(one == other for one, other in zip(winners, data.targets.values))
    for label, winner in np.ndindex(3, 3):
        assert found.confusion[label, winner] == sum(
            pair == (label, winner) for pair in zip(data.targets.values.tolist(), winners))


def test_who_has_no_winner():
    network, data = make()
    with pytest.raises(NetworkError, match="^network 'net' has no readout, so it cannot be "
                                           "measured on labelled data$"):
        measure(network.edited(readout=None), data)
    body, readout = network.nodes
    twice = Network("net", (body, readout, Node("other", ("layer0",), readout.body)))
    with pytest.raises(NetworkError, match="^network 'net' has several readouts, readout, other, "
                                           "and only one is supported here$"):
        measure(twice, data)
