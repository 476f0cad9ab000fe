"""The network file: packed codes and a versioned description, in safetensors.

Tensors, by the names of nodes and of what their rows add up (``layer0.input.codes``,
``readout.bias``, ...):

========================= ======== =================================================================
``*.codes``               uint8    codes in C order of (planes, rows, columns): ternary five to a
                                   byte in base 3, the first one lowest, as code + 1; all others in
                                   bits, the first one lowest; zero bits fill up. An integer is in
                                   two's complement; any other has its sign lowest, 1 is +, and
                                   above it its magnitude less one
``*.coefficients``        int32    (planes, rows)
``*.bias``                int32    (rows)
``*.recurrent_bias``      int32    (units), only of a gate whose halves the cell keeps apart
``*.diagonals``           int32    (count, units), weights that a unit has of its own: the peepholes
                                   of an LSTM
``embedding``             uint8    wire forms of the codes (words, inputs), one after another, the
                                   lowest bit of the first one lowest; only if there is one
========================= ======== =================================================================

Everything else is in the description, see :mod:`ternloom.files.container`. Version 3 brought nodes
that name their inputs; those before it are read by :mod:`ternloom.files.line`.
"""

import pathlib
import typing

import msgspec
import numpy as np

from ternloom.files.container import Description, content_digest, read, write
from ternloom.files.decode import convert
from ternloom.files.line import LineSpec
from ternloom.files.matrix import (MatrixSpec, Shift, Size, describe, matrix, pack, pack_embedding,
                                   packed_size, unpack_embedding)
from ternloom.model.cell import CELLS
from ternloom.model.error import NetworkError, located
from ternloom.model.format import Fixed, Format
from ternloom.model.network import INPUT, Layer, Network, Node, Operand, Readout, When
from ternloom.model.precision import Precision


__all__ = ["VERSION", "digest", "load", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 3

_KIND = "network"
#: Codes of all matrices and the embedding together.
_CODES_LIMIT = 1 << 28


class _OperandSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Format
    matrix: MatrixSpec


_Operands = typing.Annotated[tuple[_OperandSpec, ...], msgspec.Meta(min_length=1, max_length=16)]


# Which names there are depends on installed packages.
if typing.TYPE_CHECKING:
    from enum import Enum as _CellName
else:
    _CellName = CELLS.names


class _LayerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True,
                 tag="layer"):
    name: str
    inputs: tuple[str, ...]
    cell: _CellName
    units: Size
    operands: _Operands
    state_format: Format
    precision: Precision
    recurrent: MatrixSpec | None
    shift: Shift
    diagonal_format: Fixed | None = None


class _ReadoutSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="readout"):
    name: str
    inputs: tuple[str, ...]
    operands: _Operands
    shift: Shift
    logits: Fixed
    when: When


