"""Nodes in a network file: the description of each kind, the tensors it calls for, and its body.

The fields of a description stand in the order in which they were first written, of which the
digest is made.
"""

import collections.abc
import typing

import msgspec
import numpy as np

from ternloom.files.matrix import MatrixSpec, Shift, Size, describe, matrix
from ternloom.model.cell import CELLS
from ternloom.model.error import located
from ternloom.model.format import Fixed, Format
from ternloom.model.network import Node
from ternloom.model.node import Body, Layer, Operand, Readout, When, rule
from ternloom.model.node.operand import named
from ternloom.model.precision import Precision


__all__ = ["LayerSpec", "NodeSpec", "OperandSpec", "ReadoutSpec", "SPECS", "node", "node_spec"]


class OperandSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Format
    matrix: MatrixSpec


Operands = typing.Annotated[tuple[OperandSpec, ...], msgspec.Meta(min_length=1, max_length=16)]
#: Shape of a tensor of int32, by name.
Shapes = dict[str, tuple[int, ...]]


# Which names there are depends on installed packages.
if typing.TYPE_CHECKING:
    from enum import Enum as CellName
else:
    CellName = CELLS.names


class NodeSpec:
    """What the descriptions of all kinds have.

    Attributes
    ----------
    kind : type of Body
    arrays : tuple of str
        Arrays that a body may have beside its matrices.
    name : str
    inputs : tuple of str
    operands : tuple of OperandSpec
    """

    kind: typing.ClassVar[type[Body]]
    arrays: typing.ClassVar[tuple[str, ...]] = ("bias",)
    name: str
    inputs: tuple[str, ...]
    operands: tuple[OperandSpec, ...]

    @classmethod
    def of(cls, name: str, inputs: tuple[str, ...], operands: tuple[OperandSpec, ...],
           body: typing.Any) -> typing.Self:
        """Description of a node."""
        raise NotImplementedError

    @property
    def matrices(self) -> dict[str, MatrixSpec]:
        """Matrices by the names of what the rows add up."""
        return {named(self.kind.stem, index): each.matrix
                for index, each in enumerate(self.operands)}

    @property
    def shapes(self) -> Shapes:
        """Shapes of the arrays that the body has, by name."""
        raise NotImplementedError

    def body(self, operands: tuple[Operand, ...], **tensors: typing.Any) -> Body:
        """The body, of its operands, and of tensors and further matrices by name."""
        raise NotImplementedError


class LayerSpec(NodeSpec, msgspec.Struct, frozen=True, forbid_unknown_fields=True,
                omit_defaults=True, tag="layer"):
    name: str
    inputs: tuple[str, ...]
    cell: CellName
    units: Size
    operands: Operands
    state_format: Format
    precision: Precision
    recurrent: MatrixSpec | None
    shift: Shift
    diagonal_format: Fixed | None = None

    kind = Layer
    arrays = "bias", "recurrent_bias", "diagonals"

    @classmethod
    def of(cls, name: str, inputs: tuple[str, ...], operands: tuple[OperandSpec, ...],
           body: typing.Any) -> typing.Self:
        # A cell that files don't know has a digest too, which is made of this.
        cell: typing.Any = body.cell.name
        recurrent = None if body.recurrent is None else describe(body.recurrent)
        return cls(name, inputs, cell, body.units, operands, body.state_format, body.precision,
                   recurrent, body.shift, body.diagonal_format)

    @property
    def matrices(self) -> dict[str, MatrixSpec]:
        found = super().matrices
        return found if self.recurrent is None else found | {"recurrent": self.recurrent}

    @property
    def shapes(self) -> Shapes:
        cell = CELLS[self.cell.value]
        found: Shapes = {"bias": (len(cell.gates) * self.units,)}
        if cell.apart:
            found["recurrent_bias"] = (self.units,)
        if cell.diagonals:
            found["diagonals"] = (len(cell.diagonals), self.units)
        return found

    def body(self, operands: tuple[Operand, ...], **tensors: typing.Any) -> Layer:
        given = {"recurrent": None, "recurrent_bias": None} | tensors
        return Layer(CELLS[self.cell.value], self.units, operands, self.state_format,
                     self.precision, shift=self.shift, diagonal_format=self.diagonal_format,
                     **given)


class ReadoutSpec(NodeSpec, msgspec.Struct, frozen=True, forbid_unknown_fields=True,
                  tag="readout"):
    name: str
    inputs: tuple[str, ...]
    operands: Operands
    shift: Shift
    logits: Fixed
    when: When

    kind: typing.ClassVar[type[Readout]] = Readout

    @classmethod
    def of(cls, name: str, inputs: tuple[str, ...], operands: tuple[OperandSpec, ...],
           body: typing.Any) -> typing.Self:
        return cls(name, inputs, operands, body.shift, body.logits, body.when)

    @property
    def shapes(self) -> Shapes:
        return {"bias": (self.operands[0].matrix.rows,)}

    def body(self, operands: tuple[Operand, ...], **tensors: typing.Any) -> Readout:
        return self.kind(operands, shift=self.shift, logits=self.logits, when=self.when, **tensors)


#: One more kind of node is a struct like these, and its place here.
_SPECS: tuple[type[NodeSpec], ...] = (LayerSpec, ReadoutSpec)
#: Descriptions by the kind of node.
SPECS = {spec.kind: spec for spec in _SPECS}


def node_spec(node: Node) -> NodeSpec:
    """Description of a node."""
    operands = tuple(OperandSpec(each.format, describe(each.matrix))
                     for each in node.body.operands)
    return rule(SPECS, node.body).of(node.name, node.inputs, operands, node.body)


def node(spec: NodeSpec, tensors: collections.abc.Mapping[str, np.ndarray]) -> Node:
    """The node of a description and a file's tensors."""
    matrices = {name: matrix(f"{spec.name}.{name}", each, tensors)
                for name, each in spec.matrices.items()}
    with located(spec.name):
        operands = tuple(Operand(each.format, matrices.pop(named(spec.kind.stem, index)))
                         for index, each in enumerate(spec.operands))
        beside = {name: tensors[f"{spec.name}.{name}"] for name in spec.shapes}
        return Node(spec.name, spec.inputs, spec.body(operands, **matrices, **beside))
