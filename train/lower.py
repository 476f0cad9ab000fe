"""Lowering: what training moved, frozen into networks of ``ternloom.model``."""

import dataclasses

from ternloom.model import lower as integers
from ternloom.model.floats import FloatLayer, FloatNetwork
from ternloom.model.lower import Calibration


__all__ = ["floats", "lower"]


def _numpy(tensor):
    return None if tensor is None else tensor.detach().cpu().numpy().copy()


def floats(network, name, labels=(), notes=None):
    """The float weights of a ``RecurrentNetwork``, quantized or not.

    Parameters
    ----------
    network : RecurrentNetwork
    name : str
    labels : sequence of str
    notes : dict of str to str or None

    Returns
    -------
    FloatNetwork
        With an embedding if the network has one.
    """
    layers = tuple(FloatLayer(layer.cell, *map(_numpy, (
        layer.input_weight, layer.recurrent_weight, layer.bias, layer.recurrent_bias)))
        for layer in network.layers)
    return FloatNetwork(name, layers, _numpy(network.readout_weight), _numpy(network.readout_bias),
                        _numpy(getattr(network, "embedding", None)), tuple(labels),
                        dict(notes or {}))


def lower(network, name, labels=(), notes=None):
    """Freeze a quantized ``RecurrentNetwork`` to integers.

    Parameters
    ----------
    network : RecurrentNetwork
        After ``ternloom.train.calibrate.calibrate``.
    name : str
    labels : sequence of str
    notes : dict of str to str or None

    Returns
    -------
    Network
        On the golden model it computes what the trained network computes in float64, bit for bit.
    """
    if network.readout_quantization is None:
        raise ValueError("Network must be calibrated before it is lowered")
    latent = floats(network, name, labels, notes)
    if latent.embedding is not None:
        latent = dataclasses.replace(latent, embedding=_numpy(network.word_vectors()))
    calibration = Calibration(tuple(layer.quantization for layer in network.layers),
                              network.readout_quantization)
    return integers.lower(latent, calibration)
