"""Recurrent layers that run in floating point, or on the grids that the hardware computes on."""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional

from ternloom.model.format import Online
from ternloom.model.network import Cell
from ternloom.train.quantize import grid, sigmoid_gate, straight_through, tanh_gate, to_code
from ternloom.train.weights import effective, effective_bias


__all__ = ["Carry", "RecurrentLayer", "quantize_bias"]


@dataclasses.dataclass
class Carry:
    """Where a layer's run ended, and where the next one goes on, without a gradient between them.

    Parameters
    ----------
    state : tensor (batch, units) or None
        c of an LSTM, wide h of a GRU; None is a cleared state.
    code : tensor (batch, units) or None
        Output codes as real numbers.
    """

    state: torch.Tensor | None = None
    code: torch.Tensor | None = None


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

    start = state = preact

    @staticmethod
    def code(value, frac):
        return value


class _GridArithmetic:
    """The design's numbers: every result is rounded where the golden model rounds it."""

    def __init__(self, quantization, drawn):
        self._precision, self._drawn = quantization.precision, drawn
        self._state_format = quantization.state_format
        self.gate_frac = self._precision.gate_frac
        self.state_frac = self._precision.state.frac

    def preact(self, value):
        return grid(value, self._precision.preact)

    def sigmoid(self, value):
        return sigmoid_gate(value, self._precision, self._drawn)

    def tanh(self, value):
        return tanh_gate(value, self._precision, self._drawn)

    def state(self, value):
        return grid(value, self._precision.state)

    def code(self, value, frac):
        return to_code(value, self._state_format, frac, self._drawn is not None)

    def start(self, state):
        # No samples have made coefficients yet, so planes of either sign stand for nothing.
        return state if isinstance(self._state_format, Online) else self.code(state, 0)


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
        #: A ``ternloom.quantize.calibration.LayerCalibration``, or None in floating point.
        self.quantization = None
        #: Whether training draws weights, and ternary activations, at random where it can.
        self.draw_weights = self.draw_activations = False
        #: What the slope of gates is multiplied by where they are drawn.
        self.warmth = 1.0
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
        quantization, draw = self.quantization, self.training and self.draw_weights
        pairs = [(quantization.input, self.input_weight),
                 (quantization.recurrent, self.recurrent_weight)]
        biases = [None if bias is None else self._bias(*pair, bias, draw)
                  for pair, bias in zip(pairs, (self.bias, self.recurrent_bias))]
        return *(effective(*pair, draw) for pair in pairs), *biases

    def _bias(self, quantizer, latent, bias, draw):
        if self.quantization.bias_as_weight:
            bias = effective_bias(quantizer, latent, bias, draw)
        return quantize_bias(bias, self.quantization.sum_frac)

    def forward(self, sequences, states=None, carry=None):
        """Run from a cleared state, or on from where another run ended.

        Parameters
        ----------
        sequences : tensor (steps, batch, inputs)
        states : list or None
            Takes what the layer carries over time, a tensor (batch, units) a step.
        carry : Carry or None
            Where to start; afterwards, where the run ended.

        Returns
        -------
        tensor (steps, batch, units)
            The layer's output codes as real numbers.
        """
        if self.quantization is None:
            arithmetic = _FloatArithmetic()
        else:
            drawn = self.warmth if self.training and self.draw_activations else None
            arithmetic = _GridArithmetic(self.quantization, drawn)
        input_weight, recurrent_weight, bias, recurrent_bias = self.effective()
        inputs = functional.linear(sequences, input_weight, bias)
        run = {Cell.LSTM: self._lstm, Cell.GRU_RESET_AFTER: self._gru_after,
               Cell.GRU_RESET_BEFORE: self._gru_before}[self.cell]
        if carry is not None and carry.state is not None:
            state, code = carry.state, carry.code
        else:
            state = sequences.new_zeros(sequences.shape[1], self.units)
            code = arithmetic.start(state)
        steps = run(arithmetic, inputs, recurrent_weight.t(), recurrent_bias, state, code)
        outputs = []
        for state, code in steps:
            outputs.append(code)
            if states is not None:
                states.append(state)
        if carry is not None:
            carry.state, carry.code = state.detach(), code.detach()
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
