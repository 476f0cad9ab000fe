"""Float networks: what a quantizer starts from."""

import collections.abc
import dataclasses

import numpy as np

from ternloom.model.cell import Cell
from ternloom.model.error import NetworkError
from ternloom.model.frozen import Frozen
from ternloom.model.names import check_notes
from ternloom.model.node import check_diagonals, check_recurrent


__all__ = ["FloatLayer", "FloatNetwork"]


def _check(name, array, shape):
    """Raise ``NetworkError`` unless an array is of floats, of this shape and finite."""
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
        found = getattr(array, "dtype", type(array).__name__)
        raise NetworkError(f"{name} must hold float32 or float64 numbers, not {found}")
    if array.shape != shape:
        raise NetworkError(f"{name} must have the shape {shape}, not {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        where = f"row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")
        raise NetworkError(f"{name} must hold finite numbers, not {array[place]} in {where}")


class FloatLayer(Frozen):
    """One recurrent layer; rows are gate by gate as in ``ternloom.model.network.Layer``.

    Parameters
    ----------
    cell : Cell
    input_weight : float array (gates * units, inputs)
    recurrent_weight : float array (gates * units, units) or None
        Where the cell has a recurrent matrix.
    bias : float array (gates * units)
    recurrent_bias : float array (units) or None
        Of the rows whose halves the cell keeps apart, where there are such: n of a reset-after GRU.
    diagonals : float array (count, units) or None
        Weights that a unit has of its own, in the order of ``cell.diagonals``.

    Raises
    ------
    NetworkError
        Parts that don't fit each other or are not finite, with the name of the field and the row.
    """

    cell: Cell
    input_weight: np.ndarray
    recurrent_weight: np.ndarray | None
    bias: np.ndarray
    recurrent_bias: np.ndarray | None = None
    diagonals: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.cell, Cell):
            raise NetworkError(f"cell must be of the type Cell, not {self.cell!r}")
        check_recurrent(self.cell, self.recurrent_weight, self.recurrent_bias,
                        "recurrent_weight")
        gates, inputs = len(self.cell.gates), _columns(self.input_weight)
        units = (_columns(self.recurrent_weight) if self.cell.recurrent
                 else max(len(self.input_weight) // gates, 1))
        _check("input_weight", self.input_weight, (gates * units, inputs))
        if self.cell.recurrent:
            _check("recurrent_weight", self.recurrent_weight, (gates * units, units))
        _check("bias", self.bias, (gates * units,))
        if self.recurrent_bias is not None:
            _check("recurrent_bias", self.recurrent_bias, (units,))
        check_diagonals(self.cell, units, self.diagonals)
        if self.diagonals is not None:
            _check("diagonals", self.diagonals, self.diagonals.shape)
        super().__post_init__()

    @property
    def units(self) -> int:
        return len(self.input_weight) // len(self.cell.gates)

    @property
    def inputs(self) -> int:
        return self.input_weight.shape[-1]

    @property
    def own_weights(self) -> dict[str, np.ndarray]:
        """Numbers (units) of each diagonal, by name."""
        return dict(zip(self.cell.diagonals, () if self.diagonals is None else self.diagonals))

    @property
    def matrices(self) -> dict[str, np.ndarray]:
        """``input``, and ``recurrent`` where the cell has it."""
        both = {"input": self.input_weight, "recurrent": self.recurrent_weight}
        return {name: weight for name, weight in both.items() if weight is not None}


def _columns(matrix):
    """Columns of what should be a matrix, at least one."""
    shape = np.shape(matrix)
    return max(shape[-1], 1) if shape else 1


class FloatNetwork(Frozen):
    """Stacked recurrent layers in floating point, with a dense readout and an embedding or without.

    Parameters
    ----------
    name : str
    layers : tuple of FloatLayer
    readout_weight : float array (classes, units) or None
    readout_bias : float array (classes) or None
        Both are there or neither is.
    embedding : float array (words, inputs) or None
    labels : tuple of str
        Names of the classes, or empty.
    notes : mapping of str to str
        Where the network comes from.

    Raises
    ------
    NetworkError
        Parts that don't fit each other or are not finite; a name, label or note that has control
        characters.
    """

    name: str
    layers: tuple[FloatLayer, ...]
    readout_weight: np.ndarray | None = None
    readout_bias: np.ndarray | None = None
    embedding: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    notes: collections.abc.Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_notes(self.name, self.labels, self.notes, NetworkError)
        if not self.layers:
            raise NetworkError("a float network must have at least one layer")
        inputs = self.inputs
        for index, layer in enumerate(self.layers):
            if layer.inputs != inputs:
                raise NetworkError(f"layer{index} must have {inputs} inputs, as many as the units "
                                   f"before it, not {layer.inputs}")
            inputs = layer.units
        if (self.readout_weight is None) != (self.readout_bias is None):
            raise NetworkError("a float network must have both readout.weight and readout.bias, "
                               "or neither")
        if self.readout_weight is not None:
            classes = max(len(self.readout_weight), 1)
            _check("readout.weight", self.readout_weight, (classes, inputs))
            _check("readout.bias", self.readout_bias, (classes,))
        if self.embedding is not None:
            _check("embedding", self.embedding, (max(len(self.embedding), 1), self.inputs))
        if self.labels and len(self.labels) != self.classes:
            raise NetworkError(f"labels must have {self.classes} entries, one per class, "
                               f"not {len(self.labels)}")
        super().__post_init__()

    def __repr__(self):
        cells = "+".join(dict.fromkeys(layer.cell.name for layer in self.layers))
        sizes = [self.inputs, *(layer.units for layer in self.layers)]
        sizes += [self.classes] if self.classes else []
        words = "" if self.embedding is None else f", {len(self.embedding)} words"
        return (f"FloatNetwork({self.name!r}, {cells}, {'-'.join(map(str, sizes))}{words}, "
                f"digest {self.digest[:12]})")

    @property
    def inputs(self) -> int:
        """Elements of an input vector."""
        return self.layers[0].inputs

    @property
    def classes(self) -> int:
        """Classes of the readout, 0 without one."""
        return 0 if self.readout_weight is None else len(self.readout_weight)

    @property
    def matrices(self) -> dict[str, np.ndarray]:
        """Weights by name: ``layer0.input``, ``layer0.recurrent``, ..., ``readout.weights``.
        """
        named = {f"layer{index}.{part}": weight for index, layer in enumerate(self.layers)
                 for part, weight in layer.matrices.items()}
        if self.readout_weight is not None:
            named["readout.weights"] = self.readout_weight
        return named
