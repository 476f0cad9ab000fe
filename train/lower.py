"""Lowering: the trained network's integers, frozen into a ``ternloom.model.network.Network``."""

import numpy as np
import torch

from ternloom.model.floats import FloatLayer, FloatNetwork
from ternloom.model.network import Layer, Network, Readout, When


__all__ = ["floats", "lower"]


def _numpy(tensor):
    return None if tensor is None else tensor.detach().numpy().copy()


def floats(network, name, labels=(), notes=None):
    """The weights of a ``RecurrentNetwork`` as a ``FloatNetwork``, whatever quantizes them.

    Parameters
    ----------
    network : RecurrentNetwork
    name : str
    labels : sequence of str
    notes : dict of str to str or None
    """
    layers = tuple(FloatLayer(layer.cell, *map(_numpy, (
        layer.input_weight, layer.recurrent_weight, layer.bias, layer.recurrent_bias)))
        for layer in network.layers)
    return FloatNetwork(name, layers, _numpy(network.readout_weight), _numpy(network.readout_bias),
                        labels=tuple(labels), notes=dict(notes or {}))


def _integers(values, frac):
    return torch.floor(values.detach().double() * 2.0**frac + 0.5).numpy().astype(np.int32)


def _lower_layer(layer):
    quantization = layer.quantization
    recurrent_bias = layer.recurrent_bias
    if recurrent_bias is not None:
        recurrent_bias = _integers(recurrent_bias, quantization.sum_frac)
    return Layer(
        cell=layer.cell, units=layer.units, input_format=quantization.input_format,
        state_format=quantization.state_format, precision=quantization.precision,
        input=quantization.input.lower(layer.input_weight),
        recurrent=quantization.recurrent.lower(layer.recurrent_weight),
        bias=_integers(layer.bias, quantization.sum_frac), recurrent_bias=recurrent_bias,
        shift=quantization.shift)


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
    readout = network.readout_quantization
    return Network(
        name=name, layers=tuple(_lower_layer(layer) for layer in network.layers),
        readout=Readout(input_format=readout.input_format,
                        weights=readout.weights.lower(network.readout_weight),
                        bias=_integers(network.readout_bias, readout.sum_frac),
                        shift=readout.shift, logits=readout.logits, when=When.LAST),
        labels=tuple(labels), notes=dict(notes or {}))
