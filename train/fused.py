"""Kernels of our own for a GPU, in Triton: what training does at every step, in few launches.

They compute what ``train/cell.py``, ``train/planes.py`` and ``train/word.py`` compute, a step of a
recurrent layer in one kernel beside its matrix product where PyTorch's operations take dozens.
Where Triton is missing, or a layer is one that they don't know, training runs those instead.
"""

import dataclasses
import typing

import torch

from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.limits import LARGEST_COEFFICIENT
from ternloom.train.quantize import gate_table

try:
    from ternloom.train import kernels
except ImportError:
    kernels = None


__all__ = ["Sequence", "available", "entropy", "plan", "values"]


#: A sum of so many magnitudes and their count share 32 bits.
_MOST_UNITS, _MOST_BITS = 1000, 10
#: Fraction bits of the numbers that ternary codes are compared with: those of any product.
_FRAC = 20
#: Added to the diagonal of normal equations: where planes depend on each other the solution is the
#: shortest one, as nearly as weights are known.
_RIDGE = 1e-7


def available():
    """Whether there are kernels at all."""
    return kernels is not None


@dataclasses.dataclass(frozen=True)
class _Plan:
    """How a layer's steps are launched.

    Parameters
    ----------
    forward, backward : kernel
    tables : tuple of tensors
        Entries of sigmoid and tanh and their slopes; of a float layer, whatever tensor.
    code, numbers : dict
        Constants of the codes, and of the other formats.
    """

    forward: typing.Any
    backward: typing.Any
    tables: tuple
    code: dict
    numbers: dict


def _power(frac):
    return 2.0**frac


def _block(count):
    """Places that so many elements take: a power of two."""
    return 1 << (count - 1).bit_length()


def _code_numbers(form):
    """Constants of a format of outputs, or None of one that the kernels don't know."""
    if form.rounded:
        return None
    if not form.header and form.levels == (-1, 0, 1):
        low, high = (number * _power(-_FRAC) for number in form.cuts(_FRAC))
        return {"KIND": 1, "ROUNDS": 0, "SAMPLE": 1.0, "CODE_LOW": low, "CODE_HIGH": high,
                "UNIT": 1.0}
    if form.header and form.sample.width <= _MOST_BITS:
        sample = form.sample
        return {"KIND": form.planes, "ROUNDS": form.rounds, "SAMPLE": _power(sample.frac),
                "CODE_LOW": float(sample.low), "CODE_HIGH": float(sample.high),
                "UNIT": _power(-form.frac)}
    return None


_FLOAT_CODE = {"KIND": 0, "ROUNDS": 0, "SAMPLE": 1.0, "CODE_LOW": 0.0, "CODE_HIGH": 0.0,
               "UNIT": 1.0}
_FLOAT_NUMBERS = {"PREACT": 1.0, "LOW": 0.0, "HIGH": 0.0, "STATE": 1.0, "STATE_LOW": 0.0,
                  "STATE_HIGH": 0.0}


def plan(cell, units, quantization, dtype, device):
    """How a layer is launched, or None if the kernels don't know it.

    Parameters
    ----------
    cell : Cell
    units : int
    quantization : LayerCalibration or None
        None in floating point.
    dtype : torch.dtype
    device : torch.device
    """
    if kernels is None or cell not in (LSTM, GRU_RESET_AFTER) or units > _MOST_UNITS:
        return None
    steps = ((kernels.lstm_forward, kernels.lstm_backward) if cell == LSTM
             else (kernels.gru_forward, kernels.gru_backward))
    block = {"BLOCK": _block(units)}
    if quantization is None:
        tables = (torch.zeros(1, device=device),) * 4
        return _Plan(*steps, tables, _FLOAT_CODE, _FLOAT_NUMBERS | block)
    precision, code = quantization.precision, _code_numbers(quantization.state_format)
    if code is None or precision.comparators:
        return None
    found = [gate_table(function, precision, dtype, device)
             for function in ("sigmoid", "tanh")]
    tables = tuple(entries for entries, _ in found) + tuple(slopes for _, slopes in found)
    preact, state = precision.preact, precision.state
    return _Plan(*steps, tables, code, {
        "PREACT": _power(preact.frac), "LOW": float(preact.low), "HIGH": float(preact.high),
        "STATE": _power(state.frac), "STATE_LOW": float(state.low),
        "STATE_HIGH": float(state.high), **block})


