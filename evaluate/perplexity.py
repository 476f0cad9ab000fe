"""How well a network predicts a text, word by word, on the golden model."""

import collections.abc
import dataclasses
import math

import numpy as np
import numpy.typing as npt

from ternloom.model.error import NetworkError
from ternloom.model.golden import Session
from ternloom.model.network import Network, When


__all__ = ["Prediction", "check", "predict", "surprise"]


#: Steps whose logits are in memory at a time: as many as keep those of 10,000 words in the cache.
_CHUNK = 128


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the words of a text cost a network that predicts each from all before it.

    Parameters
    ----------
    words : int
        Predicted: all but the first.
    nats : float
        Sum of the words' negative logarithmic probabilities.
    right : int
        Words that were the likeliest.
    """

    words: int
    nats: float
    right: int

    @property
    def perplexity(self) -> float:
        """Perplexity per word: the exponential of the mean."""
        return math.exp(self.nats / self.words)


def check(network: Network) -> None:
    """Raise ``NetworkError`` unless the network predicts words at every step.

    Parameters
    ----------
    network : Network
    """
    words = None if network.embedding is None else len(network.embedding)
    readout = network.readout
    if words is None or readout is None or readout.when is not When.EVERY \
            or readout.classes != words:
        raise NetworkError(f"network {network.name!r} cannot predict a text: it needs an "
                           "embedding, and a readout at every step with one class per word")


def predict(network: Network, tokens: npt.ArrayLike,
            progress: collections.abc.Callable[[int, int], object] | None = None) -> Prediction:
    """Predict every word of a text but the first, with the state carried from its start to its end.

    Logits are the exact integers of the golden model; their softmax, the only part that is not
    hardware's, is computed in double precision.

    Parameters
    ----------
    network : Network
    tokens : int array (tokens,)
        Indices into the vocabulary.
    progress : callable, optional
        Called with words done and words in all.

    Returns
    -------
    Prediction

    Raises
    ------
    NetworkError
        A network that does not predict words at every step.
    ValueError
        A text of less than two tokens, or a token that the vocabulary does not have.
    """
    check(network)
    tokens = np.asarray(tokens)
    if len(tokens) < 2:
        raise ValueError(f"Text must have at least two tokens, not {len(tokens)}")
    session, readout = Session(network), network.readout
    total, nats, right = len(tokens) - 1, 0.0, 0
    for start in range(0, total, _CHUNK):
        stop = min(start + _CHUNK, total)
        result = session.run([network.embed(tokens[start:stop])])
        cost, likeliest = _judge(readout, result, tokens[start + 1:stop + 1])
        nats += cost
        right += likeliest
        if progress is not None:
            progress(stop, total)
    return Prediction(total, nats, right)


def _judge(readout, result, targets):
    """What ``surprise`` gives for targets, and how many of them were the likeliest."""
    nats = surprise(result.logits[0], 2.0**-readout.logits.frac, targets)
    return nats, int(np.count_nonzero(result.winners[0] == targets))


def surprise(logits: np.ndarray, unit: float, targets: np.ndarray) -> float:
    """Negative logarithmic probability of targets, summed, of logits (steps, words) in units."""
    scaled = (logits - logits.max(axis=1, keepdims=True)) * unit
    chosen = scaled[np.arange(len(targets)), targets]
    return float((np.log(np.exp(scaled, out=scaled).sum(axis=1)) - chosen).sum())
