"""Calibration and lowering of networks in training, by ``ternloom.quantize``."""

import dataclasses

from ternloom.quantize import calibration, lowering
from ternloom.quantize.calibration import Calibration
from ternloom.quantize.floats import FloatLayer, FloatNetwork


__all__ = ["attach", "calibrate", "floats", "lower"]


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
        layer.input_weight, layer.recurrent_weight, layer.bias, layer.recurrent_bias,
        layer.diagonals)))
        for layer in network.layers)
    return FloatNetwork(name, layers, _numpy(network.readout_weight), _numpy(network.readout_bias),
                        _numpy(getattr(network, "embedding", None)), tuple(labels),
                        dict(notes or {}))


def lower(network, name, labels=(), notes=None):
    """Freeze a quantized ``RecurrentNetwork`` to integers.

    Parameters
    ----------
    network : RecurrentNetwork
        After ``calibrate``.
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
    fixed = Calibration(tuple(layer.quantization for layer in network.layers),
                        network.readout_quantization)
    return lowering.lower(latent, fixed)


def calibrate(network, spec, sequences, input_format=None):
    """Attach a quantization to a float network, in place.

    Parameters
    ----------
    network : RecurrentNetwork
    spec : QuantizationSpec
    sequences : list of float array (steps, inputs)
        Of the training part: what the layers put out and carry on them sets the formats.
    input_format : Format or None
        None takes it from the network's embedding.

    Raises
    ------
    ValueError
        In one line, for methods that cannot be.
    """
    attach(network, calibration.calibrate(floats(network, "calibrated"), sequences, spec,
                                          input_format))


def attach(network, calibration):
    """Attach a ``Calibration`` to the network that it was made for."""
    for layer, quantization in zip(network.layers, calibration.layers, strict=True):
        layer.quantization = quantization
    network.readout_quantization = calibration.readout
