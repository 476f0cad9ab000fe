"""How good a float network is: what its quantized form is held against."""

import math

import numpy as np

from ternloom.evaluate.perplexity import surprise
from ternloom.files.dataset import Dataset, Numbers
from ternloom.model.error import NetworkError
from ternloom.model.node import When
from ternloom.quantize import forward
from ternloom.quantize.floats import FloatNetwork


__all__ = ["perplexity", "score"]


#: Words whose logits are held at a time.
_PIECE = 512


def score(reference: FloatNetwork, dataset: Dataset) -> float:
    """How right a float network is on a data set: the score of ``Decisions`` or of ``Errors``.

    Raises
    ------
    NetworkError
        A network without a readout.
    """
    answers, targets = _answers(reference, dataset), dataset.targets
    if isinstance(targets, Numbers):
        return float(np.sqrt(np.square(answers - targets.scaling.scaled(targets.flat)).mean()))
    return float(np.mean(answers.argmax(axis=1) == targets.flat))


def _answers(reference, dataset):
    """Logits of the steps that have a target, (vectors, classes)."""
    if not reference.classes:
        raise NetworkError(f"float network {reference.name!r} has no readout, so it cannot be "
                           "measured on labelled data")
    values = [dataset.format.real(each) for each in dataset.sequences]
    outputs = forward.run(reference, values)[-1].outputs
    if dataset.targets.when is When.LAST:
        outputs = tuple(each[-1:] for each in outputs)
    return np.concatenate([forward.logits(reference, each) for each in outputs])


def perplexity(reference: FloatNetwork, tokens: np.ndarray) -> float:
    """Perplexity per word of a float language network on a text, each word but the first.

    Raises
    ------
    NetworkError
        A network without an embedding or a readout.
    """
    if reference.embedding is None or not reference.classes:
        raise NetworkError(f"float network {reference.name!r} cannot predict a text: it needs an "
                           "embedding and a readout")
    outputs = forward.run(reference, [reference.embedding[tokens[:-1]]])[-1].outputs[0]
    nats = 0.0
    for start in range(0, len(outputs), _PIECE):
        logits = forward.logits(reference, outputs[start:start + _PIECE]).astype(np.float64)
        nats += surprise(logits, 1.0, tokens[1 + start:][:len(logits)])
    return math.exp(nats / len(outputs))
