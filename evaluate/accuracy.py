"""How often a network is right, on the golden model."""

import typing

import numpy as np

from ternloom.evaluate.answers import Answers
from ternloom.files.dataset import Labels
from ternloom.model.frozen import Frozen


__all__ = ["Decisions", "decide"]


class Decisions(Frozen):
    """Decisions of a network on labelled sequences, or on their labelled steps.

    Parameters
    ----------
    confusion : int array (classes, classes)
        Sequences, or steps, of each true class (row) that were given each class (column).
    sequences, steps : int
        Time steps are those of all sequences.
    seconds : float
        Time that the golden model took.
    winners : int array (decisions,)
        Class of each sequence, or of each step of one after the other.
    """

    confusion: np.ndarray
    sequences: int
    steps: int
    seconds: float
    winners: np.ndarray

    @property
    def count(self) -> int:
        """Decisions."""
        return len(self.winners)

    @property
    def correct(self) -> int:
        """Decisions for the true class."""
        return int(np.trace(self.confusion))

    @property
    def fraction(self) -> float:
        """Share of the decisions for the true class."""
        return self.correct / self.count

    @property
    def score(self) -> float:
        """The share, as of ``Errors`` their root."""
        return self.fraction

    @property
    def recall(self) -> np.ndarray:
        """Of each class the share that was found, float array (classes,); NaN where it has none."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> np.ndarray:
        """Share of the decisions for each class that are right; NaN where there is no decision."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall of each class; NaN where it never occurs."""
        return _ratio(2 * np.diag(self.confusion),
                      self.confusion.sum(axis=0) + self.confusion.sum(axis=1))

    def data(self) -> dict[str, typing.Any]:
        """The measurement as JSON values."""
        shares = {name: [None if np.isnan(each) else float(each) for each in getattr(self, name)]
                  for name in ("recall", "precision", "f1")}
        return {"sequences": self.sequences, "decisions": self.count, "correct": self.correct,
                "accuracy": self.fraction, **shares, "steps": self.steps, "seconds": self.seconds,
                "confusion": self.confusion.tolist()}


def _ratio(part, whole):
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def decide(answers: Answers, targets: Labels) -> Decisions:
    """Decisions for the largest logits, the lowest class of equals."""
    logits = answers.flat
    winners = logits.argmax(axis=1)
    confusion = np.zeros((logits.shape[1],) * 2, dtype=np.int64)
    np.add.at(confusion, (targets.flat, winners), 1)
    return Decisions(confusion, len(answers.logits), answers.steps, answers.seconds, winners)
