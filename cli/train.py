"""Train a quantized network from a recipe.

A recipe is a TOML file that names the data, the cell, the sizes and formats, and the
schedule; the shipped ones lie in examples/. Training needs PyTorch.
"""

import importlib.util
import pathlib

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, facts
from ternloom.cli.error import UserError
from ternloom.cli.option import count


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom train examples/digits-gru-ternary.toml -o mine.safetensors"


def arguments(parser):
    """Add the verb's arguments."""
    parser.add_argument("recipe", metavar="RECIPE", help="recipe, a TOML file")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="network file to write (default: the recipe's name with "
                             ".safetensors, in the current folder)")
    parser.add_argument("--epochs", type=count, metavar="N",
                        help="train for this many epochs instead of the recipe's")


def run(chosen, console):
    """Train and write the network file."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("Training needs PyTorch, which is not installed; install it with: "
                        "pip install torch==2.13.0, or make test-train in the checkout")
    recipe = pathlib.Path(chosen.recipe)
    if not recipe.is_file():
        raise UserError(f"Recipe must be a TOML file, there is none at {chosen.recipe!r}")
    place = pathlib.Path(chosen.output or f"{recipe.stem}.safetensors")
    from ternloom.train.run import train

    with output.file(place) as path, console.progress("Training") as report:
        train(recipe, path, progress=report, epochs=chosen.epochs)
        network = source.network(path)
    data = {"network": str(place), "name": network.name, "notes": dict(network.notes)}
    return Outcome(data, (facts(None, [("network", place), *network.notes.items()]),))
