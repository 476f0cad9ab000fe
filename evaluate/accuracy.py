"""How often a network is right, on the golden model."""

import collections.abc
import time
import typing

import numpy as np

from ternloom.files.dataset import Dataset
from ternloom.model import golden
from ternloom.model.error import NetworkError
from ternloom.model.frozen import Frozen
from ternloom.model.network import Network


__all__ = ["Decisions", "measure"]

#: Sequences between two words of progress.
_BATCH = 200


class Decisions(Frozen):
    """Decisions of a network on labelled sequences.

    Parameters
    ----------
    confusion : int array (classes, classes)
        Sequences of each true class (row) that were given each class (column).
    steps : int
        Time steps of all sequences.
    seconds : float
        Time that the golden model took.
    winners : int array (sequences,)
        Class of each sequence, of its last step.
    """

    confusion: np.ndarray
    steps: int
    seconds: float
    winners: np.ndarray

    @property
    def sequences(self) -> int:
        """Sequences."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """Sequences given their true class."""
        return int(np.trace(self.confusion))

    @property
    def fraction(self) -> float:
        """Share of the sequences given their true class."""
        return self.correct / self.sequences

    def data(self) -> dict[str, typing.Any]:
        """The measurement as JSON values."""
        return {"sequences": self.sequences, "correct": self.correct, "accuracy": self.fraction,
                "steps": self.steps, "seconds": self.seconds,
                "confusion": self.confusion.tolist()}


def measure(network: Network, dataset: Dataset,
            report: collections.abc.Callable[[int, int], object] | None = None) -> Decisions:
    """Run a network over a data set.

    Parameters
    ----------
    network : Network
    dataset : Dataset
    report : callable, optional
        Progress, ``report(done, total)`` in sequences.

    Returns
    -------
    Decisions

    Raises
    ------
    NetworkError
        A network without a readout, or with several.
    """
    readout, start = network.readout, time.perf_counter()
    if readout is None:
        raise NetworkError(f"network {network.name!r} has no readout, so it cannot be measured on "
                           "labelled data")
    winners: list[int] = []
    total = len(dataset.sequences)
    for first in range(0, total, _BATCH):
        winners += _last(golden.run(network, dataset.sequences[first:first + _BATCH]))
        if report is not None:
            report(len(winners), total)
    seconds = time.perf_counter() - start
    confusion = np.zeros((readout.classes,) * 2, dtype=np.int64)
    np.add.at(confusion, (np.asarray(dataset.labels), np.asarray(winners)), 1)
    steps = sum(len(sequence) for sequence in dataset.sequences)
    return Decisions(confusion, steps, seconds, np.asarray(winners))


def _last(result):
    """Class of each sequence, of its last step."""
    return [int(each[-1]) for each in result.winners]
