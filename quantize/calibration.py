"""Calibration: every format of a network-to-be, and the scale of every row and coefficient.

The float network is run on data. Training goes on from a calibration with other weights; conversion
lowers the weights as they are.
"""

import collections.abc
import dataclasses
import math

import numpy as np

from ternloom.model.format import Fixed, Format
from ternloom.model.frozen import Frozen
from ternloom.model.limits import BIAS_BITS, LARGEST_SHIFT
from ternloom.model.network import When
from ternloom.model.precision import Precision
from ternloom.quantize import activations
from ternloom.quantize.codes import relative_error
from ternloom.quantize.floats import FloatNetwork
from ternloom.quantize.forward import run
from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.spec import QuantizationSpec


__all__ = ["Calibration", "LayerCalibration", "ReadoutCalibration", "calibrate"]


#: As many fraction bits of a logit as a row's sum has, from so many on.
_LEAST_LOGIT_FRAC = 4
#: Cells saturate at 16: a larger one stays saturated in the tables, whose argument ends at 8.
_MOST_STATE_BITS = 5
#: Bits of a unit's own weight, a peephole of an LSTM: each takes part in one sum alone.
_DIAGONAL_BITS = 8
#: Smallest range of a state: below it gates of a few bits have nothing left to tell.
_LEAST_RANGE = 2.0**-8
#: Errors of rounding a matrix' scales to coefficients, relative to the square of its weights: from
#: the first on coefficients get more bits than one multiplier takes, and where that is not enough
#: codes are fitted to the rounded scales; what then still is beyond the second is refused.
_FELT, _RUINOUS = 1e-4, 1e-2


@dataclasses.dataclass(frozen=True)
class LayerCalibration:
    """Everything of a ``Layer`` that doesn't follow from its float weights.

    Parameters
    ----------
    input_format, state_format : Format
    precision : Precision
    shift : int
    input : MatrixQuantizer
    recurrent : MatrixQuantizer or None
        Where the cell has a recurrent matrix.
    bias_as_weight : bool
        Biases are quantized as weights before they are rounded to the sum's fraction bits.
    diagonal_format : Fixed or None
        Of the units' own weights.
    """

    input_format: Format
    state_format: Format
    precision: Precision
    shift: int
    input: MatrixQuantizer
    recurrent: MatrixQuantizer | None
    bias_as_weight: bool = False
    diagonal_format: Fixed | None = None

    @property
    def sum_frac(self) -> int:
        """Fraction bits of a row's sum, and of the biases."""
        return self.precision.preact.frac + self.shift


