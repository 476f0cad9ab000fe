"""How good a float network is: what its quantized form is held against."""

import math

import numpy as np

from ternloom.evaluate.perplexity import surprise
from ternloom.quantize import forward


__all__ = ["perplexity", "share"]


#: Words whose logits are held at a time.
_PIECE = 512


def share(reference, dataset):
    """Share of a data set's sequences that a float network gives their true class."""
    outputs = forward.run(reference, [dataset.format.real(each)
                                      for each in dataset.sequences])[-1].outputs
    winners = [forward.logits(reference, each[-1]).argmax() for each in outputs]
    return float(np.mean(np.asarray(winners) == dataset.labels))


def perplexity(reference, tokens):
    """Perplexity per word of a float language network on a text, each word but the first."""
    outputs = forward.run(reference, [reference.embedding[tokens[:-1]]])[-1].outputs[0]
    nats = 0.0
    for start in range(0, len(outputs), _PIECE):
        logits = forward.logits(reference, outputs[start:start + _PIECE]).astype(np.float64)
        nats += surprise(logits, 1.0, tokens[1 + start:][:len(logits)])
    return math.exp(nats / len(outputs))
