"""What is refused: a part of a network that cannot be, and where it stands."""

import contextlib

import numpy as np

from ternloom.model.format import Format
from ternloom.model.mistake import Mistake


__all__ = ["NetworkError", "check_integers", "check_kinds", "located"]


class NetworkError(Mistake, ValueError):
    """A network or its file that cannot be what it claims to be."""


@contextlib.contextmanager
def located(place):
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


def check_kinds(part, **kinds):
    """Raise ``NetworkError`` unless fields are of these types."""
    for name, kind in kinds.items():
        value = getattr(part, name)
        if not isinstance(value, kind):
            wanted = "Format" if kind is Format else kind.__name__
            raise NetworkError(f"{name} must be of the type {wanted}, not {value!r}")


def check_integers(name, array):
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.integer):
        found = getattr(array, "dtype", type(array).__name__)
        raise NetworkError(f"{name} must be an array of integers, not {found}")
