"""Recordings in an NPZ file.

Arrays by the names that people give them: the values ``X`` (``x``, ``inputs``), (sequences, steps,
inputs), (sequences, steps) of one input, or (steps,) of one sequence; what is right ``y``
(``labels``, ``label``, ``target``); and where there are any, ``len`` (``lengths``), steps of each
sequence if the rest is padding, ``split`` and ``groups``. A file that is already split has each of
the first three once per part: ``X_train``, ``y_train``, ``X_test``, and so on.

Labels are names, or integers, indices into ``classes`` where there is such an array; (sequences,)
of sequences and (sequences, steps) of steps. Real numbers are targets in themselves: (sequences,)
or (sequences, numbers) of sequences, (sequences, steps, numbers) of steps; (sequences, steps) is
one number for every step.
"""

import collections.abc
import pathlib
import typing
import zipfile
import zlib

import numpy as np

from ternloom.data.recordings import Recordings, RecordingsError
from ternloom.files.dataset import PARTS


__all__ = ["read"]


#: Names of an array.
_VALUES, _TARGETS = ("X", "x", "inputs"), ("y", "labels", "label", "target")
_LENGTHS = ("len", "lengths")
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
    targets: list[typing.Any] = []
    split: list[str] = []
    for suffix, part in suffixes.items():
        found = _sequences(arrays, suffix)
        sequences += found
        targets += _targets(arrays, suffix, [len(each) for each in found])
        split += [part] * len(found)
    given = tuple(split) if parts else None
    if given is None and "split" in arrays:
        given = tuple(map(str, arrays["split"].tolist()))
    groups = tuple(map(str, arrays["groups"].tolist())) if "groups" in arrays else None
    classes = tuple(map(str, arrays["classes"].tolist())) if "classes" in arrays else ()
    real = targets and isinstance(targets[0], np.ndarray) and targets[0].dtype.kind == "f"
    names = tuple(f"y{each}" for each in range(targets[0].shape[-1])) if real else ()
    made = Recordings(tuple(sequences), () if real else tuple(targets), (), given, groups,
                      tuple(targets) if real else (), names)
    return made, classes


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
    if values.ndim == 1:
        values = values[None]
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


def _targets(arrays: collections.abc.Mapping[str, np.ndarray], suffix: str,
             lengths: list[int]) -> list[typing.Any]:
    """What is right of each sequence: a name or an array of numbers, or an array with one a step.
    """
    name, values = _find(arrays, _TARGETS, suffix)
    if name is None:
        raise RecordingsError("there is nothing to learn: an array y, labels or target with labels "
                              f"or numbers{' for each part' if suffix else ''}")
    count, steps = len(lengths), max(lengths)
    if count == 1 and values.shape == (steps,) and steps > 1:
        values = values[None]
    if values.dtype.kind == "f":
        return _numbers(name, values, lengths)
    if values.dtype.kind not in "iubU":
        raise RecordingsError(f"{name} must hold integers, names or numbers, not {values.dtype}")
    if values.shape != (count,) and (values.ndim != 2 or len(values) != count
                                     or values.shape[1] < steps):
        raise RecordingsError(f"{name} must have {count} entries, one per sequence, or the shape "
                              f"({count}, {steps}), one per step, not {values.shape}")
    named = _named(name, values, arrays.get("classes"))
    if values.ndim == 1:
        return named.tolist()
    return [each[:length] for each, length in zip(named, lengths, strict=True)]


def _numbers(name, values, lengths):
    """Real numbers of each sequence, or of each of its steps."""
    count, steps = len(lengths), max(lengths)
    if values.ndim == 1:
        values = values[:, None]
    elif values.ndim == 2 and steps > 1 and values.shape[1] >= steps:
        values = values[:, :, None]
    if len(values) != count or values.ndim not in (2, 3) \
            or values.ndim == 3 and values.shape[1] < steps:
        raise RecordingsError(f"{name} must have {count} entries, one per sequence, or the shape "
                              f"({count}, {steps}, numbers), one per step, not {values.shape}")
    values = values.astype(np.float64)
    if values.ndim == 2:
        return list(values)
    return [each[:length] for each, length in zip(values, lengths, strict=True)]


def _named(name, labels, classes):
    """Labels as names, an array of str of the same shape."""
    if classes is None or labels.dtype.kind == "U":
        return labels.astype(str)
    wrong = np.argwhere((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise RecordingsError(f"{name} must be from 0 to {len(classes) - 1}, indices into classes, "
                              f"not {labels[tuple(wrong[0])]} of sequence {wrong[0][0]}")
    return classes.astype(str)[labels.astype(np.int64)]
