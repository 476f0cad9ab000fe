"""Cells on integers: the golden model's reading."""

import collections.abc
import functools

import numpy as np

from ternloom.model.cell.graph import Node, Reading
from ternloom.model.format import Format
from ternloom.model.precision import Precision
from ternloom.model.table import FUNCTIONS


__all__ = ["Integers", "initial_code"]


@functools.cache
def _table(function, precision, dtype):
    """A function over the pre-activations; a negative code is a negative index."""
    return FUNCTIONS[function](precision).astype(dtype)


def initial_code(state_format: Format) -> int:
    """Recurrent code of every unit when a sequence starts."""
    return int(state_format.quantize(0, 0))


class Integers(Reading):
    """Reading of a graph on integer arrays of any shape.

    Everything is computed in one integer type, which must hold the ranges of
    :func:`ternloom.model.bounds.working_range`; codes may come back as int64.

    Parameters
    ----------
    precision : Precision
    dtype : dtype
    row, old, diagonals
        As of ``Reading``: pre-activations, states and codes, int arrays.
    """

    def __init__(self, precision: Precision, dtype: type[np.signedinteger],
                 row: collections.abc.Callable[..., np.ndarray],
                 old: collections.abc.Mapping[str, np.ndarray],
                 diagonals: collections.abc.Mapping[str, np.ndarray]) -> None:
        super().__init__(row, old, diagonals)
        self._precision = precision
        self._dtype: type = dtype

    def constant(self, node: Node) -> np.signedinteger:
        return self._dtype(node.parameter)

    def add(self, node: Node, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one << node.parameter[0]) + (other << node.parameter[1])

    def sub(self, node: Node, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one << node.parameter[0]) - (other << node.parameter[1])

    def mul(self, node: Node, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return one * other

    def table(self, node: Node, argument: np.ndarray) -> np.ndarray:
        return _table(node.parameter, self._precision, self._dtype)[argument]

    def relu(self, node: Node, value: np.ndarray) -> np.ndarray:
        return np.maximum(value, 0)

    def round(self, node: Node, value: np.ndarray) -> np.ndarray:
        return node.parameter.quantize(value, node.args[0].frac)
