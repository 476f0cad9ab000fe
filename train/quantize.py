"""Fake quantization: the integer arithmetic of ``docs/design.md`` on floats that lie on its grids.

Each function computes in the forward pass exactly what the golden model computes (in float64; in
float32 wherever 24 bits hold the sum) and lets gradients through in the backward pass: the
straight-through estimator of Bengio et al. 2013, with the gradient cut off where a value saturates.
"""

import collections.abc
import functools
import typing

import numpy as np
import torch
from torch.nn import functional

from ternloom.model import online
from ternloom.model.table import FUNCTIONS
from ternloom.train import planes


__all__ = ["SMOOTH", "code_values", "draw", "gate", "gate_table", "grid", "straight_through",
           "to_code"]


class _Smooth(typing.NamedTuple):
    """A function of real numbers; its slope, of the argument and the value; what has a sloping
    factor.
    """

    value: collections.abc.Callable
    slope: collections.abc.Callable
    sloped: bool = True


#: Functions of a pre-activation by name, as ``ternloom.model.table.FUNCTIONS`` has them.
SMOOTH = {
    "sigmoid": _Smooth(torch.sigmoid, lambda argument, value: value * (1 - value)),
    "tanh": _Smooth(torch.tanh, lambda argument, value: 1 - value**2),
    "softplus_tail": _Smooth(lambda argument: functional.softplus(-argument.abs()),
                             lambda argument, value: -argument.sign()
                             * torch.sigmoid(-argument.abs()), sloped=False)}


class _Replace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, latent, value):
        return value

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def straight_through(latent, value):
    """Exactly ``value``, whose gradient goes to ``latent`` unchanged."""
    return _Replace.apply(latent, value)


class _Grid(torch.autograd.Function):
    """Round half up and clip, as ``Fixed.quantize`` does; no gradient where it clips."""

    @staticmethod
    def forward(ctx, value, frac, low, high):
        code = (value * 2.0**frac).add_(0.5).floor_()
        clipped = code.clamp(low, high)
        ctx.save_for_backward(code == clipped)
        return clipped.mul_(2.0**-frac)

    @staticmethod
    def backward(ctx, gradient):
        inside, = ctx.saved_tensors
        return gradient * inside, None, None, None


def _look_up(entries, index):
    """``entries[index]``, in half the time."""
    return entries.index_select(0, index.reshape(-1)).view(index.shape)


class _Gate(torch.autograd.Function):
    """A pre-activation, snapped to its format, looked up in a table with its slopes."""

    @staticmethod
    def forward(ctx, value, preact, entries, slopes):
        code = (value * 2.0**preact.frac).add_(0.5).floor_().clamp_(preact.low, preact.high)
        index = code.sub_(preact.low).long()
        ctx.save_for_backward(_look_up(slopes, index))
        return _look_up(entries, index)

    @staticmethod
    def backward(ctx, gradient):
        slope, = ctx.saved_tensors
        return gradient * slope, None, None, None


class _Draw(torch.autograd.Function):
    """-1, 0 or +1 whose mean is the value; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, value):
        return value.sign() * (torch.rand_like(value) < value.abs())

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class _Compare(torch.autograd.Function):
    """Levels by comparison with cuts; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, value, cuts, levels):
        return _look_up(levels, torch.bucketize(value, cuts, right=True))

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None, None


def _slope(function, precision):
    return precision.slope * 2.0**-precision.slope_frac if SMOOTH[function].sloped else 1.0


@functools.cache
def gate_table(function, precision, dtype, device):
    """Entries and slopes of a gate over the codes in ascending order, tensors.

    The slopes are the exact function's, at the ends zero: there a pre-activation saturates.
    """
    preact, slope = precision.preact, _slope(function, precision)
    codes = np.arange(preact.low, preact.high + 1)
    entries = torch.from_numpy(FUNCTIONS[function](precision)[codes] * 2.0**-precision.gate_frac)
    argument, smooth = torch.from_numpy(codes * 2.0**-preact.frac / slope), SMOOTH[function]
    slopes = smooth.slope(argument, smooth.value(argument)) / slope
    slopes[[0, -1]] = 0.0
    return entries.to(device, dtype), slopes.to(device, dtype)


@functools.cache
def _comparator(form, frac, dtype, device):
    """Cuts and levels of a comparator format as real numbers."""
    cuts = np.asarray(form.cuts(frac)) * 2.0**-frac
    return (torch.from_numpy(cuts).to(device, dtype),
            torch.tensor(code_values(form), dtype=dtype, device=device))


def grid(value, form):
    """Round to a ``Fixed`` format (half up, saturating); no gradient where it saturates."""
    return _Grid.apply(value, form.frac, form.low, form.high)


def draw(value):
    """-1, 0 or +1 at random, whose mean is the value (HitNet's Bernoulli ternary quantization).

    The gradient passes unchanged. The rule is Ternloom's choice: ``sign(v)`` with the probability
    ``|v|``, else zero; a value beyond one counts as one.
    """
    return _Draw.apply(value)


def gate(function, value, precision, drawn=None):
    """A function of a pre-activation as its table has it.

    Parameters
    ----------
    function : str
        "sigmoid", "tanh" or "softplus_tail".
    value : float tensor
    precision : Precision
    drawn : float or None
        If the gate is a comparator, draw zero or one with the sigmoid as mean, or a sign or zero
        with tanh, instead of comparing; the number multiplies the slope that the pre-activation is
        divided by.
    """
    if drawn is not None and precision.comparators:
        argument = grid(value, precision.preact) / (_slope(function, precision) * drawn)
        return draw(SMOOTH[function].value(argument))
    entries, slopes = gate_table(function, precision, value.dtype, value.device)
    return _Gate.apply(value, precision.preact, entries, slopes)


def code_values(form):
    """Real value of each level of a comparator format, in ascending order."""
    levels = np.asarray(form.levels)
    return [float(value) * 2.0**-form.frac
            for value in form.value(levels)]


@functools.cache
def _fused():
    """Online planes in one kernel instead of dozens."""
    return torch.compile(planes.online, dynamic=False)


class _Online(torch.autograd.Function):
    """Planes with the vector's own coefficients; the gradient passes unchanged (Xu et al. 2018)."""

    @staticmethod
    def forward(ctx, value, form):
        sample = form.sample
        samples = (value * 2.0**sample.frac).add_(0.5).floor_().clamp_(sample.low, sample.high)
        if value.is_cuda:
            meant = _fused()(samples.long(), form.planes, form.rounds)
            return meant.to(value.dtype).mul_(2.0**-form.frac)
        samples = samples.numpy().astype(np.int64)
        meant = online.values(form, *online.quantize(form, samples))
        return torch.from_numpy(meant * 2.0**-form.frac).to(value.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def to_code(value, form, frac, at_random=False):
    """Quantize a value on the grid of ``frac`` fraction bits and read its code as a real number.

    Parameters
    ----------
    value : float tensor
    form : Format
    frac : int
        Fraction bits of ``value``.
    at_random : bool
        Draw ternary codes instead of comparing with their threshold.

    Returns
    -------
    float tensor
        What a dot product sees, times ``2**-form.frac``.
    """
    if form.rounded:
        return grid(value, form)
    if form.header:
        return _Online.apply(value, form)
    if at_random and form.levels == (-1, 0, 1):
        return draw(value)
    return _Compare.apply(value, *_comparator(form, frac, value.dtype, value.device))
