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

Everything else is in the description, see :mod:`ternloom.files.container`; that of each kind of
node is in :mod:`ternloom.files.node`. Version 3 brought nodes that name their inputs; those before
it are read by :mod:`ternloom.files.line`.
"""

import pathlib
import typing

import msgspec
import numpy as np

from ternloom.files.container import Description, content_digest, read, write
from ternloom.files.decode import convert
from ternloom.files.line import LineSpec
from ternloom.files.matrix import (MatrixSpec, Size, pack_codes, pack_embedding, packed_size,
                                   unpack_embedding)
from ternloom.files.node import SPECS, NodeSpec, node, node_spec
from ternloom.files.scaling import ScalingSpec, scaling, scaling_spec
from ternloom.model.cell import CELLS
from ternloom.model.error import NetworkError
from ternloom.model.network import INPUT, Network


__all__ = ["VERSION", "digest", "load", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 3

_KIND = "network"
#: Codes of all matrices and the embedding together.
_CODES_LIMIT = 1 << 28


# Which kinds of node there are, the table says.
if typing.TYPE_CHECKING:
    _NodeSpec = NodeSpec
else:
    _NodeSpec = typing.Union[*SPECS.values()]


class _NetworkSpec(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    nodes: typing.Annotated[tuple[_NodeSpec, ...],
                            msgspec.Meta(min_length=1, max_length=128)]
    words: Size | None = None
    labels: tuple[str, ...]
    notes: dict[str, str]
    scaling: ScalingSpec | msgspec.UnsetType = msgspec.UNSET
    output_scaling: ScalingSpec | msgspec.UnsetType = msgspec.UNSET


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
        kind=_KIND, version=VERSION, name=network.name, nodes=tuple(map(node_spec, network.nodes)),
        words=None if network.embedding is None else len(network.embedding),
        labels=tuple(network.labels), notes=dict(network.notes),
        scaling=scaling_spec(network.scaling),
        output_scaling=scaling_spec(network.output_scaling))


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
        nodes = tuple(node(each, tensors) for each in spec.nodes)
        embedding = None
        if spec.words is not None:
            given = _given(spec)
            embedding = unpack_embedding(given.format, (spec.words, given.matrix.columns),
                                         tensors["embedding"])
        return Network(spec.name, nodes, spec.labels, spec.notes, embedding,
                       scaling(spec.scaling), scaling(spec.output_scaling))
    except NetworkError as failure:
        raise NetworkError(f"network file {path} is invalid: {failure}") from None


def _tensors(network):
    """All tensors of a network, by name."""
    tensors: dict[str, np.ndarray] = {}
    for each in network.nodes:
        arrays = {name: getattr(each.body, name) for name in node_spec(each).arrays}
        tensors |= {f"{each.name}.{name}": array for name, array in arrays.items()
                    if array is not None}
    tensors |= {f"{name}.coefficients": each.coefficients
                for name, each in network.matrices.items()}
    tensors = {name: np.ascontiguousarray(tensor, dtype=np.int32)
               for name, tensor in tensors.items()}
    if network.embedding is not None:
        tensors["embedding"] = pack_embedding(network.input_format, network.embedding)
    return tensors | {f"{name}.codes": pack_codes(each) for name, each in network.matrices.items()}


def _given(spec):
    """The operand of a description that says what the network's input is."""
    for place, node in enumerate(spec.nodes):
        if len(node.inputs) != len(node.operands):
            raise ValueError(f"has an invalid description: nodes[{place}].inputs must have "
                             f"{len(node.operands)} entries, one per operand, "
                             f"not {len(node.inputs)}")
        for name, operand in zip(node.inputs, node.operands, strict=True):
            if name == INPUT:
                return operand
    raise ValueError("has an invalid description: no node takes the input")


def _layout(spec: _NetworkSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that a description calls for."""
    matrices: dict[str, MatrixSpec] = {}
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for each in spec.nodes:
        matrices |= {f"{each.name}.{name}": part for name, part in each.matrices.items()}
        shapes |= {f"{each.name}.{name}": ("int32", shape) for name, shape in each.shapes.items()}
    total = 0
    for name, part in matrices.items():
        total += part.planes * part.rows * part.columns
        shapes[f"{name}.codes"] = "uint8", (packed_size(part),)
        shapes[f"{name}.coefficients"] = "int32", (part.planes, part.rows)
    given = _given(spec)
    if spec.words is not None:
        count = spec.words * given.matrix.columns
        total += count
        shapes["embedding"] = "uint8", (-(-count * given.format.width // 8),)
    if total > _CODES_LIMIT:
        raise ValueError(f"has {total} codes, and at most {_CODES_LIMIT} are allowed")
    return shapes
