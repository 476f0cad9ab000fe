"""Safetensors files with a strict JSON description: what network and data files are kept in.

The description is one JSON object under the metadata key ``ternloom``. It names the kind of file
and its version, and ends in a SHA-256 digest over itself and all tensors, so that a file is either
what was written or refused. Nothing is read beyond the header before shapes are known to be right.
"""

import contextlib
import hashlib
import os
import pathlib

import msgspec
import safetensors
import safetensors.numpy

from ternloom.model.decode import convert


__all__ = ["Description", "foreign", "read", "verify", "write"]


_KEY = "ternloom"
#: Bytes of the header: descriptions beyond this are no network's.
_HEADER_LIMIT = 1 << 24
_DTYPES = {"uint8": "U8", "int8": "I8", "int16": "I16", "int32": "I32", "float32": "F32"}


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


class _Stamp(msgspec.Struct):
    """The part of a description that every version has."""

    kind: str
    version: int


def _digest(document, tensors):
    """SHA-256 of a description as plain data, less its digest, and of named tensors."""
    digest = hashlib.sha256(msgspec.json.encode(document | {"digest": ""}))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def write(path, description, tensors, error):
    """Write a file whole or not at all.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists.
    description : Description
        Its digest is filled in.
    tensors : dict of str to uint8, int8, int16, int32 or float32 array
    error : type
        Exception for a place that cannot be written.
    """
    path = pathlib.Path(path)
    digest = _digest(msgspec.to_builtins(description), tensors)
    description = msgspec.structs.replace(description, digest=digest)
    metadata = {_KEY: msgspec.json.encode(description).decode()}
    data = safetensors.numpy.save(tensors, metadata=metadata)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as failure:
        raise error(f"{description.kind} file {path} cannot be written: "
                    f"{failure.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def read(path, kind, name, version, layout, error):
    """Read a file whose header and description are sound.

    Parameters
    ----------
    path : str or Path
    kind : type
        Of the description, a subclass of :class:`Description`.
    name : str
        The kind of file, as the description spells it.
    version : int
        The newest one that ``kind`` describes.
    layout : callable
        From the description to a dict of tensor name to (dtype name, shape); raises ``ValueError``
        on a description whose sizes are beyond limits.
    error : type
        Exception for everything that is wrong with the file.

    Returns
    -------
    (kind, dict of str to array)
    """
    with _opened(path, name, error) as stored:
        description = _describe(stored.metadata(), kind, name, version)
        shapes = layout(description)
        _check_tensors(stored, shapes)
        return description, {tensor: stored.get_tensor(tensor) for tensor in shapes}


def foreign(path, name, error):
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
        return {tensor: stored.get_tensor(tensor) for tensor in stored.keys()}


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


def verify(path, description, tensors, error):
    """Raise ``error`` unless the digest of a description is that of its content.

    The content is what the file says, less what later versions fill in by default.
    """
    with safetensors.safe_open(path, framework="numpy") as stored:
        document = msgspec.json.decode(stored.metadata()[_KEY])
    if description.digest != _digest(document, tensors):
        raise error(f"{description.kind} file {path} is damaged or was edited: its digest does not "
                    "match its content")


def _one_line(failure):
    return " ".join(str(failure).split())


def _check_frame(path):
    """Tell a foreign file and a truncated one by the first bytes, before the header is parsed."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        start = stream.read(9)
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9 or start[8:] != b"{":
        raise ValueError("is not a safetensors file")
    if length > _HEADER_LIMIT:
        raise ValueError(f"must have a header of at most {_HEADER_LIMIT} bytes, not {length}")
    if 8 + length > size:
        raise ValueError("is truncated")


def _describe(metadata, kind, name, version):
    """Decode the description among a file's metadata."""
    text = (metadata or {}).get(_KEY)
    if text is None:
        raise ValueError(f"was not written by Ternloom: it has no metadata {_KEY!r}")
    try:
        document = msgspec.json.decode(text)
        stamp = convert(_Stamp, document)
    except (msgspec.MsgspecError, ValueError, RecursionError) as failure:
        raise ValueError(f"has a description that is not sound: {failure}") from None
    if stamp.kind != name:
        raise ValueError(f"must hold a {name}, not a {stamp.kind}")
    if stamp.version > version:
        raise ValueError(f"was written by a newer Ternloom: version {stamp.version}, "
                         f"this one reads {version}")
    if stamp.version < 1:
        raise ValueError(f"must have a version from 1, not {stamp.version}")
    try:
        return convert(kind, document)
    except ValueError as failure:
        raise ValueError(f"has a description that is not sound: {failure}") from None


def _check_tensors(stored, shapes):
    """Compare names, types and shapes of the stored tensors with those that must be there."""
    names = set(stored.keys())
    for tensor in sorted(shapes.keys() - names):
        raise ValueError(f"lacks the tensor {tensor}")
    for tensor in sorted(names - shapes.keys()):
        raise ValueError(f"has a tensor that its description does not have: {tensor!r}")
    for tensor, (dtype, shape) in shapes.items():
        view = stored.get_slice(tensor)
        found = view.get_dtype(), tuple(view.get_shape())
        if found != (_DTYPES[dtype], tuple(shape)):
            raise ValueError(f"must have {tensor} as {_DTYPES[dtype]} of shape {tuple(shape)}, "
                             f"not {found[0]} of shape {found[1]}")
