"""Safetensors files with a strict JSON description: what network and data files are kept in.

The description is one JSON object under the metadata key ``ternloom``. It names the kind of file
and its version, and ends in a SHA-256 digest over itself and all tensors, so that a file is either
what was written or refused. Nothing is read beyond the header before shapes are known to be right,
and nothing is made of the tensors before the digest is.
"""

import collections.abc
import contextlib
import hashlib
import os
import pathlib
import typing

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from ternloom.files import durable
from ternloom.files.decode import convert


__all__ = ["Description", "content_digest", "described", "digest", "foreign",
           "foreign_names", "origin", "read", "write"]


_KEY = "ternloom"
#: Bytes of the header: descriptions beyond this are no network's.
_HEADER_LIMIT = 1 << 24
#: What a file of torch.save has among its first bytes: the first name in its ZIP archive, or the
#: magic number of PyTorch before 1.6 as a pickle.
_TORCH = (b"/data.pkl", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9")
_DTYPES = {"uint8": "U8", "int8": "I8", "int16": "I16", "int32": "I32", "float32": "F32",
           "float64": "F64"}
#: Types of foreign tensors that NumPy knows.
_READABLE = {"F16", "F32", "F64", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL"}


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every description has.

    Parameters
    ----------
    kind : str
        What the file holds: "network", "float network" or "data set".
    version : int
        Of the description's layout.
    digest : str
        SHA-256 in hexadecimal, or empty in a description that isn't written yet.
    """

    kind: str
    version: int
    digest: str = ""


_Kind = typing.TypeVar("_Kind", bound=Description)
#: Type and shape of a tensor, by name.
_Shapes = collections.abc.Mapping[str, tuple[str, tuple[int, ...]]]
_Tensors = collections.abc.Mapping[str, np.ndarray]


class _Stamp(msgspec.Struct):
    """The part of a description that every version has."""

    kind: str
    version: int


def digest(document: dict[str, typing.Any], tensors: _Tensors) -> str:
    """SHA-256 of a description as plain data, less its digest, and of named tensors."""
    found = hashlib.sha256(msgspec.json.encode(document | {"digest": ""}))
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        found.update(np.ascontiguousarray(tensor).data)
    return found.hexdigest()


def content_digest(description: Description, tensors: _Tensors) -> str:
    """Digest of a description and its tensors, as ``write`` fills it in."""
    return digest(msgspec.to_builtins(description), tensors)


def write(path: str | pathlib.Path, description: Description, tensors: dict[str, np.ndarray],
          error: type[Exception]) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists.
    description : Description
        Its digest is filled in.
    tensors : dict of str to uint8, int8, int16, int32, float32 or float64 array
    error : type
        Exception for a place that cannot be written.
    """
    description = msgspec.structs.replace(description,
                                          digest=content_digest(description, tensors))
    metadata = {_KEY: msgspec.json.encode(description).decode()}
    data = safetensors.numpy.save(tensors, metadata=metadata)
    try:
        with durable.replacing(path) as partial:
            partial.write_bytes(data)
    except OSError as failure:
        raise error(f"{description.kind} file {path} cannot be written: "
                    f"{failure.strerror}") from None


def read(path: str | pathlib.Path, kinds: collections.abc.Mapping[int, type[Description]],
         name: str, layout: collections.abc.Callable[[_Kind], _Shapes],
         error: type[Exception]) -> tuple[_Kind, dict[str, np.ndarray]]:
    """Read a file whose header and description are sound, and whose digest is that of its content.

    The content is what the file says, less what later versions fill in by default.

    Parameters
    ----------
    path : str or Path
    kinds : dict of int to type
        Subclasses of :class:`Description` by the newest version that each describes, in rising
        order. All but the last have a method ``upgraded`` that gives plain data of the last.
    name : str
        The kind of file, as the description spells it.
    layout : callable
        From a description of the last kind to a dict of tensor name to (dtype name, shape); raises
        ``ValueError`` on a description whose sizes are beyond limits.
    error : type
        Exception for everything that is wrong with the file.

    Returns
    -------
    (description of the last kind, dict of str to array)
    """
    with _opened(path, name, error) as stored:
        document, description = _describe(stored.metadata(), kinds, name)
        shapes = layout(description)
        _check_tensors(stored, shapes)
        tensors = {tensor: stored.get_tensor(tensor) for tensor in shapes}
        if description.digest != digest(document, tensors):
            raise ValueError("is damaged or was edited: its digest does not match its content")
        return description, tensors


def described(path: str | pathlib.Path, name: str, error: type[Exception]) -> bool:
    """Whether a file has a description of ours; arguments and errors are those of ``foreign``."""
    with _opened(path, name, error) as stored:
        return _KEY in (stored.metadata() or {})


def foreign(path: str | pathlib.Path, name: str,
            error: type[Exception]) -> dict[str, np.ndarray] | None:
    """All tensors of a file that others wrote, or None if it has a description of ours.

    Parameters
    ----------
    path : str or Path
    name : str
        The kind of file, for messages.
    error : type
        Exception for a file that cannot be read.

    Returns
    -------
    dict of str to array, or None
    """
    with _opened(path, name, error) as stored:
        if _KEY in (stored.metadata() or {}):
            return None
        for tensor in stored.keys():
            kind = stored.get_slice(tensor).get_dtype()
            if kind not in _READABLE:
                spelt = "bfloat16" if kind == "BF16" else kind
                raise ValueError(f"has {tensor} as {spelt}; it must be float32, float16 or "
                                 "float64: save model.float().state_dict()")
        return {tensor: stored.get_tensor(tensor) for tensor in stored.keys()}


def foreign_names(path: str | pathlib.Path) -> tuple[str, ...]:
    """Names of the tensors of a safetensors file that others wrote; of any other file none."""
    try:
        with _opened(path, "", ValueError) as stored:
            return () if _KEY in (stored.metadata() or {}) else tuple(stored.keys())
    except ValueError:
        return ()


def origin(path: str | pathlib.Path) -> tuple[str, str, dict[str, typing.Any]]:
    """What a file's description says of it, unchecked.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    (str, str, dict)
        Kind, name and notes; empty if the file cannot be read or has no description.
    """
    try:
        _check_frame(path)
        with safetensors.safe_open(path, framework="numpy") as stored:
            document = msgspec.json.decode((stored.metadata() or {}).get(_KEY, "{}"))
    except (OSError, ValueError, TypeError, RecursionError, safetensors.SafetensorError):
        document = None
    document = document if isinstance(document, dict) else {}
    kind, name, notes = (document.get(key) for key in ("kind", "name", "notes"))
    return (kind if isinstance(kind, str) else "", name if isinstance(name, str) else "",
            notes if isinstance(notes, dict) else {})


@contextlib.contextmanager
def _opened(path, name, error):
    """A file to read from; everything that is wrong with it becomes one line of ``error``."""
    title = f"{name} file {path}"
    try:
        _check_frame(path)
        with safetensors.safe_open(path, framework="numpy") as stored:
            yield stored
    except OSError as failure:
        raise error(f"{title} cannot be read: {failure.strerror or failure}") from None
    except safetensors.SafetensorError as failure:
        raise error(f"{title} is truncated or damaged: {_one_line(failure)}") from None
    except (TypeError, ValueError) as failure:
        raise error(f"{title} {_one_line(failure)}") from None


def _one_line(failure):
    return " ".join(str(failure).split())


def _check_frame(path):
    """Tell a foreign file and a truncated one by the first bytes, before the header is parsed."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        start, rest = stream.read(9), stream.read(256)
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:] != b"{":
        if any(mark in start + rest for mark in _TORCH):
            raise ValueError("was written by torch.save, which cannot be read; write a safetensors "
                             "file instead: safetensors.torch.save_file(model.state_dict(), "
                             f"{str(pathlib.Path(path).with_suffix('.safetensors'))!r})")
        raise ValueError("is not a safetensors file")
    if length > _HEADER_LIMIT:
        raise ValueError(f"has a header of {length} bytes, and at most {_HEADER_LIMIT} are allowed")
    if 8 + length > size:
        raise ValueError("is truncated")


def _describe(metadata, kinds, name):
    """The description among a file's metadata, as plain data and decoded."""
    newest = max(kinds)
    text = (metadata or {}).get(_KEY)
    if text is None:
        raise ValueError(f"was not written by Ternloom: it has no metadata {_KEY!r}")
    try:
        document = msgspec.json.decode(text)
        stamp = convert(_Stamp, document)
    except (msgspec.MsgspecError, ValueError, RecursionError) as failure:
        raise ValueError(f"has an invalid description: {failure}") from None
    if stamp.kind != name:
        raise ValueError(f"holds a {stamp.kind}, not a {name}")
    if stamp.version > newest:
        raise ValueError(f"was written by a newer Ternloom: it has version {stamp.version}, and "
                         f"this one reads up to {newest}")
    if stamp.version < 1:
        raise ValueError(f"must have version 1 or higher, not {stamp.version}")
    version = next(each for each in kinds if stamp.version <= each)
    try:
        description = convert(kinds[version], document)
        if version != newest:
            description = convert(kinds[newest], description.upgraded())
        return document, description
    except ValueError as failure:
        raise ValueError(f"has an invalid description: {failure}") from None


def _check_tensors(stored, shapes):
    """Compare names, types and shapes of the stored tensors with those that must be there."""
    names = set(stored.keys())
    for tensor in sorted(shapes.keys() - names):
        raise ValueError(f"has no tensor {tensor}")
    for tensor in sorted(names - shapes.keys()):
        raise ValueError(f"has a tensor that is not in its description: {tensor!r}")
    for tensor, (dtype, shape) in shapes.items():
        view = stored.get_slice(tensor)
        found = view.get_dtype(), tuple(view.get_shape())
        if found != (_DTYPES[dtype], tuple(shape)):
            raise ValueError(f"has {tensor} as {found[0]} of shape {found[1]}; it must be "
                             f"{_DTYPES[dtype]} of shape {tuple(shape)}")
