"""Products of sign planes by XNOR and popcount on words of 64 bits, one vector at a time.

This is what the hardware does with a vector, in software (Xu et al. 2018, section 4): with weights
``sum over p of coefficients[p] * b[p]`` and activations ``sum over j of betas[j] * c[j]``, signs
``b`` and ``c`` stored as bits,

    row = sum over p, j of coefficients[p] * betas[j] * (columns - 2 * popcount(b[p] ^ c[j])).

The golden model itself multiplies many vectors at a time by BLAS
(:class:`ternloom.model.product.Product`); for one vector at a time this is faster. With the extra
``fast`` installed, machine code by Numba takes the place of NumPy's functions.
"""

import collections.abc
import functools
import importlib
import importlib.util

import numpy as np
import numpy.typing as npt

from ternloom.model import online
from ternloom.model.alphabet import BINARY, PLANES
from ternloom.model.format import Online
from ternloom.model.matrix import Matrix


__all__ = ["COMPILED", "BitPlanes", "product", "quantize"]

#: Whether there is machine code for the kernels.
COMPILED = importlib.util.find_spec("numba") is not None
#: Words of a row are a multiple of this, as the machine code wants them.
_WORDS = 4


@functools.cache
def _kernels(compiled):
    """What has the functions ``product`` and ``quantize``."""
    return importlib.import_module("ternloom.model.compiled" if compiled else __name__)


def _to_words(bits, words):
    """Words of the bits of rows (..., columns), bit 0 of word 0 first; zeros fill up."""
    padded = np.zeros((*bits.shape[:-1], 64 * words), dtype=np.uint8)
    padded[..., :bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8")


def product(weights: np.ndarray, coefficients: np.ndarray, activations: np.ndarray,
            betas: np.ndarray, columns: int) -> np.ndarray:
    """Rows of weights times activations, both in words of bits.

    Parameters
    ----------
    weights : uint64 array (planes, words, rows)
        A bit that is one stands for +1, zero for -1; bits beyond the columns are zero. The machine
        code wants a multiple of four words.
    coefficients : int64 array (planes, rows)
    activations : uint64 array (activation planes, words)
    betas : int64 array (activation planes)
    columns : int

    Returns
    -------
    int64 array (rows)
    """
    mixed = np.zeros(coefficients.shape, dtype=np.int64)
    for plane, beta in zip(activations, betas, strict=True):
        different = np.bitwise_count(weights ^ plane[:, None]).sum(axis=1, dtype=np.uint32)
        mixed += beta * (columns - 2 * different.astype(np.int64))
    return np.vecdot(coefficients.T, mixed.T)


def quantize(form: Online, samples: np.ndarray, words: int) -> tuple[np.ndarray, np.ndarray]:
    """Online quantization of one vector, see :func:`ternloom.model.online.quantize`.

    Parameters
    ----------
    form : Online
    samples : int array (columns)
    words : int
        Of 64 bits, no fewer than the columns need.

    Returns
    -------
    activations : uint64 array (planes, words)
    betas : int64 array (planes)
    """
    codes, betas = online.quantize(form, samples[None])
    return _to_words(codes[0] >> np.arange(form.planes)[:, None] & 1, words), betas[0]


class BitPlanes:
    """A matrix of sign planes, a bit for each sign.

    Parameters
    ----------
    matrix : Matrix
        Of the alphabet ``PLANES`` or ``BINARY``; see :func:`ternloom.quantize.codes.as_planes` for
        others.
    compiled : bool
        Use machine code; the default says whether there is any.
    """

    def __init__(self, matrix: Matrix, compiled: bool = COMPILED) -> None:
        if matrix.weight not in (PLANES, BINARY):
            raise ValueError(f"Weights must be planes or binary, not {matrix.weight.name}")
        self._columns = matrix.columns
        self._words = -(-matrix.columns // (64 * _WORDS)) * _WORDS
        # Words of the same place lie together, so that rows are counted side by side.
        self._weights = np.ascontiguousarray(
            _to_words(matrix.codes > 0, self._words).transpose(0, 2, 1))
        self._coefficients = matrix.coefficients.astype(np.int64)
        self._kernels = _kernels(compiled)

    def rows(self, codes: npt.ArrayLike,
             betas: np.ndarray | collections.abc.Sequence[int]) -> np.ndarray:
        """Rows of one vector of activation planes.

        Parameters
        ----------
        codes : int array (columns)
            Bit j set means that plane j is +1, as in the formats ``Planes`` and ``Online``.
        betas : int array (activation planes)
            Coefficients.

        Returns
        -------
        int64 array (rows)
        """
        bits = np.asarray(codes) >> np.arange(len(betas))[:, None] & 1
        return self._product(_to_words(bits, self._words), np.asarray(betas, dtype=np.int64))

    def online(self, form: Online, samples: np.ndarray) -> np.ndarray:
        """Rows of one vector of samples (columns), quantized to the planes of an ``Online`` format.

        Returns
        -------
        int64 array (rows)
            In units of ``2**-form.frac``.
        """
        return self._product(*self._kernels.quantize(form, samples, self._words))

    def _product(self, activations, betas):
        return self._kernels.product(self._weights, self._coefficients, activations, betas,
                                     self._columns)
