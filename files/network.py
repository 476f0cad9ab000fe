"""The network file: packed codes and a versioned description, in safetensors.

Tensors, by the names of the fields (``layer0.input.codes``, ``readout.bias``, ...):

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

Everything else is in the description, see :mod:`ternloom.files.container`. Version 2 brought
networks without a readout, embeddings, and codes of more than one bit.
"""

import typing

import msgspec
import numpy as np

from ternloom.files.container import Description, content_digest, read, write
from ternloom.files.decode import convert
from ternloom.model.alphabet import ALPHABETS
from ternloom.model.cell import CELLS
from ternloom.model.error import NetworkError, located
from ternloom.model.format import Fixed, Format
from ternloom.model.limits import LARGEST_SHIFT
from ternloom.model.matrix import Matrix
from ternloom.model.network import Layer, Network, Readout, When, embedding_type
from ternloom.model.precision import Precision


__all__ = ["VERSION", "digest", "load", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 2

_KIND = "network"
#: Codes of all matrices and the embedding together.
_CODES_LIMIT = 1 << 28
_TRITS = 5
_PLACES = np.array([3 ** place for place in range(_TRITS)], dtype=np.uint8)
#: Codes that are unpacked together: whole bytes, however many bits or trits a code takes.
_PIECE = 5 << 14

_Size = typing.Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
_Shift = typing.Annotated[int, msgspec.Meta(ge=0, le=LARGEST_SHIFT)]


class _MatrixSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weight: ALPHABETS.names
    planes: typing.Annotated[int, msgspec.Meta(ge=1, le=4)]
    rows: _Size
    columns: _Size
    #: Bits of a code, of alphabets that leave it open.
    bits: typing.Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None

    @property
    def alphabet(self):
        return ALPHABETS[self.weight.value]

    @property
    def code_bits(self):
        """Bits of a code that isn't ternary."""
        alphabet = self.alphabet
        return self.bits or alphabet.code_bits(np.array(alphabet.codes, dtype=np.int8))


class _LayerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    cell: CELLS.names
    units: _Size
    input_format: Format
    state_format: Format
    precision: Precision
    input: _MatrixSpec
    recurrent: _MatrixSpec | None
    shift: _Shift
    diagonal_format: Fixed | None = None


class _ReadoutSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input_format: Format
    weights: _MatrixSpec
    shift: _Shift
    logits: Fixed
    when: When


class _NetworkSpec(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    layers: typing.Annotated[tuple[_LayerSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    readout: _ReadoutSpec | None
    words: _Size | None = None
    labels: tuple[str, ...]
    notes: dict[str, str]


def save(network, path):
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


def digest(network):
    """SHA-256 of a network, in hexadecimal digits: what ``save`` writes into its file."""
    return content_digest(_spec(network), _tensors(network))


def _spec(network):
    """Description of a network, without a digest."""
    layers = tuple(_LayerSpec(layer.cell.name, layer.units, layer.input_format,
                              layer.state_format, layer.precision, _matrix_spec(layer.input),
                              layer.recurrent and _matrix_spec(layer.recurrent), layer.shift,
                              layer.diagonal_format)
                   for layer in network.layers)
    readout = network.readout
    return _NetworkSpec(
        kind=_KIND, version=VERSION, name=network.name, layers=layers,
        readout=None if readout is None else _ReadoutSpec(
            readout.input_format, _matrix_spec(readout.weights), readout.shift, readout.logits,
            readout.when),
        words=None if network.embedding is None else len(network.embedding),
        labels=tuple(network.labels), notes=dict(network.notes))


def load(path):
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
    spec, tensors = read(path, _NetworkSpec, _KIND, VERSION, _layout, NetworkError)
    try:
        layers = tuple(_layer(f"layer{index}", layer, tensors)
                       for index, layer in enumerate(spec.layers))
        readout = None if spec.readout is None else _readout(spec.readout, tensors)
        embedding = None if spec.words is None else _unpack_embedding(spec, tensors["embedding"])
        network = Network(spec.name, layers, readout, spec.labels, spec.notes, embedding)
    except NetworkError as failure:
        raise NetworkError(f"network file {path} is not sound: {failure}") from None
    return network


def _matrix_spec(matrix):
    bits = matrix.code_bits if matrix.weight.sized else None
    return _MatrixSpec(ALPHABETS.names[matrix.weight.name], matrix.planes, matrix.rows,
                       matrix.columns, bits)


def _tensors(network):
    """All tensors of a network, by name."""
    matrices, tensors = {}, {}
    for index, layer in enumerate(network.layers):
        matrices |= {f"layer{index}.{part}": matrix for part, matrix in layer.matrices.items()}
        tensors[f"layer{index}.bias"] = layer.bias
        if layer.recurrent_bias is not None:
            tensors[f"layer{index}.recurrent_bias"] = layer.recurrent_bias
        if layer.diagonals is not None:
            tensors[f"layer{index}.diagonals"] = layer.diagonals
    if network.readout is not None:
        matrices["readout.weights"] = network.readout.weights
        tensors["readout.bias"] = network.readout.bias
    for name, matrix in matrices.items():
        tensors[f"{name}.coefficients"] = matrix.coefficients
    tensors = {name: np.ascontiguousarray(tensor, dtype=np.int32)
               for name, tensor in tensors.items()}
    if network.embedding is not None:
        tensors["embedding"] = _pack_embedding(network.input_format, network.embedding)
    return tensors | {f"{name}.codes": _pack(matrix) for name, matrix in matrices.items()}


def _packed_size(spec):
    """Bytes that the codes of a matrix take."""
    if (spec.bits is not None) != spec.alphabet.sized:
        raise ValueError(f"must have bits for exponential and integer codes alone, not {spec.bits} "
                         f"for {spec.weight.value} ones")
    count = spec.planes * spec.rows * spec.columns
    if spec.alphabet.base == 3:
        return -(-count // _TRITS)
    return -(-count * spec.code_bits // 8)


def _layout(spec):
    """Types and shapes of the tensors that a description calls for."""
    matrices, shapes = {}, {}
    for index, layer in enumerate(spec.layers):
        matrices[f"layer{index}.input"] = layer.input
        if layer.recurrent is not None:
            matrices[f"layer{index}.recurrent"] = layer.recurrent
        cell = CELLS[layer.cell.name]
        shapes[f"layer{index}.bias"] = "int32", (len(cell.gates) * layer.units,)
        if cell.apart:
            shapes[f"layer{index}.recurrent_bias"] = "int32", (layer.units,)
        if cell.diagonals:
            shapes[f"layer{index}.diagonals"] = "int32", (len(cell.diagonals), layer.units)
    if spec.readout is not None:
        matrices["readout.weights"] = spec.readout.weights
        shapes["readout.bias"] = "int32", (spec.readout.weights.rows,)
    total = 0
    for name, matrix in matrices.items():
        total += matrix.planes * matrix.rows * matrix.columns
        shapes[f"{name}.codes"] = "uint8", (_packed_size(matrix),)
        shapes[f"{name}.coefficients"] = "int32", (matrix.planes, matrix.rows)
    if spec.words is not None:
        first, count = spec.layers[0], spec.words * spec.layers[0].input.columns
        total += count
        shapes["embedding"] = "uint8", (-(-count * first.input_format.width // 8),)
    if total > _CODES_LIMIT:
        raise ValueError(f"must have at most {_CODES_LIMIT} codes, not {total}")
    return shapes


def _layer(name, spec, tensors):
    matrices = [part and _matrix(f"{name}.{which}", part, tensors)
                for which, part in (("input", spec.input), ("recurrent", spec.recurrent))]
    with located(name):
        return Layer(CELLS[spec.cell.name], spec.units, spec.input_format, spec.state_format,
                     spec.precision, *matrices, tensors[f"{name}.bias"],
                     tensors.get(f"{name}.recurrent_bias"), spec.shift,
                     tensors.get(f"{name}.diagonals"), spec.diagonal_format)


def _readout(spec, tensors):
    weights = _matrix("readout.weights", spec.weights, tensors)
    with located("readout"):
        return Readout(spec.input_format, weights, tensors["readout.bias"], spec.shift, spec.logits,
                       spec.when)


def _matrix(name, spec, tensors):
    with located(name):
        return Matrix(spec.alphabet, _unpack(spec, tensors[f"{name}.codes"]),
                      tensors[f"{name}.coefficients"])


def _pack_embedding(form, codes):
    """Codes of an embedding as bytes."""
    bits = form.bits(codes.astype(np.int32)).reshape(-1, 1)
    return np.packbits((bits >> np.arange(form.width)) & 1, bitorder="little")


def _unpack_embedding(spec, packed):
    """Codes (words, inputs) of bytes, or ``NetworkError`` on bits beyond the last."""
    form, columns = spec.layers[0].input_format, spec.layers[0].input.columns
    count = spec.words * columns
    if _rest(packed, count * form.width, 8, 2):
        raise NetworkError(f"embedding must end in zero bits after its {count * form.width}")
    codes = np.empty(count, dtype=embedding_type(form))
    for place, bits in _bits(packed, count, form.width):
        codes[place] = form.decode(bits)
    return _shaped(codes, (spec.words, columns))


def _pack(matrix):
    """Codes of a matrix as bytes."""
    numbers = matrix.weight.digits(matrix.codes.reshape(-1))
    if matrix.weight.base == 3:
        digits = np.zeros(-(-len(numbers) // _TRITS) * _TRITS, dtype=np.uint8)
        digits[:len(numbers)] = numbers
        return (digits.reshape(-1, _TRITS) * _PLACES).sum(axis=1, dtype=np.uint8)
    places = np.arange(matrix.code_bits, dtype=np.int8)
    return np.packbits(numbers[:, None] >> places & 1, bitorder="little")


def _rest(packed, digits, each, base):
    """What stands in the last byte after so many digits, ``each`` of which fill one."""
    used = digits % each
    return int(packed[-1]) // base ** used if used else 0


def _bits(packed, count, width):
    """Places and numbers of ``width`` bits, int32, a piece at a time."""
    places = 1 << np.arange(width, dtype=np.int32)
    for start in range(0, count, _PIECE):
        stop = min(start + _PIECE, count)
        piece = packed[start * width // 8:-(-stop * width // 8)]
        digits = np.unpackbits(piece, count=(stop - start) * width, bitorder="little")
        yield slice(start, stop), digits.reshape(-1, width) @ places


def _trits(packed, count):
    """Places and digits in base 3, uint8, a piece at a time."""
    for start in range(0, count, _PIECE):
        stop = min(start + _PIECE, count)
        piece = packed[start // _TRITS:-(-stop // _TRITS), None]
        yield slice(start, stop), (piece // _PLACES % 3).reshape(-1)[:stop - start]


def _unpack(spec, packed):
    """Codes (planes, rows, columns) of bytes, or ``NetworkError`` on a byte that none makes."""
    count = spec.planes * spec.rows * spec.columns
    codes, weight = np.empty(count, dtype=np.int8), spec.alphabet
    if weight.base == 3:
        if packed.max() >= 3 ** _TRITS:
            raise NetworkError(f"codes must hold bytes below {3 ** _TRITS}, five ternary codes "
                               f"each, not {int(packed.max())}")
        rest = _rest(packed, count, _TRITS, 3)
        for place, digits in _trits(packed, count):
            codes[place] = weight.read(digits, None)
    else:
        bits = spec.code_bits
        rest = _rest(packed, count * bits, 8, 2)
        for place, stored in _bits(packed, count, bits):
            codes[place] = weight.read(stored, bits)
    if rest:
        raise NetworkError(f"codes must end in zero bits after its {count} codes")
    return _shaped(codes, (spec.planes, spec.rows, spec.columns))


def _shaped(codes, shape):
    """Codes that nobody else has, write-protected: what takes them over needs no copy."""
    codes.flags.writeable = False
    return codes.reshape(shape)
