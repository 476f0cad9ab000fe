"""What a tool has made before, by the digest of all that goes into it: benches, the simulator's own
objects, Verilog of a netlist.

Lies in ``ternloom`` below ``$XDG_CACHE_HOME``, or ``~/.cache``; without such a place everything is
made anew.
"""

import collections.abc
import contextlib
import hashlib
import os
import pathlib
import shutil

from ternloom.files.durable import replacing


__all__ = ["fetch", "folder", "key", "store", "text"]


#: Bytes of a folder that are kept; what was not used for longest goes first.
_LIMIT = 512 << 20


def folder(name: str) -> pathlib.Path | None:
    """A folder of the cache, or None if there can be none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    place = pathlib.Path(home) / "ternloom" / name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return place


def key(*parts: str | pathlib.Path) -> str:
    """Digest of texts and of files' contents.

    Parameters
    ----------
    parts : str or pathlib.Path
    """
    found = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, pathlib.Path) else part.encode()
        found.update(len(data).to_bytes(8, "little") + data)
    return found.hexdigest()


def fetch(place: pathlib.Path | None, name: str, target: pathlib.Path) -> bool:
    """Copy a file of the cache, with its permissions; whether it was there.

    Parameters
    ----------
    place : pathlib.Path or None
        What ``folder`` gave.
    name : str
    target : pathlib.Path
        Folders above it are made. It is as new as its copy: make compares times.
    """
    if place is None:
        return False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place / name, target)
        os.utime(place / name)
    except OSError:
        return False
    return True


def store(place: pathlib.Path | None, name: str, source: str | pathlib.Path) -> None:
    """Keep a copy of a file, and no more than the limit of all."""
    if place is None or (place / name).exists():
        return
    # A full disk is no reason to stop.
    with contextlib.suppress(OSError):
        with replacing(place / name) as part:
            shutil.copy(source, part)
        _trim(place)


def text(place: pathlib.Path | None, name: str, make: collections.abc.Callable[[], str]) -> str:
    """A text of the cache, or what ``make`` gives, which is kept then.

    Parameters
    ----------
    place : pathlib.Path or None
        What ``folder`` gave.
    name : str
    make : function of nothing
    """
    if place is not None:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found = (place / name).read_text(encoding="utf-8")
            os.utime(place / name)
            return found
    made = make()
    if place is not None:
        with contextlib.suppress(OSError):
            with replacing(place / name) as part:
                part.write_text(made, encoding="utf-8")
            _trim(place)
    return made


def _trim(place):
    """Remove the files that were not used for longest, beyond the limit."""
    kept = 0
    files = [(entry.stat(), entry.path) for entry in os.scandir(place) if entry.is_file()]
    for status, path in sorted(files, key=lambda pair: -pair[0].st_mtime_ns):
        kept += status.st_size
        if kept > _LIMIT:
            os.remove(path)
