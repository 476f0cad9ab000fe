"""Cells on integers: the golden model's reading."""

import functools

import numpy as np

from ternloom.model.table import FUNCTIONS


__all__ = ["Integers", "initial_code"]


@functools.cache
def _table(function, precision, dtype):
    """A function over the pre-activations; a negative code is a negative index."""
    return FUNCTIONS[function](precision).astype(dtype)


def initial_code(state_format):
    """Recurrent code of every unit when a sequence starts."""
    return int(state_format.quantize(0, 0))


class Integers:
    """Reading of a graph on integer arrays of any shape.

    Everything is computed in one integer type, which must hold the ranges of
    :func:`ternloom.model.bounds.working_range`; codes may come back as int64.

    Parameters
    ----------
    precision : Precision
    dtype : dtype
    row : callable
        Pre-activations of a ``Row``; gets the codes that its recurrent half multiplies where this
        step has made them.
    old : mapping of str to int array
        What the step before carried.
    """

    def __init__(self, precision, dtype, row, old):
        self._precision, self._dtype, self._row, self._old = precision, dtype, row, old

    def row(self, node, *codes):
        return self._row(node.parameter, *codes)

    def old(self, node):
        return self._old[node.parameter]

    def constant(self, node):
        return self._dtype(node.parameter)

    def add(self, node, one, other):
        return (one << node.parameter[0]) + (other << node.parameter[1])

    def sub(self, node, one, other):
        return (one << node.parameter[0]) - (other << node.parameter[1])

    def mul(self, node, one, other):
        return one * other

    def table(self, node, argument):
        return _table(node.parameter, self._precision, self._dtype)[argument]

    def relu(self, node, value):
        return np.maximum(value, 0)

    def round(self, node, value):
        return node.parameter.quantize(value, node.args[0].frac)
