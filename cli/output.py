"""Output folders and files: written whole or not at all, and over nothing of anybody else's."""

import contextlib
import json
import pathlib

from ternloom.cli.error import UserError
from ternloom.files import durable
from ternloom.files.durable import scratch, undisturbed


__all__ = ["MARKER", "add_folder_force", "add_force", "check", "check_file", "default", "file",
           "folder", "inputs"]

#: The file by which a folder is known to be one that this program wrote, and may replace. It names
#: the verb and the SHA-256 of each file.
MARKER = ".ternloom.json"

#: Arguments of verbs that name what is read.
_READ = ("network", "networks", "source", "reference", "recipe", "data", "start", "calibration",
         "text", "vocabulary", "check", "like")


def add_force(parser, what="files that this command did not write"):
    """Add ``--force``."""
    parser.add_argument("--force", action="store_true",
                        help=f"replace {what}, but never anything that the command reads")


def add_folder_force(parser):
    """Add ``--force`` for a folder."""
    add_force(parser, "a folder that another verb of ternloom wrote, with everything in it")


def inputs(chosen):
    """Files that a verb's arguments name and that it reads.

    Parameters
    ----------
    chosen : argparse.Namespace

    Returns
    -------
    list of pathlib.Path
    """
    named = []
    for name in _READ:
        value = getattr(chosen, name, None) or ()
        named += [value] if isinstance(value, str) else value
    return [path for path in map(pathlib.Path, named) if path.is_file()]


def default(name, suffix):
    """Output in the current folder for what is called ``name``, which nobody has checked.

    Parameters
    ----------
    name, suffix : str

    Returns
    -------
    pathlib.Path
    """
    path = pathlib.Path(f"{name}{suffix}")
    if path.name != str(path) or not str(path).isprintable() or name.startswith(".") or not name:
        raise UserError(f"{name!r} cannot be used as the name of the output file; choose "
                        "another with --output")
    return path


def check(path, *, verb, inputs=(), force=False):
    """Raise ``UserError`` unless a folder may be written at ``path``.

    An empty folder may be, and one that carries the marker and holds nothing but what ``verb``
    wrote; nothing else that exists.

    Parameters
    ----------
    path : path
    verb : str
    inputs : sequence of path
        What the run reads: none may be in the folder.
    force : bool
        Replace also what is in a folder with the marker besides.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        _check_folder(path, verb, inputs, force)
    elif path.exists() or path.is_symlink():
        raise UserError(f"Output folder {path} exists and is not a folder")
    _check_above(path)


def _check_folder(path, verb, inputs, force):
    if pathlib.Path.cwd().is_relative_to(path.resolve()):
        raise UserError(f"Output folder {path} must not be the current folder or contain it")
    for each in inputs:
        if pathlib.Path(each).resolve().is_relative_to(path.resolve()):
            raise UserError(f"Output folder {path} contains {each}, which this command reads; "
                            "choose another with --output")
    if not any(path.iterdir()):
        return
    if not (path / MARKER).is_file():
        raise UserError(f"Output folder {path} exists and was not written by ternloom; "
                        "choose another with --output, or remove it")
    facts = _facts(path)
    if not force and facts.get("verb") != verb:
        raise UserError(f"Output folder {path} exists and was not written by ternloom {verb}; "
                        "choose another with --output, or replace it with --force")
    foreign = None if force else _foreign(path, facts.get("files"))
    if foreign is not None:
        raise UserError(f"Output folder {path} contains {foreign}, which is not as ternloom wrote "
                        "it; choose another with --output, or replace everything with --force")


def _facts(folder):
    """What the marker of a folder says; nothing if it is not sound."""
    try:
        facts = json.loads((folder / MARKER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _files(folder):
    """All that is in a folder but folders and the marker, by its path there, in order."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))
             if path.is_symlink() or not path.is_dir()}
    found.pop(MARKER, None)
    return found


