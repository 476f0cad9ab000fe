"""Train a quantized network from a recipe.

A recipe is a TOML file that names the data, the cell, the sizes and formats, and the
schedule. Training needs PyTorch, and minutes to hours on one core. Every two minutes it
writes OUTPUT.checkpoint, from which the same command goes on after it was stopped.
"""

import dataclasses
import importlib.util
import pathlib

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.error import UserError
from ternloom.cli.option import count


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom train digits-gru-ternary-ternary -o mine.safetensors"


def arguments(parser):
    """Add the verb's arguments."""
    parser.add_argument("recipe", metavar="RECIPE",
                        help="recipe, a TOML file, or the name of a shipped one")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="network file to write (default: the recipe's name with "
                             ".safetensors, in the current folder)")
    parser.add_argument("--data", metavar="PATH",
                        help="data file, the name of shipped data, or folder of a language model's "
                             "texts *train.txt, *valid.txt and *test.txt (default: the recipe's)")
    parser.add_argument("--start", metavar="FILE",
                        help="float network that a language model starts from "
                             "(default: the recipe's)")
    parser.add_argument("--epochs", type=count, metavar="N",
                        help="train for this many epochs instead of the recipe's")


def run(chosen, console):
    """Train and write the network file, with the curve of the training beside it."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("Training needs PyTorch, which this Python lacks; install it with: "
                        "pip install torch==2.13.0")
    recipe = source.recipe_path(chosen.recipe)
    place = pathlib.Path(chosen.output or f"{recipe.stem}.safetensors")
    checkpoint = place.with_suffix(".checkpoint")
    from ternloom.train.run import train

    if checkpoint.exists():
        console.say(f"Going on from {checkpoint}; remove it to start anew")
    with output.file(place) as path, console.progress("Training") as report:
        result = train(recipe, path, data=chosen.data, start=chosen.start, checkpoint=checkpoint,
                       epochs=chosen.epochs,
                       progress=lambda stage, step, steps, curve: report(
                           step, steps, _text(stage, curve)))
    return _outcome(result, place)


def _text(stage, curve):
    if not curve:
        return stage
    last = curve[-1]
    return (f"{stage}, {100 * last.valid_accuracy:.1f} % of the validation part, "
            f"loss {last.valid_loss:.3f}")


def _outcome(result, place):
    kind = result.scores["float"].kind
    data = {"network": str(place), "curve": str(place.with_suffix(".csv")),
            kind: {name: dataclasses.asdict(score) for name, score in result.scores.items()}}
    rows = [(name, score.text("valid"), score.text("test"))
            for name, score in result.scores.items()]
    return Outcome(data, (facts([("network", place), ("curve", data["curve"])]),
                          table(kind.capitalize(), ("", ">validation", ">test"), rows)))
