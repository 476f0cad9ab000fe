"""Recordings in an NPZ file.

Arrays by the names that people give them: the values ``X`` (``x``, ``inputs``), (sequences, steps,
inputs) or (sequences, steps) of one input; the labels ``y`` (``labels``, ``target``), one per
sequence, names or indices into ``classes``; and where there are any, ``len`` (``lengths``), steps
of each sequence if the rest is padding, ``split`` and ``groups``. A file that is already split has
each of the first three once per part: ``X_train``, ``y_train``, ``X_test``, and so on.
"""

import collections.abc
import pathlib
import zipfile
import zlib

import numpy as np

from ternloom.data.recordings import Recordings, RecordingsError
from ternloom.files.dataset import PARTS


__all__ = ["read"]


#: Names of an array.
_VALUES, _LABELS, _LENGTHS = ("X", "x", "inputs"), ("y", "labels", "target"), ("len", "lengths")
#: What damage may end in. A damaged shape asks for any amount of memory.
_DAMAGED = (ValueError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error,
            NotImplementedError, RuntimeError, MemoryError)
#: Bytes of all arrays together.
_LIMIT = 1 << 31


def read(path: str | pathlib.Path) -> tuple[Recordings, tuple[str, ...]]:
    """Read an NPZ file; nothing in it is unpickled.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    (Recordings, tuple of str)
        And the classes in the order that the file has, or none.

    Raises
    ------
    RecordingsError
        One line that says what is wrong with the file.
    """
    try:
        arrays = _arrays(path)
    except OSError as failure:
        raise RecordingsError(f"{path} cannot be read: "
                              f"{failure.strerror or 'it is damaged'}") from None
    except _DAMAGED as failure:
        reason = "it holds Python objects" if "pickle" in str(failure) else "it is damaged"
        raise RecordingsError(f"{path} cannot be read as NPZ: {reason}") from None
    try:
        return _recordings(arrays)
    except RecordingsError as failure:
        raise RecordingsError(f"{path}: {failure}") from None


def _arrays(path):
    with zipfile.ZipFile(path) as archive:
        size = sum(each.file_size for each in archive.infolist())
    if size > _LIMIT:
        raise RecordingsError(f"{path} has {size} bytes, and at most {_LIMIT} are read")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _recordings(arrays):
    parts = [part for part in PARTS if _find(arrays, _VALUES, f"_{part}")[0]]
    suffixes = {f"_{part}": part for part in parts} or {"": ""}
    sequences: list[np.ndarray] = []
    labels: list[str] = []
    split: list[str] = []
    for suffix, part in suffixes.items():
        found = _sequences(arrays, suffix)
        sequences += found
        labels += _named(arrays, suffix, len(found))
        split += [part] * len(found)
    given = tuple(split) if parts else None
    if given is None and "split" in arrays:
        given = tuple(map(str, arrays["split"].tolist()))
    groups = tuple(map(str, arrays["groups"].tolist())) if "groups" in arrays else None
    classes = tuple(map(str, arrays["classes"].tolist())) if "classes" in arrays else ()
    return Recordings(tuple(sequences), tuple(labels), (), given, groups), classes


def _find(arrays, names, suffix):
    """The first of some names that an array has, and the array; None twice where there is none."""
    for name in names:
        if f"{name}{suffix}" in arrays:
            return f"{name}{suffix}", arrays[f"{name}{suffix}"]
    return None, None


def _sequences(arrays, suffix):
    name, values = _find(arrays, _VALUES, suffix)
    if name is None:
        raise RecordingsError("there are no values: an array X, x or inputs, or X_train and "
                              f"X_test; the arrays are {', '.join(sorted(arrays)) or 'none'}")
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.dtype.kind not in "fiub":
        raise RecordingsError(f"{name} must hold numbers (sequences, steps, inputs), "
                              f"not {values.dtype} {values.shape}")
    values = values.astype(np.float64)
    title, lengths = _find(arrays, _LENGTHS, suffix)
    if title is None:
        return list(values)
    if lengths.shape != (len(values),) or lengths.dtype.kind not in "iu":
        raise RecordingsError(f"{title} must hold {len(values)} integers, one per sequence, "
                              f"not {lengths.dtype} {lengths.shape}")
    wrong = np.flatnonzero((lengths < 1) | (lengths > values.shape[1]))
    if len(wrong):
        raise RecordingsError(f"{title} must be from 1 to {values.shape[1]}, the steps of {name}, "
                              f"not {lengths[wrong[0]]} of sequence {wrong[0]}")
    return [each[:length] for each, length in zip(values, lengths.tolist(), strict=True)]


def _named(arrays: collections.abc.Mapping[str, np.ndarray], suffix: str, count: int) -> list[str]:
    """Class of each sequence by its name."""
    name, labels = _find(arrays, _LABELS, suffix)
    if name is None:
        raise RecordingsError(f"there are no labels: an array {', '.join(_LABELS)} with one class "
                              f"per sequence{' and part' if suffix else ''}")
    if labels.shape != (count,):
        raise RecordingsError(f"{name} must have {count} entries, one per sequence, not the shape "
                              f"{labels.shape}")
    classes = arrays.get("classes")
    if classes is None or labels.dtype.kind not in "iub":
        if labels.dtype.kind not in "iubU":
            raise RecordingsError(f"{name} must hold integers or names, not {labels.dtype}")
        return list(map(str, labels.tolist()))
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise RecordingsError(f"{name} must be from 0 to {len(classes) - 1}, indices into classes, "
                              f"not {labels[wrong[0]]} of sequence {wrong[0]}")
    return [str(classes[label]) for label in labels.tolist()]
