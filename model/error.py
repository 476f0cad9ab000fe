"""What is refused: a part of a network that cannot be, and where it stands."""

import collections.abc
import contextlib
import types

import numpy as np

from ternloom.model.mistake import Mistake


__all__ = ["NetworkError", "check_integers", "check_kinds", "located"]


class NetworkError(Mistake, ValueError):
    """A network or its file that cannot be what it claims to be."""


@contextlib.contextmanager
def located(place: str) -> collections.abc.Iterator[None]:
    """Say where the part stands that is made within: ``bias must ...`` of ``layer0``, ...

    Parameters
    ----------
    place : str
        Put before the message of a ``NetworkError``, with a dot.
    """
    try:
        yield
    except NetworkError as failure:
        raise NetworkError(f"{place}.{failure}") from None


def check_kinds(part: object, **kinds: type | types.UnionType) -> None:
    """Raise ``NetworkError`` unless fields are of these types."""
    for name, kind in kinds.items():
        value = getattr(part, name)
        if not isinstance(value, kind):
            wanted = kind.__name__ if isinstance(kind, type) else "Format"
            raise NetworkError(f"{name} must be of the type {wanted}, not {value!r}")


def check_integers(name: str, array: object) -> None:
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        found = getattr(array, "dtype", type(array).__name__)
        raise NetworkError(f"{name} must be an array of integers, not {found}")