def _digest(path):
    """SHA-256 of a file, or None of what is no plain file."""
    return None if path.is_symlink() or not path.is_file() else durable.digest(path)


def _foreign(folder, known):
    """Name of the first file that isn't as it was written, or None."""
    known = known if isinstance(known, dict) else {}
    return next((name for name, path in _files(folder).items()
                 if name not in known or _digest(path) != known[name]), None)


def _check_above(path):
    for parent in pathlib.Path(path).absolute().parents:
        if parent.exists() and not parent.is_dir():
            raise UserError(f"Output {path} cannot be written: {parent} is a file, not a folder")


@contextlib.contextmanager
def folder(path, *, verb, inputs=(), force=False, **facts):
    """Write an output folder whole or not at all.

    Parameters
    ----------
    path : path
        Where the folder will be. What ``check`` allows is replaced, anything else refused.
    verb, inputs, force
        As ``check`` takes them.
    **facts
        What the marker says besides, as JSON values: the network.

    Yields
    ------
    pathlib.Path
        An empty folder beside the final place, to be filled. It takes that place when the block
        ends, and vanishes when the block raises, Ctrl-C included.
    """
    path = pathlib.Path(path)
    check(path, verb=verb, inputs=inputs, force=force)
    place = path.resolve()
    with scratch(place) as beside:
        new = beside / "new"
        new.mkdir()
        yield new
        digests = {name: _digest(each) for name, each in _files(new).items()}
        (new / MARKER).write_text(json.dumps({"verb": verb, **facts, "files": digests}, indent=2)
                                  + "\n")
        check(path, verb=verb, inputs=inputs, force=force)
        with undisturbed():
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                place.rename(beside / durable.OLD)
            durable.put(new, place)


def check_file(path, *, own, inputs=(), force=False, option="--output"):
    """Raise ``UserError`` unless a file may be written at ``path``.

    Parameters
    ----------
    path : path
    own : callable
        From the path of a file that is there to whether the same command wrote it.
    inputs : sequence of path
        What the run reads, which is never written over.
    force : bool
        Replace also what the command did not write.
    option : str
        The one that names the file, for the message.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise UserError(f"Output file {path} is a folder")
    _check_above(path)
    if path.exists() and any(each.exists() and path.samefile(each) for each in inputs):
        raise UserError(f"Output {path} is a file that this command reads; choose another with "
                        f"{option}")
    if force or not (path.exists() or path.is_symlink()):
        return
    if not (path.is_file() and own(path)):
        raise UserError(f"Output {path} exists and was not written by this command; choose "
                        f"another with {option}, or replace it with --force")


@contextlib.contextmanager
def file(path, *, beside=(), **rules):
    """Write a file, and what belongs beside it, whole or not at all.

    Parameters
    ----------
    path : path
        Where the file will be. What ``check_file`` allows is replaced, anything else refused.
    beside : sequence of str
        Suffixes of other files that will be written, which are checked before the work too.
    **rules
        As ``check_file`` takes them.

    Yields
    ------
    pathlib.Path
        The path to write to, of the same name, in an empty folder. When the block ends, all files
        of that folder take their places, this one last; when it raises, none does.
    """
    path = pathlib.Path(path)
    # Through a link, the others come to be beside what it leads to.
    path = path.resolve() if path.is_symlink() else path
    if path.suffix in beside:
        raise UserError(f"Output {path} must not end in {path.suffix}, like a file written beside "
                        "it")
    for each in (path, *map(path.with_suffix, beside)):
        check_file(each, **rules)
    place = path.resolve()
    with scratch(place) as folder:
        new = folder / "new"
        new.mkdir()
        yield new / place.name
        written = sorted(new.iterdir(), key=lambda each: each.name == place.name)
        for each in written:
            check_file(path.with_name(each.name), **rules)
        with undisturbed():
            place.parent.mkdir(parents=True, exist_ok=True)
            for each in written:
                durable.put(each, place.parent / each.name)
