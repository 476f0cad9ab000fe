"""The language model: an embedding, recurrent layers and a readout of every step."""

import dataclasses

import torch
from torch import nn
from torch.nn import functional

from ternloom.model.format import Format
from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.weights import parse
from ternloom.train import fused
from ternloom.train.cell import Carry
from ternloom.train.quantize import to_code
from ternloom.train.recurrent import RecurrentNetwork
from ternloom.train.weights import effective


__all__ = ["EmbeddingQuantization", "LanguageNetwork", "perplexity", "softmax_answers",
           "softmax_loss"]


#: Half the range of the uniform start of embedding and readout (Zaremba et al. 2014).
_START = 0.1
#: Fraction bits at which word vectors are compared with the cuts of planes.
_FRAC = 20
#: Words whose logits are in memory at a time where no gradient is needed.
_CHUNK = 700


@dataclasses.dataclass(frozen=True)
class EmbeddingQuantization:
    """How rows of the embedding become input codes.

    Parameters
    ----------
    format : Format
        Of the input.
    weights : MatrixQuantizer or None
        Fits each word's row on its own (Xu et al. 2018, section 4), and its coefficients are codes
        of the format, so that their sum is what a core is fed. None: the format alone.
    """

    format: Format
    weights: MatrixQuantizer | None = None

    @classmethod
    def fit(cls, form, method):
        """Of a weight method's name, or None, into a fixed-point format."""
        if method is None:
            return cls(form)
        return cls(form, MatrixQuantizer((parse(method),), exponent=form.frac))

    def effective(self, rows):
        """Rows as their codes mean them; the gradient goes straight to ``rows``."""
        if self.weights is not None:
            rows = effective(self.weights, rows)
        return to_code(rows, self.format, _FRAC)


class LanguageNetwork(RecurrentNetwork):
    """Predicts at every step the next word.

    Parameters
    ----------
    cell : Cell
    words : int
        In the vocabulary: rows of the embedding, and classes.
    inputs, units, layers : int
    dropout : float
        Share of the first layer's and of the readout's inputs that training sets to zero.
    """

    def __init__(self, cell, words, inputs, units, layers, dropout=0.0):
        super().__init__(cell, inputs, units, layers, words, dropout)
        self.embedding = nn.Parameter(torch.empty(words, inputs).uniform_(-_START, _START))
        nn.init.uniform_(self.readout_weight, -_START, _START)
        self.embedding_quantization = None

    def matrices(self):
        """Pairs of latent weights and their quantizer, None where there is none."""
        yield from super().matrices()
        yield self.embedding, self.embedding_quantization and self.embedding_quantization.weights

    def embed(self, tokens):
        """Input of each token, (..., inputs)."""
        rows = functional.embedding(tokens, self.embedding)
        if self.embedding_quantization is None:
            return rows
        flat = rows.reshape(-1, rows.shape[-1])
        return self.embedding_quantization.effective(flat).view(rows.shape)

    def word_vectors(self):
        """The whole embedding as the core is fed it, (words, inputs)."""
        with torch.no_grad():
            return self.embed(torch.arange(len(self.embedding), device=self.embedding.device))

    def start(self):
        """Cleared states, one a layer, for ``forward`` to carry."""
        return [Carry() for _ in self.layers]

    def forward(self, tokens, carries=None):
        """Output codes at every step.

        Parameters
        ----------
        tokens : int64 tensor (steps, batch)
        carries : list of Carry or None
            Where to start, and afterwards where the run ended.

        Returns
        -------
        tensor (steps, batch, units)
        """
        inputs = functional.dropout(self.embed(tokens), self.dropout, self.training)
        codes = self.run(inputs, carries=carries)
        return functional.dropout(codes, self.dropout, self.training)


