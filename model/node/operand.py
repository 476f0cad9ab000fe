"""What a node's rows multiply, and what rows have beside it."""

import collections.abc

import numpy as np

from ternloom.model.error import NetworkError, check_integers, check_kinds
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.limits import BIAS_BITS, LARGEST_SHIFT
from ternloom.model.matrix import Matrix, magnitude


__all__ = ["Operand", "check_bias", "check_operands", "check_shift", "named"]


class Operand(Frozen):
    """One of a node's inputs: the format of its codes, and the matrix that multiplies them.

    Parameters
    ----------
    format : Format
    matrix : Matrix
        (planes, rows, elements of the input's vector).

    Raises
    ------
    NetworkError
        What isn't of these types.
    """

    format: Format
    matrix: Matrix

    def __post_init__(self):
        check_kinds(self, format=Format, matrix=Matrix)


def check_operands(operands: collections.abc.Sequence[Operand], rows: int | None = None) -> None:
    """Raise ``NetworkError`` unless there are operands, and all have as many rows."""
    if not operands:
        raise NetworkError("there must be at least one operand")
    for index, operand in enumerate(operands):
        if not isinstance(operand, Operand):
            raise NetworkError(f"operands must be of the type Operand, not {operand!r}")
        rows = operand.matrix.rows if rows is None else rows
        if operand.matrix.rows != rows:
            shape = operand.matrix.codes.shape
            raise NetworkError(f"{named('input', index)}.codes must have the shape (planes, "
                               f"{rows}, {shape[2]}), not {shape}")


def named(stem: str, index: int) -> str:
    """Name of what belongs to the input of this index: that of the first has no number."""
    return f"{stem}{index or ''}"


def check_bias(name: str, bias: np.ndarray, shape: tuple[int, ...]) -> None:
    check_integers(name, bias)
    if bias.shape != shape:
        raise NetworkError(f"{name} must have the shape {shape}, not {bias.shape}")
    if magnitude(bias) >= 1 << BIAS_BITS:
        raise NetworkError(f"{name} must be less than 2**{BIAS_BITS} in magnitude")


def check_shift(shift: int) -> None:
    if not isinstance(shift, int) or not 0 <= shift <= LARGEST_SHIFT:
        raise NetworkError(f"shift must be from 0 to {LARGEST_SHIFT}, not {shift!r}")
