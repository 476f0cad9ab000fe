"""One training run: float network, calibration, quantized fine-tuning, integer network."""

import csv
import dataclasses
import pathlib

import msgspec
import torch

from ternloom.evaluate.perplexity import predict
from ternloom.evaluate.score import Perplexity, integer_score
from ternloom.files import shipped
from ternloom.files.container import origin
from ternloom.files.dataset import load as load_dataset
from ternloom.files.floats import save as save_floats
from ternloom.files.network import save as save_network
from ternloom.model.network import Network
from ternloom.quantize.floats import FloatNetwork
from ternloom.train import language, record, sequence
from ternloom.train.checkpoint import INTERVAL, Checkpoints
from ternloom.train.corpus import Corpus
from ternloom.train.loop import Epoch
from ternloom.train.lower import floats, lower
from ternloom.train.recipe import LanguageRecipe, RecipeError, load_recipe


__all__ = ["Run", "TrainingResult", "beside", "checkpoints", "load", "train", "wrote"]


#: Suffixes of what is written beside a network: the training curve, the record of the run, and the
#: float network.
_CURVE, _RECORD, _FLOAT = ".csv", ".json", ".float.safetensors"
#: What a curve's epochs are measured by.
_METRICS = ("accuracy", "rmse")


@dataclasses.dataclass(frozen=True)
class Run:
    """What training with one seed made.

    Parameters
    ----------
    network : Network or None
        None if the recipe has no quantized epochs.
    reference : FloatNetwork or None
        The floating-point network that quantization started from; None if it was given.
    curve : list of Epoch
    scores : dict of str to Accuracy, Rmse or Perplexity
        ``"float"`` of the float network, ``"quantized"`` of the quantized one in PyTorch and
        ``"integer"`` of ``network`` on the golden model; the latter two if there is one.
    seconds : float
        Processor time of training.
    updates : dict of str to int
        Steps of the optimizer in each stage, by its name.
    """

    network: Network | None
    reference: FloatNetwork | None
    curve: list
    scores: dict
    seconds: float
    updates: dict

    @property
    def rank(self):
        """Larger of the seed that does better on the validation part."""
        return self.scores["float" if self.network is None else "integer"].rank


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """The runs of a recipe's seeds, and which one is kept; it has what that one has.

    Parameters
    ----------
    runs : dict of int to Run
    seed : int
        Of the kept run.
    """

    runs: dict[int, Run]
    seed: int

    @property
    def kept(self):
        return self.runs[self.seed]

    @property
    def network(self):
        return self.kept.network

    @property
    def reference(self):
        return self.kept.reference

    @property
    def curve(self):
        return self.kept.curve

    @property
    def scores(self):
        return self.kept.scores

    @property
    def updates(self):
        return self.kept.updates


def _headings(metric):
    """Columns of a curve whose epochs have this metric."""
    *names, _, _ = (field.name for field in dataclasses.fields(Epoch))
    return [*names, f"valid_{metric}"]


def _write_curve(curve, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_headings(curve[0].metric if curve else _METRICS[0]))
        for line in curve:
            writer.writerow(f"{value:.6f}" if isinstance(value, float) else value
                            for value in dataclasses.astuple(line)[:-1])


def _notes(loaded, data_notes, scores):
    notes = {"recipe": loaded.path.name, "data": pathlib.Path(loaded.recipe.data).stem}
    notes |= {f"data {key}": text for key, text in data_notes.items()}
    return notes | {f"{name} {score.kind}": score.note() for name, score in scores.items()}


