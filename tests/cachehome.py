"""A cache of one's own, in which the tools themselves need not be compiled again."""

import os
import pathlib


__all__ = ["cache_home"]


#: Machine code of tools that run in WebAssembly, below the user's cache.
_TOOLS = ("YoWASP", "wasmtime")


def cache_home(place):
    """Make a folder for ``$XDG_CACHE_HOME`` without anything of Ternloom's.

    Parameters
    ----------
    place : pathlib.Path
        Its parent is there.

    Returns
    -------
    str
        The folder's path.
    """
    shared = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    place.mkdir()
    for name in _TOOLS:
        (shared / name).mkdir(parents=True, exist_ok=True)
        (place / name).symlink_to(shared / name, target_is_directory=True)
    return str(place)
