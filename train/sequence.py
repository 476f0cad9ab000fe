"""Training on sequences: in they go, and out come classes or numbers, at the last step or at all.
"""

import copy
import math

import torch

from ternloom.files.targets import Labels, Numbers
from ternloom.model.cell import CELLS
from ternloom.model.node import When
from ternloom.train.batches import SequenceSet, augmented
from ternloom.train.criterion import criterion
from ternloom.train.loop import Loop, Task
from ternloom.train.lower import calibrate
from ternloom.train.recipe import RecipeError
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
        self._criterion = criterion(dataset.targets, recipe.label_smoothing)
        self.batches = math.ceil(len(self.parts["train"]) / recipe.batch)

    def epoch(self):
        for batch in self.parts["train"].shuffled(self._recipe.batch, self.generator):
            yield augmented(batch, self._recipe.augment, self._format,
                            self.generator).to(self._device)

    def loss(self, network, batch, teacher):
        weight, answers = self._recipe.teacher_weight, network(batch.values, batch.lengths)
        loss = self._criterion.loss(answers, batch.expected)
        if teacher is not None and weight > 0:
            with torch.no_grad():
                taught = teacher(batch.values, batch.lengths)
            loss = loss + weight * self._criterion.distance(answers, taught)
        return loss

    def measure(self, network, name="valid"):
        """Mean loss and score on a part."""
        network.eval()
        part, dtype = self.parts[name], network.readout_weight.dtype
        loss, total, vectors = 0.0, 0, 0
        with torch.no_grad():
            for _, batch in part.in_order(_EVALUATION_BATCH):
                batch = batch.to(network.readout_weight.device)
                answers = network(batch.values.to(dtype), batch.lengths)
                here, found = self._criterion.sums(answers, batch.expected)
                loss, total, vectors = loss + here, total + found, vectors + len(answers)
        return loss / vectors, self._criterion.mean(total, vectors)

    def score(self, network):
        """Scores of the validation and the test part."""
        return self._criterion.score(*(self.measure(network, part)[1]
                                       for part in ("valid", "test")))

    @property
    def metric(self):
        return self._criterion.score.kind

    def rank(self, loss, score):
        return self._criterion.rank(loss, score)

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

    Raises
    ------
    RecipeError
        A readout that answers at the last step alone, and data with targets at every step.
    """
    targets, task = dataset.targets, SequenceTask(recipe, dataset, device)
    spec = recipe.quantization.settled(targets.when, isinstance(targets, Numbers))
    if targets.when is When.EVERY and spec.when is When.LAST:
        raise RecipeError(f"quantization.when is \"last\", but the data have {targets.what} of "
                          "every step")
    loop = Loop(recipe, task, checkpoint, progress)
    reference = RecurrentNetwork(CELLS[recipe.cell.name], dataset.inputs, recipe.units,
                                 recipe.layers, len(targets.names), recipe.dropout,
                                 targets.when).to(device)
    if start is not None:
        load_floats(reference, start, targets.names if isinstance(targets, Labels) else ())
    loop.stage("float", reference, recipe.stages["float"], recipe.float_learning_rate)
    network = copy.deepcopy(reference)
    calibrate(network, spec, task.calibration(), dataset.format)
    loop.stage("quantized", network, recipe.epochs, recipe.learning_rate, reference.eval())
    loop.finish()
    return reference, network, task, loop
