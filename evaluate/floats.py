"""How good a float network is: what its quantized form is held against."""

import math

import numpy as np

from ternloom.evaluate.perplexity import surprise
from ternloom.files.dataset import Dataset
from ternloom.quantize import forward
from ternloom.quantize.floats import FloatNetwork


__all__ = ["perplexity", "share"]


#: Words whose logits are held at a time.
_PIECE = 512


def share(reference: FloatNetwork, dataset: Dataset) -> float:
    """Share of a data set's sequences that a float network gives their true class."""
    outputs = forward.run(reference, _values(dataset))[-1].outputs
    winners = [forward.logits(reference, each[-1]).argmax() for each in outputs]
    return float(np.mean(np.asarray(winners) == dataset.labels))


def perplexity(reference: FloatNetwork, tokens: np.ndarray) -> float:
    """Perplexity per word of a float language network on a text, each word but the first."""
    outputs = forward.run(reference, [_embedded(reference, tokens[:-1])])[-1].outputs[0]
    nats = 0.0
    for start in range(0, len(outputs), _PIECE):
        logits = forward.logits(reference, outputs[start:start + _PIECE]).astype(np.float64)
        nats += surprise(logits, 1.0, tokens[1 + start:][:len(logits)])
    return math.exp(nats / len(outputs))


def _values(dataset):
    """Real input values of each sequence."""
    return [dataset.format.real(each) for each in dataset.sequences]


def _embedded(reference, tokens):
    """Real input values of words."""
    return reference.embedding[tokens]
