"""Recordings: sequences of raw values and what is right, before anything is an integer."""

import collections.abc
import dataclasses
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
    """Sequences of raw values, and what is right: labels, or numbers.

    Parameters
    ----------
    sequences : tuple of float array (steps, inputs)
        At least one, of at least one step each and finite.
    labels : tuple of str, or tuple of str array (steps,)
        Class of each sequence, or of each of its steps; empty if there are numbers.
    columns : tuple of str
        Names of the inputs, or empty.
    split : tuple of str or None
        Part of each sequence: "train", "valid" or "test"; None where it is to be drawn.
    groups : tuple of str or None
        What each sequence belongs to, such as a speaker; a group is never in two parts.
    numbers : tuple of float array (numbers,), or tuple of float array (steps, numbers)
        What is to be told of each sequence, or at each of its steps; empty if there are labels.
    names : tuple of str
        Of the numbers.

    Raises
    ------
    RecordingsError
        Parts that don't fit each other, with the first sequence that doesn't.
    """

    sequences: tuple[np.ndarray, ...]
    labels: tuple[typing.Any, ...] = ()
    columns: tuple[str, ...] = ()
    split: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    numbers: tuple[np.ndarray, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        count = len(self.sequences)
        if not count:
            raise RecordingsError("there are no sequences")
        if bool(self.labels) == bool(self.numbers):
            raise RecordingsError("there must be labels or numbers, "
                                  f"not {'both' if self.labels else 'neither'}")
        for name in (self._what, "split", "groups"):
            given = getattr(self, name)
            if given is not None and len(given) != count:
                raise RecordingsError(f"{name} must have {count} entries, one per sequence, "
                                      f"not {len(given)}")
        for index, sequence in enumerate(self.sequences):
            self._check(index, sequence)
            self._check_target(index, sequence)

    def _check(self, index, sequence):
        if sequence.ndim != 2 or not len(sequence) or sequence.shape[1] != self.inputs:
            raise RecordingsError(f"sequence {index} must have the shape (steps, {self.inputs}), "
                                  f"not {sequence.shape}")
        if not np.isfinite(sequence).all():
            step, column = np.argwhere(~np.isfinite(sequence))[0]
            name = self.columns[column] if self.columns else f"{column}"
            raise RecordingsError(f"sequence {index}, step {step}, input {name} is "
                                  f"{sequence[step, column]}, not a number; fill or drop it first")

    def _check_target(self, index, sequence):
        target, kind = self._targets[index], len(self.names)
        expected = ((len(sequence),) if self.per_step else ()) + ((kind,) if self.numbers else ())
        if np.shape(target) != expected:
            raise RecordingsError(f"{self._what} of sequence {index} must have the shape "
                                  f"{expected}, not {np.shape(target)}")
        if self.numbers and not np.isfinite(target).all():
            raise RecordingsError(f"numbers of sequence {index} must be finite; fill or drop "
                                  "what is missing first")

    @property
    def _what(self):
        return "numbers" if self.numbers else "labels"

    @property
    def _targets(self):
        return self.numbers or self.labels

    @property
    def per_step(self) -> bool:
        """Whether each step has a label or numbers of its own."""
        return np.ndim(self._targets[0]) == (2 if self.numbers else 1)

    @property
    def inputs(self) -> int:
        """Values of a step."""
        return self.sequences[0].shape[-1]

    def windows(self, size: int, stride: int | None = None) -> typing.Self:
        """Pieces of the sequences, which keep what is right, the parts and the groups of theirs.

        Parameters
        ----------
        size, stride
            As of the function ``windows``, which says what it raises.
        """
        places = windows([len(each) for each in self.sequences], size, stride)
        return self._pieces([(index, start, start + size) for index, start in places])

    def in_time(self, valid: float, test: float) -> typing.Self:
        """Each sequence cut in three: training comes first, then validation, then the test.

        Parameters
        ----------
        valid, test : float
            Shares of a sequence's steps.

        Raises
        ------
        RecordingsError
            A sequence too short for it, recordings that are split, or with one label a sequence.
        """
        if self.split is not None:
            raise RecordingsError("the recordings are split already")
        if not self.per_step:
            raise RecordingsError("parts one after the other in time need a label or a number for "
                                  "every step")
        pieces, parts = [], []
        for index, sequence in enumerate(self.sequences):
            steps = len(sequence)
            last, first = steps - round(test * steps), steps - round((valid + test) * steps)
            for part, start, stop in (("train", 0, first), ("valid", first, last),
                                      ("test", last, steps)):
                if stop > start:
                    pieces.append((index, start, stop))
                    parts.append(part)
        return dataclasses.replace(self._pieces(pieces), split=tuple(parts))

    def at_last(self) -> typing.Self:
        """The same with what is right at each sequence's last step alone."""
        if not self.per_step:
            return self
        if self.numbers:
            return dataclasses.replace(self, numbers=tuple(each[-1] for each in self.numbers))
        return dataclasses.replace(self, labels=tuple(str(each[-1]) for each in self.labels))

    def whole(self) -> typing.Self:
        """The same with one label a sequence, which all its steps must have.

        Raises
        ------
        RecordingsError
            A sequence whose label changes, or numbers at every step.
        """
        if not self.per_step:
            return self
        if self.numbers:
            raise RecordingsError("every step has a number of its own; keep them all, or cut the "
                                  "sequences into windows, each with that of its last step")
        for index, labels in enumerate(self.labels):
            other = np.flatnonzero(labels != labels[0])
            if len(other):
                raise RecordingsError(
                    f"sequence {index} has the label {str(labels[0])!r} at first and "
                    f"{str(labels[other[0]])!r} at step {other[0]}; name the column that tells "
                    "sequences apart, cut them into windows, or keep the labels of every step")
        return self.at_last()

    def _pieces(self, places):
        """Pieces of sequences: index, first step, and the one after the last."""
        targets = tuple(self._targets[index][start:stop] if self.per_step else self._targets[index]
                        for index, start, stop in places)

        def of(given):
            return None if given is None else tuple(given[index] for index, *_ in places)

        return dataclasses.replace(
            self, sequences=tuple(self.sequences[index][start:stop]
                                  for index, start, stop in places),
            split=of(self.split), groups=of(self.groups), **{self._what: targets})
