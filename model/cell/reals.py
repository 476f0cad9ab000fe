"""Cells on real numbers: nothing is rounded."""

from ternloom.model.cell.graph import Reading


__all__ = ["Reals"]


class Reals(Reading):
    """Reading of a graph on whatever has a sum, a difference and a product.

    Parameters
    ----------
    row, old, diagonals
        As of ``Reading``.
    functions : mapping of str to callable
        ``"relu"``, and those of ``ternloom.model.table.FUNCTIONS``.
    """

    def __init__(self, row, old, diagonals, functions):
        super().__init__(row, old, diagonals)
        self._functions = functions

    def constant(self, node):
        return node.parameter

    def add(self, node, one, other):
        return one + other

    def sub(self, node, one, other):
        return one - other

    def mul(self, node, one, other):
        return one * other

    def table(self, node, argument):
        return self._functions[node.parameter](argument)

    def relu(self, node, value):
        return self._functions["relu"](value)

    def round(self, node, value):
        return value
