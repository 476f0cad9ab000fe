"""Files of float networks.

A file is safetensors with the tensors ``layer0.input_weight`` (rows, inputs),
``layer0.recurrent_weight`` (rows, units) where the cell has it, ``layer0.bias`` (rows),
``layer0.recurrent_bias`` (units) of a gate whose halves the cell keeps apart,
``layer0.diagonals`` (count, units) of an LSTM with peepholes, ``readout.weight`` (classes, units),
``readout.bias`` (classes) and
``embedding`` (words, inputs), all float32, and a description, see
:mod:`ternloom.files.container`. Of files without a description each reader in ``READERS`` knows its
own; one that none knows is taken as a PyTorch ``state_dict``, see :mod:`ternloom.files.pytorch`.
"""

import pathlib
import typing

import msgspec
import numpy as np

from ternloom.files import container
from ternloom.files.pytorch import PYTORCH
from ternloom.files.reader import Reader
from ternloom.model.cell import CELLS
from ternloom.model.error import NetworkError, located
from ternloom.quantize.floats import FloatLayer, FloatNetwork


__all__ = ["READERS", "VERSION", "foreign", "load", "reader", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 1

#: What reads the files of other tools, whichever fits.
READERS = (PYTORCH,)

_KIND = "float network"
_WEIGHTS_LIMIT = 1 << 28

_Size = typing.Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


# Which names there are depends on installed packages.
if typing.TYPE_CHECKING:
    from enum import Enum as _CellName
else:
    _CellName = CELLS.names


class _LayerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cell: _CellName
    inputs: _Size
    units: _Size


class _FloatSpec(container.Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    layers: typing.Annotated[tuple[_LayerSpec, ...], msgspec.Meta(min_length=1, max_length=64)]
    classes: _Size | None
    words: _Size | None
    labels: tuple[str, ...]
    notes: dict[str, str]


def _layout(spec: _FloatSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that a description calls for."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, layer in enumerate(spec.layers):
        cell, name = CELLS[layer.cell.name], f"layer{index}"
        rows = len(cell.gates) * layer.units
        shapes |= {f"{name}.input_weight": (rows, layer.inputs), f"{name}.bias": (rows,)}
        if cell.recurrent:
            shapes[f"{name}.recurrent_weight"] = (rows, layer.units)
        if cell.apart:
            shapes[f"{name}.recurrent_bias"] = (layer.units,)
        if cell.diagonals:
            shapes[f"{name}.diagonals"] = (len(cell.diagonals), layer.units)
    if spec.classes is not None:
        shapes |= {"readout.weight": (spec.classes, spec.layers[-1].units),
                   "readout.bias": (spec.classes,)}
    if spec.words is not None:
        shapes["embedding"] = (spec.words, spec.layers[0].inputs)
    total = sum(int(np.prod(shape, dtype=object)) for shape in shapes.values())
    if total > _WEIGHTS_LIMIT:
        raise ValueError(f"has {total} weights, and at most {_WEIGHTS_LIMIT} are allowed")
    return {name: ("float32", shape) for name, shape in shapes.items()}


def _tensors(network):
    """All tensors of a float network, by name."""
    tensors = {"readout.weight": network.readout_weight, "readout.bias": network.readout_bias,
               "embedding": network.embedding}
    for index, layer in enumerate(network.layers):
        tensors |= {f"layer{index}.{name}": getattr(layer, name) for name in
                    ("input_weight", "recurrent_weight", "bias", "recurrent_bias", "diagonals")}
    return {name: np.ascontiguousarray(tensor, dtype=np.float32)
            for name, tensor in tensors.items() if tensor is not None}


def save(network: FloatNetwork, path: str | pathlib.Path) -> None:
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
        layers=tuple(_LayerSpec(CELLS.names[layer.cell.name], layer.inputs, layer.units)
                     for layer in network.layers),
        classes=network.classes or None,
        words=None if network.embedding is None else len(network.embedding),
        labels=tuple(network.labels), notes=dict(network.notes))
    container.write(path, spec, _tensors(network), NetworkError)


def foreign(path: str | pathlib.Path) -> Reader | None:
    """The reader that knows a file as another tool's; never raises."""
    return next((each for each in READERS if each.fits(pathlib.Path(path))), None)


def reader(path: str | pathlib.Path) -> Reader | None:
    """What reads a file of another tool, whose forward is not known; None for a file of ours.

    Raises
    ------
    NetworkError
        For a file that cannot be read.
    """
    found = foreign(path)
    if found is None and not container.described(path, _KIND, NetworkError):
        return PYTORCH
    return found


def load(path: str | pathlib.Path, nonlinearity: str | None = None) -> FloatNetwork:
    """Read a float network: Ternloom's own file, or one that a reader in ``READERS`` knows.

    Parameters
    ----------
    path : str or Path
        Without a description of ours the file's name is the network's.
    nonlinearity : "tanh", "relu" or None
        Of an ``nn.RNN``, whose tensors do not tell it.

    Returns
    -------
    FloatNetwork

    Raises
    ------
    NetworkError
        One line that says what is wrong with the file.
    """
    other = reader(path)
    try:
        if other is not None:
            found = other.read(pathlib.Path(path), nonlinearity)
            layers = []
            for index, parts in enumerate(found.pop("layers")):
                with located(f"layer{index}"):
                    layers.append(FloatLayer(*parts))
            return FloatNetwork(pathlib.Path(path).stem, tuple(layers), **found)
        if nonlinearity is not None:
            raise NetworkError("a nonlinearity can only be given for an nn.RNN in a state_dict; "
                               "this file names its cells")
        spec, tensors = container.read(path, {VERSION: _FloatSpec}, _KIND, _layout, NetworkError)
        network = FloatNetwork(
            spec.name, tuple(_layer(f"layer{index}", layer, tensors)
                             for index, layer in enumerate(spec.layers)),
            tensors.get("readout.weight"), tensors.get("readout.bias"), tensors.get("embedding"),
            spec.labels, spec.notes)
    except NetworkError as failure:
        title = f"{_KIND} file {path}"
        raise (failure if str(failure).startswith(title) else
               NetworkError(f"{title} is invalid: {failure}")) from None
    return network


def _layer(name, spec, tensors):
    with located(name):
        return FloatLayer(CELLS[spec.cell.name], tensors[f"{name}.input_weight"],
                          tensors.get(f"{name}.recurrent_weight"), tensors[f"{name}.bias"],
                          tensors.get(f"{name}.recurrent_bias"),
                          tensors.get(f"{name}.diagonals"))
