"""Calibration: formats, shifts and scales of a float network from its training data."""

import math

import torch

from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.network import Cell, Weight
from ternloom.train.cell import LayerQuantization
from ternloom.train.quantize import value_frac
from ternloom.train.recipe import Activation
from ternloom.train.recurrent import ReadoutQuantization
from ternloom.train.weights import MatrixQuantizer, alternating


__all__ = ["calibrate"]


#: Fraction bits of the coefficients of activation planes.
_PLANE_FRAC = 6
#: Of a threshold, before common factors of two are dropped.
_THRESHOLD_FRAC = 8
#: At most; as many fraction bits as a row's sum has, from four on.
_LOGITS = Fixed(16, 6)
_LEAST_LOGIT_FRAC = 4
#: Cells saturate at 16: a larger one stays saturated in the tables, whose argument ends at 8.
_MOST_STATE_BITS = 5


def _ternary(threshold):
    numerator, frac = max(1, round(threshold * 2**_THRESHOLD_FRAC)), _THRESHOLD_FRAC
    while numerator % 2 == 0 and frac > 0:
        numerator, frac = numerator // 2, frac - 1
    return Ternary(numerator, frac)


def _state_format(recipe, outputs):
    """Format of a layer's output codes, given samples of the float layer's outputs."""
    match recipe.activations:
        case Activation.BINARY:
            return Binary()
        case Activation.TERNARY:
            return _ternary(recipe.threshold)
        case Activation.FIXED:
            return Fixed(recipe.activation_bits, recipe.activation_bits - 1)
        case Activation.PLANES:
            _, scales = alternating(outputs.reshape(1, -1), recipe.activation_planes, rounds=20)
            coefficients = [max(1, round(float(scale) * 2**_PLANE_FRAC)) for scale in scales[:, 0]]
            return Planes(tuple(sorted(coefficients, reverse=True)), _PLANE_FRAC)


def _state_bits(cell, states):
    """Bits above the fraction, sign included, of what a layer carries over time."""
    if cell is not Cell.LSTM:
        # A convex combination of values below one stays there.
        return 1
    largest = max(float(state.abs().max()) for state in states)
    return min(_MOST_STATE_BITS, 1 + max(1, math.ceil(math.log2(largest))))


def _quantizer(recipe, weight, planes, latent):
    quantizer = MatrixQuantizer(weight, planes if weight is Weight.PLANES else 1, recipe.per_row)
    if recipe.power_of_two and weight is not Weight.PLANES:
        return quantizer.freeze(latent)
    return quantizer


def _sum_frac(recipe, parts):
    """Fraction bits of a row's sum at which all coefficients have their bits, if all fit.

    ``parts`` are triples of quantizer, latent weights and the format they multiply.
    """
    ranges = []
    for quantizer, latent, number_format in parts:
        least, most = quantizer.exponents(latent, recipe.coefficient_bits)
        ranges.append((least + value_frac(number_format), most + value_frac(number_format)))
    return min(max(least for least, _ in ranges), min(most for _, most in ranges))


def _quantize_layer(recipe, layer, input_format, state_format, states):
    precision = recipe.precision(_state_bits(layer.cell, states))
    planes = recipe.weight_planes
    quantizers = [_quantizer(recipe, recipe.weights, planes, latent.detach())
                  for latent in (layer.input_weight, layer.recurrent_weight)]
    latents = (layer.input_weight.detach(), layer.recurrent_weight.detach())
    formats = (input_format, state_format)
    sum_frac = max(precision.preact.frac,
                   _sum_frac(recipe, list(zip(quantizers, latents, formats))))
    quantizers = [quantizer.with_exponent(sum_frac - value_frac(number_format))
                  for quantizer, number_format in zip(quantizers, formats)]
    layer.quantization = LayerQuantization(
        input_format=input_format, state_format=state_format, precision=precision,
        shift=sum_frac - precision.preact.frac, input=quantizers[0], recurrent=quantizers[1])


def _quantize_readout(recipe, network, input_format):
    latent = network.readout_weight.detach()
    quantizer = _quantizer(recipe, recipe.readout_weights, recipe.readout_planes, latent)
    sum_frac = max(_LEAST_LOGIT_FRAC, _sum_frac(recipe, [(quantizer, latent, input_format)]))
    logits = Fixed(_LOGITS.width, min(_LOGITS.frac, sum_frac))
    network.readout_quantization = ReadoutQuantization(
        input_format=input_format, logits=logits, shift=sum_frac - logits.frac,
        weights=quantizer.with_exponent(sum_frac - value_frac(input_format)))


def calibrate(network, recipe, input_format, batches):
    """Attach the recipe's quantization to a float network, in place.

    Parameters
    ----------
    network : RecurrentNetwork
    recipe : Recipe
    input_format : Fixed
    batches : iterable of SequenceSet
        Of the training part: what the layers put out and carry on it sets the formats.
    """
    outputs = [[] for _ in network.layers]
    states = [[] for _ in network.layers]
    with torch.no_grad():
        for batch in batches:
            codes = batch.values
            valid = torch.arange(len(codes))[:, None] < batch.lengths
            for index, layer in enumerate(network.layers):
                carried = []
                codes = layer(codes, carried)
                outputs[index].append(codes[valid].reshape(-1))
                states[index].append(torch.stack(carried)[valid])
        before = input_format
        for index, layer in enumerate(network.layers):
            after = _state_format(recipe, torch.cat(outputs[index]))
            _quantize_layer(recipe, layer, before, after, states[index])
            before = after
        _quantize_readout(recipe, network, before)
