"""Train a quantized network from a recipe.

A recipe is a TOML file that names the data, the cell, the sizes and formats, and the
schedule. Training needs PyTorch, and takes minutes to hours on one core. It writes the network
to OUTPUT.safetensors, its curve to OUTPUT.csv, the record of the run to OUTPUT.json and the
float network that it started from to OUTPUT.float.safetensors. Every two minutes it writes
OUTPUT.checkpoint, from which the same command continues after it was stopped. Existing files
are replaced only if the same recipe made them.

--start takes your own network, a PyTorch state_dict in safetensors whose cells and sizes are the
recipe's, to few bits: it is quantized as it is, then trained on with its own answers as a second
target (distillation). Classes must be numbered as in the data.
"""

import contextlib
import dataclasses
import importlib.util
import pathlib
import statistics

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.error import UserError
from ternloom.cli.option import count, seconds


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom train digits-gru-ternary-ternary -o mine.safetensors"

#: Suffix of what a stopped training goes on from.
_CHECKPOINT = ".checkpoint"
#: How much less often the integers are right than the float network before it is said, or by how
#: many deviations more they err.
_FAR = 0.05
#: What people call a score.
_KINDS = {"accuracy": "accuracy", "perplexity": "perplexity",
          "rmse": "error (root mean square, in deviations of the training part)"}


def arguments(parser):
    """Add the verb's arguments."""
    parser.add_argument("recipe", metavar="RECIPE",
                        help="recipe (a TOML file), or the name of a shipped recipe")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="network file to write (default: the recipe's name with "
                             ".safetensors, in the current folder)")
    parser.add_argument("--data", metavar="PATH",
                        help="data file, the name of shipped data, or the folder with a language "
                             "model's texts *train.txt, *valid.txt and *test.txt (default: the "
                             "recipe's)")
    parser.add_argument("--start", metavar="FILE",
                        help="float network to start from, such as your own PyTorch model's "
                             "state_dict in safetensors: quantized from there, with its answers "
                             "as a second target (default: the recipe's, if any)")
    parser.add_argument("--epochs", type=count, metavar="N",
                        help="train for this many epochs instead of the recipe's")
    parser.add_argument("--device", default="cpu", metavar="NAME",
                        help="PyTorch device to train on: cpu, or cuda for a GPU, which makes a "
                             "different network from the same recipe (default: cpu)")
    parser.add_argument("--checkpoint-every", type=seconds, default=120.0, metavar="SECONDS",
                        help="time between checkpoints (default: 120)")
    output.add_force(parser, "files that the recipe did not make")


def run(chosen, console):
    """Train and write the network file, with the curve of the training beside it."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("Training needs PyTorch, which is not installed; install it with: "
                        "pip install torch==2.13.0")
    recipe = source.recipe_path(chosen.recipe)
    from ternloom.train import run as training

    changes = {"data": chosen.data, "start": chosen.start, "epochs": chosen.epochs}
    loaded = training.load(recipe, **changes)
    place = (pathlib.Path(chosen.output) if chosen.output
             else output.default(loaded.recipe.name, ".safetensors"))
    checkpoint = place.with_suffix(_CHECKPOINT)
    checkpoints = training.checkpoints(loaded.recipe, checkpoint).values()
    if place in checkpoints:
        raise UserError(f"Output {place} must not end in {_CHECKPOINT}, like the checkpoint")
    inputs = _inputs(loaded)
    for each in checkpoints:
        output.check_file(each, own=lambda path: True, inputs=inputs)
        if each.exists():
            console.say(f"Continuing from {each}; delete it to restart")
    for line in loaded.recipe.cautions:
        console.say(f"Caution: {line}")
    with (_resumable(checkpoints),
          output.file(place, beside=training.beside(loaded), inputs=inputs, force=chosen.force,
                      own=lambda path: training.wrote(loaded, path)) as path,
          console.progress("Training") as report):
        result = training.train(recipe, path, **changes, checkpoint=checkpoint,
                                interval=chosen.checkpoint_every, device=chosen.device,
                                progress=lambda stage, step, steps, curve: report(
                                    step, steps, _text(stage, curve)))
    # Not before the files have their places: a kill in between would cost all of the training.
    for each in checkpoints:
        each.unlink(missing_ok=True)
    return _outcome(result, place)


@contextlib.contextmanager
def _resumable(checkpoints):
    """Let an interrupt say what it leaves to go on from."""
    try:
        yield
    except KeyboardInterrupt:
        left = [str(each) for each in checkpoints if each.exists()]
        if not left:
            raise
        raise KeyboardInterrupt(f"the same command continues from {' and '.join(left)}") from None


def _inputs(loaded):
    """Files that the training reads."""
    data = loaded.data_path
    texts = data.glob("*.txt") if data.is_dir() else [data]
    return [loaded.path, *texts, *filter(None, [loaded.start_path])]


def _text(stage, curve):
    if not curve:
        return stage
    last = curve[-1]
    score = (f"{100 * last.valid_score:.1f} % right" if last.metric == "accuracy"
             else f"error {last.valid_score:.4f}")
    return f"{stage}, {score} on the validation part, loss {last.valid_loss:.3f}"


def _outcome(result, place):
    kind = result.scores["float"].kind
    written = {"network": str(place), "curve": str(place.with_suffix(".csv")),
               "record": str(place.with_suffix(".json"))}
    data = written | {kind: {name: dataclasses.asdict(score)
                             for name, score in result.scores.items()}}
    rows = [(name, score.text("valid"), score.text("test"))
            for name, score in result.scores.items()]
    data["updates"] = result.updates
    told = [*written.items(), ("updates", _updates(result.updates)), *_far(result)]
    shown = [facts(told), table(_titled(kind), ("", ">validation", ">test"), rows)]
    if len(result.runs) > 1:
        data["seed"] = result.seed
        data["seeds"] = {seed: {name: dataclasses.asdict(score)
                                for name, score in run.scores.items()}
                         for seed, run in result.runs.items()}
        shown.append(_seeds(result))
    return Outcome(data, tuple(shown))


def _titled(kind):
    said = _KINDS[kind]
    return said[0].upper() + said[1:]


def _updates(updates):
    words = {"float": "in floating point", "quantized": "quantized"}
    return ", ".join(f"{count:,} {words[stage]}" for stage, count in updates.items() if count)


def _far(result):
    """A caution where the integers are far below the float network."""
    float_score, integer = (result.scores.get(name) for name in ("float", "integer"))
    if integer is None or integer.kind == "perplexity":
        return
    far = (float_score.valid - integer.valid if integer.kind == "accuracy"
           else integer.valid - float_score.valid)
    if far < _FAR:
        return
    yield "caution", (
        f"on the validation part the integer network has an {_KINDS[integer.kind]} of "
        f"{integer.text('valid')}, the float network of {float_score.text('valid')}, after "
        f"{result.updates['quantized']:,} quantized updates: try more epochs or smaller batches, "
        "distillation, or more bits")


def _seeds(result):
    """Test scores of all seeds, their means and deviations."""
    names = list(result.scores)
    rows = [(f"{seed}, kept" if seed == result.seed else f"{seed}",
             *(run.scores[name].text("test") for name in names))
            for seed, run in result.runs.items()]
    for title, measure in (("mean", statistics.fmean), ("deviation", statistics.stdev)):
        tests = [measure([run.scores[name].test for run in result.runs.values()])
                 for name in names]
        rows.append((title, *(dataclasses.replace(result.scores[name], test=test).text("test")
                              for name, test in zip(names, tests, strict=True))))
    return table("Test part by seed", ("seed", *(f">{name}" for name in names)), rows)
