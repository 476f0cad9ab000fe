"""Write the table of the shipped networks, with each one's accuracy computed anew.

    python -m ternloom.train.report examples examples/results.json --readme README.md
"""

import argparse
import json
import pathlib

from ternloom.evaluate.score import Accuracy, integer_score
from ternloom.evaluate.size import network_size
from ternloom.files.dataset import load as load_dataset
from ternloom.files.network import load as load_network
from ternloom.train.recipe import load_recipe


__all__ = ["main", "markdown", "methods", "report", "with_table"]


def _multiplies(network):
    """Whether a coefficient isn't a power of two, so that the hardware needs a multiplier."""
    return any(bool((matrix.coefficients & (matrix.coefficients - 1)).any())
               for matrix in network.matrices.values())


def methods(weights):
    """Weight methods in one text: that of all, then the exceptions by their place."""
    rest = [f"{place} {text}" for place, text in weights.items() if place != "all"]
    return ", ".join(([weights["all"]] if "all" in weights else []) + rest)


def _row(recipe, network, dataset):
    reference = Accuracy.from_note(network.notes["float accuracy"])
    integer = integer_score(network, dataset)
    return {
        "name": recipe.name, "data": network.notes["data"], "cell": recipe.cell.name,
        "layers": recipe.layers, "units": recipe.units,
        "weights": methods(recipe.quantization.weights),
        "activations": recipe.quantization.activations,
        "weight_bits": network_size(network).weights,
        "multiplier": _multiplies(network), "epochs": sum(recipe.stages.values()),
        "float_valid": reference.valid, "float_test": reference.test,
        "integer_valid": round(integer.valid, 4), "integer_test": round(integer.test, 4),
        "test_sequences": len(dataset.part("test").sequences),
    }


def report(folder):
    """Rows of the table: each recipe of a folder that has its network and its data beside it.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    list of dict
        By the recipe's name. Accuracies are shares of right answers: ``float_*`` as training found
        them in floating point, ``integer_*`` of the golden model, computed here.

    Raises
    ------
    NetworkError, DatasetError, RecipeError
    """
    rows = []
    for path in sorted(folder.glob("*.toml")):
        loaded, network_path = load_recipe(path), path.with_suffix(".safetensors")
        if network_path.is_file() and loaded.data_path.is_file():
            rows.append(_row(loaded.recipe, load_network(network_path),
                             load_dataset(loaded.data_path)))
    return rows


def markdown(rows):
    """The rows as a table of Markdown, in percent of the test part."""
    lines = ["| network | cell | weights | activations | weight bits | float | integer | lost |",
             "|---|---|---|---|--:|--:|--:|--:|"]
    for row in rows:
        before, after = 100 * row["float_test"], 100 * row["integer_test"]
        lines.append(f"| `{row['name']}` | {row['cell']}, {row['units']} units | {row['weights']} "
                     f"| {row['activations']} | {row['weight_bits']:,} | {before:.2f} % "
                     f"| {after:.2f} % | {before - after:.2f} |")
    return "\n".join(lines) + "\n"


def with_table(text, name, table):
    """A document with a table between its marks ``<!-- name -->`` and ``<!-- /name -->``.

    Raises
    ------
    ValueError
        If it has no such marks.
    """
    opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(opening)
    _, ending, after = rest.partition(closing)
    if not found or not ending:
        raise ValueError(f"Document lacks the lines {opening.strip()} and {closing}")
    return before + opening + table + closing + after


def main(arguments=None):
    """Write the table as JSON, and into a document."""
    parser = argparse.ArgumentParser(prog="python -m ternloom.train.report", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path,
                        help="folder of recipes and networks")
    parser.add_argument("path", metavar="PATH", type=pathlib.Path, help="file to write")
    parser.add_argument("--readme", metavar="PATH", type=pathlib.Path,
                        help="document to put the table into, between its marks")
    options = parser.parse_args(arguments)
    try:
        rows = report(options.folder)
        options.path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        if options.readme is not None:
            text = options.readme.read_text(encoding="utf-8")
            text = with_table(text, "networks", markdown(rows))
            options.readme.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
