"""What every kind of node has: operands, rows that add up their products, and vectors that it puts
out.
"""

import collections.abc
import enum
import typing

import numpy as np

from ternloom.model.format import Fixed, Format
from ternloom.model.matrix import Matrix
from ternloom.model.node.operand import Operand, named


__all__ = ["Body", "When", "rule"]


class When(enum.Enum):
    """The steps at which a node puts out a vector."""

    LAST  = "last"
    EVERY = "every"


class Body:
    """What a node is: a kind of node is a ``Frozen`` that is one of these.

    Attributes
    ----------
    operands : tuple of Operand
        One for each input.
    bias : int32 array (rows)
    shift : int
    size : int
        Elements of a vector that it puts out.
    form : Format
        Of these elements.
    sums : Fixed
        Format that a sum of its rows is rounded to.
    gives_logits : bool
        Whether it puts out logits, which end a network, and not codes that other nodes take.
    when : When
        The steps at which it puts out a vector; of a kind without logits every one.
    stem : str
        What its matrices are called: ``input`` is the first, ``input1`` the next.
    mark_values : int
        Values that the mark beside each logit may have, of a kind that gives logits.
    """

    operands: tuple[Operand, ...]
    bias: np.ndarray
    shift: int
    gives_logits = False
    when: When = When.EVERY
    stem = "input"

    @property
    def size(self) -> int:
        raise NotImplementedError

    @property
    def form(self) -> Format:
        raise NotImplementedError

    @property
    def sums(self) -> Fixed:
        raise NotImplementedError

    @property
    def mark_values(self) -> int:
        raise NotImplementedError

    def marks(self, logits: np.ndarray) -> np.ndarray:
        """What goes out beside each logit, (vectors, elements) as the logits are."""
        raise NotImplementedError

    @property
    def terms(self) -> dict[str, Operand]:
        """What a row adds up, an ``Operand`` by name: by the ``stem``, for more inputs with 1
        behind it and so on.
        """
        return {named(self.stem, index): each for index, each in enumerate(self.operands)}

    @property
    def matrices(self) -> dict[str, Matrix]:
        """Matrices by the names of ``terms``."""
        return {name: term.matrix for name, term in self.terms.items()}

    @property
    def inputs(self) -> int:
        """Columns of all inputs."""
        return sum(operand.matrix.columns for operand in self.operands)

    @property
    def input_format(self) -> Format:
        """Format of the first input."""
        return self.operands[0].format


_Rule = typing.TypeVar("_Rule")


def rule(rules: collections.abc.Mapping[type[Body], _Rule], body: Body) -> _Rule:
    """The rule for a body's kind, or else for the kind that its own derives from.

    Raises
    ------
    TypeError
        If there is none.
    """
    for kind in type(body).__mro__:
        if kind in rules:
            return rules[kind]
    raise TypeError(f"there is no rule for nodes of the kind {type(body).__name__}")
