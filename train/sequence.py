"""Training of classifiers: sequences in, the class at each one's last step out."""

import copy
import math

import torch
from torch.nn import functional

from ternloom.model.cell import CELLS
from ternloom.train.batches import SequenceSet, augmented
from ternloom.train.loop import Loop, Task
from ternloom.train.lower import calibrate
from ternloom.train.recurrent import RecurrentNetwork
from ternloom.train.start import load_floats


__all__ = ["SequenceTask", "train"]


#: Sequences at a time where no gradient is needed.
_EVALUATION_BATCH = 100


class SequenceTask(Task):
    """Batches of like lengths, changed at random.

    Parameters
    ----------
    recipe : SequenceRecipe
    dataset : Dataset
    device : str
        Where PyTorch computes; the sequences are made and changed on the processor.
    """

    def __init__(self, recipe, dataset, device="cpu"):
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.parts = {name: SequenceSet.from_dataset(dataset.part(name))
                      for name in ("train", "valid", "test")}
        self._recipe, self._format, self._device = recipe, dataset.format, device
        self.batches = math.ceil(len(self.parts["train"]) / recipe.batch)

    def epoch(self):
        for batch in self.parts["train"].shuffled(self._recipe.batch, self.generator):
            yield augmented(batch, self._recipe.augment, self._format,
                            self.generator).to(self._device)

    def loss(self, network, batch, teacher):
        recipe, logits = self._recipe, network(batch.values, batch.lengths)
        loss = functional.cross_entropy(logits, batch.labels,
                                        label_smoothing=recipe.label_smoothing)
        if teacher is not None and recipe.teacher_weight > 0:
            with torch.no_grad():
                answers = teacher(batch.values, batch.lengths).softmax(1)
            loss = loss + recipe.teacher_weight * functional.cross_entropy(logits, answers)
        return loss

    def measure(self, network, name="valid"):
        """Mean cross entropy and share of right answers on a part."""
        network.eval()
        part, dtype = self.parts[name], network.readout_weight.dtype
        loss, right = 0.0, 0
        with torch.no_grad():
            for _, batch in part.in_order(_EVALUATION_BATCH):
                batch = batch.to(network.readout_weight.device)
                logits = network(batch.values.to(dtype), batch.lengths)
                loss += float(functional.cross_entropy(logits, batch.labels, reduction="sum"))
                right += int((logits.argmax(1) == batch.labels).sum())
        return loss / len(part), right / len(part)

    def rank(self, loss, accuracy):
        return accuracy, -loss

    def calibration(self):
        """The training sequences as real values."""
        part = self.parts["train"]
        return [part.values[:length, index].numpy()
                for index, length in enumerate(part.lengths.tolist())]


def train(recipe, dataset, start=None, checkpoint=None, progress=None, device="cpu"):
    """Train in floating point and then quantized, as a recipe says.

    Parameters
    ----------
    recipe : SequenceRecipe
    dataset : Dataset
    start : pathlib.Path or None
        Float network to start from.
    checkpoint : Checkpoints or None
    progress : callable or None
        As ``Loop`` calls it.
    device : str
        Where PyTorch computes; the networks that are returned are there.

    Returns
    -------
    (RecurrentNetwork, RecurrentNetwork, SequenceTask, Loop)
        The float network and the quantized one.
    """
    task = SequenceTask(recipe, dataset, device)
    loop = Loop(recipe, task, checkpoint, progress)
    inputs, classes = dataset.sequences[0].shape[1], len(dataset.classes)
    reference = RecurrentNetwork(CELLS[recipe.cell.name], inputs, recipe.units, recipe.layers,
                                 classes, recipe.dropout).to(device)
    if start is not None:
        load_floats(reference, start, dataset.classes)
    loop.stage("float", reference, recipe.stages["float"], recipe.float_learning_rate)
    network = copy.deepcopy(reference)
    calibrate(network, recipe.quantization, task.calibration(), dataset.format)
    loop.stage("quantized", network, recipe.epochs, recipe.learning_rate, reference.eval())
    loop.finish()
    return reference, network, task, loop
