"""What a network answers to a data set, on the golden model, where the data have a target."""

import collections.abc
import time

import numpy as np

from ternloom.files.dataset import Dataset
from ternloom.model import golden
from ternloom.model.error import NetworkError
from ternloom.model.frozen import Frozen
from ternloom.model.network import Network, When


__all__ = ["Answers", "collect"]


#: Sequences between two words of progress.
_BATCH = 200


class Answers(Frozen):
    """Logits of the steps that have a target.

    Parameters
    ----------
    logits : tuple of int64 array (vectors, classes)
        Of each sequence: one vector, or one a step.
    steps : int
        Time steps of all sequences.
    seconds : float
        Time that the golden model took.
    """

    logits: tuple[np.ndarray, ...]
    steps: int
    seconds: float

    @property
    def flat(self) -> np.ndarray:
        """The vectors of all sequences, int64 array (vectors, classes)."""
        return np.concatenate(self.logits)


def collect(network: Network, dataset: Dataset,
            report: collections.abc.Callable[[int, int], object] | None = None) -> Answers:
    """Run a network over a data set.

    Parameters
    ----------
    network : Network
    dataset : Dataset
    report : callable, optional
        Progress, ``report(done, total)`` in sequences.

    Returns
    -------
    Answers

    Raises
    ------
    NetworkError
        A network without a readout, or with several; one that answers at the last step alone, and
        targets of every step.
    """
    readout, start = network.readout, time.perf_counter()
    if readout is None:
        raise NetworkError(f"network {network.name!r} has no readout, so it cannot be measured on "
                           "labelled data")
    every = dataset.targets.when is When.EVERY
    if every and readout.when is When.LAST:
        raise NetworkError(f"network {network.name!r} answers at the last step alone, but the data "
                           f"have {dataset.targets.what} of every step")
    logits: list[np.ndarray] = []
    total = len(dataset.sequences)
    for first in range(0, total, _BATCH):
        found = golden.run(network, dataset.sequences[first:first + _BATCH]).logits or ()
        logits += [each if every else each[-1:] for each in found]
        if report is not None:
            report(len(logits), total)
    return Answers(tuple(logits), sum(len(sequence) for sequence in dataset.sequences),
                   time.perf_counter() - start)
