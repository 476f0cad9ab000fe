"""Alphabets, cells and methods that other installed packages bring, named as entry points.

A package says in its ``pyproject.toml`` what it has, by name::

    [project.entry-points."ternloom.alphabets"]
    five = "fivelevels:FIVE"
"""

import collections.abc
import enum
import functools
import importlib.metadata
import typing


__all__ = ["Registry"]


_Kind = typing.TypeVar("_Kind")


class Registry(collections.abc.Mapping[str, _Kind]):
    """What is built in, and what installed packages bring, by name; they are imported at first use.

    Parameters
    ----------
    group : str
        Of entry points: ``"ternloom.alphabets"``, ``"ternloom.cells"`` or ``"ternloom.methods"``.
    built_in : iterable
    fits : function of an object
        Whether it is of the right kind.
    name : function of such an object
        What it is called, which must be the entry point's name.
    """

    def __init__(self, group: str, built_in: collections.abc.Iterable[_Kind],
                 fits: collections.abc.Callable[[object], bool],
                 name: collections.abc.Callable[[_Kind], str]) -> None:
        self._group, self._built_in, self._fits, self._name = group, built_in, fits, name

    def __getitem__(self, name: str) -> _Kind:
        return self._known[name]

    def __iter__(self) -> collections.abc.Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    @functools.cached_property
    def names(self) -> type[enum.Enum]:
        """An enumeration of the names, as descriptions and recipes are decoded to."""
        made: enum.EnumType = enum.Enum
        return made("Name", {name: name for name in self})

    @functools.cached_property
    def _known(self):
        """All by name; ``ImportError`` in one line that names a package whose own doesn't fit."""
        known = {self._name(each): each for each in self._built_in}
        for entry in importlib.metadata.entry_points(group=self._group):
            whose = f"{self._group}: {entry.name} of the package {entry.dist and entry.dist.name}"
            try:
                found = entry.load()
            except Exception as error:
                raise ImportError(f"{whose} cannot be imported: {error!r}") from error
            if not self._fits(found) or self._name(found) != entry.name:
                raise ImportError(f"{whose} is {found!r}, which is not one of that name")
            if entry.name in known:
                raise ImportError(f"{whose} has a name that is already taken")
            known[entry.name] = found
        return known
