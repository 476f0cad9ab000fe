"""Write the table of the shipped networks, with each one's accuracy computed anew.

    python -m ternloom.train.report examples examples/results.json
"""

import argparse
import json
import pathlib

from ternloom.model.dataset import DatasetError, load as load_dataset
from ternloom.model.file import load as load_network
from ternloom.model.network import NetworkError
from ternloom.train.accuracy import Accuracy, integer_accuracy
from ternloom.train.recipe import RecipeError, load_recipe


__all__ = ["main", "matrix_bits", "report"]


def _matrices(network):
    for layer in network.layers:
        yield from (layer.input, layer.recurrent)
    yield network.readout.weights


def matrix_bits(network):
    """Bits of all weight codes as ROMs hold them, two a ternary code and one a plane otherwise."""
    return sum(matrix.codes.size * (2 if matrix.weight.value == "ternary" else 1)
               for matrix in _matrices(network))


def _multiplies(network):
    """Whether a coefficient isn't a power of two, so that the hardware needs a multiplier."""
    return any(bool((matrix.coefficients & (matrix.coefficients - 1)).any())
               for matrix in _matrices(network))


def _row(recipe, network, dataset):
    reference = Accuracy.from_note(network.notes["float accuracy"])
    integer = integer_accuracy(network, dataset)
    return {
        "name": recipe.name, "data": network.notes["data"], "cell": recipe.cell.value,
        "layers": recipe.layers, "units": recipe.units, "weights": recipe.weights.value,
        "activations": recipe.activations.value, "weight_bits": matrix_bits(network),
        "multiplier": _multiplies(network), "epochs": recipe.float_epochs + recipe.epochs,
        "float_valid": reference.valid, "float_test": reference.test,
        "integer_valid": round(integer.valid, 4), "integer_test": round(integer.test, 4),
        "test_sequences": len(dataset.part("test").sequences),
    }


def report(folder):
    """Rows of the table: each recipe of a folder that has its network beside it.

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
        if network_path.is_file():
            rows.append(_row(loaded.recipe, load_network(network_path),
                             load_dataset(loaded.data_path)))
    return rows


def main(arguments=None):
    """Write the table as JSON."""
    parser = argparse.ArgumentParser(prog="python -m ternloom.train.report", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path,
                        help="folder of recipes and networks")
    parser.add_argument("path", metavar="PATH", type=pathlib.Path, help="file to write")
    options = parser.parse_args(arguments)
    try:
        rows = report(options.folder)
        options.path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    except (NetworkError, DatasetError, RecipeError, OSError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
