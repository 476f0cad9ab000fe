"""Networks and data by the name of a shipped example or by path."""

import functools
import importlib.resources
import json
import pathlib
import struct

from ternloom.cli.error import UserError


__all__ = ["data", "data_path", "float_network", "float_path", "network", "network_path",
           "recipe_path", "shipped"]

#: What the description in a file says that it is of.
_KINDS = {"network": "network", "float network": "float network", "data": "data set"}


def _folder():
    return pathlib.Path(str(importlib.resources.files("ternloom.examples")))


@functools.cache
def _examples():
    """Path of each shipped file, and the kind that its header names."""
    found = {}
    for path in sorted(_folder().glob("*.safetensors")):
        with path.open("rb") as stream:
            (size,) = struct.unpack("<Q", stream.read(8))
            metadata = json.loads(stream.read(size)).get("__metadata__", {})
            found[path] = json.loads(metadata["ternloom"])["kind"]
    return found


def shipped(kind):
    """Paths of the shipped files of a kind by name: ``"network"``, ``"data"`` or ``"recipe"``."""
    if kind == "recipe":
        return {path.stem: path for path in sorted(_folder().glob("*.toml"))}
    return {path.stem: path for path, each in _examples().items() if each == _KINDS[kind]}


def _find(kind, name):
    path = pathlib.Path(name)
    if path.is_file():
        return path
    known = shipped(kind)
    if name in known:
        return known[name]
    raise UserError(f"{kind.capitalize()} must be a file, or the name of a shipped one "
                    f"({', '.join(known)}), not {str(name)!r}")


def network_path(name):
    """Path of a network file; ``UserError`` lists the shipped ones if there is none."""
    return _find("network", name)


def data_path(name):
    """Path of a data file; ``UserError`` lists the shipped ones if there is none."""
    return _find("data", name)


def float_path(name):
    """Path of a float network; ``UserError`` lists the shipped ones if there is none."""
    return _find("float network", name)


def recipe_path(name):
    """Path of a recipe; ``UserError`` lists the shipped ones if there is none."""
    return _find("recipe", name)


def network(name):
    """Load a network by path or shipped name."""
    from ternloom.model.file import load

    return load(network_path(name))


def float_network(name):
    """Load a float network by path or shipped name."""
    from ternloom.model.floats import load

    return load(float_path(name))


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
    from ternloom.model.dataset import load

    dataset = load(data_path(name))
    if network is not None:
        dataset.match(network)
    if part == "all":
        return dataset
    chosen = dataset.part(part)
    if not len(chosen.labels):
        raise UserError(f"Data {dataset.name} has no part {part!r}")
    return chosen
