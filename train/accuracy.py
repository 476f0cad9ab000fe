"""Shares of right answers, and how a network file's notes keep them."""

import dataclasses
import re

import numpy as np

from ternloom.model import golden


__all__ = ["Accuracy", "integer_accuracy"]


_NOTE = re.compile(r"valid (\d\.\d{4}), test (\d\.\d{4})")


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """Shares of right answers, from 0 to 1, on the validation and the test part."""

    valid: float
    test: float

    def note(self):
        """As a network file's notes keep it."""
        return f"valid {self.valid:.4f}, test {self.test:.4f}"

    @classmethod
    def from_note(cls, note):
        """Read back what ``note`` wrote; a ``ValueError`` if that isn't it."""
        match = _NOTE.fullmatch(note)
        if match is None:
            raise ValueError(f"Accuracy must be noted as 'valid 0.9900, test 0.9900', not {note!r}")
        return cls(*(float(share) for share in match.groups()))


def integer_accuracy(network, dataset):
    """Of the golden model on both parts, at each sequence's last step.

    Parameters
    ----------
    network : Network
    dataset : Dataset

    Returns
    -------
    Accuracy
    """
    def share(part):
        winners = golden.run(network, part.sequences).winners
        return float((np.array([winner[-1] for winner in winners]) == part.labels).mean())

    return Accuracy(*(share(dataset.part(name)) for name in ("valid", "test")))
