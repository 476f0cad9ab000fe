"""Matrices in a network file: their part of the description, and their codes packed in bytes."""

import collections.abc
import typing

import msgspec
import numpy as np

from ternloom.model.alphabet import ALPHABETS, Alphabet
from ternloom.model.error import NetworkError, located
from ternloom.model.format import Format
from ternloom.model.limits import LARGEST_SHIFT
from ternloom.model.matrix import Matrix
from ternloom.model.network import embedding_type


__all__ = ["MatrixSpec", "Shift", "Size", "describe", "matrix", "pack_codes", "pack_embedding",
           "packed_size", "unpack_embedding"]


_TRITS = 5
_PLACES = np.array([3 ** place for place in range(_TRITS)], dtype=np.uint8)
#: Codes that are unpacked together: whole bytes, however many bits or trits a code takes.
_PIECE = 5 << 14

Size = typing.Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
Shift = typing.Annotated[int, msgspec.Meta(ge=0, le=LARGEST_SHIFT)]


# Which names there are depends on installed packages.
if typing.TYPE_CHECKING:
    from enum import Enum as _AlphabetName
else:
    _AlphabetName = ALPHABETS.names


class MatrixSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weight: _AlphabetName
    planes: typing.Annotated[int, msgspec.Meta(ge=1, le=4)]
    rows: Size
    columns: Size
    #: Bits of a code, of alphabets that leave it open.
    bits: typing.Annotated[int, msgspec.Meta(ge=1, le=8)] | None = None

    @property
    def alphabet(self) -> Alphabet:
        return ALPHABETS[self.weight.value]

    @property
    def code_bits(self) -> int:
        """Bits of a code that isn't ternary."""
        alphabet = self.alphabet
        return self.bits or alphabet.code_bits(np.array(alphabet.codes, dtype=np.int8))


def describe(matrix: Matrix) -> MatrixSpec:
    """Description of a matrix."""
    bits = matrix.code_bits if matrix.weight.sized else None
    return MatrixSpec(ALPHABETS.names[matrix.weight.name], matrix.planes, matrix.rows,
                       matrix.columns, bits)


def packed_size(spec: MatrixSpec) -> int:
    """Bytes that the codes of a matrix take."""
    if (spec.bits is not None) != spec.alphabet.sized:
        raise ValueError(f"must have bits for exponential and integer codes only, not {spec.bits} "
                         f"for {spec.weight.value} ones")
    count = spec.planes * spec.rows * spec.columns
    if spec.alphabet.base == 3:
        return -(-count // _TRITS)
    return -(-count * spec.code_bits // 8)


def matrix(name: str, spec: MatrixSpec,
           tensors: collections.abc.Mapping[str, np.ndarray]) -> Matrix:
    """The matrix of a name, of its description and a file's tensors."""
    with located(name):
        return Matrix(spec.alphabet, _unpack_codes(spec, tensors[f"{name}.codes"]),
                      tensors[f"{name}.coefficients"])


def pack_embedding(form: Format, codes: np.ndarray) -> np.ndarray:
    """Codes of an embedding as bytes."""
    bits = form.bits(codes.astype(np.int32)).reshape(-1, 1)
    return np.packbits((bits >> np.arange(form.width)) & 1, bitorder="little")


def unpack_embedding(form: Format, shape: tuple[int, int], packed: np.ndarray) -> np.ndarray:
    """Codes (words, inputs) of bytes, or ``NetworkError`` on bits beyond the last."""
    count = shape[0] * shape[1]
    if _rest(packed, count * form.width, 8, 2):
        raise NetworkError(f"embedding must be padded with zeros after its {count * form.width} "
                           "bits")
    codes = np.empty(count, dtype=embedding_type(form))
    for place, bits in _bits(packed, count, form.width):
        codes[place] = form.decode(bits)
    return _shaped(codes, shape)


def pack_codes(matrix: Matrix) -> np.ndarray:
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


def _unpack_codes(spec, packed):
    """Codes (planes, rows, columns) of bytes, or ``NetworkError`` on a byte that none makes."""
    count = spec.planes * spec.rows * spec.columns
    codes, weight = np.empty(count, dtype=np.int8), spec.alphabet
    if weight.base == 3:
        if packed.max() >= 3 ** _TRITS:
            raise NetworkError(f"codes must be bytes below {3 ** _TRITS}, of five ternary codes "
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
        raise NetworkError(f"codes must be padded with zero bits after {count} codes")
    return _shaped(codes, (spec.planes, spec.rows, spec.columns))


def _shaped(codes, shape):
    """Codes that nobody else has, write-protected: what takes them over needs no copy."""
    codes.flags.writeable = False
    return codes.reshape(shape)