class _SoftmaxLoss(torch.autograd.Function):
    """Mean cross entropy of a softmax layer, all of whose products are in bfloat16.

    Probabilities are the one matrix (words, classes) that is kept, and the logits of a teacher,
    whose cross entropy counts ``weighed`` times beside the targets'.
    """

    @staticmethod
    def forward(ctx, codes, weight, bias, targets, answers, weighed):
        narrow, weight = codes.bfloat16(), weight.bfloat16()
        share = torch.addmm(bias.bfloat16(), narrow, weight.t())
        if share.is_cuda and fused.available():
            loss = fused.entropy(share, targets, answers, weighed)
            ctx.save_for_backward(share, codes, narrow, weight, targets)
            return loss
        share = share.softmax(1)
        right = share.gather(1, targets[:, None]).float()
        loss = -right.clamp_(min=1e-20).log_().mean()
        if answers is not None:
            answers = answers.softmax(1)
            logs = share.clamp(min=1e-20).log_().mul_(answers)
            loss = loss - weighed * logs.sum(1, dtype=torch.float32).mean()
            share = share.mul(1 + weighed).sub_(answers, alpha=weighed)
        ctx.save_for_backward(share, codes, narrow, weight, targets)
        return loss

    @staticmethod
    def backward(ctx, gradient):
        share, codes, narrow, weight, targets = ctx.saved_tensors
        scale = gradient / len(share)
        # The gradient of the logits is their share, less one at the target; the ones go apart,
        # which is cheaper than to write them into the shares.
        to_codes = (share @ weight).float().sub_(weight[targets])
        to_weight = (share.t() @ narrow).float().index_add_(0, targets, codes, alpha=-1)
        to_bias = (share.new_ones(1, len(share)) @ share)[0].float()
        to_bias.index_add_(0, targets, codes.new_ones(len(targets)), alpha=-1)
        return to_codes.mul_(scale), to_weight.mul_(scale), to_bias.mul_(scale), None, None, None


def softmax_answers(network, codes):
    """Logits that a network gives each word, a bfloat16 tensor (words, classes).

    Parameters
    ----------
    network : LanguageNetwork
    codes : tensor (steps, batch, units)
    """
    weight, bias = network.readout()
    return torch.addmm(bias.bfloat16(), codes.reshape(-1, codes.shape[-1]).bfloat16(),
                       weight.bfloat16().t())


def softmax_loss(network, codes, targets, answers=None, weighed=0.0):
    """Mean cross entropy in nats, in bfloat16: five times as fast, and exact enough to train on.

    Parameters
    ----------
    network : LanguageNetwork
        Its logits are not rounded to their format here.
    codes : tensor (steps, batch, units)
    targets : int64 tensor (steps, batch)
    answers : bfloat16 tensor (words, classes) or None
        A teacher's logits of these words (``softmax_answers``).
    weighed : float
        What the cross entropy with them counts beside the targets'.
    """
    weight, bias = network.readout()
    return _SoftmaxLoss.apply(codes.reshape(-1, codes.shape[-1]), weight, bias,
                              targets.reshape(-1), answers, weighed)


def perplexity(network, tokens, streams=1):
    """Mean cross entropy in nats, and share of the words that were the likeliest.

    Every token but the first is predicted from all before it, as the state is carried through.

    Parameters
    ----------
    network : LanguageNetwork
        In evaluation mode; logits are computed in its own type.
    tokens : int64 tensor (tokens,)
        On any device.
    streams : int
        Parts of the text that are run side by side, each from a cleared state; what is left over
        at the end is dropped. One is the whole text.

    Returns
    -------
    (float, float)
    """
    tokens, steps = tokens.to(network.embedding.device), (len(tokens) - 1) // streams
    inputs = tokens[:steps * streams].view(streams, steps).t()
    targets = tokens[1:steps * streams + 1].view(streams, steps).t()
    stride, carries = max(1, _CHUNK // streams), network.start()
    loss, right = 0.0, 0
    with torch.no_grad():
        readout = network.readout()
        for start in range(0, steps, stride):
            part = slice(start, start + stride)
            codes = network(inputs[part], carries).reshape(-1, readout[0].shape[1])
            logits, target = network.logits(codes, readout), targets[part].reshape(-1)
            loss += float(functional.cross_entropy(logits, target, reduction="sum"))
            right += int((logits.argmax(1) == target).sum())
    return loss / (steps * streams), right / (steps * streams)
