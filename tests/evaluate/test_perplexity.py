"""Perplexity on the golden model, against a plain restatement."""

import dataclasses
import math

import numpy as np
import pytest
from edit import edited, refed

from ternloom.evaluate import perplexity
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed, Planes
from ternloom.model.golden import run
from ternloom.model.network import When


WORDS = 7


def make_network(seed, **options):
    """A random network that predicts words."""
    options = {"classes": WORDS, "when": When.EVERY, "input_format": Planes((3, 1), 2)} | options
    network = random_network(seed, name="talker", **options)
    readout = dataclasses.replace(network.readout, logits=Fixed(12, 6))
    embedding = np.random.default_rng(seed).integers(0, 4, (WORDS, network.inputs))
    return edited(network, readout=readout, embedding=embedding.astype(np.int8))


@pytest.mark.parametrize("count", (2, 40, 700))
def test_prediction(count):
    """Also over the seam between two chunks."""
    network = make_network(count, units=5, inputs=3)
    tokens = np.random.default_rng(1).integers(0, WORDS, count)
    logits = run(network, [network.embedding[tokens[:-1]].astype(int)]).logits[0].tolist()
    nats, right = 0.0, 0
    for row, target in zip(logits, tokens[1:].tolist(), strict=True):
        shares = [math.exp(value / 64) for value in row]
        nats -= math.log(shares[target] / sum(shares))
        right += row.index(max(row)) == target
    seen = []
    found = perplexity.predict(network, tokens, lambda *done: seen.append(done))
    assert (found.words, found.right) == (count - 1, right)
    assert found.nats == pytest.approx(nats, rel=1e-12)
    assert found.perplexity == pytest.approx(math.exp(nats / (count - 1)), rel=1e-12)
    assert seen[-1] == (count - 1, count - 1)


def test_unsurprised():
    """Equal logits are a perplexity of the number of words."""
    network = make_network(1, layers=1)
    readout = network.readout
    weights = dataclasses.replace(readout.weights,
                                  coefficients=readout.weights.coefficients * 0)
    network = edited(network, readout=refed(readout, matrix=weights, bias=readout.bias * 0))
    found = perplexity.predict(network, [0, 1, 2, 0])
    assert found.perplexity == pytest.approx(WORDS, rel=1e-12)
    assert found.right == 1


@pytest.mark.parametrize("change", [
    {"embedding": None}, {"readout": None},
    {"embedding": np.zeros((3, 2), dtype=np.int8)},
])
def test_no_language(change):
    network = edited(make_network(1, layers=1, inputs=2), **change)
    with pytest.raises(NetworkError, match="^network 'talker' cannot predict a text: it needs an "
                                           "embedding, and a readout at every step with one class "
                                           "per word$"):
        perplexity.predict(network, [0, 1])


def test_last_step():
    network = make_network(1, layers=1)
    readout = dataclasses.replace(network.readout, when=When.LAST)
    with pytest.raises(NetworkError, match="^network 'talker' cannot predict a text: "):
        perplexity.check(edited(network, readout=readout))


def test_short_text():
    with pytest.raises(ValueError, match="^Text must have at least two tokens, not 1$"):
        perplexity.predict(make_network(1), [0])