class Sequence(torch.autograd.Function):
    """All steps of a layer: codes of every step, and the last code and state.

    ``apply`` takes a plan, the input's product (steps, batch, rows), the recurrent weights (rows,
    units), the recurrent bias (units,) or None, and the code and the state before the first step,
    which get no gradient.
    """

    @staticmethod
    def forward(ctx, plan, inputs, weight, bias, code, state):
        steps, batch, rows = inputs.shape
        inputs = inputs.contiguous()
        units = weight.shape[1]
        codes, states = (inputs.new_empty(steps + 1, batch, units) for _ in range(2))
        codes[0], states[0] = code, state
        sums, turned = inputs.new_empty(steps, batch, rows), weight.t()
        own = plan.tables[0] if bias is None else bias
        for step in range(steps):
            torch.mm(codes[step], turned, out=sums[step])
            plan.forward[batch,](
                inputs[step], sums[step], own, states[step], states[step + 1], codes[step + 1],
                *plan.tables[:2], units, **plan.code, **plan.numbers)
        ctx.plan, ctx.has_bias = plan, bias is not None
        ctx.save_for_backward(inputs, weight, own, codes, states, sums)
        last = codes[-1].clone(), states[-1].clone()
        ctx.mark_non_differentiable(*last)
        return codes[1:], *last

    @staticmethod
    def backward(ctx, to_codes, *_):
        inputs, weight, own, codes, states, sums = ctx.saved_tensors
        steps, batch, rows = sums.shape
        units, plan, to_codes = weight.shape[1], ctx.plan, to_codes.contiguous()
        to_rows = torch.empty_like(sums)
        to_inputs = torch.empty_like(sums) if ctx.has_bias else to_rows
        to_state, to_sums = (sums.new_zeros(batch, units) for _ in range(2))
        for step in reversed(range(steps)):
            plan.backward[batch,](
                inputs[step], sums[step], own, states[step], states[step + 1], to_codes[step],
                to_sums, to_state, to_rows[step], to_inputs[step], *plan.tables, units,
                KIND=plan.code["KIND"], **plan.numbers)
            if step:
                torch.mm(to_rows[step], weight, out=to_sums)
        flat = to_rows.view(-1, rows)
        to_weight = flat.t() @ codes[:-1].reshape(-1, units)
        to_bias = flat[:, rows - units:].sum(0) if ctx.has_bias else None
        return None, to_inputs, to_weight, to_bias, None, None


def values(method, exponent, latent):
    """Weights as the integers of ``alternating`` with two or three planes mean them.

    Parameters
    ----------
    method : Alternating
    exponent : int
        Of the coefficients.
    latent : float32 tensor (rows, columns)

    Returns
    -------
    float32 tensor (rows, columns)
    """
    latent = latent.contiguous()
    meant, (rows, columns) = torch.empty_like(latent), latent.shape
    kernels.alternating[rows,](latent, meant, columns, float(LARGEST_COEFFICIENT),
                               _power(-exponent), PLANES=method.planes, ROUNDS=method.rounds,
                               RIDGE=_RIDGE, BLOCK=_block(columns))
    return meant


def entropy(logits, targets, answers, weighed):
    """Mean cross entropy of rows of logits, which become its gradient but for the targets' ones.

    Parameters
    ----------
    logits : bfloat16 tensor (words, classes)
        Taken, and given back as the shares that they are, times ``1 + weighed``, less ``weighed``
        times the answers' shares.
    targets : int64 tensor (words,)
    answers : bfloat16 tensor (words, classes) or None
        Logits of a teacher.
    weighed : float
        What the cross entropy with its shares counts.

    Returns
    -------
    float32 tensor ()
    """
    count, words = logits.shape
    losses = torch.empty(count, device=logits.device)
    kernels.entropy[count,](logits, logits if answers is None else answers, targets, losses, words,
                            float(weighed), TAUGHT=answers is not None, BLOCK=_block(words),
                            num_warps=16)
    return losses.mean()
