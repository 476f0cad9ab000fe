"""What a reader of another tool's float networks is."""

import collections.abc
import dataclasses
import pathlib
import typing


__all__ = ["Reader"]


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads one kind of file that Ternloom doesn't write.

    Parameters
    ----------
    title : str
        What such a file is, with its article: ``"a PyTorch float network"``.
    fits : function of a Path
        Whether a file is one, by its content; never raises on a file of any other kind.
    read : function of a Path and of a nonlinearity or None
        Parts of the network: ``layers``, a list of (cell, input weight, recurrent weight, bias,
        recurrent bias or None) of float32 arrays, and ``readout_weight``, ``readout_bias`` and
        ``embedding``, each None where there is none. Raises ``NetworkError`` on what isn't sound,
        and on a nonlinearity where the file tells its own.
    """

    title: str
    fits: collections.abc.Callable[[pathlib.Path], bool]
    read: collections.abc.Callable[[pathlib.Path, str | None], dict[str, typing.Any]]
