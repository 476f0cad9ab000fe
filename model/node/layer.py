"""A layer of units: rows of codes, and a cell's equations on them."""

import numpy as np

from ternloom.model.cell import Cell
from ternloom.model.cell.graph import Graph
from ternloom.model.error import NetworkError, check_integers, check_kinds
from ternloom.model.format import Fixed, Format
from ternloom.model.frozen import Frozen
from ternloom.model.matrix import Matrix
from ternloom.model.node.body import Body
from ternloom.model.node.operand import Operand, check_bias, check_operands, check_shift
from ternloom.model.precision import Precision


__all__ = ["Layer", "check_diagonals", "check_recurrent"]


#: Widest code of a unit's own weight.
_DIAGONAL_BITS = 16


def check_diagonals(cell: Cell, units: int, diagonals: np.ndarray | None) -> None:
    """Raise ``NetworkError`` unless diagonals are there, and as many, as the cell has."""
    shape = (len(cell.diagonals), units) if cell.diagonals else None
    if (None if diagonals is None else diagonals.shape) != shape:
        wanted = f"have the shape {shape}" if shape else "be None"
        raise NetworkError(f"diagonals must {wanted} in a {cell.name}, "
                           f"not {None if diagonals is None else diagonals.shape}")


def check_recurrent(cell: Cell, matrix: object, recurrent_bias: object,
                    name: str = "recurrent") -> None:
    """Raise ``NetworkError`` unless a recurrent matrix, whose field has this name, and a recurrent
    bias are there exactly if the cell has such.
    """
    if (matrix is not None) != cell.recurrent:
        raise NetworkError(f"{name} must {'be given' if cell.recurrent else 'be None'} in a "
                           f"{cell.name}, which has {'a' if cell.recurrent else 'no'} recurrent "
                           "matrix")
    if (recurrent_bias is not None) != bool(cell.apart):
        raise NetworkError(f"recurrent_bias must {'be given' if cell.apart else 'be None'} in a "
                           f"{cell.name}, which keeps {'the' if cell.apart else 'no'} halves of "
                           f"{'gate ' + cell.apart[0] if cell.apart else 'a gate'} apart")


