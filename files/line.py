"""Network files of versions 1 and 2: layers one after another, and a readout or none."""

import typing

import msgspec

from ternloom.files.container import Description
from ternloom.files.matrix import MatrixSpec, Shift, Size
from ternloom.model.cell import CELLS
from ternloom.model.format import Fixed, Format
from ternloom.model.network import INPUT, When
from ternloom.model.precision import Precision


__all__ = ["LineSpec"]


# Which names there are depends on installed packages.
if typing.TYPE_CHECKING:
    from enum import Enum as _CellName
else:
    _CellName = CELLS.names


class _LayerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    cell: _CellName
    units: Size
    input_format: Format
    state_format: Format
    precision: Precision
    input: MatrixSpec
    recurrent: MatrixSpec | None
    shift: Shift
    diagonal_format: Fixed | None = None


class _ReadoutSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input_format: Format
    weights: MatrixSpec
    shift: Shift
    logits: Fixed
    when: When


class LineSpec(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    layers: typing.Annotated[tuple[_LayerSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    readout: _ReadoutSpec | None
    words: Size | None = None
    labels: tuple[str, ...]
    notes: dict[str, str]

    #: The newest version that it describes.
    VERSION: typing.ClassVar[int] = 2

    def upgraded(self) -> dict[str, typing.Any]:
        """The same in the newest version, as plain data."""
        nodes, before = [], INPUT
        for index, layer in enumerate(self.layers):
            plain = msgspec.to_builtins(layer)
            operand = {"format": plain.pop("input_format"), "matrix": plain.pop("input")}
            nodes.append({"type": "layer", "name": f"layer{index}", "inputs": [before],
                          "operands": [operand]} | plain)
            before = nodes[-1]["name"]
        if self.readout is not None:
            plain = msgspec.to_builtins(self.readout)
            operand = {"format": plain.pop("input_format"), "matrix": plain.pop("weights")}
            nodes.append({"type": "readout", "name": "readout", "inputs": [before],
                          "operands": [operand]} | plain)
        plain = msgspec.to_builtins(self)
        return {name: value for name, value in plain.items()
                if name not in ("layers", "readout")} | {"nodes": nodes}
