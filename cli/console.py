"""What a verb says: tables on standard output, progress on standard error, or JSON alone."""

import contextlib
import dataclasses
import json
import sys
import time

from rich.console import Console as Terminal
from rich.console import Group
from rich.progress import (BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn,
                           TimeElapsedColumn)
from rich.table import Table
from rich.text import Text


__all__ = ["Console", "Outcome", "facts", "table"]

#: Seconds before work is worth a word, and between two words where no bar can be drawn.
_PATIENCE, _INTERVAL = 2.0, 15.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a verb found.

    Parameters
    ----------
    data : dict
        The machine-readable result, of JSON values.
    tables : tuple
        The same for people: tables and lines.
    status : int
        Exit status: 0, or 1 where the work was done and the answer is bad.
    """

    data: dict
    tables: tuple = ()
    status: int = 0


class Console:
    """Where a verb's words go.

    Parameters
    ----------
    machine : bool
        With ``--json``: nothing but the result on standard output, and silence besides.
    """

    def __init__(self, machine=False):
        self.machine = machine
        self._out = Terminal(highlight=False, soft_wrap=False)
        self._err = Terminal(stderr=True, highlight=False)

    def show(self, outcome):
        """Print a verb's result."""
        if self.machine:
            json.dump(outcome.data, sys.stdout, indent=2)
            print()
            return
        for part in outcome.tables:
            self._out.print(part, soft_wrap=isinstance(part, str))

    def say(self, line):
        """Print a line of progress."""
        if not self.machine:
            self._err.print(line, soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, label):
        """Show that work goes on, from the moment it takes long.

        Parameters
        ----------
        label : str
            What is being done.

        Yields
        ------
        callable
            ``report(done, total=None, text=None)``, to be called as often as one likes.
        """
        if self.machine:
            yield lambda done=None, total=None, text=None: None
        elif self._err.is_terminal:
            with _bar(self._err) as bar:
                task = bar.add_task(label, total=None)
                yield lambda done=None, total=None, text=None: bar.update(
                    task, completed=done, total=total,
                    description=f"{label}: {text}" if text else label)
        else:
            yield _Lines(label, self.say)


def _bar(terminal):
    return Progress(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20),
                    MofNCompleteColumn(), TimeElapsedColumn(), console=terminal, transient=True)


class _Lines:
    """Progress for a log file: a plain line now and then."""

    def __init__(self, label, say):
        self._label = label
        self._say = say
        self._start = time.monotonic()
        self._next = self._start + _PATIENCE

    def __call__(self, done=None, total=None, text=None):
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _INTERVAL
        count = None if done is None else f"{done}" if total is None else f"{done}/{total}"
        words = " ".join(filter(None, [text, count]))
        self._say(f"{self._label}{': ' if words else ''}{words}, {now - self._start:.0f} s")


def table(title, columns, rows):
    """A table under a line that says what it shows.

    Parameters
    ----------
    title : str
    columns : sequence of str
        Headings; one that starts with ``>`` is of a column that is aligned to the right.
    rows : iterable of sequences
        Cells, shown by ``str``.

    Returns
    -------
    rich.console.Group
    """
    made = Table(box=None, pad_edge=False, header_style="dim")
    rows = [[str(cell) for cell in row] for row in rows]
    # What a row is about must be readable, also where the terminal is narrow.
    widest = max((len(row[0]) for row in rows), default=0)
    for index, heading in enumerate(columns):
        made.add_column(heading.lstrip(">"), justify="right" if heading[:1] == ">" else "left",
                        min_width=None if index else widest)
    for row in rows:
        made.add_row(*map(Text, row))
    return Group(Text(f"\n{title}", style="bold"), made)


def facts(pairs):
    """A table of names and values."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, Text(str(value)))
    return made
