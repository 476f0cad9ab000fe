"""Networks and data by the name of a shipped example or by path."""

import functools
import json
import pathlib
import shlex
import struct

from ternloom.cli.error import UserError


__all__ = ["data", "data_path", "float_network", "float_path", "network", "network_path",
           "recipe_path", "shipped"]

#: What the description in a file says that it is of.
_KINDS = {"network": "network", "float network": "float network", "data": "data set"}

#: Verbs that take a file of a kind.
_TAKERS = {
    "network": "networks are for ternloom info, eval, generate, simulate and synth",
    "float network": "use ternloom convert to make a network from it, or ternloom compare --float",
    "data": "use it as DATA of ternloom eval, or with ternloom train --data",
    "recipe": "use ternloom train to make a network from it",
}

#: The same of a float network of another tool.
_CONVERTED = "use ternloom convert to make a network from it"

#: What a file of a kind is called.
_TITLES = {kind: f"a {title}" for kind, title in _KINDS.items()} | {
    "recipe": "a recipe"}

#: How files begin that torch.save wrote: zip archives, and pickles of before 2020.
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x04")

#: Bytes of a header that is worth reading.
_HEADER = 1 << 24

#: Names that a message suggests.
_LISTED = 3


@functools.cache
def _examples():
    """Path of each shipped file, and its kind."""
    from ternloom.files.shipped import folder

    return {path: _kind(path) for path in sorted(folder().glob("*.safetensors"))}


def _kind(path):
    """What a file is, by its first bytes: of another tool's what its reader calls it. None where
    they don't tell.
    """
    with path.open("rb") as stream:
        start = stream.read(8)
        size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        header = stream.read(size) if size <= _HEADER else b""
    try:
        tensors = json.loads(header)
        metadata = tensors.get("__metadata__", {})
        title = json.loads(metadata["ternloom"])["kind"]
        return next(kind for kind, each in _KINDS.items() if each == title)
    except (ValueError, TypeError, AttributeError, LookupError, StopIteration, RecursionError):
        # Not before: the length of a header may look like the start of a pickle.
        reader = _reader(path)
        if reader is not None:
            return reader.title
        if start.startswith(_PICKLES):
            return "pickle"
        return "recipe" if path.suffix == ".toml" else None


def _reader(path):
    """What reads a file as another tool's, or None."""
    # NumPy is not needed for a file of ours.
    from ternloom.files.floats import foreign

    return foreign(path)


def shipped(kind):
    """Paths of the shipped files of a kind by name: ``"network"``, ``"data"`` or ``"recipe"``."""
    from ternloom.files.shipped import folder

    if kind == "recipe":
        return {path.stem: path for path in sorted(folder().glob("*.toml"))}
    return {path.stem: path for path, each in _examples().items() if each == kind}


def _find(kind, name):
    """Path of a file of a kind; ``UserError`` says what is meant where there is none."""
    path, known = pathlib.Path(name), shipped(kind)
    if path.is_file():
        _check_kind(kind, path, _kind(path))
        return path
    if path.is_dir():
        raise UserError(f"{path} is a folder, not {_TITLES[kind]}")
    if name in known:
        return known[name]
    for other in (*_KINDS, "recipe"):
        if name in shipped(other):
            _check_kind(kind, name, other)
    raise UserError(f"No file and no shipped {_KINDS.get(kind, kind)} is called {str(name)!r}; "
                    f"{_meant(kind, path, known)}")


def _check_kind(kind, name, found):
    """Raise ``UserError`` on a file of another kind, saying which verb takes it."""
    if found == "pickle":
        raise UserError(f"{name} was written by torch.save and is not read, since it may run code; "
                        f"convert its state_dict to safetensors with: {_line(name)}")
    fits = found == kind or kind == "float network" and found not in _TITLES
    if found is not None and not fits:
        raise UserError(f"{name} is {_TITLES.get(found, found)}, not {_TITLES[kind]}; "
                        f"{_TAKERS.get(found, _CONVERTED)}")


def _line(path):
    """Command that makes a safetensors file of the ``state_dict`` in a file of torch.save."""
    old, new = (json.dumps(str(each)) for each in (path, path.with_suffix(".safetensors")))
    program = f"import torch, safetensors.torch as s; s.save_file(torch.load({old}), {new})"
    return f"python -c {shlex.quote(program)}"


def _meant(kind, path, known):
    """The end of a message on a name that nothing has: the nearest ones, and how to list all."""
    from ternloom.files.decode import nearest

    suffix = ".toml" if kind == "recipe" else ".safetensors"
    beside = [str(each) for each in sorted(path.parent.glob(f"*{suffix}"))
              if _kind(each) in (kind, None)]
    close = [f"{path}{suffix}"] if f"{path}{suffix}" in beside else \
        nearest(str(path), [*known, *beside], _LISTED)
    hint = "ternloom info lists all that are shipped"
    if not close:
        return hint
    *first, last = map(repr, close)
    return f"did you mean {', '.join(first)}{' or ' if first else ''}{last}? {hint}"


def network_path(name):
    """Path of a network file; ``UserError`` names the nearest one if there is none."""
    return _find("network", name)


def data_path(name):
    """Path of a data file; ``UserError`` names the nearest one if there is none."""
    return _find("data", name)


def float_path(name):
    """Path of a float network; ``UserError`` lists the shipped ones if there is none."""
    return _find("float network", name)


def recipe_path(name):
    """Path of a recipe; ``UserError`` names the nearest one if there is none."""
    return _find("recipe", name)


def network(name):
    """Load a network by path or shipped name."""
    from ternloom.files.network import load

    return load(network_path(name))


def float_network(name, nonlinearity=None):
    """Load a float network by path or shipped name, an ``nn.RNN`` with its nonlinearity."""
    from ternloom.files.floats import load

    return load(float_path(name), nonlinearity)


def data(name, part, network=None):
    """Load one part of a data file by path or shipped name.

    Parameters
    ----------
    name : str
    part : str
        ``"train"``, ``"valid"``, ``"test"``, or ``"all"``.
    network : Network or None
        What the data must fit.

    Returns
    -------
    Dataset
    """
    from ternloom.files.dataset import load

    dataset = load(data_path(name))
    if network is not None:
        dataset.match(network)
    if part == "all":
        return dataset
    chosen = dataset.part(part)
    if not chosen.sequences:
        raise UserError(f"Data {dataset.name} has no sequences in part {part!r}")
    return chosen
