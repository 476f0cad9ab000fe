"""Kinds of node: a further one is what it says, in every room that has a rule for its base."""

import dataclasses

import numpy as np
import pytest

from ternloom.mapping.mapping import Mapping
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.golden import run
from ternloom.model.network import Layer, Node, Readout, When
from ternloom.model.node import Body, rule
from ternloom.sim.case import Case


class Detector(Readout):
    """Says of each logit whether it is from zero on."""

    mark_values = 2

    def marks(self, logits):
        return (logits >= 0).astype(np.int64)


def detecting(network):
    """A network whose readout is a detector."""
    readout = network.readout
    return network.edited(readout=Detector(*(getattr(readout, field.name)
                                             for field in dataclasses.fields(readout))))


def test_rule():
    """The nearest kind that a body's own derives from."""
    network = random_network(1, layers=1)
    detector = detecting(network).readout
    assert rule({Layer: 1, Readout: 2}, network.layers[0]) == 1
    assert rule({Layer: 1, Readout: 2}, detector) == 2
    assert rule({Body: 0, Readout: 2, Detector: 3}, detector) == 3
    with pytest.raises(TypeError, match="^there is no rule for nodes of the kind Detector$"):
        rule({Layer: 1}, detector)


@pytest.mark.parametrize("when", When)
def test_further_kind(when):
    """Logits and cycles of its base, marks of its own."""
    network = random_network(3, units=4, inputs=3, classes=5, when=when)
    other = detecting(network)
    assert other != network and other.gives_logits
    sequences = tuple(random_sequences(3, network, 3, (1, 4)))
    for one, two in zip(run(network, sequences).logits, run(other, sequences).logits, strict=True):
        np.testing.assert_array_equal(one, two)
    cases = [Case(Mapping.uniform(each, 2, 4), sequences) for each in (network, other)]
    assert cases[0].cycles() == cases[1].cycles()
    assert [case.given.user_width for case in cases] == [3, 1]
    for before, after in zip(*(case.transfers for case in cases), strict=True):
        assert after == dataclasses.replace(before, user=int(
            after.data >> (cases[1].given.data_width - 1) == 0))


def test_body():
    """What is no kind of node isn't one."""
    node = random_network(1).nodes[0]
    with pytest.raises(ValueError, match="^layer0 must be a Layer, a Readout or another Body, "
                                         "not 3$"):
        Node(node.name, node.inputs, 3)