def _is_curve(path):
    """Whether a file is a curve as ``_write_curve`` writes it, to the last field."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *rows = csv.reader(file)
        return heading in map(_headings, _METRICS) and all(
            row[0] in ("float", "quantized") and int(row[1]) > 0
            and all(f"{float(field):.6f}" == field for field in row[2:])
            and len(row) == len(heading) for row in rows)
    except (OSError, ValueError, IndexError, csv.Error):
        return False


def wrote(loaded, path):
    """Whether a file is one that training with a recipe of this file name and name has written.

    Parameters
    ----------
    loaded : LoadedRecipe
    path : pathlib.Path
        Of a network, a float network, a record or a curve. A curve doesn't name its recipe.

    Returns
    -------
    bool
    """
    if path.suffix == _CURVE:
        return _is_curve(path)
    if path.suffix == _RECORD:
        return record.is_of(path, loaded)
    kind, name, notes = origin(path)
    return (kind in ("network", "float network") and "converted from" not in notes
            and notes.get("recipe") == loaded.path.name
            and name in (loaded.recipe.name, f"{loaded.recipe.name}-float"))


def beside(loaded):
    """Suffixes of the files that training with a recipe writes beside the network's.

    Parameters
    ----------
    loaded : LoadedRecipe

    Returns
    -------
    tuple of str
    """
    recipe = loaded.recipe
    keeps = recipe.needs_quantization and _keeps_float(recipe)
    return (_CURVE, _RECORD, _FLOAT) if keeps else (_CURVE, _RECORD)


def _keeps_float(recipe):
    """Whether the float network is not just the one that was given."""
    return bool(recipe.stages["float"]) or recipe.start is None


def load(recipe_path, *, data=None, start=None, epochs=None):
    """Read a recipe, with what the caller wants otherwise.

    Takes and raises what ``train`` does.

    Returns
    -------
    LoadedRecipe
    """
    return _replaced(load_recipe(recipe_path), epochs, data, start)


def train(recipe_path, out_path, *, data=None, start=None, checkpoint=None, interval=INTERVAL,
          progress=None, epochs=None, device="cpu"):
    """Train the network of a recipe and write it, with its curve and the float network beside it.

    Parameters
    ----------
    recipe_path : str or pathlib.Path
    out_path : str or pathlib.Path
        The network file; the curve gets the same name and the suffix ``.csv``, the record of the
        run ``.json``, the float network ``.float.safetensors``. Without quantized epochs the file
        is the float network.
    data : str, pathlib.Path or None
        Data file or folder, instead of the recipe's.
    start : str, pathlib.Path or None
        Float network to start from, instead of the recipe's.
    checkpoint : str, pathlib.Path or None
        Where the run writes how far it is, and goes on from if it is there; a file a seed if the
        recipe has several (:func:`checkpoints`). They stay, for the caller to remove once the files
        are where they belong.
    interval : float
        Seconds between checkpoints.
    progress : callable or None
        Called after each step with the name of the stage, the steps done and those of the stage,
        and the curve so far.
    epochs : int or None
        Of each stage, instead of the recipe's.
    device : str
        Where PyTorch trains: ``"cpu"`` or ``"cuda"``, or as PyTorch names one of several. What was
        made is measured on the processor.

    Returns
    -------
    TrainingResult

    Raises
    ------
    RecipeError
        If the recipe, its data or the checkpoint isn't sound, and for a device that isn't there,
        in one line.
    """
    loaded = load(recipe_path, data=data, start=start, epochs=epochs)
    out_path, device = pathlib.Path(out_path), _device(device)
    places = {seed: path and Checkpoints(path, interval)
              for seed, path in checkpoints(loaded.recipe, checkpoint).items()}
    run = _language if isinstance(loaded.recipe, LanguageRecipe) else _sequence
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    # More threads than one only slow matrices of this size down, and change sums.
    torch.set_num_threads(1)
    if device.type == "cuda":
        # TF32 holds every code, and coefficients of 11 bits.
        torch.set_float32_matmul_precision("high")
    try:
        runs = {}
        for seed, place in places.items():
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                runs[seed] = run(_seeded(loaded, seed), place,
                                 _of_seed(progress, seed, len(places)), device)
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
    result = _kept(runs)
    made = {"network": out_path, "curve": out_path.with_suffix(_CURVE)}
    if result.network is None:
        save_floats(result.reference, out_path)
    else:
        save_network(result.network, out_path)
        if result.reference is not None:
            made["float network"] = out_path.with_suffix(_FLOAT)
            save_floats(result.reference, made["float network"])
    _write_curve(result.curve, made["curve"])
    record.write(out_path.with_suffix(_RECORD), record.record(loaded, result, made, device))
    return result


def checkpoints(recipe, path):
    """Checkpoint of each seed of a recipe.

    Parameters
    ----------
    recipe : Recipe
    path : str, pathlib.Path or None
        Of the only seed; several get its name with the seed in it, ``some.seed2.checkpoint``.

    Returns
    -------
    dict of int to (pathlib.Path or None)
    """
    seeds = range(recipe.seed, recipe.seed + recipe.seeds)
    if path is None or recipe.seeds == 1:
        return dict.fromkeys(seeds, path and pathlib.Path(path))
    path = pathlib.Path(path)
    return {seed: path.with_name(f"{path.stem}.seed{seed}{path.suffix}") for seed in seeds}


def _seeded(loaded, seed):
    """A loaded recipe for one of its seeds alone."""
    return dataclasses.replace(loaded, recipe=msgspec.structs.replace(loaded.recipe, seed=seed,
                                                                      seeds=1))


def _of_seed(progress, seed, seeds):
    """Progress that names the seed where there are several."""
    if progress is None or seeds == 1:
        return progress
    return lambda stage, *rest: progress(f"seed {seed}, {stage}", *rest)


def _kept(runs):
    """The result of runs by seed: the best is kept, the first among equals, and notes them all."""
    seed = max(runs, key=lambda one: runs[one].rank)
    if len(runs) > 1:
        notes = {"seed": f"{seed} of {', '.join(map(str, runs))}, the best on the validation part"}
        notes |= {f"{name} {score.kind}, seed {other}": score.note()
                  for other, run in runs.items() for name, score in run.scores.items()}
        runs = runs | {seed: dataclasses.replace(runs[seed], **{
            name: network and dataclasses.replace(network, notes=network.notes | notes)
            for name, network in (("network", runs[seed].network),
                                  ("reference", runs[seed].reference))})}
    return TrainingResult(runs, seed)


def _replaced(loaded, epochs, data, start):
    """A loaded recipe with what the caller wants otherwise; paths count from where they were."""
    recipe = loaded.recipe
    if data is not None:
        recipe = msgspec.structs.replace(recipe, data=_found(data))
    if start is not None:
        recipe = msgspec.structs.replace(recipe, start=_found(start))
    if epochs is not None:
        if epochs < 0:
            raise RecipeError(f"Epochs must be 0 or more, not {epochs!r}")
        # A stage that is left out stays out.
        stages = {name: epochs if before else 0 for name, before in recipe.stages.items()}
        recipe = msgspec.structs.replace(recipe, epochs=stages["quantized"],
                                         float_epochs=stages["float"])
    return dataclasses.replace(loaded, recipe=recipe)


def _found(name):
    """Absolute path of a file or folder, or of the shipped file of that name."""
    return str(shipped.path(pathlib.Path(name), str(name)).absolute())


def _device(name):
    """A device that PyTorch can compute on."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).partition("\n")[0].split())
        raise RecipeError(f"PyTorch cannot use the device {name!r} here ({reason}); choose one "
                          "such as cpu or cuda") from error
    return torch.device(name)


