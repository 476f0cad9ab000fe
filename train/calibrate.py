"""Calibration: formats, shifts and scales of a float network, attached to its trainable twin."""

from ternloom.model import lower
from ternloom.train.lower import floats


__all__ = ["attach", "calibrate"]


def calibrate(network, spec, sequences, input_format=None):
    """Attach a quantization to a float network, in place.

    Parameters
    ----------
    network : RecurrentNetwork
    spec : Spec
    sequences : list of float array (steps, inputs)
        Of the training part: what the layers put out and carry on them sets the formats.
    input_format : Format or None
        None takes it from the network's embedding.

    Raises
    ------
    ValueError
        In one line, for methods that cannot be.
    """
    attach(network, lower.calibrate(floats(network, "calibrated"), sequences, spec, input_format))


def attach(network, calibration):
    """Attach a ``Calibration`` to the network that it was made for."""
    for layer, quantization in zip(network.layers, calibration.layers, strict=True):
        layer.quantization = quantization
    network.readout_quantization = calibration.readout
