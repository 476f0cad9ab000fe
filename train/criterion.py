"""What a network is trained towards and judged by: classes, or numbers."""

import abc
import typing

from torch.nn import functional

from ternloom.evaluate.score import Accuracy, Rmse
from ternloom.files.targets import Numbers, Targets


__all__ = ["Criterion", "criterion"]


class Criterion(abc.ABC):
    """Losses are means over vectors, and answers logits (vectors, classes or numbers)."""

    #: Validation and test part in one number each.
    score: typing.ClassVar[type]

    @abc.abstractmethod
    def loss(self, answers, expected):
        """Loss of answers, a tensor."""

    @abc.abstractmethod
    def distance(self, answers, teacher):
        """How far answers are from a teacher's, a tensor."""

    @abc.abstractmethod
    def sums(self, answers, expected):
        """Over all vectors: the loss, and what ``mean`` makes the score of, two floats."""

    def mean(self, total, vectors):
        """The score, of what ``sums`` add up to."""
        return total / vectors

    @abc.abstractmethod
    def rank(self, loss, score):
        """Key by which the best epoch has the largest."""


class _Classes(Criterion):
    """Cross entropy; the share of right answers.

    Parameters
    ----------
    smoothing : float
        Of the labels.
    """

    score = Accuracy

    def __init__(self, smoothing):
        self._smoothing = smoothing

    def loss(self, answers, expected):
        return functional.cross_entropy(answers, expected, label_smoothing=self._smoothing)

    def distance(self, answers, teacher):
        return functional.cross_entropy(answers, teacher.softmax(1))

    def sums(self, answers, expected):
        return (float(functional.cross_entropy(answers, expected, reduction="sum")),
                int((answers.argmax(1) == expected).sum()))

    def rank(self, loss, score):
        return score, -loss


class _Numbers(Criterion):
    """Mean square error, in deviations of the training part; its root."""

    score = Rmse

    def loss(self, answers, expected):
        return functional.mse_loss(answers, expected)

    def distance(self, answers, teacher):
        return functional.mse_loss(answers, teacher)

    def sums(self, answers, expected):
        squares = float(functional.mse_loss(answers, expected.to(answers.dtype), reduction="sum"))
        return (squares / answers.shape[1],) * 2

    def mean(self, total, vectors):
        return (total / vectors)**0.5

    def rank(self, loss, score):
        return (-score,)


def criterion(targets: Targets, smoothing: float) -> Criterion:
    """What suits the targets of a data set; ``smoothing`` is of labels."""
    return _Numbers() if isinstance(targets, Numbers) else _Classes(smoothing)
