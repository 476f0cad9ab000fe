"""One training run: float network, calibration, quantized fine-tuning, integer network."""

import csv
import dataclasses
import math
import pathlib

import msgspec
import torch
from torch.nn import functional

from ternloom.model.dataset import load as load_dataset
from ternloom.model.file import save as save_network
from ternloom.model.floats import FloatNetwork
from ternloom.model.floats import save as save_floats
from ternloom.model.network import Network
from ternloom.train.accuracy import Accuracy, integer_accuracy
from ternloom.train.batches import SequenceSet, augmented
from ternloom.train.calibrate import calibrate
from ternloom.train.lower import floats, lower
from ternloom.train.recipe import RecipeError, load_recipe
from ternloom.train.recurrent import RecurrentNetwork


__all__ = ["Epoch", "TrainingResult", "train"]


#: Share of a stage's steps over which the learning rate rises.
_WARM_UP = 0.05
#: Largest norm of a step's gradient.
_GRADIENT_NORM = 1.0
#: Sequences at a time where no gradient is needed.
_EVALUATION_BATCH = 100


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One line of the training curve.

    Parameters
    ----------
    stage : str
        ``"float"`` or ``"quantized"``.
    epoch : int
        From 1.
    loss : float
        Mean over the training batches, as augmented.
    valid_loss : float
        Cross entropy.
    valid_accuracy : float
        From 0 to 1.
    """

    stage: str
    epoch: int
    loss: float
    valid_loss: float
    valid_accuracy: float


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run made.

    Parameters
    ----------
    network : Network
    reference : FloatNetwork
        The floating-point network that quantization started from.
    curve : list of Epoch
    float_accuracy : Accuracy
        Of ``reference``.
    quantized_accuracy : Accuracy
        Of the quantized network in PyTorch.
    integer_accuracy : Accuracy
        Of ``network`` on the golden model.
    """

    network: Network
    reference: FloatNetwork
    curve: list
    float_accuracy: Accuracy
    quantized_accuracy: Accuracy
    integer_accuracy: Accuracy


def _evaluate(network, part):
    """Mean cross entropy and share of right answers."""
    network.eval()
    dtype = network.readout_weight.dtype
    loss, right = 0.0, 0
    with torch.no_grad():
        for _, batch in part.in_order(_EVALUATION_BATCH):
            logits = network(batch.values.to(dtype), batch.lengths)
            loss += float(functional.cross_entropy(logits, batch.labels, reduction="sum"))
            right += int((logits.argmax(1) == batch.labels).sum())
    return loss / len(part), right / len(part)


def _loss(recipe, network, teacher, batch):
    logits = network(batch.values, batch.lengths)
    loss = functional.cross_entropy(logits, batch.labels, label_smoothing=recipe.label_smoothing)
    if teacher is not None and recipe.distillation > 0:
        with torch.no_grad():
            answers = teacher(batch.values, batch.lengths).softmax(1)
        loss = loss + recipe.distillation * functional.cross_entropy(logits, answers)
    return loss


