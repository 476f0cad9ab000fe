"""The shipped networks' accuracy, computed anew, and the table that holds it."""

import json
import pathlib

import pytest

from ternloom.model.dataset import load as load_dataset
from ternloom.model.file import load as load_network
from ternloom.model.network import Cell, Weight
from ternloom.train.accuracy import Accuracy, integer_accuracy
from ternloom.train.recipe import Activation, load_recipe
from ternloom.train.report import main, markdown, matrix_bits


EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
RECIPES = sorted(EXAMPLES.glob("*.toml"))
#: Most points of accuracy that a network on the digits may lose, by weights and activations.
LOSSES = {(Weight.TERNARY, Activation.FIXED): 0.01, (Weight.TERNARY, Activation.TERNARY): 0.02}
SHIPPED = {
    (Cell.GRU_RESET_BEFORE, Weight.TERNARY, Activation.FIXED, "digits"),
    (Cell.GRU_RESET_AFTER, Weight.TERNARY, Activation.TERNARY, "digits"),
    (Cell.LSTM, Weight.TERNARY, Activation.TERNARY, "digits"),
    (Cell.LSTM, Weight.BINARY, Activation.TERNARY, "digits"),
    (Cell.LSTM, Weight.PLANES, Activation.PLANES, "digits"),
    (Cell.GRU_RESET_AFTER, Weight.TERNARY, Activation.TERNARY, "japanese_vowels"),
}


def test_note():
    accuracy = Accuracy(valid=0.99, test=1.0)
    assert accuracy.note() == "valid 0.9900, test 1.0000"
    assert Accuracy.from_note(accuracy.note()) == accuracy


def test_foreign_note():
    with pytest.raises(ValueError, match="^Accuracy must be noted as 'valid 0.9900, test 0.9900', "
                                         "not 'good'$"):
        Accuracy.from_note("good")


def test_variety():
    recipes = [load_recipe(path).recipe for path in RECIPES]
    assert SHIPPED <= {(recipe.cell, recipe.weights, recipe.activations,
                        pathlib.Path(recipe.data).stem) for recipe in recipes}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_network(path):
    """What the notes claim is so; the network is the recipe's; nothing but planes multiplies."""
    loaded = load_recipe(path)
    recipe, network = loaded.recipe, load_network(path.with_suffix(".safetensors"))
    layer = network.layers[0]
    assert (network.name, layer.cell, layer.units) == (recipe.name, recipe.cell, recipe.units)
    assert {layer.input.weight, layer.recurrent.weight} == {recipe.weights}
    integer = integer_accuracy(network, load_dataset(loaded.data_path))
    notes = network.notes
    assert integer.note() == notes["integer accuracy"] == notes["quantized accuracy"]
    for matrix in (layer.input, layer.recurrent, network.readout.weights):
        if matrix.weight is not Weight.PLANES:
            assert not (matrix.coefficients & (matrix.coefficients - 1)).any()


@pytest.mark.parametrize("path", [path for path in RECIPES if path.stem.startswith("digits")],
                         ids=lambda path: path.stem)
def test_floor(path):
    recipe = load_recipe(path).recipe
    notes = load_network(path.with_suffix(".safetensors")).notes
    reference, integer = (Accuracy.from_note(notes[f"{kind} accuracy"]).test
                          for kind in ("float", "integer"))
    assert reference >= 0.98
    assert reference - integer <= LOSSES.get((recipe.weights, recipe.activations), 0.02)


def test_results(tmp_path):
    """The table that is shipped is the one that the command makes."""
    path = tmp_path / "results.json"
    main([str(EXAMPLES), str(path)])
    assert json.loads(path.read_text()) == json.loads((EXAMPLES / "results.json").read_text())
    assert [row["name"] for row in json.loads(path.read_text())] == [path.stem for path in RECIPES]


ROW = {"name": "one", "cell": "lstm", "units": 8, "weights": "binary", "activations": "ternary",
       "weight_bits": 12345, "float_test": 0.9967, "integer_test": 0.99}
LINE = "| `one` | lstm, 8 units | binary | ternary | 12,345 | 99.67 % | 99.00 % | 0.67 |"


def test_markdown():
    head, rule, line, end = markdown([ROW]).split("\n")
    assert (line, end) == (LINE, "")
    assert head.count("|") == rule.count("|") == line.count("|")


def test_readme(tmp_path):
    path = tmp_path / "README.md"
    for before in ("", "old\n"):
        path.write_text(f"Text\n<!-- networks -->\n{before}<!-- /networks -->\nmore\n")
        main([str(tmp_path), str(tmp_path / "results.json"), "--readme", str(path)])
        assert path.read_text() == (f"Text\n<!-- networks -->\n{markdown([])}"
                                    "<!-- /networks -->\nmore\n")


def test_readme_without_marks(tmp_path, capsys):
    path = tmp_path / "README.md"
    path.write_text("<!-- /networks --> and <!-- networks -->\n")
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), str(tmp_path / "results.json"), "--readme", str(path)])
    assert caught.value.code == 2
    assert capsys.readouterr().err == ("Document must have the lines <!-- networks --> and "
                                       "<!-- /networks -->\n")


def test_matrix_bits():
    network = load_network(EXAMPLES / "digits-gru-ternary-ternary.safetensors")
    assert matrix_bits(network) == 2 * (192 * (13 + 64) + 10 * 64)


def test_foreign_network(tmp_path, capsys):
    recipe = RECIPES[0].read_text().replace('data = "', f'data = "{EXAMPLES}/')
    (tmp_path / "one.toml").write_text(recipe)
    (tmp_path / "one.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path), str(tmp_path / "results.json")])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "one.safetensors" in message and message.count("\n") == 1
    assert not (tmp_path / "results.json").exists()