def _sequence(loaded, checkpoint, progress, device):
    recipe, dataset = loaded.recipe, load_dataset(loaded.data_path)
    if not {"train", "valid", "test"} <= set(dataset.split.tolist()):
        raise RecipeError(f"{loaded.data_path} must have sequences in each of the parts train, "
                          "valid and test")
    reference, network, task, loop = sequence.train(recipe, dataset, loaded.start_path, checkpoint,
                                                    progress, device)
    reference.cpu()
    # In float64 the grids hold every sum, so that what PyTorch computes is what is lowered.
    network.cpu().double()
    scores = {name: task.score(one) for name, one in (("float", reference), ("quantized", network))}
    float_notes = _notes(loaded, dataset.notes, {"float": scores["float"]})
    names = dataset.targets.names
    lowered = dataclasses.replace(lower(network, recipe.name, names), scaling=dataset.scaling,
                                  output_scaling=dataset.targets.scaling)
    scores["integer"] = integer_score(lowered, dataset)
    lowered = dataclasses.replace(lowered, notes=_notes(loaded, dataset.notes, scores))
    kept = None
    if _keeps_float(recipe):
        kept = floats(reference, f"{recipe.name}-float", names, float_notes)
    return Run(lowered, kept, loop.curve, scores, loop.seconds, _updates(recipe, task))


def _updates(recipe, task):
    return {stage: epochs * task.batches for stage, epochs in recipe.stages.items()}


def _language(loaded, checkpoint, progress, device):
    recipe = loaded.recipe
    corpus = Corpus.load(loaded.data_path)
    reference, network, task, loop = language.train(recipe, corpus, loaded.start_path, checkpoint,
                                                    progress, device)
    scores = {"float": Perplexity(*language.perplexities(reference.cpu(), task))}
    kept = None
    if network is None or _keeps_float(recipe):
        name = recipe.name if network is None else f"{recipe.name}-float"
        kept = floats(reference, name, (), _notes(loaded, {}, scores))
    if network is None:
        return Run(None, kept, loop.curve, scores, loop.seconds, _updates(recipe, task))
    network.cpu().double()
    scores["quantized"] = Perplexity(*language.perplexities(network, task))
    lowered = lower(network, recipe.name)
    scores["integer"] = Perplexity(*(predict(lowered, corpus.parts[part]).perplexity
                                     for part in ("valid", "test")))
    lowered = dataclasses.replace(lowered, notes=_notes(loaded, {}, scores))
    return Run(lowered, kept, loop.curve, scores, loop.seconds, _updates(recipe, task))
