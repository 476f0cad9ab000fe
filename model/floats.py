"""Float networks: what a quantizer starts from, and the files that they are kept in.

A file is safetensors with the tensors ``layer0.input_weight`` (rows, inputs),
``layer0.recurrent_weight`` (rows, units), ``layer0.bias`` (rows), ``layer0.recurrent_bias``
(units) in a reset-after GRU, ``readout.weight`` (classes, units), ``readout.bias`` (classes) and
``embedding`` (words, inputs), all float32, and a description, see :mod:`ternloom.model.store`. A
file without a description is taken as a PyTorch ``state_dict``, see
:mod:`ternloom.model.state_dict`.
"""

import collections.abc
import dataclasses
import pathlib
import typing

import msgspec
import numpy as np

from ternloom.model import store
from ternloom.model.error import NetworkError, located
from ternloom.model.frozen import Frozen
from ternloom.model.names import check_notes
from ternloom.model.network import Cell
from ternloom.model.state_dict import collect


__all__ = ["VERSION", "FloatLayer", "FloatNetwork", "is_state_dict", "load", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 1

_KIND = "float network"
_WEIGHTS_LIMIT = 1 << 28

_Size = typing.Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


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
    recurrent_weight : float array (gates * units, units)
    bias : float array (gates * units)
    recurrent_bias : float array (units) or None
        Of the n rows of a ``GRU_RESET_AFTER``, inside the reset gate's product; no other cell has
        it.

    Raises
    ------
    NetworkError
        Parts that don't fit each other or are not finite, with the name of the field and the row.
    """

    cell: Cell
    input_weight: np.ndarray
    recurrent_weight: np.ndarray
    bias: np.ndarray
    recurrent_bias: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.cell, Cell):
            raise NetworkError(f"cell must be of the type Cell, not {self.cell!r}")
        units, inputs = (_columns(getattr(self, name)) for name in
                         ("recurrent_weight", "input_weight"))
        rows = len(self.cell.gates) * units
        _check("input_weight", self.input_weight, (rows, inputs))
        _check("recurrent_weight", self.recurrent_weight, (rows, units))
        _check("bias", self.bias, (rows,))
        if (self.recurrent_bias is not None) != (self.cell is Cell.GRU_RESET_AFTER):
            raise NetworkError("recurrent_bias belongs to gru-reset-after and to no other cell, "
                               f"this one is {self.cell.value}")
        if self.recurrent_bias is not None:
            _check("recurrent_bias", self.recurrent_bias, (units,))
        super().__post_init__()

    @property
    def units(self):
        return self.recurrent_weight.shape[-1]

    @property
    def inputs(self):
        return self.input_weight.shape[-1]


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
            raise NetworkError(f"labels must be {self.classes}, one a class, "
                               f"not {len(self.labels)}")
        super().__post_init__()

    def __repr__(self):
        cells = "+".join(dict.fromkeys(layer.cell.value for layer in self.layers))
        sizes = [self.inputs, *(layer.units for layer in self.layers)]
        sizes += [self.classes] if self.classes else []
        words = "" if self.embedding is None else f", {len(self.embedding)} words"
        return (f"FloatNetwork({self.name!r}, {cells}, {'-'.join(map(str, sizes))}{words}, "
                f"digest {self.digest[:12]})")

    @property
    def inputs(self):
        """Elements of an input vector."""
        return self.layers[0].inputs

    @property
    def classes(self):
        """Classes of the readout, 0 without one."""
        return 0 if self.readout_weight is None else len(self.readout_weight)

    @property
    def matrices(self):
        """Weights by name: ``layer0.input``, ``layer0.recurrent``, ..., ``readout``."""
        named = {f"layer{index}.{part}": getattr(layer, f"{part}_weight")
                 for index, layer in enumerate(self.layers) for part in ("input", "recurrent")}
        return named | ({"readout": self.readout_weight} if self.classes else {})


class _LayerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cell: Cell
    inputs: _Size
    units: _Size


class _FloatSpec(store.Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    layers: typing.Annotated[tuple[_LayerSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    classes: _Size | None
    words: _Size | None
    labels: tuple[str, ...]
    notes: dict[str, str]


def _layout(spec):
    """Types and shapes of the tensors that a description calls for."""
    shapes = {}
    for index, layer in enumerate(spec.layers):
        rows, name = len(layer.cell.gates) * layer.units, f"layer{index}"
        shapes |= {f"{name}.input_weight": (rows, layer.inputs),
                   f"{name}.recurrent_weight": (rows, layer.units), f"{name}.bias": (rows,)}
        if layer.cell is Cell.GRU_RESET_AFTER:
            shapes[f"{name}.recurrent_bias"] = (layer.units,)
    if spec.classes is not None:
        shapes |= {"readout.weight": (spec.classes, spec.layers[-1].units),
                   "readout.bias": (spec.classes,)}
    if spec.words is not None:
        shapes["embedding"] = (spec.words, spec.layers[0].inputs)
    total = sum(int(np.prod(shape, dtype=object)) for shape in shapes.values())
    if total > _WEIGHTS_LIMIT:
        raise ValueError(f"must have at most {_WEIGHTS_LIMIT} weights, not {total}")
    return {name: ("float32", shape) for name, shape in shapes.items()}


def _tensors(network):
    """All tensors of a float network, by name."""
    tensors = {"readout.weight": network.readout_weight, "readout.bias": network.readout_bias,
               "embedding": network.embedding}
    for index, layer in enumerate(network.layers):
        tensors |= {f"layer{index}.{name}": getattr(layer, name) for name in
                    ("input_weight", "recurrent_weight", "bias", "recurrent_bias")}
    return {name: np.ascontiguousarray(tensor, dtype=np.float32)
            for name, tensor in tensors.items() if tensor is not None}


def save(network, path):
    """Write a float network's file, whole or not at all; float64 is rounded to float32.

    Parameters
    ----------
    network : FloatNetwork
    path : str or Path
        Replaced if it exists.

    Raises
    ------
    NetworkError
        A place that cannot be written.
    """
    spec = _FloatSpec(
        kind=_KIND, version=VERSION, name=network.name,
        layers=tuple(_LayerSpec(layer.cell, layer.inputs, layer.units) for layer in network.layers),
        classes=network.classes or None,
        words=None if network.embedding is None else len(network.embedding),
        labels=tuple(network.labels), notes=dict(network.notes))
    store.write(path, spec, _tensors(network), NetworkError)


def is_state_dict(path):
    """Whether a file is a PyTorch ``state_dict``, whose forward is not known.

    Raises
    ------
    NetworkError
        For a file that cannot be read.
    """
    return not store.described(path, _KIND, NetworkError)


def load(path):
    """Read a float network: Ternloom's own file, or a PyTorch ``state_dict`` in safetensors.

    Parameters
    ----------
    path : str or Path
        Without a description of ours the file's name is the network's.

    Returns
    -------
    FloatNetwork

    Raises
    ------
    NetworkError
        One line that says what is wrong with the file.
    """
    foreign = store.foreign(path, _KIND, NetworkError)
    try:
        if foreign is not None:
            found = collect(foreign)
            layers = []
            for index, parts in enumerate(found.pop("layers")):
                with located(f"layer{index}"):
                    layers.append(FloatLayer(*parts))
            return FloatNetwork(pathlib.Path(path).stem, layers, **found)
        spec, tensors = store.read(path, _FloatSpec, _KIND, VERSION, _layout, NetworkError)
        network = FloatNetwork(
            spec.name, tuple(_layer(f"layer{index}", layer, tensors)
                             for index, layer in enumerate(spec.layers)),
            tensors.get("readout.weight"), tensors.get("readout.bias"), tensors.get("embedding"),
            spec.labels, spec.notes)
    except NetworkError as failure:
        title = f"{_KIND} file {path}"
        raise (failure if str(failure).startswith(title) else
               NetworkError(f"{title} is not sound: {failure}")) from None
    return network


def _layer(name, spec, tensors):
    with located(name):
        return FloatLayer(spec.cell, tensors[f"{name}.input_weight"],
                          tensors[f"{name}.recurrent_weight"], tensors[f"{name}.bias"],
                          tensors.get(f"{name}.recurrent_bias"))
