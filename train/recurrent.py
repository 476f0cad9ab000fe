"""The trainable twin of ``ternloom.model.network.Network``."""

import dataclasses

import torch
from torch import nn
from torch.nn import functional

from ternloom.model.format import Fixed, Format
from ternloom.train.cell import RecurrentLayer, quantize_bias
from ternloom.train.quantize import grid
from ternloom.train.weights import MatrixQuantizer


__all__ = ["ReadoutQuantization", "RecurrentNetwork"]


@dataclasses.dataclass(frozen=True)
class ReadoutQuantization:
    """Everything of a ``ternloom.model.network.Readout`` that training doesn't move.

    Parameters
    ----------
    input_format : Format
    weights : MatrixQuantizer
    shift : int
    logits : Fixed
    """

    input_format: Format
    weights: MatrixQuantizer
    shift: int
    logits: Fixed

    @property
    def sum_frac(self):
        """Fraction bits of a row's sum, and of the biases."""
        return self.logits.frac + self.shift


class RecurrentNetwork(nn.Module):
    """Stacked recurrent layers and a dense readout of each sequence's last step.

    Parameters
    ----------
    cell : Cell
    inputs, units, layers, classes : int
    dropout : float
        Share of the readout's inputs that training sets to zero.
    """

    def __init__(self, cell, inputs, units, layers, classes, dropout=0.0):
        super().__init__()
        sizes = [inputs] + [units] * layers
        self.layers = nn.ModuleList(RecurrentLayer(cell, before, after)
                                    for before, after in zip(sizes, sizes[1:]))
        self.readout_weight = nn.Parameter(torch.empty(classes, units))
        self.readout_bias = nn.Parameter(torch.zeros(classes))
        nn.init.xavier_uniform_(self.readout_weight)
        self.readout_quantization = None
        self._dropout = dropout

    def matrices(self):
        """Pairs of latent weights and their quantizer, None where there is none."""
        for layer in self.layers:
            quantization = layer.quantization
            yield layer.input_weight, quantization and quantization.input
            yield layer.recurrent_weight, quantization and quantization.recurrent
        readout = self.readout_quantization
        yield self.readout_weight, readout and readout.weights

    def clip(self):
        """Pull latent weights back to where they still matter."""
        with torch.no_grad():
            for weight, quantizer in self.matrices():
                if quantizer is not None:
                    bound = torch.as_tensor(quantizer.bound(), dtype=weight.dtype)
                    weight.copy_(torch.minimum(torch.maximum(weight, -bound), bound))

    def forward(self, sequences, lengths, states=None):
        """Logits at the last step of each sequence.

        Parameters
        ----------
        sequences : tensor (steps, batch, inputs)
            Padded at the end; what stands there doesn't matter.
        lengths : int tensor (batch,)
        states : list or None
            Takes a list for each layer of what it carries over time.

        Returns
        -------
        tensor (batch, classes)
        """
        codes = sequences
        for layer in self.layers:
            carried = None
            if states is not None:
                carried = []
                states.append(carried)
            codes = layer(codes, carried)
        last = codes[lengths - 1, torch.arange(codes.shape[1])]
        last = functional.dropout(last, self._dropout, self.training)
        if self.readout_quantization is None:
            return functional.linear(last, self.readout_weight, self.readout_bias)
        readout = self.readout_quantization
        bias = quantize_bias(self.readout_bias, readout.sum_frac)
        sums = functional.linear(last, readout.weights.effective(self.readout_weight), bias)
        return grid(sums, readout.logits)
