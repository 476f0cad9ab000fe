"""Recurrent layers that run in floating point, or on the grids that the hardware computes on."""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional

from ternloom.model.format import Format
from ternloom.model.network import Cell, Precision
from ternloom.train.quantize import grid, sigmoid_gate, straight_through, tanh_gate, to_code
from ternloom.train.weights import MatrixQuantizer


__all__ = ["LayerQuantization", "RecurrentLayer", "quantize_bias"]


@dataclasses.dataclass(frozen=True)
class LayerQuantization:
    """Everything of a ``ternloom.model.network.Layer`` that training doesn't move.

    Parameters
    ----------
    input_format, state_format : Format
    precision : Precision
    shift : int
    input, recurrent : MatrixQuantizer
    """

    input_format: Format
    state_format: Format
    precision: Precision
    shift: int
    input: MatrixQuantizer
    recurrent: MatrixQuantizer

    @property
    def sum_frac(self):
        """Fraction bits of a row's sum, and of the biases."""
        return self.precision.preact.frac + self.shift


def quantize_bias(bias, frac):
    """Round biases half up to ``frac`` fraction bits; the gradient passes unchanged."""
    with torch.no_grad():
        rounded = torch.floor(bias * 2.0**frac + 0.5) * 2.0**-frac
    return straight_through(bias, rounded)


class _FloatArithmetic:
    """Real numbers throughout: the reference."""

    gate_frac = state_frac = 0
    sigmoid = staticmethod(torch.sigmoid)
    tanh = staticmethod(torch.tanh)

    @staticmethod
    def preact(value):
        return value

    state = preact

    @staticmethod
    def code(value, frac):
        return value


class _GridArithmetic:
    """The design's numbers: every result is rounded where the golden model rounds it."""

    def __init__(self, quantization):
        self._precision = quantization.precision
        self._state_format = quantization.state_format
        self.gate_frac = self._precision.gate_frac
        self.state_frac = self._precision.state.frac

    def preact(self, value):
        return grid(value, self._precision.preact)

    def sigmoid(self, value):
        return sigmoid_gate(value, self._precision)

    def tanh(self, value):
        return tanh_gate(value, self._precision)

    def state(self, value):
        return grid(value, self._precision.state)

    def code(self, value, frac):
        return to_code(value, self._state_format, frac)


class RecurrentLayer(nn.Module):
    """A layer of LSTM or GRU cells; its tensors are those of ``ternloom.model.network.Layer``.

    Parameters
    ----------
    cell : Cell
    inputs, units : int
    """

    def __init__(self, cell, inputs, units):
        super().__init__()
        self.cell, self.inputs, self.units = cell, inputs, units
        rows = len(cell.gates) * units
        self.input_weight = nn.Parameter(torch.empty(rows, inputs))
        self.recurrent_weight = nn.Parameter(torch.empty(rows, units))
        self.bias = nn.Parameter(torch.zeros(rows))
        self.recurrent_bias = None
        if cell is Cell.GRU_RESET_AFTER:
            self.recurrent_bias = nn.Parameter(torch.zeros(units))
        self.quantization = None
        self._reset()

    def _reset(self):
        nn.init.xavier_uniform_(self.input_weight, gain=math.sqrt(2))
        for gate in self.recurrent_weight.data.split(self.units):
            nn.init.orthogonal_(gate)
        # Gates start out remembering: f of an LSTM, z of a GRU (Jozefowicz et al. 2015).
        self.bias.data[self.units:2 * self.units] = 1.0

    def effective(self):
        """Input weights, recurrent weights, bias and recurrent bias as the forward pass uses them.

        Returns
        -------
        tuple of tensors (rows, inputs), (rows, units), (rows,), and (units,) or None
        """
        if self.quantization is None:
            return self.input_weight, self.recurrent_weight, self.bias, self.recurrent_bias
        quantization, frac = self.quantization, self.quantization.sum_frac
        recurrent_bias = self.recurrent_bias
        if recurrent_bias is not None:
            recurrent_bias = quantize_bias(recurrent_bias, frac)
        return (quantization.input.effective(self.input_weight),
                quantization.recurrent.effective(self.recurrent_weight),
                quantize_bias(self.bias, frac), recurrent_bias)

    def forward(self, sequences, states=None):
        """Run from a cleared state.

        Parameters
        ----------
        sequences : tensor (steps, batch, inputs)
        states : list or None
            Takes what the layer carries over time, a tensor (batch, units) a step.

        Returns
        -------
        tensor (steps, batch, units)
            The layer's output codes as real numbers.
        """
        if self.quantization is None:
            arithmetic = _FloatArithmetic()
        else:
            arithmetic = _GridArithmetic(self.quantization)
        input_weight, recurrent_weight, bias, recurrent_bias = self.effective()
        inputs = functional.linear(sequences, input_weight, bias)
        run = {Cell.LSTM: self._lstm, Cell.GRU_RESET_AFTER: self._gru_after,
               Cell.GRU_RESET_BEFORE: self._gru_before}[self.cell]
        state = sequences.new_zeros(sequences.shape[1], self.units)
        code = arithmetic.code(state, 0)
        steps = run(arithmetic, inputs, recurrent_weight.t(), recurrent_bias, state, code)
        outputs = []
        for state, code in steps:
            outputs.append(code)
            if states is not None:
                states.append(state)
        return torch.stack(outputs)

    def _lstm(self, arithmetic, inputs, weight, _, cell, code):
        units = self.units
        for row in inputs.unbind():
            sums = torch.addmm(row, code, weight)
            i, f = arithmetic.sigmoid(sums[:, :2 * units]).chunk(2, 1)
            g = arithmetic.tanh(sums[:, 2 * units:3 * units])
            o = arithmetic.sigmoid(sums[:, 3 * units:])
            cell = arithmetic.state(f * cell + i * g)
            code = arithmetic.code(o * arithmetic.tanh(cell), 2 * arithmetic.gate_frac)
            yield cell, code

    def _gru_after(self, arithmetic, inputs, weight, recurrent_bias, hidden, code):
        units = self.units
        gates, candidates = inputs.split([2 * units, units], 2)
        candidates = arithmetic.preact(candidates)
        weight_gates, weight_candidate = weight[:, :2 * units], weight[:, 2 * units:]
        for row, candidate in zip(gates.unbind(), candidates.unbind()):
            r, z = arithmetic.sigmoid(torch.addmm(row, code, weight_gates)).chunk(2, 1)
            recurrent = arithmetic.preact(torch.addmm(recurrent_bias, code, weight_candidate))
            n = arithmetic.tanh(candidate + r * recurrent)
            hidden = arithmetic.state(n + z * (hidden - n))
            code = arithmetic.code(hidden, arithmetic.state_frac)
            yield hidden, code

    def _gru_before(self, arithmetic, inputs, weight, _, hidden, code):
        units = self.units
        gates, candidates = inputs.split([2 * units, units], 2)
        weight_gates, weight_candidate = weight[:, :2 * units], weight[:, 2 * units:]
        reset_frac = arithmetic.state_frac + arithmetic.gate_frac
        for row, candidate in zip(gates.unbind(), candidates.unbind()):
            r, z = arithmetic.sigmoid(torch.addmm(row, code, weight_gates)).chunk(2, 1)
            reset = arithmetic.code(r * hidden, reset_frac)
            n = arithmetic.tanh(torch.addmm(candidate, reset, weight_candidate))
            hidden = arithmetic.state(n + z * (hidden - n))
            code = arithmetic.code(hidden, arithmetic.state_frac)
            yield hidden, code
