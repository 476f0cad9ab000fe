"""Cells on real numbers: nothing is rounded."""

import collections.abc
import typing

from ternloom.model.cell.graph import Node, Reading


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

    def __init__(self, row: collections.abc.Callable[..., typing.Any],
                 old: collections.abc.Mapping[str, typing.Any],
                 diagonals: collections.abc.Mapping[str, typing.Any],
                 functions: collections.abc.Mapping[str, collections.abc.Callable]) -> None:
        super().__init__(row, old, diagonals)
        self._functions = functions

    def constant(self, node: Node) -> int:
        return node.parameter

    def add(self, node: Node, one: typing.Any, other: typing.Any) -> typing.Any:
        return one + other

    def sub(self, node: Node, one: typing.Any, other: typing.Any) -> typing.Any:
        return one - other

    def mul(self, node: Node, one: typing.Any, other: typing.Any) -> typing.Any:
        return one * other

    def table(self, node: Node, argument: typing.Any) -> typing.Any:
        return self._functions[node.parameter](argument)

    def relu(self, node: Node, value: typing.Any) -> typing.Any:
        return self._functions["relu"](value)

    def round(self, node: Node, value: typing.Any) -> typing.Any:
        return value