class Layer(Body, Frozen):
    """A layer of units, recurrent unless its cell is not.

    Rows are gate by gate, unit by unit within a gate: row ``g * units + u``. A pre-activation is
    ``(input row + recurrent row + bias) >> shift`` with a named rounding, saturated; rows
    whose halves the cell keeps apart are ``(input row + bias) >> shift`` and
    ``(recurrent row + recurrent_bias) >> shift``. The input row is the sum over all inputs, whose
    columns lie side by side.

    Parameters
    ----------
    cell : Cell
    units : int
    operands : tuple of Operand
        One for each input: the format of its codes, and a matrix (planes, gates * units, its
        elements).
    state_format : Format
        Of the codes that the recurrent matrix multiplies. It is also what the layer puts out, and
        what a cell feeds back within a step.
    precision : Precision
    recurrent : Matrix or None
        (planes, gates * units, units), where the cell has a recurrent matrix.
    bias : int32 array (gates * units)
        Less than 2**30 in magnitude, as is the other one; other integers are held as int32.
    recurrent_bias : int32 array (units) or None
        Of the rows whose halves the cell keeps apart, where there are such.
    shift : int
        Fraction bits of a row's sum beyond those of the pre-activation, 0 to 40.
    diagonals : int32 array (count, units) or None
        Codes of the weights that a unit has of its own, in the order of ``cell.diagonals``.
    diagonal_format : Fixed or None
        Theirs, signed and of at most 16 bits; both are there or neither is.

    Raises
    ------
    NetworkError
        Parts that don't fit each other, with the name of the field.
    """

    cell: Cell
    units: int
    operands: tuple[Operand, ...]
    state_format: Format
    precision: Precision
    recurrent: Matrix | None
    bias: np.ndarray
    recurrent_bias: np.ndarray | None
    shift: int
    diagonals: np.ndarray | None = None
    diagonal_format: Fixed | None = None

    def __post_init__(self):
        super().__post_init__()
        check_kinds(self, cell=Cell, units=int, state_format=Format, precision=Precision)
        if self.units < 1:
            raise NetworkError(f"units must be at least 1, not {self.units!r}")
        check_operands(self.operands, self.rows)
        check_recurrent(self.cell, self.recurrent, self.recurrent_bias)
        if self.recurrent is not None:
            check_kinds(self, recurrent=Matrix)
            shape = self.recurrent.codes.shape
            if shape[1:] != (self.rows, self.units):
                raise NetworkError(f"recurrent.codes must have the shape (planes, {self.rows}, "
                                   f"{self.units}), not {shape}")
        check_bias("bias", self.bias, (self.rows,))
        if self.recurrent_bias is not None:
            check_bias("recurrent_bias", self.recurrent_bias, (self.units,))
            self._hold(recurrent_bias=self.recurrent_bias.astype(np.int32, copy=False))
        check_shift(self.shift)
        if self.precision.comparators and not self.cell.comparable:
            raise NetworkError(f"precision must have gate fraction bits in a {self.cell.name}, "
                               "whose gates cannot be comparators")
        if self.state_format.header and self.cell.feedback:
            raise NetworkError(f"state_format must not be online in a {self.cell.name}, whose "
                               f"{self.cell.feedback} is quantized before the step is complete")
        self._hold(bias=self.bias.astype(np.int32, copy=False))
        self._check_diagonals()

    def _check_diagonals(self):
        form = self.diagonal_format
        if self.diagonals is not None:
            check_integers("diagonals", self.diagonals)
        check_diagonals(self.cell, self.units, self.diagonals)
        if self.diagonals is None:
            if form is not None:
                raise NetworkError(f"diagonal_format must be None without diagonals, not {form!r}")
            return
        if not isinstance(form, Fixed) or not form.signed or form.width > _DIAGONAL_BITS:
            raise NetworkError("diagonal_format must be signed fixed point of at most "
                               f"{_DIAGONAL_BITS} bits, not {form!r}")
        if not form.contains(self.diagonals):
            raise NetworkError(f"diagonals must hold codes of {form!r}")
        self._hold(diagonals=self.diagonals.astype(np.int32, copy=False))

    @property
    def terms(self) -> dict[str, Operand]:
        """As of any body, and ``recurrent`` where the cell has it."""
        found = super().terms
        if self.recurrent is not None:
            found["recurrent"] = Operand(self.state_format, self.recurrent)
        return found

    @property
    def input(self) -> Matrix:
        """Matrix of the first input."""
        return self.operands[0].matrix

    @property
    def size(self) -> int:
        return self.units

    @property
    def form(self) -> Format:
        return self.state_format

    @property
    def sums(self) -> Fixed:
        return self.precision.preact

    @property
    def rows(self) -> int:
        return len(self.cell.gates) * self.units

    @property
    def apart(self) -> slice:
        """Slice of the rows whose halves stay apart, of none in most cells."""
        start = sum(gate not in self.cell.apart for gate in self.cell.gates[:-1])
        return slice(start * self.units, (start + len(self.cell.apart)) * self.units)

    @property
    def pipeline_format(self) -> Format:
        """Format of what the cell's equations give: online the samples, else the codes."""
        return self.state_format.pipeline_format

    @property
    def graph(self) -> Graph:
        """The cell's equations in the layer's formats."""
        return self.graph_of(self.state_format)

    @property
    def pipeline_graph(self) -> Graph:
        """The same, of what a pipeline gives."""
        return self.graph_of(self.pipeline_format)

    def graph_of(self, form: Format) -> Graph:
        if self.diagonal_format is None:
            return self.cell.graph(self.precision, form)
        return self.cell.graph(self.precision, form, self.diagonal_format)

    @property
    def own_weights(self) -> dict[str, np.ndarray]:
        """Codes (units) of each diagonal, by name."""
        return dict(zip(self.cell.diagonals, () if self.diagonals is None else self.diagonals))
