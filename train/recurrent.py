"""The trainable twin of ``ternloom.model.network.Network``."""

import torch
from torch import nn
from torch.nn import functional

from ternloom.model.node import When
from ternloom.train.batches import within
from ternloom.train.cell import RecurrentLayer, quantize_bias
from ternloom.train.quantize import grid
from ternloom.train.weights import clip, effective


__all__ = ["RecurrentNetwork"]


class RecurrentNetwork(nn.Module):
    """Stacked recurrent layers and a dense readout.

    Parameters
    ----------
    cell : Cell
    inputs, units, layers, classes : int
    dropout : float
        Share of the readout's inputs that training sets to zero.
    when : When
        Steps that ``forward`` gives logits of.
    """

    def __init__(self, cell, inputs, units, layers, classes, dropout=0.0, when=When.LAST):
        super().__init__()
        self.when = when
        sizes = [inputs] + [units] * layers
        self.layers = nn.ModuleList(RecurrentLayer(cell, before, after)
                                    for before, after in zip(sizes, sizes[1:]))
        self.readout_weight = nn.Parameter(torch.empty(classes, units))
        self.readout_bias = nn.Parameter(torch.zeros(classes))
        nn.init.xavier_uniform_(self.readout_weight)
        #: A ``ternloom.quantize.calibration.ReadoutCalibration``, or None in floating point.
        self.readout_quantization = None
        self._draw_weights = False
        self.dropout = dropout

    def matrices(self):
        """Pairs of latent weights and their quantizer, None where there is none."""
        for layer in self.layers:
            quantization = layer.quantization
            yield layer.input_weight, quantization and quantization.input
            if layer.recurrent_weight is not None:
                yield layer.recurrent_weight, quantization and quantization.recurrent
        readout = self.readout_quantization
        yield self.readout_weight, readout and readout.weights

    def clip(self):
        """Pull latent weights back to where they still matter."""
        for weight, quantizer in self.matrices():
            if quantizer is not None:
                clip(quantizer, weight.data)

    def dampen(self, share):
        """Pull latent weights a share of the way to what the integers mean.

        Parameters
        ----------
        share : float or tensor ()
        """
        with torch.no_grad():
            for weight, quantizer in self.matrices():
                if quantizer is not None:
                    weight.add_((effective(quantizer, weight) - weight) * share)

    def settle(self):
        """Set latent weights to what the integers mean, where a fit to that means the same.

        Weights that stop beside a cut would else get other codes from sums in another order.
        """
        with torch.no_grad():
            for weight, quantizer in self.matrices():
                if quantizer is not None:
                    meant = effective(quantizer, weight)
                    steady = (effective(quantizer, meant) == meant).all(1, keepdim=True)
                    weight.copy_(torch.where(steady, meant, weight))

    def draw(self, weights, activations, warmth=1.0):
        """Say whether training draws weights, and ternary activations, where there is such a rule,
        and what the slope of drawn gates is multiplied by.
        """
        self._draw_weights = weights
        for layer in self.layers:
            layer.draw_weights, layer.draw_activations = weights, activations
            layer.warmth = warmth

    def run(self, sequences, states=None, carries=None):
        """The last layer's output codes at every step.

        Parameters
        ----------
        sequences : tensor (steps, batch, inputs)
        states : list or None
            Takes a list for each layer of what it carries over time.
        carries : list of Carry or None
            One a layer: where to start, and afterwards where the run ended.

        Returns
        -------
        tensor (steps, batch, units)
        """
        codes = sequences
        for index, layer in enumerate(self.layers):
            carried = None
            if states is not None:
                carried = []
                states.append(carried)
            codes = layer(codes, carried, carries and carries[index])
        return codes

    def readout(self):
        """Weights and bias of the readout as the forward pass uses them."""
        readout = self.readout_quantization
        if readout is None:
            return self.readout_weight, self.readout_bias
        draw = self.training and self._draw_weights
        return (effective(readout.weights, self.readout_weight, draw),
                quantize_bias(self.readout_bias, readout.sum_frac))

    def logits(self, codes, readout=None):
        """Logits of output codes, (..., classes); ``readout`` saves quantizing it again."""
        sums = functional.linear(codes, *(readout or self.readout()))
        quantization = self.readout_quantization
        return sums if quantization is None else grid(sums, quantization.logits)

    def forward(self, sequences, lengths, states=None):
        """Logits of each sequence at its last step, or at all steps, sequences side by side.

        Parameters
        ----------
        sequences : tensor (steps, batch, inputs)
            Padded at the end; what stands there doesn't matter.
        lengths : int tensor (batch,)
        states : list or None
            Takes a list for each layer of what it carries over time.

        Returns
        -------
        tensor (vectors, classes)
        """
        codes = self.run(sequences, states)
        if self.when is When.LAST:
            codes = codes[lengths - 1, torch.arange(codes.shape[1], device=codes.device)]
        else:
            codes = codes[within(lengths, len(codes))]
        return self.logits(functional.dropout(codes, self.dropout, self.training))