def _schedule(step, steps):
    """Factor of the learning rate: a short linear rise, then a cosine to zero."""
    rise = max(1, round(_WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class _Trainer:
    """Runs stages of epochs over one data set, keeping the curve."""

    def __init__(self, recipe, dataset, progress):
        self._recipe = recipe
        self._format = dataset.format
        self.parts = {name: SequenceSet.from_dataset(dataset.part(name))
                      for name in ("train", "valid", "test")}
        self._generator = torch.Generator().manual_seed(recipe.seed)
        self._progress = progress
        self.curve = []

    def stage(self, name, network, epochs, learning_rate, teacher=None):
        """Train in place; the weights of the best epoch by validation accuracy stay."""
        recipe, train_part = self._recipe, self.parts["train"]
        steps = epochs * math.ceil(len(train_part) / recipe.batch)
        optimizer = torch.optim.AdamW(network.parameters(), learning_rate,
                                      weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _schedule(step, steps))
        best, best_key = None, (-1.0, 0.0)
        for epoch in range(1, epochs + 1):
            loss = self._epoch(network, optimizer, schedule, teacher)
            valid_loss, valid_accuracy = _evaluate(network, self.parts["valid"])
            self.curve.append(Epoch(name, epoch, loss, valid_loss, valid_accuracy))
            if (valid_accuracy, -valid_loss) > best_key:
                best_key = valid_accuracy, -valid_loss
                best = {key: value.clone() for key, value in network.state_dict().items()}
            if self._progress is not None:
                self._progress(self.curve[-1], epochs)
        if best is not None:
            network.load_state_dict(best)

    def _epoch(self, network, optimizer, schedule, teacher):
        network.train()
        losses = []
        for batch in self.parts["train"].shuffled(self._recipe.batch, self._generator):
            batch = augmented(batch, self._recipe.augment, self._format, self._generator)
            loss = _loss(self._recipe, network, teacher, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            network.clip()
            losses.append(float(loss.detach()))
        return sum(losses) / len(losses)

    def accuracy(self, network):
        """On the parts that training doesn't see."""
        return Accuracy(*(_evaluate(network, self.parts[name])[1] for name in ("valid", "test")))


def _copy(network, recipe, inputs, classes):
    """A network of the same weights and without quantization."""
    copy = _network(recipe, inputs, classes)
    copy.load_state_dict(network.state_dict())
    return copy


def _network(recipe, inputs, classes):
    return RecurrentNetwork(recipe.cell, inputs, recipe.units, recipe.layers, classes,
                            recipe.dropout)


def _notes(recipe, recipe_path, dataset, accuracies):
    notes = {"recipe": recipe_path.name, "data": pathlib.Path(recipe.data).stem}
    notes |= {f"data {key}": text for key, text in dataset.notes.items()}
    notes |= {f"{name} accuracy": accuracy.note() for name, accuracy in accuracies.items()}
    return notes


def _write_curve(curve, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in dataclasses.fields(Epoch))
        for line in curve:
            writer.writerow(f"{value:.6f}" if isinstance(value, float) else value
                            for value in dataclasses.astuple(line))


def train(recipe_path, out_path, *, progress=None, epochs=None):
    """Train the network of a recipe and write it, with its curve and the float network beside it.

    Parameters
    ----------
    recipe_path : str or pathlib.Path
    out_path : str or pathlib.Path
        The network file; the curve gets the same name and the suffix ``.csv``, the float network
        the suffix ``.float.safetensors``.
    progress : callable or None
        Called after each epoch with the ``Epoch`` and the number of epochs of its stage.
    epochs : int or None
        Of each stage, instead of the recipe's.

    Returns
    -------
    TrainingResult

    Raises
    ------
    RecipeError
        If the recipe or its data file isn't sound, in one line.
    """
    loaded = load_recipe(recipe_path)
    recipe, out_path = loaded.recipe, pathlib.Path(out_path)
    if epochs is not None:
        if epochs < 0:
            raise RecipeError(f"Epochs must not be negative, not {epochs!r}")
        recipe = msgspec.structs.replace(recipe, epochs=epochs, float_epochs=epochs)
    dataset = load_dataset(loaded.data_path)
    if not {"train", "valid", "test"} <= set(dataset.split.tolist()):
        raise RecipeError(f"{loaded.data_path} must have sequences in its parts train, valid "
                          "and test")
    threads = torch.get_num_threads()
    # More threads than one only slow matrices of this size down, and change sums.
    torch.set_num_threads(1)
    try:
        result = _run(recipe, loaded.path, dataset, progress)
    finally:
        torch.set_num_threads(threads)
    save_network(result.network, out_path)
    save_floats(result.reference, out_path.with_suffix(".float.safetensors"))
    _write_curve(result.curve, out_path.with_suffix(".csv"))
    return result


def _run(recipe, recipe_path, dataset, progress):
    inputs, classes = dataset.sequences[0].shape[1], len(dataset.classes)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        trainer = _Trainer(recipe, dataset, progress)
        reference = _network(recipe, inputs, classes)
        trainer.stage("float", reference, recipe.float_epochs, recipe.float_learning_rate)
        network = _copy(reference, recipe, inputs, classes)
        calibrate(network, recipe, dataset.format,
                  (batch for _, batch in trainer.parts["train"].in_order(_EVALUATION_BATCH)))
        trainer.stage("quantized", network, recipe.epochs, recipe.learning_rate,
                      reference.eval())
    # In float64 the grids hold every sum, so that what PyTorch computes is what is lowered.
    network.double()
    accuracies = {"float": trainer.accuracy(reference), "quantized": trainer.accuracy(network)}
    lowered = lower(network, recipe.name, dataset.classes)
    accuracies["integer"] = integer_accuracy(lowered, dataset)
    notes = _notes(recipe, recipe_path, dataset, accuracies)
    lowered = dataclasses.replace(lowered, notes=notes)
    kept = {key: text for key, text in notes.items()
            if key not in ("quantized accuracy", "integer accuracy")}
    reference = floats(reference, f"{recipe.name}-float", dataset.classes, kept)
    return TrainingResult(lowered, reference, trainer.curve, accuracies["float"],
                          accuracies["quantized"], accuracies["integer"])
