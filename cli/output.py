"""Output folders and files: written whole or not at all."""

import contextlib
import json
import pathlib
import shutil
import signal
import tempfile

from ternloom.cli.error import UserError


__all__ = ["MARKER", "check", "file", "folder", "scratch"]

#: The file by which a folder is known to be one that this program wrote, and may replace.
MARKER = ".ternloom.json"

#: What is held back while a folder comes, goes or takes another's place.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def check(path):
    """Raise ``UserError`` unless a folder may be written at ``path``.

    An empty folder may be, and one that carries the marker; nothing else that exists.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        if pathlib.Path.cwd().is_relative_to(path.resolve()):
            raise UserError(f"Output folder must not be the current one or above it, not {path}")
        if not (path / MARKER).is_file() and any(path.iterdir()):
            raise UserError(f"Output folder {path} exists and was not written by ternloom; "
                            "choose another with --output, or remove it")
    elif path.exists() or path.is_symlink():
        raise UserError(f"Output folder {path} exists and is not a folder")
    _check_above(path)


def _check_above(path):
    for parent in pathlib.Path(path).absolute().parents:
        if parent.exists() and not parent.is_dir():
            raise UserError(f"Output {path} must be in a folder, but {parent} is a file")


@contextlib.contextmanager
def folder(path, **facts):
    """Write an output folder whole or not at all.

    Parameters
    ----------
    path : path
        Where the folder will be. One of ours that is there is replaced, anything else refused.
    **facts
        What the marker says besides, as JSON values: the verb, the network.

    Yields
    ------
    pathlib.Path
        An empty folder beside the final place, to be filled. It takes that place when the block
        ends, and vanishes when the block raises, Ctrl-C included.
    """
    path = pathlib.Path(path)
    check(path)
    place = path.resolve()
    with scratch(f".{place.name}.", _anchor(place)) as beside:
        new = beside / "new"
        new.mkdir()
        yield new
        (new / MARKER).write_text(json.dumps(facts, indent=2) + "\n")
        with _undisturbed():
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                place.rename(beside / "old")
            new.rename(place)


@contextlib.contextmanager
def file(path):
    """Write a file, and what belongs beside it, whole or not at all.

    Parameters
    ----------
    path : path
        Where the file will be; one that is there is replaced.

    Yields
    ------
    pathlib.Path
        The path to write to, of the same name, in an empty folder. When the block ends, all files
        of that folder take their places; when it raises, none does.
    """
    place = pathlib.Path(path).resolve()
    if place.is_dir():
        raise UserError(f"Output file {path} must not be a folder")
    _check_above(path)
    with scratch(f".{place.name}.", _anchor(place)) as beside:
        yield beside / place.name
        with _undisturbed():
            place.parent.mkdir(parents=True, exist_ok=True)
            for new in beside.iterdir():
                new.replace(place.parent / new.name)


def _anchor(place):
    """Nearest folder above ``place`` that exists: the same file system, so that a rename works."""
    return next(parent for parent in place.parents if parent.is_dir())


@contextlib.contextmanager
def scratch(prefix, parent=None):
    """Make a temporary folder that vanishes with the block, whenever Ctrl-C comes.

    Parameters
    ----------
    prefix : str
    parent : path or None
        The system's place for temporary files where None.

    Yields
    ------
    pathlib.Path
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    made = tempfile.mkdtemp(prefix=prefix, dir=parent)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield pathlib.Path(made)
    finally:
        with _undisturbed():
            shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _undisturbed():
    """Hold back Ctrl-C for what must not be torn apart."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
