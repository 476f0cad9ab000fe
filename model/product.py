"""Products of a matrix with activation codes, exact and as fast as BLAS."""

import numpy as np
import numpy.typing as npt

from ternloom.model.bounds import effective
from ternloom.model.format import Format
from ternloom.model.matrix import Matrix


__all__ = ["Product"]


class Product:
    """Rows of a matrix by BLAS, in the narrowest type in which every partial sum is exact.

    A sum of multiples of ``unit`` that stays below ``unit * 2**24`` has no rounding error in single
    precision, whatever the order of its terms, and one below ``unit * 2**53`` none in double. What
    fits neither is computed on int64, without BLAS.

    Parameters
    ----------
    matrix : Matrix
    form : Format
        Of the activations.
    dtype : dtype
        Integer type of the rows, which must hold them.
    rows : slice
        Of the matrix, all by default.
    """

    def __init__(self, matrix: Matrix, form: Format, dtype: npt.DTypeLike = np.int64,
                 rows: slice = slice(None)) -> None:
        weights = effective(matrix)[rows]
        bits = int(np.bitwise_or.reduce(weights, axis=None))
        unit = max(bits & -bits, 1)
        largest = int(np.abs(weights).sum(axis=1).max()) * form.magnitude // unit
        self._type = (np.float32 if largest < 1 << 24 else
                      np.float64 if largest < 1 << 53 else np.int64)
        self._weights = np.ascontiguousarray(weights.T.astype(self._type))
        self._form, self._dtype = form, dtype

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Rows of activation codes.

        Parameters
        ----------
        codes : int array (n, columns)

        Returns
        -------
        array of ``dtype`` (n, rows)
            ``sum over p of coefficients[p, r] * codes[p, r] . value(codes)``.
        """
        return self.rows(self._form.value(codes))

    def rows(self, values: np.ndarray) -> np.ndarray:
        """Rows of activations that are given as what a dot product sees of them, (n, columns)."""
        return (values.astype(self._type) @ self._weights).astype(self._dtype)
