"""Shares of right answers, errors, perplexities, and how a network file's notes keep them."""

import dataclasses
import re
import typing

from ternloom.evaluate.measure import measure
from ternloom.files.dataset import Dataset
from ternloom.model.network import Network


__all__ = ["Accuracy", "Perplexity", "Rmse", "integer_score"]


@dataclasses.dataclass(frozen=True)
class _Score:
    """A number each for the validation and the test part."""

    valid: float
    test: float

    #: What notes call it.
    kind: typing.ClassVar[str]
    _digits: typing.ClassVar[int]
    _example: typing.ClassVar[float]

    def note(self) -> str:
        """As a network file's notes keep it."""
        return f"valid {self.valid:.{self._digits}f}, test {self.test:.{self._digits}f}"

    @classmethod
    def from_note(cls, note: str) -> typing.Self:
        """Read back what ``note`` wrote; a ``ValueError`` if that isn't it."""
        number = rf"(\d+\.\d{{{cls._digits}}})"
        match = re.fullmatch(f"valid {number}, test {number}", note)
        if match is None:
            example = cls(cls._example, cls._example).note()
            raise ValueError(f"{cls.__name__} must be noted as {example!r}, not {note!r}")
        return cls(*(float(value) for value in match.groups()))


@dataclasses.dataclass(frozen=True)
class Accuracy(_Score):
    """Shares of right answers, from 0 to 1, on the validation and the test part."""

    kind, _digits, _example = "accuracy", 4, 0.99

    @property
    def rank(self) -> float:
        """Larger on a better validation part."""
        return self.valid

    def text(self, part: str) -> str:
        """One of the numbers as people read it."""
        return f"{100 * getattr(self, part):.2f} %"


@dataclasses.dataclass(frozen=True)
class Perplexity(_Score):
    """Perplexities per word of the validation and the test text."""

    kind, _digits, _example = "perplexity", 2, 100.0

    @property
    def rank(self) -> float:
        """Larger on a better validation part."""
        return -self.valid

    def text(self, part: str) -> str:
        """One of the numbers as people read it."""
        return f"{getattr(self, part):.2f}"


@dataclasses.dataclass(frozen=True)
class Rmse(_Score):
    """Roots of the mean square error on the validation and the test part.

    In deviations of the numbers over the training part, all numbers together: 1 is what saying
    their mean comes to.
    """

    kind, _digits, _example = "rmse", 4, 0.5

    @property
    def rank(self) -> float:
        """Larger on a better validation part."""
        return -self.valid

    def text(self, part: str) -> str:
        """One of the numbers as people read it."""
        return f"{getattr(self, part):.4f}"


def integer_score(network: Network, dataset: Dataset) -> Accuracy | Rmse:
    """Of the golden model on both parts, at the steps that have a target.

    Parameters
    ----------
    network : Network
    dataset : Dataset
    """
    kind = {each.kind: each for each in (Accuracy, Rmse)}[dataset.targets.metric]
    return kind(*(measure(network, dataset.part(name)).score for name in ("valid", "test")))
