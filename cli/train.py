"""Train a quantized network from a recipe.

A recipe is a TOML file that names the data, the cell, the sizes and formats, and the
schedule. Training needs PyTorch, and minutes to an hour on one core.
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
    parser.add_argument("--epochs", type=count, metavar="N",
                        help="train for this many epochs instead of the recipe's")


def run(chosen, console):
    """Train and write the network file, with the curve and the float network beside it."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("Training needs PyTorch, which this Python lacks; install it with: "
                        "pip install torch==2.13.0")
    recipe = source.recipe_path(chosen.recipe)
    place = pathlib.Path(chosen.output or f"{recipe.stem}.safetensors")
    from ternloom.train.run import train

    with output.file(place) as path, console.progress("Training") as report:
        result = train(recipe, path, epochs=chosen.epochs, progress=lambda epoch, epochs: report(
            epoch.epoch, epochs,
            f"{epoch.stage}, {100 * epoch.valid_accuracy:.1f} % of the validation part"))
    kinds = {"float": result.float_accuracy, "quantized": result.quantized_accuracy,
             "integer": result.integer_accuracy}
    data = {"network": str(place), "curve": str(place.with_suffix(".csv")),
            "float": str(place.with_suffix(".float.safetensors")),
            "accuracy": {kind: dataclasses.asdict(each) for kind, each in kinds.items()}}
    rows = [(kind, *(f"{100 * value:.2f} %" for value in each.values()))
            for kind, each in data["accuracy"].items()]
    return Outcome(data, (facts([("network", place), ("curve", data["curve"]),
                                 ("float network", data["float"])]),
                          table("Accuracy", ("", ">validation", ">test"), rows)))
