"""How right a network is on a data set, whatever the data say is right."""

import collections.abc

from ternloom.evaluate.accuracy import Decisions, decide
from ternloom.evaluate.answers import Answers, collect
from ternloom.evaluate.errors import Errors, compare
from ternloom.files.dataset import Dataset, Labels, Numbers
from ternloom.model.network import Network


__all__ = ["judge", "measure"]


def judge(network: Network, answers: Answers, targets: Labels | Numbers) -> Decisions | Errors:
    """What answers are worth beside what is right."""
    if isinstance(targets, Numbers):
        return compare(network, answers, targets)
    return decide(answers, targets)


def measure(network: Network, dataset: Dataset,
            report: collections.abc.Callable[[int, int], object] | None = None
            ) -> Decisions | Errors:
    """Run a network over a data set on the golden model.

    Parameters
    ----------
    network : Network
    dataset : Dataset
    report : callable, optional
        Progress, ``report(done, total)`` in sequences.

    Returns
    -------
    Decisions or Errors
        Of data with classes, or with numbers.

    Raises
    ------
    NetworkError
        As ``ternloom.evaluate.answers.collect``.
    """
    return judge(network, collect(network, dataset, report), dataset.targets)
