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
    nonlinearity = _NONLINEARITIES.get(network.layers[0].cell) if foreign(path) else None
    try:
        stored = load(path, nonlinearity)
    except NetworkError as error:
        raise RecipeError(str(error)) from error
    if _sizes(stored) != _sizes(network):
        raise RecipeError(f"Float network {path} has {_sizes(stored)}, but the recipe and its "
                          f"data call for {_sizes(network)}")
    if labels and stored.labels and stored.labels != labels:
        raise RecipeError(f"Float network {path} has the classes {', '.join(stored.labels)}, but "
                          f"the data has {', '.join(labels)}")
    tensors = {name: getattr(stored, name)
               for name in ("embedding", "readout_weight", "readout_bias")}
    for index, layer in enumerate(stored.layers):
        tensors |= {f"layers.{index}.{field.name}": getattr(layer, field.name)
                    for field in dataclasses.fields(layer) if field.name != "cell"}
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()
               if array is not None}
    network.load_state_dict(tensors)


def _sizes(network):
    """Layers, classes and words of a float network, stored or in training, as a line says them."""
    layers = ", ".join(f"{layer.cell.name} {layer.inputs} to {layer.units}"
                       for layer in network.layers)
    readout, table = network.readout_weight, getattr(network, "embedding", None)
    return " and ".join([
        layers, "no readout" if readout is None else f"a readout of {len(readout)} classes",
        *([] if table is None else [f"an embedding of {len(table)} words"])])
