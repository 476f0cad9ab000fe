"""A float network as the start of training: Ternloom's own file, or one of another tool."""

import dataclasses

import numpy as np
import torch

from ternloom.files.floats import foreign, load
from ternloom.model.cell import RNN_RELU, RNN_TANH
from ternloom.model.error import NetworkError
from ternloom.train.recipe import RecipeError


__all__ = ["load_floats"]


#: Nonlinearity of an ``nn.RNN``, which its tensors do not tell.
_NONLINEARITIES = {RNN_TANH: "tanh", RNN_RELU: "relu"}


def load_floats(network, path, labels=()):
    """Put the weights of a float network file into a network that is trained.

    Parameters
    ----------
    network : RecurrentNetwork
    path : str or pathlib.Path
        Ternloom's own file, or one that a reader in ``ternloom.files.floats.READERS`` knows.
    labels : tuple of str
        Classes of the data; a file that names its classes must name these.

    Raises
    ------
    RecipeError
        One line, on a file that isn't a float network of these cells and sizes.
    """
    cells = [layer.cell for layer in network.layers]
    nonlinearity = _NONLINEARITIES.get(cells[0]) if foreign(path) else None
    try:
        stored = load(path, nonlinearity)
    except NetworkError as error:
        raise RecipeError(str(error)) from error
    tensors = {name: getattr(stored, name)
               for name in ("embedding", "readout_weight", "readout_bias")}
    for index, layer in enumerate(stored.layers):
        tensors |= {f"layers.{index}.{field.name}": getattr(layer, field.name)
                    for field in dataclasses.fields(layer) if field.name != "cell"}
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()
               if array is not None}
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != wanted or [layer.cell for layer in stored.layers] != cells:
        raise RecipeError(f"Float network {path} has {_sizes(_of_file(stored))}, but the recipe "
                          f"and its data call for {_sizes(_of_training(network))}")
    if labels and stored.labels and stored.labels != labels:
        raise RecipeError(f"Float network {path} has the classes {', '.join(stored.labels)}, but "
                          f"the data has {', '.join(labels)}")
    network.load_state_dict(tensors)


def _of_file(stored):
    table = stored.embedding
    return ([(layer.cell.name, layer.inputs, layer.units) for layer in stored.layers],
            stored.classes or None, None if table is None else len(table))


def _of_training(network):
    table = getattr(network, "embedding", None)
    return ([(layer.cell.name, layer.inputs, layer.units) for layer in network.layers],
            len(network.readout_weight), None if table is None else len(table))


def _sizes(parts):
    """Layers, classes and words, as a line says them."""
    layers, classes, words = parts
    said = [f"{cell} {inputs} to {units}" for cell, inputs, units in layers]
    readout = "no readout" if classes is None else f"a readout of {classes} classes"
    return " and ".join([", ".join(said), readout,
                         *([] if words is None else [f"an embedding of {words} words"])])
