"""Float networks on data and text: what is refused, and data that is no fixed point."""

import numpy as np
import pytest

from ternloom.evaluate.floats import perplexity, score
from ternloom.files.dataset import Dataset, Labels
from ternloom.model.cell import LSTM
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary
from ternloom.quantize.floats import FloatLayer, FloatNetwork


def make(readout=True):
    rng = np.random.default_rng(2)
    layer = FloatLayer(LSTM, *(rng.standard_normal(shape).astype(np.float32)
                               for shape in ((12, 4), (12, 3), (12,))), None)
    weights = (rng.standard_normal((2, 3)), np.zeros(2)) if readout else (None, None)
    return FloatNetwork("mine", (layer,), *weights)


def test_share():
    """Codes of one bit stand for -1 and +1; the share of two complementary labels is one."""
    rng = np.random.default_rng(1)
    sequences = [rng.choice([-1, 1], (3, 4)).astype(np.int16) for _ in range(6)]
    labels = np.array([0, 1, 0, 1, 0, 1])
    shares = [score(make(), Dataset("bits", sequences, Labels(("a", "b"), each), ["test"] * 6,
                                    Binary()))
              for each in (labels, 1 - labels)]
    assert sum(shares) == 1.0


def test_refused():
    data = Dataset("bits", [np.ones((1, 4), np.int16)], Labels(("a", "b"), [0]), ["test"], Binary())
    with pytest.raises(NetworkError, match="^float network 'mine' has no readout, so it cannot be "
                                           "measured on labelled data$"):
        score(make(readout=False), data)
    with pytest.raises(NetworkError, match="^float network 'mine' cannot predict a text: it needs "
                                           "an embedding and a readout$"):
        perplexity(make(), np.array([0, 1]))
