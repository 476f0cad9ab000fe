"""Fake quantization: the integer arithmetic of ``docs/design.md`` on floats that lie on its grids.

Each function computes in the forward pass exactly what the golden model computes (in float64; in
float32 wherever 24 bits hold the sum) and lets gradients through in the backward pass: the
straight-through estimator of Bengio et al. 2013, with the gradient cut off where a value saturates.
"""

import itertools

import numpy as np
import torch

from ternloom.model.format import Binary, Fixed, Planes, Ternary


__all__ = ["code_values", "grid", "sigmoid_gate", "tanh_gate", "to_code", "value_frac"]


def _snap(value, frac, low, high):
    """Round half up to ``frac`` fraction bits and clip, as ``Fixed.quantize`` does."""
    code = torch.floor(value * 2.0**frac + 0.5)
    return code.clamp_(low, high) * 2.0**-frac


class _Grid(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, frac, low, high):
        snapped = _snap(value, frac, low, high)
        ctx.save_for_backward((value >= low * 2.0**-frac) & (value <= high * 2.0**-frac))
        return snapped

    @staticmethod
    def backward(ctx, gradient):
        inside, = ctx.saved_tensors
        return gradient * inside, None, None, None


class _Gate(torch.autograd.Function):
    """A pre-activation, snapped to its format, looked up in the table of sigmoid or tanh."""

    @staticmethod
    def forward(ctx, value, function, preact, gate_frac):
        low, high = preact.low * 2.0**-preact.frac, preact.high * 2.0**-preact.frac
        # The tables are odd, so that the most negative code reads the most positive one's entry.
        exact = function(_snap(value, preact.frac, -preact.high, preact.high))
        inside = (value >= low) & (value <= high)
        if function is torch.sigmoid:
            ctx.save_for_backward(exact * (1 - exact) * inside)
            return _odd_table(exact - 0.5, gate_frac, 2.0**(gate_frac - 1) - 1) + 0.5
        ctx.save_for_backward((1 - exact * exact) * inside)
        return _odd_table(exact, gate_frac, 2.0**gate_frac - 1)

    @staticmethod
    def backward(ctx, gradient):
        slope, = ctx.saved_tensors
        return gradient * slope, None, None, None


def _odd_table(value, frac, limit):
    """Round magnitudes half up to ``frac`` fraction bits, at most ``limit`` steps."""
    steps = torch.floor(value.abs() * 2.0**frac + 0.5).clamp_(max=limit)
    return torch.copysign(steps, value) * 2.0**-frac


class _Compare(torch.autograd.Function):
    """Levels by comparison with cuts; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, value, cuts, levels):
        code = torch.full_like(value, levels[0])
        for cut, (below, above) in zip(cuts, itertools.pairwise(levels)):
            code += (value >= cut) * (above - below)
        return code

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None


def grid(value, number_format):
    """Round to a ``Fixed`` format (half up, saturating); no gradient where it saturates."""
    return _Grid.apply(value, number_format.frac, number_format.low, number_format.high)


def sigmoid_gate(value, precision):
    """Sigmoid of a pre-activation as its table has it."""
    return _Gate.apply(value, torch.sigmoid, precision.preact, precision.gate_frac)


def tanh_gate(value, precision):
    """Hyperbolic tangent of a pre-activation as its table has it."""
    return _Gate.apply(value, torch.tanh, precision.preact, precision.gate_frac)


def value_frac(number_format):
    """Fraction bits of the integers that a dot product sees."""
    return number_format.frac if isinstance(number_format, (Fixed, Planes)) else 0


def code_values(number_format):
    """Real value of each level of a comparator format, in ascending order."""
    levels = np.asarray(number_format.levels)
    return [float(value) * 2.0**-value_frac(number_format)
            for value in number_format.value(levels)]


def to_code(value, number_format, frac):
    """Quantize a value on the grid of ``frac`` fraction bits and read its code as a real number.

    Parameters
    ----------
    value : float tensor
    number_format : Format
    frac : int
        Fraction bits of ``value``.

    Returns
    -------
    float tensor
        What a dot product sees, times ``2**-value_frac(number_format)``.
    """
    if isinstance(number_format, Fixed):
        return grid(value, number_format)
    if not isinstance(number_format, (Binary, Planes, Ternary)):
        raise TypeError(f"Number format must be a Format, not {number_format!r}")
    cuts = [cut * 2.0**-frac for cut in number_format.cuts(frac)]
    return _Compare.apply(value, cuts, code_values(number_format))
