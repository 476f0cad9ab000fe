"""Training of language models: words in, the next word out, the state carried through the text."""

import copy
import math

import numpy as np
import torch

from ternloom.model.cell import CELLS
from ternloom.quantize import activations
from ternloom.quantize.forward import run
from ternloom.train.cell import Carry
from ternloom.train.loop import Loop, Task
from ternloom.train.lower import calibrate, floats
from ternloom.train.recipe import RecipeError
from ternloom.train.start import load_floats
from ternloom.train.word import (EmbeddingQuantization, LanguageNetwork, perplexity,
                                 softmax_answers, softmax_loss)


__all__ = ["LanguageTask", "perplexities", "quantize", "train"]


#: Parts of the validation text that are run side by side while training.
_STREAMS = 20
#: Training words of each of some streams, from which formats are set.
_CALIBRATION_STEPS, _CALIBRATION_STREAMS = 200, 20
#: Fraction bits at which outputs are compared with the cuts of a format.
_FRAC = 20


class LanguageTask(Task):
    """Truncated backpropagation through a text in many streams.

    Parameters
    ----------
    recipe : LanguageRecipe
    corpus : Corpus
    device : str
        Where PyTorch keeps the texts.
    """

    def __init__(self, recipe, corpus, device="cpu"):
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self._steps, self._distillation = recipe.steps, recipe.teacher_weight
        #: Where the states of the network, and of its teacher, stand in the streams.
        self._carries = {}
        #: The same in memory that stays where it is, where steps are captured, and once cleared.
        self._held, self._cleared = {}, {}
        self.parts = {name: torch.tensor(part, device=device)
                      for name, part in corpus.parts.items()}
        tokens = self.parts["train"]
        length = len(tokens) // recipe.batch
        if length <= 2 * recipe.steps:
            raise RecipeError(f"The training text is too short: each of its {recipe.batch} streams "
                              f"must have more than {2 * recipe.steps} words, not {length}")
        self._streams = tokens[:length * recipe.batch].view(recipe.batch, length).t().contiguous()
        # An epoch starts at a random word of the first batch's; so all have as many batches.
        self.batches = (length - recipe.steps) // recipe.steps

    @property
    def captured(self):
        return self._streams.is_cuda

    def hold(self, network, teacher):
        streams = torch.zeros(1, self._streams.shape[1], 1, device=self._streams.device)
        teacher = teacher if self._distillation > 0 else None
        self._held = {role: [layer.cleared(streams) for layer in one.layers] for role, one in (
            ("network", network), ("teacher", teacher)) if one is not None}
        self._cleared = copy.deepcopy(self._held)

    def rest(self):
        self._carry_on(self._carries)

    def _carry_on(self, given):
        """Go on from carries by role, put in their places where they have one."""
        self._carries = given
        for role, places in self._held.items():
            for place, carry in zip(places, given[role], strict=True):
                place.state.copy_(carry.state)
                place.code.copy_(carry.code)
        if self._held:
            self._carries = {role: [copy.copy(place) for place in places]
                             for role, places in self._held.items()}

    def epoch(self):
        first = int(torch.randint(self._steps, (1,), generator=self.generator))
        self._carry_on(self._cleared)
        return self._chunks(first)

    def _chunks(self, first):
        for index in range(self.batches):
            start = first + index * self._steps
            yield self._streams[start:start + self._steps + 1]

    def loss(self, network, batch, teacher):
        teacher = teacher if self._distillation > 0 else None
        if not self._carries:
            self._carries = {role: one.start() for role, one in (
                ("network", network), ("teacher", teacher)) if one is not None}
        answers = None
        if teacher is not None:
            with torch.no_grad():
                codes = teacher(batch[:-1], self._carries["teacher"])
                answers = softmax_answers(teacher, codes)
        return softmax_loss(network, network(batch[:-1], self._carries["network"]), batch[1:],
                            answers, self._distillation)

    def measure(self, network):
        return perplexity(network, self.parts["valid"], _STREAMS)

    def rank(self, loss, score):
        return (-loss,)

    def state(self):
        return {f"{role}.{index}.{name}": value for role, carries in self._carries.items()
                for index, carry in enumerate(carries)
                for name, value in (("state", carry.state), ("code", carry.code))}

    def restore(self, state):
        found = {}
        for name in sorted(name for name in state if name.endswith(".state")):
            stem = name.removesuffix(".state")
            found.setdefault(stem.partition(".")[0], []).append(
                Carry(*(state[f"{stem}.{part}"].to(self._streams.device)
                        for part in ("state", "code"))))
        self._carry_on(found)

    def calibration(self, network):
        """Word vectors of the start of some streams, a list of float array (steps, inputs)."""
        tokens = self._streams[:_CALIBRATION_STEPS, :_CALIBRATION_STREAMS]
        with torch.no_grad():
            return list(network.embed(tokens.t()).cpu().numpy())


