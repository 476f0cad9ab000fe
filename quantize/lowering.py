"""Lowering: float weights, rounded to the integers that a calibration calls for."""

import math

import numpy as np

from ternloom.model.network import Layer, Network, Operand, Readout
from ternloom.quantize.calibration import Calibration
from ternloom.quantize.floats import FloatNetwork


__all__ = ["lower"]


def _integers(values, frac):
    return np.floor(values.astype(np.float64) * 2.0**frac + 0.5).astype(np.int32)


def _lower_layer(layer, calibration):
    def rounded(quantizer, latent, bias):
        return _integers(quantizer.biases(latent, bias) if calibration.bias_as_weight else bias,
                         calibration.sum_frac)

    bias, recurrent_bias = rounded(calibration.input, layer.input_weight, layer.bias), None
    if layer.recurrent_bias is not None:
        recurrent_bias = rounded(calibration.recurrent, layer.recurrent_weight,
                                 layer.recurrent_bias)
    return Layer(
        cell=layer.cell, units=layer.units,
        operands=(Operand(calibration.input_format, calibration.input.matrix(layer.input_weight)),),
        state_format=calibration.state_format, precision=calibration.precision,
        recurrent=(calibration.recurrent.matrix(layer.recurrent_weight) if layer.cell.recurrent
                   else None),
        bias=bias, recurrent_bias=recurrent_bias, shift=calibration.shift,
        diagonals=_diagonals(layer.diagonals, calibration.diagonal_format),
        diagonal_format=calibration.diagonal_format)


def _diagonals(latent, form):
    if latent is None:
        return None
    # Beyond the ends of any format, so that none is lost in an integer.
    limited = np.clip(latent.astype(np.float64) * 2.0**form.frac, 2 * form.low, 2 * form.high)
    return np.clip(_integers(limited, 0), form.low, form.high)


def _lower_readout(network, calibration):
    weights = calibration.weights.matrix(network.readout_weight)
    return Readout(operands=(Operand(calibration.input_format, weights),),
                   bias=_integers(network.readout_bias, calibration.sum_frac),
                   shift=calibration.shift, logits=calibration.logits, when=calibration.when)


def lower(network: FloatNetwork, calibration: Calibration) -> Network:
    """Round a float network to the integers that a calibration calls for.

    Parameters
    ----------
    network : FloatNetwork
        The one that was calibrated, or the same with weights that training moved.
    calibration : Calibration

    Returns
    -------
    Network
        Of the same name, labels and notes.

    Raises
    ------
    NetworkError
        For weights that moved out of the ranges of a ``Network``.
    """
    layers = tuple(_lower_layer(layer, fixed)
                   for layer, fixed in zip(network.layers, calibration.layers, strict=True))
    readout = (None if calibration.readout is None
               else _lower_readout(network, calibration.readout))
    embedding = network.embedding
    if embedding is not None:
        embedding = _embedding_codes(embedding, calibration.layers[0].input_format)
    return Network.line(network.name, layers, readout, labels=network.labels,
                        notes=dict(network.notes), embedding=embedding)


def _embedding_codes(embedding, form):
    """Nearest codes of a table of floats."""
    frac = 30 - math.frexp(float(np.abs(embedding).max()))[1]
    codes = form.quantize(_integers(embedding, frac).astype(np.int64), frac)
    return codes.astype(np.int8 if form.width <= 8 else np.int16)
