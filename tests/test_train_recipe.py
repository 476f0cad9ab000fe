"""Recipes: what they take, and the one line that a bad one gets."""

import pathlib

import pytest

from ternloom.model.network import Cell, Weight
from ternloom.train.recipe import Activation, Augment, RecipeError, load_recipe


EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"
LEAST = """
name = "small"
data = "small.safetensors"
cell = "lstm"
units = 4
weights = "ternary"
activations = "planes"
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "recipe.toml"
        path.write_text(text)
        return path
    return write


def message(path):
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_defaults(write):
    path = write(LEAST)
    loaded = load_recipe(path)
    recipe = loaded.recipe
    assert (recipe.cell, recipe.weights, recipe.activations) == (Cell.LSTM, Weight.TERNARY,
                                                                 Activation.PLANES)
    assert (recipe.layers, recipe.preact_width, recipe.augment) == (1, 10, Augment())
    assert loaded.data_path == path.parent / "small.safetensors"


def test_augmentation(write):
    recipe = load_recipe(write(LEAST + "[augment]\nstretch = 0.25\nmask = 3\n")).recipe
    assert recipe.augment == Augment(stretch=0.25, mask=3)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipe(path):
    loaded = load_recipe(path)
    assert loaded.recipe.name == path.stem
    assert loaded.data_path.is_file()


def test_unknown_key(write):
    path = write(LEAST + "learning_speed = 1\n")
    text = message(path)
    assert text.startswith(f"{path} must not have the key 'learning_speed', known ones are name, ")
    assert text.endswith("learning_rate, float_learning_rate, batch, dropout, weight_decay, "
                         "label_smoothing, distillation, seed, augment")


def test_unknown_augmentation(write):
    path = write(LEAST + "[augment]\npitch = 1\n")
    assert message(path) == (f"augment in {path} must not have the key 'pitch', "
                             "known ones are stretch, noise, offset, trim, mask")


def test_missing_key(write):
    path = write(LEAST.replace("units = 4", ""))
    assert message(path) == f"{path}: Object missing required field `units`"


@pytest.mark.parametrize("line, told", [
    ("units = 0", "units must be from 1 to 4096, not 0"),
    ("layers = 17", "layers must be from 1 to 16, not 17"),
    ("weight_planes = 5", "weight_planes must be from 1 to 4, not 5"),
    ("activation_bits = 1", "activation_bits must be from 2 to 16, not 1"),
    ("threshold = 1.0", "threshold must be from 0.00390625 to below 1, not 1.0"),
    ("learning_rate = -0.1", "learning_rate must be from 0 to below 10, not -0.1"),
    ("learning_rate = nan", "learning_rate must be from 0 to below 10, not nan"),
    ("dropout = 1.0", "dropout must be from 0 to below 1, not 1.0"),
    ("seed = -1", "seed must be from 0 to 2147483647, not -1"),
    ("epochs = -1", "epochs must be from 0 to 100000, not -1"),
    ("gate_frac = 16", "Gate fraction bits must be 0 (comparators) or from 2 to 15, not 16"),
    ("state_frac = 7", "The state must have at least the gates' 8 fraction bits, not 7"),
    ("state_frac = 30", "Fixed width must be from 2 to 32, not 35"),
    ("[augment]\nstretch = 1.0", "stretch must be from 0 to below 1, not 1.0"),
    ("[augment]\nmask = -1", "mask must be from 0 to 1000, not -1"),
])
def test_range(write, line, told):
    key = line.split(" = ")[0]
    kept = [old for old in LEAST.splitlines() if not old.startswith(f"{key} ")]
    path = write("\n".join([*kept, line]))
    assert message(path).startswith(f"{path}: {told}")


def test_wrong_kind(write):
    path = write(LEAST.replace("units = 4", "units = 'many'"))
    assert message(path) == f"{path}: Expected `int`, got `str` - at `$.units`"


def test_unknown_cell(write):
    path = write(LEAST.replace("lstm", "elman"))
    assert message(path) == f"{path}: Invalid enum value 'elman' - at `$.cell`"


def test_missing_file(tmp_path):
    path = tmp_path / "none.toml"
    assert message(path) == f"{path} must be a readable recipe: No such file or directory"


def test_broken_syntax(write):
    path = write("name = ")
    assert message(path).startswith(f"{path} must be a TOML file: Invalid value (at ")


def test_foreign_file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert message(path).startswith(f"{path} must be a TOML file: ")