class _NetworkSpec(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    nodes: typing.Annotated[tuple[_LayerSpec | _ReadoutSpec, ...],
                            msgspec.Meta(min_length=1, max_length=128)]
    words: Size | None = None
    labels: tuple[str, ...]
    notes: dict[str, str]


def save(network: Network, path: str | pathlib.Path) -> None:
    """Write a network file, whole or not at all.

    Parameters
    ----------
    network : Network
    path : str or Path
        Replaced if it exists.

    Raises
    ------
    NetworkError
        A network beyond the limits of the file or with a cell of one's own, or a place that cannot
        be written.
    """
    for layer in network.layers:
        if CELLS.get(layer.cell.name) != layer.cell:
            raise NetworkError(f"cell must be one of {', '.join(CELLS)} to be written to a file, "
                               f"not {layer.cell.name}")
    spec, tensors = _spec(network), _tensors(network)
    try:
        _layout(convert(_NetworkSpec, msgspec.to_builtins(spec)))
    except ValueError as failure:
        raise NetworkError(f"network {network.name!r} {failure}") from None
    write(path, spec, tensors, NetworkError)


def digest(network: Network) -> str:
    """SHA-256 of a network, in hexadecimal digits: what ``save`` writes into its file."""
    return content_digest(_spec(network), _tensors(network))


def _spec(network):
    """Description of a network, without a digest."""
    return _NetworkSpec(
        kind=_KIND, version=VERSION, name=network.name, nodes=tuple(map(_node_spec, network.nodes)),
        words=None if network.embedding is None else len(network.embedding),
        labels=tuple(network.labels), notes=dict(network.notes))


def _node_spec(node):
    body = node.body
    operands = tuple(_OperandSpec(each.format, describe(each.matrix)) for each in body.operands)
    if isinstance(body, Readout):
        return _ReadoutSpec(node.name, node.inputs, operands, body.shift, body.logits, body.when)
    return _LayerSpec(node.name, node.inputs, body.cell.name, body.units, operands,
                      body.state_format, body.precision,
                      body.recurrent and describe(body.recurrent), body.shift, body.diagonal_format)


def load(path: str | pathlib.Path) -> Network:
    """Read a network file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Network

    Raises
    ------
    NetworkError
        One line that says what is wrong with the file.
    """
    kinds: dict[int, type[Description]] = {LineSpec.VERSION: LineSpec, VERSION: _NetworkSpec}
    spec, tensors = read(path, kinds, _KIND, _layout, NetworkError)
    try:
        nodes = tuple(_node(each, tensors) for each in spec.nodes)
        embedding = None
        if spec.words is not None:
            given = _given(spec)
            embedding = unpack_embedding(given.format, (spec.words, given.matrix.columns),
                                         tensors["embedding"])
        return Network(spec.name, nodes, spec.labels, spec.notes, embedding)
    except NetworkError as failure:
        raise NetworkError(f"network file {path} is not sound: {failure}") from None


def _tensors(network):
    """All tensors of a network, by name."""
    tensors: dict[str, np.ndarray] = {}
    for node in network.nodes:
        body = {name: getattr(node.body, name, None)
                for name in ("bias", "recurrent_bias", "diagonals")}
        tensors |= {f"{node.name}.{name}": tensor for name, tensor in body.items()
                    if tensor is not None}
    tensors |= {f"{name}.coefficients": each.coefficients
                for name, each in network.matrices.items()}
    tensors = {name: np.ascontiguousarray(tensor, dtype=np.int32)
               for name, tensor in tensors.items()}
    if network.embedding is not None:
        tensors["embedding"] = pack_embedding(network.input_format, network.embedding)
    return tensors | {f"{name}.codes": pack(each) for name, each in network.matrices.items()}


def _given(spec):
    """The operand of a description that says what the network's input is."""
    for place, node in enumerate(spec.nodes):
        if len(node.inputs) != len(node.operands):
            raise ValueError(f"has a description that is not sound: nodes[{place}].inputs must be "
                             f"as many as its operands, {len(node.operands)}, "
                             f"not {len(node.inputs)}")
        for name, operand in zip(node.inputs, node.operands, strict=True):
            if name == INPUT:
                return operand
    raise ValueError("has a description that is not sound: nodes must have one that takes the "
                     "input")


def _matrix_specs(node):
    """Matrices of a node by the names of what its rows add up."""
    stem = "weights" if isinstance(node, _ReadoutSpec) else "input"
    found = {f"{stem}{index or ''}": each.matrix for index, each in enumerate(node.operands)}
    recurrent = getattr(node, "recurrent", None)
    return found | ({"recurrent": recurrent} if recurrent is not None else {})


def _layout(spec: _NetworkSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that a description calls for."""
    matrices: dict[str, MatrixSpec] = {}
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for node in spec.nodes:
        matrices |= {f"{node.name}.{name}": each for name, each in _matrix_specs(node).items()}
        if isinstance(node, _ReadoutSpec):
            shapes[f"{node.name}.bias"] = "int32", (node.operands[0].matrix.rows,)
            continue
        cell = CELLS[node.cell.value]
        shapes[f"{node.name}.bias"] = "int32", (len(cell.gates) * node.units,)
        if cell.apart:
            shapes[f"{node.name}.recurrent_bias"] = "int32", (node.units,)
        if cell.diagonals:
            shapes[f"{node.name}.diagonals"] = "int32", (len(cell.diagonals), node.units)
    total = 0
    for name, each in matrices.items():
        total += each.planes * each.rows * each.columns
        shapes[f"{name}.codes"] = "uint8", (packed_size(each),)
        shapes[f"{name}.coefficients"] = "int32", (each.planes, each.rows)
    given = _given(spec)
    if spec.words is not None:
        count = spec.words * given.matrix.columns
        total += count
        shapes["embedding"] = "uint8", (-(-count * given.format.width // 8),)
    if total > _CODES_LIMIT:
        raise ValueError(f"must have at most {_CODES_LIMIT} codes, not {total}")
    return shapes


def _node(spec, tensors):
    matrices = {name: matrix(f"{spec.name}.{name}", each, tensors)
                for name, each in _matrix_specs(spec).items()}
    recurrent = matrices.pop("recurrent", None)
    with located(spec.name):
        operands = tuple(Operand(each.format, made)
                         for each, made in zip(spec.operands, matrices.values(), strict=True))
        bias = tensors[f"{spec.name}.bias"]
        if isinstance(spec, _ReadoutSpec):
            body: Layer | Readout = Readout(operands, bias, spec.shift, spec.logits, spec.when)
        else:
            body = Layer(CELLS[spec.cell.value], spec.units, operands, spec.state_format,
                         spec.precision, recurrent, bias,
                         tensors.get(f"{spec.name}.recurrent_bias"), spec.shift,
                         tensors.get(f"{spec.name}.diagonals"), spec.diagonal_format)
    return Node(spec.name, spec.inputs, body)
