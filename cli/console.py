"""What a verb says: tables on standard output, progress on standard error, or JSON alone."""

import contextlib
import dataclasses
import json
import pathlib
import sys
import threading
import time

from rich.console import Console as Terminal
from rich.console import Group
from rich.progress import (BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn,
                           TimeElapsedColumn)
from rich.table import Table
from rich.text import Text

from ternloom.cli.plain import plain


__all__ = ["STAGE", "Command", "Console", "Outcome", "facts", "table"]

#: Seconds before work is worth a word, and between two words where no bar can be drawn.
_PATIENCE, _INTERVAL = 2.0, 15.0

#: Seconds between two looks at what was reported.
_LOOK = 0.2

#: How a line begins that tells a program of a stage.
STAGE = "stage: "

#: Columns where nobody sees the width: every line stays whole.
_UNBOUNDED = 100_000


class Command(str):
    """A line to be copied, which nothing may break."""


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
    stages : bool
        Nevertheless a line on standard error for each stage of what runs, after ``STAGE``.
    """

    def __init__(self, machine=False, stages=False):
        self.machine = machine
        self._stages = stages
        # What is printed is a user's text: never markup, never the name of an emoji.
        literal = {"highlight": False, "markup": False, "emoji": False}
        self._out = Terminal(**literal)
        self._err = Terminal(stderr=True, **literal)
        if not self._out.is_terminal:
            self._out.width = _UNBOUNDED

    def show(self, outcome):
        """Print a verb's result."""
        if self.machine:
            json.dump(outcome.data, sys.stdout, indent=2)
            print()
            return
        with self._out.capture() as captured:
            for part in outcome.tables:
                words = isinstance(part, str)
                self._out.print(_lines(part) if words else part, crop=False, soft_wrap=words)
        # Tables fill their lines with blanks, which only widen what is written to a file.
        for line in captured.get().splitlines():
            print(line if self._out.is_terminal else line.rstrip())

    def say(self, line):
        """Print a line of progress."""
        if not self.machine:
            self._err.print(plain(line), soft_wrap=True)

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
            ``report(done, total=None, text=None)``, to be called as often as one likes; a text
            alone names a stage.
        """
        if self.machine:
            yield _Stages() if self._stages else lambda done=None, total=None, text=None: None
        elif self._err.is_terminal:
            label = plain(label)
            with _bar(self._err) as bar:
                task = bar.add_task(label, total=None)
                yield lambda done=None, total=None, text=None: bar.update(
                    task, completed=done, total=total,
                    description=f"{label}: {plain(text)}" if text else label)
        else:
            with _Lines(label, self.say) as report:
                yield report


def _lines(text):
    """A text of several lines in which every character can be seen."""
    return "\n".join(map(plain, text.split("\n")))


class _Count(ProgressColumn):
    """How many are done of how many, where that is known."""

    def render(self, task):
        return Text("" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}")


def _bar(terminal):
    return Progress(SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(20),
                    _Count(), TimeElapsedColumn(), console=terminal, transient=True)


class _Stages:
    """Progress for a program that reads it: a line for each stage, and nothing else."""

    def __init__(self):
        self._last = None

    def __call__(self, done=None, total=None, text=None):
        if text and text != self._last:
            self._last = text
            print(f"{STAGE}{plain(text)}", file=sys.stderr, flush=True)


class _Lines:
    """Progress for a log file: a plain line now and then, and one for each stage that takes long.

    A thread writes them, so that they come also while nothing is reported.
    """

    def __init__(self, label, say):
        self._label = label
        self._say = say
        self._latest = None, None, None
        self._stage = None
        self._start = time.monotonic()
        self._next = self._start + _PATIENCE
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._done.set()
        self._thread.join()

    def __call__(self, done=None, total=None, text=None):
        self._latest = done, total, text

    def _watch(self):
        while not self._done.wait(_LOOK):
            self._look(time.monotonic())

    def _look(self, now):
        done, total, text = self._latest
        stage = text if done is None else self._stage
        if now < self._start + _PATIENCE or now < self._next and stage == self._stage:
            return
        self._stage = stage
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
    rows = [[plain(cell) for cell in row] for row in rows]
    # What a row is about must be readable, also where the terminal is narrow.
    widest = max((len(row[0]) for row in rows), default=0)
    for index, heading in enumerate(columns):
        made.add_column(Text(plain(heading.removeprefix(">"))),
                        justify="right" if heading[:1] == ">" else "left",
                        min_width=None if index else widest)
    for row in rows:
        made.add_row(*map(Text, row))
    return Group(Text(f"\n{plain(title)}", style="bold"), made)


def facts(pairs):
    """Names and values; long values are broken between words, commands and paths are not.

    Parameters
    ----------
    pairs : iterable of (str, object)
        A name that is empty goes on with the one before.

    Returns
    -------
    rich.console.Group
    """
    pairs = [(plain(name), value) for name, value in pairs]
    width = max((len(name) for name, _ in pairs), default=0)
    parts = []
    for name, value in pairs:
        if isinstance(value, (Command, pathlib.PurePath)):
            parts.append(Text.assemble((name.ljust(width + 2), "dim"), plain(value), no_wrap=True,
                                       overflow="ignore"))
            continue
        made = Table(box=None, pad_edge=False, show_header=False)
        made.add_column(style="dim", no_wrap=True, min_width=width)
        made.add_column(overflow="fold")
        made.add_row(Text(name), Text(plain(value)))
        parts.append(made)
    return Group(*parts)
