"""Recordings in a CSV file: a row per step, with a heading that names the columns."""

import csv
import pathlib
import typing

import numpy as np

from ternloom.data.recordings import Recordings, RecordingsError


__all__ = ["Columns", "read"]


#: Rows of a file.
_LIMIT = 1 << 26


class Columns(typing.NamedTuple):
    """What the columns are that are no input.

    Parameters
    ----------
    label : str or None
        Class of the row's step.
    sequence : str or None
        What rows of one sequence have in common; None if the file is one sequence.
    group, split : str or None
        As of ``Recordings``.
    dropped : tuple of str
        Columns that are no input either, such as a time stamp.
    numbers : tuple of str
        Columns of numbers that are to be told, instead of a label.
    ahead : int
        How many steps in advance they are to be told; if any, they are inputs too.
    """

    label: str | None
    sequence: str | None = None
    group: str | None = None
    split: str | None = None
    dropped: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    ahead: int = 0


def read(path: str | pathlib.Path, columns: Columns) -> Recordings:
    """Read a CSV file.

    Parameters
    ----------
    path : str or Path
    columns : Columns
        All others are inputs, in the order of the file.

    Returns
    -------
    Recordings
        With a label, or numbers, for every step.

    Raises
    ------
    RecordingsError
        One line that names the row, counted from 1 with the heading, and the column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return _recordings(csv.reader(file), columns)
    except OSError as failure:
        raise RecordingsError(f"{path} cannot be read: {failure.strerror}") from None
    except UnicodeDecodeError:
        raise RecordingsError(f"{path} is not a CSV file: it is not text") from None
    except (RecordingsError, csv.Error) as failure:
        raise RecordingsError(f"{path}: {failure}") from None


def _recordings(rows, columns):
    heading = [name.strip() for name in next(rows, [])]
    if len(set(heading)) != len(heading):
        twice = next(name for name in heading if heading.count(name) > 1)
        raise RecordingsError(f"the heading has two columns {twice!r}")
    roles = [columns.label, columns.sequence, columns.group, columns.split, *columns.dropped]
    for name in filter(None, (*roles, *columns.numbers)):
        if name not in heading:
            raise RecordingsError(f"there is no column {name!r}; the columns are "
                                  f"{', '.join(heading) or 'none'}")
    aside = {*roles, *(() if columns.ahead else columns.numbers)}
    inputs = [place for place, name in enumerate(heading) if name not in aside]
    if not inputs:
        raise RecordingsError("no column is left for inputs")
    found = _sequences(rows, heading, columns, inputs)
    if not found:
        raise RecordingsError("there are no rows below the heading")
    longest = max(len(each.values) for each in found)
    kept = [each for each in found if len(each.values) > columns.ahead]
    if not kept:
        raise RecordingsError(f"no sequence has a step {columns.ahead} steps ahead; the longest "
                              f"has {longest}")
    ahead = columns.ahead
    targets = tuple(np.array(each.targets)[ahead:] for each in kept)
    return Recordings(tuple(np.array(each.values[:len(each.values) - ahead]) for each in kept),
                      () if columns.numbers else targets,
                      tuple(heading[place] for place in inputs),
                      columns.split and tuple(each.split for each in kept),
                      columns.group and tuple(each.group for each in kept),
                      targets if columns.numbers else (), columns.numbers)


class _Sequence:
    """Rows of one sequence: values and targets of the rows, and its group and part."""

    def __init__(self, group, split):
        self.values: list[list[float]] = []
        self.targets: list[typing.Any] = []
        self.group, self.split = group, split


def _sequences(rows, heading, columns, inputs) -> list[_Sequence]:
    place = {name: heading.index(name) for name in heading}
    numbers = [place[name] for name in columns.numbers]

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
        name = cell(row, columns.sequence) or ""
        group, split = cell(row, columns.group), cell(row, columns.split)
        each = found.setdefault(name, _Sequence(group, split))
        for column, here, there in ((columns.group, group, each.group),
                                    (columns.split, split, each.split)):
            if here != there:
                raise RecordingsError(f"row {number} has {here!r} in the column {column}, but its "
                                      f"sequence {name!r} began with {there!r}")
        target = cell(row, columns.label)
        if not numbers and not target:
            raise RecordingsError(f"row {number}, column {columns.label} is empty")
        each.values.append([_number(number, heading[at], row[at]) for at in inputs])
        each.targets.append([_number(number, heading[at], row[at]) for at in numbers] or target)
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
