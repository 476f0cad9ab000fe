"""The readout: a dense layer that gives logits."""

import enum

import numpy as np

from ternloom.model.error import NetworkError, check_kinds
from ternloom.model.format import Fixed, Format
from ternloom.model.frozen import Frozen
from ternloom.model.matrix import Matrix
from ternloom.model.node.operand import Operand, check_bias, check_operands, check_shift, named


__all__ = ["Readout", "When"]


class When(enum.Enum):
    """The steps at which a readout speaks."""

    LAST  = "last"
    EVERY = "every"


class Readout(Frozen):
    """Dense layer that ends a network: logits, and the index of the largest.

    Parameters
    ----------
    operands : tuple of Operand
        One for each input: the format of its codes, and a matrix (planes, classes, its elements).
    bias : int32 array (classes)
        Less than 2**30 in magnitude; other integers are held as int32.
    shift : int
        0 to 40.
    logits : Fixed
        ``(row + bias) >> shift``, saturated; ties of the largest go to the lower index. Signed.
    when : When

    Raises
    ------
    NetworkError
        Parts that don't fit each other, with the name of the field.
    """

    operands: tuple[Operand, ...]
    bias: np.ndarray
    shift: int
    logits: Fixed
    when: When

    def __post_init__(self):
        super().__post_init__()
        check_operands(self.operands)
        check_kinds(self, logits=Fixed, when=When)
        check_bias("bias", self.bias, (self.classes,))
        check_shift(self.shift)
        if not self.logits.signed:
            raise NetworkError("logits must be signed")
        self._hold(bias=self.bias.astype(np.int32, copy=False))

    @property
    def terms(self) -> dict[str, Operand]:
        """What a row adds up, an ``Operand`` by name: ``weights``, for more inputs ``weights1`` and
        so on.
        """
        return {named("weights", index): each for index, each in enumerate(self.operands)}

    @property
    def matrices(self) -> dict[str, Matrix]:
        """Matrices by the names of ``terms``."""
        return {name: term.matrix for name, term in self.terms.items()}

    @property
    def inputs(self) -> int:
        """Columns of all inputs."""
        return sum(operand.matrix.columns for operand in self.operands)

    @property
    def weights(self) -> Matrix:
        """Matrix of the first input."""
        return self.operands[0].matrix

    @property
    def input_format(self) -> Format:
        """Format of the first input."""
        return self.operands[0].format

    @property
    def classes(self) -> int:
        return self.weights.rows

    @property
    def size(self) -> int:
        """Elements of a vector that it puts out."""
        return self.classes

    @property
    def form(self) -> Fixed:
        """Format of what it puts out."""
        return self.logits
