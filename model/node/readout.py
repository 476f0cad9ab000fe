"""The readout: a dense layer that gives logits."""

import numpy as np

from ternloom.model.error import NetworkError, check_kinds
from ternloom.model.format import Fixed
from ternloom.model.frozen import Frozen
from ternloom.model.matrix import Matrix
from ternloom.model.node.body import Body, When
from ternloom.model.node.operand import Operand, check_bias, check_operands, check_shift


__all__ = ["Readout"]


class Readout(Body, Frozen):
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

    gives_logits = True
    stem = "weights"

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
    def weights(self) -> Matrix:
        """Matrix of the first input."""
        return self.operands[0].matrix

    @property
    def classes(self) -> int:
        return self.weights.rows

    @property
    def size(self) -> int:
        return self.classes

    @property
    def form(self) -> Fixed:
        return self.logits

    sums = form

    @property
    def mark_values(self) -> int:
        return self.classes

    def marks(self, logits: np.ndarray) -> np.ndarray:
        """Index of the largest logit of each vector so far, (vectors, classes)."""
        leaders = np.zeros(logits.shape, dtype=np.int64)
        for row, values in zip(leaders, logits.tolist(), strict=True):
            leader = 0
            for index, logit in enumerate(values):
                leader = row[index] = index if logit > values[leader] else leader
        return leaders
