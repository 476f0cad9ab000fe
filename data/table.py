"""Recordings in a CSV file: a row per step, with a heading that names the columns."""

import csv
import pathlib
import typing

import numpy as np

from ternloom.data.recordings import Recordings, RecordingsError, windows


__all__ = ["Columns", "read"]


#: Rows of a file.
_LIMIT = 1 << 26


class Columns(typing.NamedTuple):
    """What the columns are that are no input.

    Parameters
    ----------
    label : str
        Class of the row's sequence.
    sequence : str or None
        What rows of one sequence have in common; None if the file is one sequence.
    group, split : str or None
        As of ``Recordings``.
    dropped : tuple of str
        Columns that are no input either, such as a time stamp.
    """

    label: str
    sequence: str | None = None
    group: str | None = None
    split: str | None = None
    dropped: tuple[str, ...] = ()


def read(path: str | pathlib.Path, columns: Columns, *, window: int | None = None,
         stride: int | None = None) -> Recordings:
    """Read a CSV file.

    Parameters
    ----------
    path : str or Path
    columns : Columns
        All others are inputs, in the order of the file.
    window : int or None
        Cut each sequence into pieces of so many steps, whose class is that of their last row;
        without it a sequence has one class.
    stride : int or None
        Steps from one piece to the next; None for ``window``.

    Returns
    -------
    Recordings

    Raises
    ------
    RecordingsError
        One line that names the row, counted from 1 with the heading, and the column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _recordings(csv.reader(file), columns, window, stride)
    except OSError as failure:
        raise RecordingsError(f"{path} cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise RecordingsError(f"{path} is not a CSV file: it is not text") from None
    except (RecordingsError, csv.Error) as failure:
        raise RecordingsError(f"{path}: {failure}") from None


def _recordings(rows, columns, window, stride):
    heading = [name.strip() for name in next(rows, [])]
    if len(set(heading)) != len(heading):
        twice = next(name for name in heading if heading.count(name) > 1)
        raise RecordingsError(f"the heading has two columns {twice!r}")
    roles = [columns.label, columns.sequence, columns.group, columns.split, *columns.dropped]
    for name in filter(None, roles):
        if name not in heading:
            raise RecordingsError(f"there is no column {name!r}; the columns are "
                                  f"{', '.join(heading) or 'none'}")
    inputs = [place for place, name in enumerate(heading) if name not in roles]
    if not inputs:
        raise RecordingsError("no column is left for inputs")
    found = _sequences(rows, heading, columns, inputs)
    names = tuple(heading[place] for place in inputs)
    if not found:
        raise RecordingsError("there are no rows below the heading")
    if window is None:
        pieces = [(each, each.values, each.label) for each in found]
    else:
        pieces = [(found[index], found[index].values[start:start + window],
                   found[index].labels[start + window - 1])
                  for index, start in windows([len(each.values) for each in found], window,
                                              stride)]
    return Recordings(tuple(np.array(values) for _, values, _ in pieces),
                      tuple(label for _, _, label in pieces), names,
                      columns.split and tuple(each.split for each, _, _ in pieces),
                      columns.group and tuple(each.group for each, _, _ in pieces))


class _Sequence:
    """Rows of one sequence: values, classes and numbers of the rows, and its group and part."""

    def __init__(self, group, split):
        self.values: list[list[float]] = []
        self.labels: list[str] = []
        self.numbers: list[int] = []
        self.group, self.split = group, split

    @property
    def label(self):
        """The one class of all rows."""
        first = self.labels[0]
        for number, label in zip(self.numbers, self.labels, strict=True):
            if label != first:
                raise RecordingsError(
                    f"row {number} has the class {label!r}, but its sequence began with {first!r} "
                    f"in row {self.numbers[0]}; name the column that tells sequences apart, or "
                    "cut them into windows")
        return first


def _sequences(rows, heading, columns, inputs) -> list[_Sequence]:
    place = {name: heading.index(name) for name in heading}

    def cell(row, column):
        return None if column is None else row[place[column]].strip()

    found: dict[str, _Sequence] = {}
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if number > _LIMIT:
            raise RecordingsError(f"there are more than {_LIMIT} rows")
        if len(row) != len(heading):
            raise RecordingsError(f"row {number} has {len(row)} cells, but the heading "
                                  f"{len(heading)}")
        label = cell(row, columns.label)
        if not label:
            raise RecordingsError(f"row {number}, column {columns.label} is empty")
        name = cell(row, columns.sequence) or ""
        group, split = cell(row, columns.group), cell(row, columns.split)
        each = found.setdefault(name, _Sequence(group, split))
        for column, here, there in ((columns.group, group, each.group),
                                    (columns.split, split, each.split)):
            if here != there:
                raise RecordingsError(f"row {number} has {here!r} in the column {column}, but its "
                                      f"sequence {name!r} began with {there!r}")
        each.values.append([_number(number, heading[at], row[at]) for at in inputs])
        each.labels.append(label)
        each.numbers.append(number)
    return list(found.values())


def _number(row, column, text):
    try:
        value = float(text)
    except ValueError:
        said = f"{text!r} is not a number" if text.strip() else "the cell is empty"
        raise RecordingsError(f"row {row}, column {column}: {said}") from None
    if not np.isfinite(value):
        raise RecordingsError(f"row {row}, column {column}: {text.strip()!r} is not a finite "
                              "number; fill or drop it first")
    return value
