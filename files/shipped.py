"""Files that come with the package: networks, data and recipes."""

import importlib.resources
import pathlib


__all__ = ["folder", "path"]


def folder() -> pathlib.Path:
    """The folder that holds them."""
    return pathlib.Path(str(importlib.resources.files("ternloom.examples")))


def path(place: pathlib.Path, name: str) -> pathlib.Path:
    """Path of a file that is there, or else of the shipped network or data of that name.

    Parameters
    ----------
    place : Path
        Returned if it exists, or if nothing shipped has the name.
    name : str

    Returns
    -------
    Path
    """
    shipped = folder() / f"{name}.safetensors"
    known = pathlib.PurePath(name).name == name and shipped.is_file()
    return shipped if known and not place.exists() else place
