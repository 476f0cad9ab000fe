"""One training run: float network, calibration, quantized fine-tuning, integer network."""

import csv
import dataclasses
import pathlib

import msgspec
import torch

from ternloom.model import shipped
from ternloom.model.dataset import load as load_dataset
from ternloom.model.file import save as save_network
from ternloom.model.floats import FloatNetwork
from ternloom.model.floats import save as save_floats
from ternloom.model.language import predict
from ternloom.model.network import Network
from ternloom.train import language, sequence
from ternloom.train.accuracy import Accuracy, Perplexity, integer_accuracy
from ternloom.train.corpus import Corpus
from ternloom.train.loop import Epoch
from ternloom.train.lower import floats, lower
from ternloom.train.recipe import LanguageRecipe, RecipeError, load_recipe


__all__ = ["TrainingResult", "train"]


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """What a run made.

    Parameters
    ----------
    network : Network or None
        None if the recipe has no quantized epochs.
    reference : FloatNetwork or None
        The floating-point network that quantization started from; None if it was given.
    curve : list of Epoch
    scores : dict of str to Accuracy or Perplexity
        ``"float"`` of the float network, ``"quantized"`` of the quantized one in PyTorch and
        ``"integer"`` of ``network`` on the golden model; the latter two if there is one.
    """

    network: Network | None
    reference: FloatNetwork | None
    curve: list
    scores: dict


def _write_curve(curve, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in dataclasses.fields(Epoch))
        for line in curve:
            writer.writerow(f"{value:.6f}" if isinstance(value, float) else value
                            for value in dataclasses.astuple(line))


def _notes(loaded, data_notes, scores):
    notes = {"recipe": loaded.path.name, "data": pathlib.Path(loaded.recipe.data).stem}
    notes |= {f"data {key}": text for key, text in data_notes.items()}
    return notes | {f"{name} {score.kind}": score.note() for name, score in scores.items()}


def train(recipe_path, out_path, *, data=None, start=None, checkpoint=None, progress=None,
          epochs=None):
    """Train the network of a recipe and write it, with its curve and the float network beside it.

    Parameters
    ----------
    recipe_path : str or pathlib.Path
    out_path : str or pathlib.Path
        The network file; the curve gets the same name and the suffix ``.csv``, the float network
        the suffix ``.float.safetensors``. Without quantized epochs the file is the float network.
    data : str, pathlib.Path or None
        Data file or folder, instead of the recipe's.
    start : str, pathlib.Path or None
        Float network that a language model starts from, instead of the recipe's.
    checkpoint : str, pathlib.Path or None
        Where the run writes how far it is, every two minutes, and goes on from if it is there. It
        is removed at the end.
    progress : callable or None
        Called after each step with the name of the stage, the steps done and those of the stage,
        and the curve so far.
    epochs : int or None
        Of each stage, instead of the recipe's.

    Returns
    -------
    TrainingResult

    Raises
    ------
    RecipeError
        If the recipe, its data or the checkpoint isn't sound, in one line.
    """
    loaded, out_path = load_recipe(recipe_path), pathlib.Path(out_path)
    loaded = _replaced(loaded, epochs, data, start)
    checkpoint = None if checkpoint is None else pathlib.Path(checkpoint)
    run = _language if isinstance(loaded.recipe, LanguageRecipe) else _sequence
    threads = torch.get_num_threads()
    # More threads than one only slow matrices of this size down, and change sums.
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(loaded.recipe.seed)
            result = run(loaded, checkpoint, progress)
    finally:
        torch.set_num_threads(threads)
    if result.network is None:
        save_floats(result.reference, out_path)
    else:
        save_network(result.network, out_path)
        if result.reference is not None:
            save_floats(result.reference, out_path.with_suffix(".float.safetensors"))
    _write_curve(result.curve, out_path.with_suffix(".csv"))
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return result


def _replaced(loaded, epochs, data, start):
    """A loaded recipe with what the caller wants otherwise; paths count from where they were."""
    recipe = loaded.recipe
    if epochs is not None:
        if epochs < 0:
            raise RecipeError(f"Epochs must not be negative, not {epochs!r}")
        changes = {"epochs": epochs, "float_epochs": epochs}
        if isinstance(recipe, LanguageRecipe):
            # A stage that a language model's recipe leaves out stays out.
            changes = {name: epochs for name in changes if getattr(recipe, name)}
        recipe = msgspec.structs.replace(recipe, **changes)
    if data is not None:
        recipe = msgspec.structs.replace(recipe, data=_found(data))
    if start is not None:
        if not isinstance(recipe, LanguageRecipe):
            raise RecipeError("A float network to start from must be given for a language model, "
                              f"not for {recipe.name!r}")
        recipe = msgspec.structs.replace(recipe, start=_found(start))
    return dataclasses.replace(loaded, recipe=recipe)


def _found(name):
    """Absolute path of a file or folder, or of the shipped file of that name."""
    return str(shipped.path(pathlib.Path(name), str(name)).absolute())


def _sequence(loaded, checkpoint, progress):
    recipe, dataset = loaded.recipe, load_dataset(loaded.data_path)
    if not {"train", "valid", "test"} <= set(dataset.split.tolist()):
        raise RecipeError(f"{loaded.data_path} must have sequences in its parts train, valid "
                          "and test")
    reference, network, task, loop = sequence.train(recipe, dataset, checkpoint, progress)
    # In float64 the grids hold every sum, so that what PyTorch computes is what is lowered.
    network.double()
    scores = {name: Accuracy(*(task.measure(one, part)[1] for part in ("valid", "test")))
              for name, one in (("float", reference), ("quantized", network))}
    float_notes = _notes(loaded, dataset.notes, {"float": scores["float"]})
    lowered = lower(network, recipe.name, dataset.classes)
    scores["integer"] = integer_accuracy(lowered, dataset)
    lowered = dataclasses.replace(lowered, notes=_notes(loaded, dataset.notes, scores))
    reference = floats(reference, f"{recipe.name}-float", dataset.classes, float_notes)
    return TrainingResult(lowered, reference, loop.curve, scores)


def _language(loaded, checkpoint, progress):
    recipe = loaded.recipe
    corpus = Corpus.load(loaded.data_path)
    reference, network, task, loop = language.train(recipe, corpus, loaded.start_path, checkpoint,
                                                    progress)
    scores = {"float": Perplexity(*language.perplexities(reference, task))}
    kept = None
    if recipe.float_epochs or recipe.start is None or network is None:
        name = recipe.name if network is None else f"{recipe.name}-float"
        kept = floats(reference, name, (), _notes(loaded, {}, scores))
    if network is None:
        return TrainingResult(None, kept, loop.curve, scores)
    network.double()
    scores["quantized"] = Perplexity(*language.perplexities(network, task))
    lowered = lower(network, recipe.name)
    scores["integer"] = Perplexity(*(predict(lowered, corpus.parts[part]).perplexity
                                     for part in ("valid", "test")))
    lowered = dataclasses.replace(lowered, notes=_notes(loaded, {}, scores))
    return TrainingResult(lowered, kept, loop.curve, scores)
