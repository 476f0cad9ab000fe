"""Recordings: sequences of raw values with their labels, before anything is an integer."""

import collections.abc
import typing

import numpy as np

from ternloom.model.frozen import Frozen
from ternloom.model.mistake import Mistake


__all__ = ["Recordings", "RecordingsError", "windows"]


class RecordingsError(Mistake, ValueError):
    """Recordings that cannot be what they claim to be, or cannot be used as asked for."""


def windows(lengths: collections.abc.Sequence[int], size: int,
            stride: int | None) -> list[tuple[int, int]]:
    """Where the windows of sequences lie.

    Parameters
    ----------
    lengths : sequence of int
        Steps of each sequence.
    size : int
        Steps of a window; what is shorter at the end of a sequence is dropped.
    stride : int or None
        Steps from one to the next; None for ``size``, so that they don't overlap.

    Returns
    -------
    list of (int, int)
        Index of the sequence, and the window's first step.

    Raises
    ------
    RecordingsError
        If no sequence is long enough.
    """
    places = [(index, start) for index, length in enumerate(lengths)
              for start in range(0, length - size + 1, stride or size)]
    if not places:
        raise RecordingsError(f"no sequence has a window of {size} steps; the longest has "
                              f"{max(lengths, default=0)}")
    return places


class Recordings(Frozen):
    """Labelled sequences of raw values.

    Parameters
    ----------
    sequences : tuple of float array (steps, inputs)
        At least one, of at least one step each and finite.
    labels : tuple of str
        Class of each sequence.
    columns : tuple of str
        Names of the inputs, or empty.
    split : tuple of str or None
        Part of each sequence: "train", "valid" or "test"; None where it is to be drawn.
    groups : tuple of str or None
        What each sequence belongs to, such as a speaker; a group is never in two parts.

    Raises
    ------
    RecordingsError
        Parts that don't fit each other, with the first sequence that doesn't.
    """

    sequences: tuple[np.ndarray, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...] = ()
    split: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    def __post_init__(self):
        super().__post_init__()
        count = len(self.sequences)
        if not count:
            raise RecordingsError("there are no sequences")
        for name in ("labels", "split", "groups"):
            given = getattr(self, name)
            if given is not None and len(given) != count:
                raise RecordingsError(f"{name} must have {count} entries, one per sequence, "
                                      f"not {len(given)}")
        for index, sequence in enumerate(self.sequences):
            self._check(index, sequence)

    def _check(self, index, sequence):
        if sequence.ndim != 2 or not len(sequence) or sequence.shape[1] != self.inputs:
            raise RecordingsError(f"sequence {index} must have the shape (steps, {self.inputs}), "
                                  f"not {sequence.shape}")
        if not np.isfinite(sequence).all():
            step, column = np.argwhere(~np.isfinite(sequence))[0]
            name = self.columns[column] if self.columns else f"{column}"
            raise RecordingsError(f"sequence {index}, step {step}, input {name} is "
                                  f"{sequence[step, column]}, not a number; fill or drop it first")

    @property
    def inputs(self) -> int:
        """Values of a step."""
        return self.sequences[0].shape[-1]

    def windows(self, size: int, stride: int | None = None) -> typing.Self:
        """Pieces of the sequences, which keep the labels, parts and groups of theirs.

        Parameters
        ----------
        size, stride
            As of the function ``windows``, which says what it raises.
        """
        places = windows([len(each) for each in self.sequences], size, stride)
        chosen = [index for index, _ in places]

        def of(given):
            return None if given is None else tuple(given[index] for index in chosen)

        return type(self)(tuple(self.sequences[index][start:start + size]
                                for index, start in places),
                          tuple(self.labels[index] for index in chosen), self.columns,
                          of(self.split), of(self.groups))
