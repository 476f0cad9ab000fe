"""What is written to disk: whole or not at all, and on the disk before it has its name.

Whatever is written comes into being in a scratch folder beside its place. The process holds a lock
on a file in that folder for as long as it lives. A process that is killed drops its lock, and the
next one that makes a scratch folder in the same place removes what the dead one left.
"""

import collections.abc
import contextlib
import errno
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import signal
import tempfile
import threading


__all__ = ["LOCK", "OLD", "digest", "ending", "put", "replacing", "scratch", "undisturbed"]

#: The file by which a folder is known to be a scratch folder, and by whose lock to be in use.
LOCK = ".ternloom-scratch"

#: What a scratch folder calls the folder whose place is just being taken by another.
OLD = "old"

#: Names of scratch folders: hidden and beside a place, or in the folder of temporary files.
_NAME = re.compile(r"(?:\.(?P<place>.+)\.)?ternloom-[a-z0-9_]{8}")

_Path = str | os.PathLike[str]

#: What is held back while a file, a folder or a process comes or goes.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextlib.contextmanager
def undisturbed() -> collections.abc.Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP in the main thread; the first comes after the block.

    The handlers are exchanged. The thread's signal mask would not do: a signal that this thread
    blocks is taken by another one, and Python runs the handler in this one all the same. Besides,
    a process that is started in the block would inherit the mask.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        for number in before:
            signal.signal(number, lambda number, frame: held.append(number))
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


@contextlib.contextmanager
def ending(end: collections.abc.Callable[[], object]) -> collections.abc.Iterator[None]:
    """Call ``end`` undisturbed when the block ends, whenever Ctrl-C comes.

    Parameters
    ----------
    end : callable
        Called twice: Ctrl-C may come at the very moment when the first call is about to begin.
    """
    try:
        try:
            yield
        finally:
            with undisturbed():
                end()
    finally:
        with undisturbed():
            end()


@contextlib.contextmanager
def scratch(place: _Path | None = None) -> collections.abc.Iterator[pathlib.Path]:
    """Make a temporary folder that vanishes with the block, whenever Ctrl-C comes.

    Parameters
    ----------
    place : path or None
        What the folder is for: it is made beside it, or in the nearest folder above it that
        exists, so that a rename works. In the system's place for temporary files where None.

    Yields
    ------
    pathlib.Path
        A folder, empty but for the lock.
    """
    made = lock = None

    def end():
        if made is not None:
            _remove(made)
            lock.close()

    with ending(end):
        with undisturbed():
            made, lock = _make(place)
        yield made


def digest(path: _Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with pathlib.Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def replacing(path: _Path) -> collections.abc.Iterator[pathlib.Path]:
    """Write a file whole or not at all, in the place of one that is there.

    Parameters
    ----------
    path : path
        In a folder that exists.

    Yields
    ------
    pathlib.Path
        Where to write it. It takes its place when the block ends, and vanishes when it raises.
    """
    path = pathlib.Path(path)
    with scratch(path) as beside:
        yield beside / path.name
        put(beside / path.name, path)


def put(new: pathlib.Path, place: pathlib.Path) -> None:
    """Move a file or a folder to its place in the same file system, once all of it is on the disk.

    What is renamed before it is on the disk may be empty after the machine went down.
    """
    _sync(new)
    os.replace(new, place)
    _sync_folder(place.parent)


def _sync(path):
    if not path.is_dir():
        with path.open("rb") as written:
            os.fsync(written.fileno())
        return
    for folder, _, names in os.walk(path):
        for name in names:
            _sync(pathlib.Path(folder, name))
        _sync_folder(folder)


def _sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems of a network cannot do it for a folder.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)


def _make(place):
    """A new scratch folder and its lock, an open file."""
    if place is None:
        parent, prefix = pathlib.Path(tempfile.gettempdir()), ""
    else:
        place = pathlib.Path(place).absolute()
        parent = next(folder for folder in place.parents if folder.is_dir())
        prefix = f".{place.name}."
    _sweep(parent)
    while True:
        made = pathlib.Path(tempfile.mkdtemp(prefix=f"{prefix}ternloom-", dir=parent))
        try:
            lock = (made / LOCK).open("w")
        except OSError:
            made.rmdir()
            raise
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            # A file system without locks: without its file the folder is nobody's to sweep.
            (made / LOCK).unlink()
            return made, lock
        # One that was swept between its making and its locking is made again.
        if (made / LOCK).exists():
            return made, lock
        lock.close()


def _sweep(parent):
    """Remove the scratch folders of the dead."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            found = _NAME.fullmatch(entry.name)
            if found and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _clear(pathlib.Path(entry.path), found["place"])


def _clear(folder, place):
    """Remove a scratch folder of this user's, unless it has no lock or somebody holds it."""
    if folder.stat().st_uid != os.geteuid():
        return
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Killed between two renames: what had the place gets it back.
        if place is not None and (folder / OLD).exists() and not (folder.parent / place).exists():
            (folder / OLD).rename(folder.parent / place)
        _remove(folder)
    finally:
        os.close(lock)


def _remove(folder):
    """Remove a scratch folder, its lock last, so that what a kill leaves of it is swept too."""
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.name == LOCK:
                continue
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            else:
                each.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