@dataclasses.dataclass(frozen=True)
class ReadoutCalibration:
    """Everything of a ``Readout`` that doesn't follow from its float weights.

    Parameters
    ----------
    input_format : Format
    weights : MatrixQuantizer
    shift : int
    logits : Fixed
    when : When
    """

    input_format: Format
    weights: MatrixQuantizer
    shift: int
    logits: Fixed
    when: When

    @property
    def sum_frac(self) -> int:
        """Fraction bits of a row's sum, and of the biases."""
        return self.logits.frac + self.shift


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What calibration chose.

    Parameters
    ----------
    layers : tuple of LayerCalibration
    readout : ReadoutCalibration or None
    """

    layers: tuple[LayerCalibration, ...]
    readout: ReadoutCalibration | None


def calibrate(network: FloatNetwork, sequences: collections.abc.Sequence[np.ndarray],
              spec: QuantizationSpec, input_format: Format | None = None) -> Calibration:
    """Choose formats, shifts and scales for a float network.

    Parameters
    ----------
    network : FloatNetwork
    sequences : list of float array (steps, inputs)
        Real input values, of the training data; what the layers put out and carry on them sets the
        formats.
    spec : QuantizationSpec
    input_format : Format or None
        Of the network's input; None takes it from the embedding.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        In one line: for data that are empty or not finite, and for methods that cannot be.
    """
    _check_sequences(sequences, network.inputs)
    for layer in network.layers:
        if not spec.gate_frac and not layer.cell.comparable:
            raise ValueError(f"gate_frac must be at least 2 for {layer.cell.name}, whose gates "
                             f"cannot be comparators, not {spec.gate_frac}")
    methods = spec.methods([layer.cell for layer in network.layers], network.classes > 0)
    plans = {name: _plan(name, methods[name], latent, spec)
             for name, latent in network.matrices.items()}
    before = input_format or _embedding_format(network, spec)
    activation, layers = activations.parse(spec.activations), []
    forwards = run(network, sequences)
    for index, (layer, forward) in enumerate(zip(network.layers, forwards, strict=True)):
        outputs = np.concatenate(forward.outputs)
        # What comparators put out is -1, 0 or 1, wherever the float network stays.
        calibrated = (spec.calibrated_range or not layer.cell.confined) and spec.gate_frac
        largest = max(float(np.abs(outputs).max()), _LEAST_RANGE) if calibrated else 1.0
        after = activation.form(outputs, largest)
        own = [plans[f"layer{index}.{part}"] for part in layer.matrices]
        layers.append(_calibrate_layer(spec, layer, own, (before, after), forward.states))
        before = after
    readout = None
    if network.classes:
        readout = _calibrate_readout(spec, network, plans["readout.weights"], before)
    return Calibration(tuple(layers), readout)


def _check_sequences(sequences, inputs):
    if not sequences:
        raise ValueError("Calibration data have no sequences")
    for index, sequence in enumerate(sequences):
        if sequence.ndim != 2 or not len(sequence) or sequence.shape[1] != inputs:
            raise ValueError(f"Calibration sequence {index} must have the shape (steps, {inputs}), "
                             f"not {sequence.shape}")
        if not np.isfinite(sequence).all():
            raise ValueError(f"Calibration sequence {index} must hold finite numbers, "
                             f"not {sequence[~np.isfinite(sequence)][0]}")


class _Plan(Frozen):
    """A matrix on its way: float weights, quantizer, and the exponents that suit it."""

    name: str
    latent: np.ndarray
    quantizer: MatrixQuantizer
    exponents: tuple[int, int, int] | None

    def scaled(self, sum_frac, form):
        """The quantizer for a sum of so many fraction bits and codes of this format."""
        quantizer = self.quantizer.with_exponent(sum_frac - form.frac)
        if self.loss(sum_frac, form) <= _FELT:
            return quantizer
        return quantizer.coarsened(self.latent)

    def loss(self, sum_frac, form):
        """What rounding scales to coefficients loses beyond what was asked for."""
        quantizer = self.quantizer.with_exponent(sum_frac - form.frac)
        if self.exponents is None or quantizer.exponent >= self.exponents[0]:
            return 0.0
        return quantizer.loss(self.latent)

    def remainder(self, sum_frac, form):
        """What is lost where the codes make up for it."""
        if self.loss(sum_frac, form) <= _FELT:
            return 0.0
        return relative_error(self.quantizer.fit(self.latent).reconstruct(),
                              self.scaled(sum_frac, form).values(self.latent))


def _plan(name, methods, latent, spec):
    quantizer = MatrixQuantizer(methods)
    try:
        if spec.power_of_two or all(method.steady for method in methods):
            quantizer = quantizer.freeze(latent)
        return _Plan(name, latent, quantizer, quantizer.exponents(latent, spec.coefficient_bits))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _embedding_format(network, spec):
    if network.embedding is None:
        raise ValueError("Calibration needs the input format of a network without an embedding")
    return activations.parse(spec.embedding).form(network.embedding,
                                                  float(np.abs(network.embedding).max()))


def _state_bits(cell, states):
    """Bits above the fraction, sign included, of what a layer carries over time."""
    if cell.bounded:
        return 1
    largest = max(float(np.abs(state).max()) for state in states)
    return min(_MOST_STATE_BITS, 1 + max(1, math.ceil(math.log2(max(1.0, largest)))))


def _sum_frac(plans, forms, biases, least):
    """Fraction bits of a row's sum at which all coefficients have their bits, if all fit.

    At most what leaves coefficients and biases in range, and at least ``least``. Matrices whose
    scales differ much need coefficients of many bits: the smaller ones keep theirs only if the
    larger ones get more.
    """
    useful = [(plan.exponents, form.frac) for plan, form in zip(plans, forms, strict=True)
              if plan.exponents is not None]
    wanted = max([least, *(exponents[0] + frac for exponents, frac in useful)])
    largest = max(float(np.abs(bias).max(initial=0)) for bias in biases)
    most = min(least + LARGEST_SHIFT, BIAS_BITS - 1 - math.frexp(largest)[1])
    for place in (1, 2):
        bound = min([most, *(exponents[place] + frac for exponents, frac in useful)])
        chosen = max(least, min(wanted, bound))
        losses = [plan.loss(chosen, form) for plan, form in zip(plans, forms, strict=True)]
        if max(losses) <= _FELT:
            return chosen
    losses = [plan.remainder(chosen, form) for plan, form in zip(plans, forms, strict=True)]
    if max(losses) > _RUINOUS:
        raise ValueError(_ruin(plans, forms, losses, largest if bound == most else None))
    return chosen


def _ruin(plans, forms, losses, bias):
    """Why the coefficients of a matrix cannot be; ``bias`` is the one that leaves no room."""
    worst = int(np.argmax(losses))
    name, frac = plans[worst].name, forms[worst].frac
    line = (f"{name}: integer coefficients miss the scales of its weights by "
            f"{100 * math.sqrt(losses[worst]):.0f} %, and at most "
            f"{100 * math.sqrt(_RUINOUS):.0f} % are allowed: ")
    if bias is not None:
        return line + (f"biases up to {bias:.4g} leave no room for them in a sum; use activations "
                       "with fewer bits, or scale the network's inputs")
    other = 1 - worst
    return line + (f"they share a sum with those of {plans[other].name}, whose codes have "
                   f"{forms[other].frac} fraction bits, where those of {name} have {frac}; use "
                   "activations with fewer bits, or an input format with more fraction bits")


def _calibrate_layer(spec, layer, plans, forms, states):
    precision = spec.precision(_state_bits(layer.cell, states))
    biases = [bias for bias in (layer.bias, layer.recurrent_bias) if bias is not None]
    sum_frac = _sum_frac(plans, forms[:len(plans)], biases, precision.preact.frac)
    # A cell without a recurrent matrix has no plan for one.
    quantizers = [plan.scaled(sum_frac, form) for plan, form in zip(plans, forms)]
    before, after = forms
    return LayerCalibration(before, after, precision, sum_frac - precision.preact.frac,
                            quantizers[0], quantizers[1] if len(plans) > 1 else None,
                            spec.bias_as_weight, _diagonal_format(layer.diagonals))


def _diagonal_format(diagonals):
    """The finest format that holds the units' own weights, as far as formats go."""
    if diagonals is None:
        return None
    largest = max(float(np.abs(diagonals).max()), _LEAST_RANGE)
    return Fixed(_DIAGONAL_BITS, _DIAGONAL_BITS - 1 - math.frexp(largest)[1])


def _calibrate_readout(spec, network, plan, form):
    sum_frac = _sum_frac([plan], [form], [network.readout_bias], _LEAST_LOGIT_FRAC)
    widest = spec.logits_format
    logits = Fixed(widest.width, min(widest.frac, sum_frac))
    when = spec.when or (When.LAST if network.embedding is None else When.EVERY)
    return ReadoutCalibration(form, plan.scaled(sum_frac, form), sum_frac - logits.frac, logits,
                              when)
