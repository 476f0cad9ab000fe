"""Recurrent layers that run in floating point, or on the grids that the hardware computes on."""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional

from ternloom.model.cell.reals import Reals
from ternloom.train import fused
from ternloom.train.graph import Graphs
from ternloom.train.quantize import SMOOTH, gate, grid, straight_through, to_code
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


_FUNCTIONS = {name: smooth.value for name, smooth in SMOOTH.items()} | {"relu": functional.relu}


class _Grids(Reals):
    """Reading of a cell's graph on the design's numbers: every result is rounded where the golden
    model rounds it.

    Parameters
    ----------
    row, old, diagonals
        As of ``Reading``, tensors.
    quantization : LayerCalibration
    drawn : float or None
        What the slope of gates is multiplied by, if they and ternary codes are drawn.
    """

    def __init__(self, row, old, diagonals, quantization, drawn):
        super().__init__(row, old, diagonals, _FUNCTIONS)
        self._quantization, self._drawn = quantization, drawn

    def row(self, node, *codes):
        value = super().row(node, *codes)
        # A table rounds its argument by itself.
        return value if node.looked_up else grid(value, self._quantization.precision.preact)

    def table(self, node, argument):
        return gate(node.parameter, argument, self._quantization.precision, self._drawn)

    def round(self, node, value):
        if node.looked_up and node.users:
            return value
        if node.parameter.rounded:
            return grid(value, node.parameter)
        return self.code(value, node.args[0].frac)

    def code(self, value, frac):
        """Value of the codes of a number of so many fraction bits."""
        return to_code(value, self._quantization.state_format, frac, self._drawn is not None)