def _absorb(network, activations, sequences):
    """Scale the weights that read a layer's outputs by the magnitude that its codes lack.

    Binary and ternary codes are units, whatever the size of the outputs that they stand for; the
    least-squares scale between the two goes into the weights, before training finds better ones.
    """
    readers = [layer.input_weight for layer in network.layers[1:]] + [network.readout_weight]
    forwards = run(floats(network, "float"), sequences)
    for layer, reader, forward in zip(network.layers, readers, forwards, strict=True):
        outputs = np.concatenate(forward.outputs).ravel()
        form = activations.form(outputs, 1.0)
        if form.scaled:
            continue
        integers = np.floor(outputs * 2.0**_FRAC + 0.5).astype(np.int64)
        codes = form.quantize(integers, _FRAC)
        scale = float(codes @ outputs / max(1, codes @ codes))
        with torch.no_grad():
            if layer.recurrent_weight is not None:
                layer.recurrent_weight.mul_(scale)
            reader.mul_(scale)


def quantize(network, recipe, task):
    """Calibrate the embedding, the layers and the readout of a float network, in place."""
    sequences = task.calibration(network)
    _absorb(network, activations.parse(recipe.quantization.activations), sequences)
    calibrate(network, recipe.quantization, sequences)
    form = network.layers[0].quantization.input_format
    network.embedding_quantization = EmbeddingQuantization.fit(form, recipe.words)


def train(recipe, corpus, start=None, checkpoint=None, progress=None, device="cpu"):
    """Train in floating point and then quantized, as a recipe says.

    Parameters
    ----------
    recipe : LanguageRecipe
    corpus : Corpus
    start : pathlib.Path or None
        Float network to start from.
    checkpoint : Checkpoints or None
    progress : callable or None
        As ``Loop`` calls it.
    device : str
        Where PyTorch computes; the networks that are returned are there.

    Returns
    -------
    (LanguageNetwork, LanguageNetwork or None, LanguageTask, Loop)
        The float network, and the quantized one unless the recipe has no epochs for it.
    """
    task, quantized = LanguageTask(recipe, corpus, device), None
    torch.manual_seed(recipe.seed)
    network = _network(recipe, corpus).to(device)
    if start is not None:
        load_floats(network, start)
    loop = Loop(recipe, task, checkpoint, progress)
    loop.stage("float", network, recipe.stages["float"], recipe.float_learning_rate)
    if recipe.epochs:
        quantized = _network(recipe, corpus).to(device)
        quantized.load_state_dict(network.state_dict())
        quantize(quantized, recipe, task)
        loop.stage("quantized", quantized, recipe.epochs, recipe.learning_rate, network.eval())
        quantized.eval()
        if torch.device(device).type == "cuda":
            # The network is lowered on the processor, whose sums differ in the last bits.
            quantized.settle()
    loop.finish()
    return network.eval(), quantized, task, loop


def _network(recipe, corpus):
    return LanguageNetwork(CELLS[recipe.cell.name], corpus.words, recipe.inputs, recipe.units,
                           recipe.layers, recipe.dropout)


def perplexities(network, task):
    """Perplexity per word of the validation and of the test text as a whole."""
    return [math.exp(perplexity(network, task.parts[name])[0]) for name in ("valid", "test")]