class RecurrentLayer(nn.Module):
    """A layer of any cell; its tensors are those of ``ternloom.model.network.Layer``.

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
        self.recurrent_weight = None
        if cell.recurrent:
            self.recurrent_weight = nn.Parameter(torch.empty(rows, units))
        self.bias = nn.Parameter(torch.zeros(rows))
        self.recurrent_bias = None
        if cell.apart:
            self.recurrent_bias = nn.Parameter(torch.zeros(units))
        self.diagonals = None
        if cell.diagonals:
            self.diagonals = nn.Parameter(torch.zeros(len(cell.diagonals), units))
        #: A ``ternloom.quantize.calibration.LayerCalibration``, or None in floating point.
        self.quantization = None
        #: Whether training draws weights, and ternary activations, at random where it can.
        self.draw_weights = self.draw_activations = False
        #: What the slope of gates is multiplied by where they are drawn.
        self.warmth = 1.0
        self._graphs = Graphs()
        self._reset()

    def _reset(self):
        nn.init.xavier_uniform_(self.input_weight, gain=math.sqrt(2))
        if self.recurrent_weight is not None:
            for part in self.recurrent_weight.data.split(self.units):
                nn.init.orthogonal_(part)
        # Gates start out remembering: f of an LSTM, z of a GRU (Jozefowicz et al. 2015).
        for place, name in enumerate(self.cell.gates):
            if name in ("f", "z"):
                self.bias.data[place * self.units:(place + 1) * self.units] = 1.0

    def effective(self):
        """Input weights, recurrent weights, bias and recurrent bias as the forward pass uses them.

        Returns
        -------
        tuple of tensors (rows, inputs), (rows, units), (rows,), and (units,); None is what the cell
        lacks
        """
        if self.quantization is None:
            return self.input_weight, self.recurrent_weight, self.bias, self.recurrent_bias
        quantization, draw = self.quantization, self.training and self.draw_weights
        pairs = [(quantization.input, self.input_weight),
                 (quantization.recurrent, self.recurrent_weight)]
        weights = [None if weight is None else effective(quantizer, weight, draw)
                   for quantizer, weight in pairs]
        biases = [None if bias is None else self._bias(*pair, bias, draw)
                  for pair, bias in zip(pairs, (self.bias, self.recurrent_bias))]
        return *weights, *biases

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
        input_weight, recurrent_weight, bias, recurrent_bias = self.effective()
        tensors = {"inputs": functional.linear(sequences, input_weight, bias),
                   "recurrent_weight": recurrent_weight, "recurrent_bias": recurrent_bias,
                   "diagonals": self._own_weights(), **self._first_state(sequences, carry)}
        tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}

        names = tuple(tensors)

        def run(*values):
            given = dict(zip(names, values, strict=True))
            plan = None
            if captured:
                plan = fused.plan(self.cell, self.units, self.quantization, sequences.dtype,
                                  sequences.device)
            if plan is None:
                return self._run(given, states)
            return fused.Sequence.apply(plan, given["inputs"], given["recurrent_weight"],
                                        given.get("recurrent_bias"), given["h"],
                                        given[self._names[-1]])

        # Chunks of a text are all of one length; what is drawn changes from step to step.
        captured = (sequences.is_cuda and carry is not None and states is None
                    and not self.draw_activations)
        if captured:
            outputs, *state = self._graphs(run, (self.training, self.quantization is None),
                                           *tensors.values())
        else:
            outputs, *state = run(*tensors.values())
        if carry is not None:
            carry.state, carry.code = state[-1].detach().clone(), state[0].detach().clone()
        return outputs

    def _run(self, tensors, states):
        """All steps: the outputs, and what the last one hands on, in the order of ``_names``."""
        graph, outputs, names = self._graph, [], self._names
        passes = self._passes(tensors.get("recurrent_weight"), tensors.get("recurrent_bias"))
        own = dict(zip(self.cell.diagonals, tensors.get("diagonals", ())))
        state = {name: tensors[name] for name in names}
        for row in tensors["inputs"].unbind():
            state = self._step(graph, row, state, own, passes)
            outputs.append(state["h"])
            if states is not None:
                states.append(state[names[-1]])
        return torch.stack(outputs), *(state[name] for name in names)

    @property
    def _names(self):
        """What a step hands to the next; the state of a cell that carries none is h."""
        return "h", *self.cell.carried

    @property
    def _graph(self):
        if self.quantization is None:
            return self.cell.outline
        quantization = self.quantization
        formats = [quantization.precision, quantization.state_format]
        return self.cell.graph(*formats, *filter(None, [quantization.diagonal_format]))

    def _own_weights(self):
        """Diagonals as the forward pass uses them, (count, units), or None."""
        if self.diagonals is None or self.quantization is None:
            return self.diagonals
        return grid(self.diagonals, self.quantization.diagonal_format)

    def _reading(self, row, old, diagonals):
        if self.quantization is None:
            return Reals(row, old, diagonals, _FUNCTIONS)
        drawn = self.warmth if self.training and self.draw_activations else None
        return _Grids(row, old, diagonals, self.quantization, drawn)

    def cleared(self, sequences):
        """A ``Carry`` of what the first step of sequences (steps, batch, inputs) finds."""
        first = self._first_state(sequences, None)
        return Carry(first[self._names[-1]].clone(), first["h"].clone())

    def _first_state(self, sequences, carry):
        """What the first step finds."""
        if carry is not None and carry.state is not None:
            return {"h": carry.code} | dict.fromkeys(self.cell.carried, carry.state)
        zeros = sequences.new_zeros(sequences.shape[1], self.units)
        code = zeros
        # No samples have made coefficients yet, so planes of either sign stand for nothing.
        if self.quantization is not None and not self.quantization.state_format.header:
            code = self._reading(None, None, None).code(zeros, 0)
        return {"h": code} | dict.fromkeys(self.cell.carried, zeros)

    def _passes(self, recurrent_weight, recurrent_bias):
        """Of each pass the gates, their rows of the input, and pairs of weights and bias: of the
        rows whose halves are added, and of those that stay apart; None where there are no such.
        """
        if recurrent_weight is None:
            gates = self.cell.gates
            return [(gates, 0, 0, len(gates) * self.units, None, None)]
        weight, units, found, start = recurrent_weight.t(), self.units, [], 0
        for gates in self.cell.passes:
            apart = sum(gate in self.cell.apart for gate in gates)
            stop = start + len(gates) * units
            middle = stop - apart * units
            found.append((gates, start, middle, stop, weight[:, start:middle],
                          (recurrent_bias, weight[:, middle:stop]) if apart else None))
            start = stop
        return found

    def _step(self, graph, inputs, state, own, passes):
        """One step: h and what is carried, by name."""
        known, units = {}, self.units

        def row(what, code=None):
            if (what.gate, what.part) in known:
                return known[what.gate, what.part]
            gates, start, middle, stop, merged, apart = next(
                each for each in passes if what.gate in each[0])
            if merged is None:
                known.update(zip(((gate, "input") for gate in gates), inputs.split(units, 1)))
                return known[what.gate, what.part]
            code = state["h"] if code is None else code
            sums = torch.addmm(inputs[:, start:middle], code, merged)
            known.update(zip(((gate, "both") for gate in gates), sums.split(units, 1)))
            if apart is not None:
                known[gates[-1], "input"] = inputs[:, middle:stop]
                known[gates[-1], "recurrent"] = torch.addmm(apart[0], code, apart[1])
            return known[what.gate, what.part]

        values = graph.walk(self._reading(row, state, own))
        return {name: values[node] for name, node in graph.results}
