"""Recipes: what they take, and the one line that a bad one gets."""

import pathlib
import re
import typing

import msgspec
import pytest

from ternloom.model.cell import CELLS
from ternloom.model.network import When
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train.recipe import (Augment, LanguageRecipe, Optimizer, RecipeError,
                                   SequenceRecipe, load_recipe)


EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
LEAST = """
name = "small"
data = "small.safetensors"
cell = "lstm"
units = 4
{}
[quantization]
weights = {{all = "twn"}}
activations = "planes:2"
"""
LANGUAGE = "task = 'language'\ninputs = 3\n"


def least(line=""):
    """The shortest recipe, with a line of its own among the keys."""
    return LEAST.format(line)


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
    path = write(least())
    loaded = load_recipe(path)
    recipe = loaded.recipe
    assert isinstance(recipe, SequenceRecipe)
    assert (recipe.cell.name, recipe.quantization.weights) == ("lstm", {"all": "twn"})
    assert recipe.quantization.activations == "planes:2"
    assert (recipe.layers, recipe.quantization.preact_width, recipe.augment) == (1, 10, Augment())
    assert loaded.data_path == path.parent / "small.safetensors"
    assert loaded.start_path is None


def test_language(write):
    path = write(least(LANGUAGE + "start = 'float.safetensors'"))
    loaded = load_recipe(path)
    assert isinstance(loaded.recipe, LanguageRecipe)
    assert (loaded.recipe.inputs, loaded.recipe.steps) == (3, 35)
    assert loaded.start_path == path.parent / "float.safetensors"


def test_augmentation(write):
    recipe = load_recipe(write(least() + "[augment]\nstretch = 0.25\nmask = 3\n")).recipe
    assert recipe.augment == Augment(stretch=0.25, mask=3)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipe(path):
    """Data are shipped too, but for the texts of language models, which everybody must bring."""
    loaded = load_recipe(path)
    assert loaded.recipe.name == path.stem
    assert loaded.data_path.is_file() or isinstance(loaded.recipe, LanguageRecipe)


def test_unknown_key(write):
    path = write(least("learning_speed = 1\n"))
    assert message(path) == f"{path}: unknown key 'learning_speed'; did you mean 'learning_rate'?"
    path = write(least("temperature = 1\n"))
    text = message(path)
    assert text.startswith(f"{path}: unknown key 'temperature'; the known ones are name, data, ")
    assert text.endswith(", ".join(key for key, _ in fields(SequenceRecipe)[-4:]))


@pytest.mark.parametrize("table, known", [
    ("augment", "stretch, noise, offset, trim, mask"), ("quantization", "weights, activations, "),
])
def test_unknown_key_of_table(write, table, known):
    head = "" if table == "quantization" else f"[{table}]\n"
    path = write(least() + f"{head}pitch = 1\n")
    assert message(path).startswith(f"{path}: unknown key 'pitch' in {table}; "
                                    f"the known ones are {known}")


def test_key_in_another_table(write):
    """In TOML a key below a table's heading belongs to the table, which is easily overlooked."""
    path = write(least() + "seed = 2\n")
    assert message(path) == \
        f"{path}: unknown key 'seed' in quantization; did you mean 'seed' at the top level, " \
        "before all tables?"
    path = write(least("trim = 2"))
    assert message(path) == f"{path}: unknown key 'trim'; did you mean 'augment.trim'?"


def fields(struct):
    """Name and type of each key."""
    return [(field.name, field.type) for field in msgspec.structs.fields(struct)]


#: Every key of every kind of recipe: the task, the table that it stands in, its name and type.
KEYS = [(task, table, name, kind)
        for task, table, struct in (("sequence", "", SequenceRecipe),
                                    ("language", "", LanguageRecipe),
                                    ("sequence", "augment", Augment),
                                    ("sequence", "quantization", QuantizationSpec))
        for name, kind in fields(struct)]


def place(task, table, key, value):
    """A sound recipe with one key replaced, or added where ``value`` stands for another name."""
    keys = {"name": '"small"', "data": '"small.safetensors"', "cell": '"lstm"', "units": "4"}
    keys |= {"task": f'"{task}"'} | ({"inputs": "3"} if task == "language" else {})
    tables = {"quantization": {"weights": '{all = "twn"}', "activations": '"planes:2"'}}
    if table:
        tables.setdefault(table, {})[key] = value
    else:
        tables.pop(key, None)
        keys[key] = value
    lines = [f"{name} = {text}" for name, text in keys.items()]
    for heading, content in tables.items():
        lines += [f"[{heading}]", *(f"{name} = {text}" for name, text in content.items())]
    return "\n".join(lines)


@pytest.mark.parametrize("task, table, name, kind", KEYS)
def test_typo(write, task, table, name, kind):
    """Of every key: the nearest known one is suggested."""
    typo = name[0] + name[2:]
    path = write(place(task, table, typo, "1"))
    where = f" in {table}" if table else ""
    assert message(path) == f"{path}: unknown key {typo!r}{where}; did you mean {name!r}?"


#: What a key of a type must be.
RULES = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
         **{kind: "one of " + ", ".join(each.value for each in kind)
            for kind in (CELLS.names, Optimizer, When)}}


@pytest.mark.parametrize("task, table, name, kind", KEYS)
def test_wrong_type(write, task, table, name, kind):
    """Of every key: the line has the file, the dotted key, what it must be and what it is."""
    allowed = {kind, *(typing.get_args(kind) if typing.get_origin(kind) is not dict else ())}
    rule = next((RULES[one] for one in allowed if one in RULES), "a table")
    value = "1" if rule == "text" or rule == "true or false" else "'x'"
    path = write(place(task, table, name, value))
    found = value if value == "1" or rule.startswith("one of") else f"the text {value}"
    key = f"{table}.{name}" if table else name
    assert message(path) == f"{path}: {key} must be {rule}, not {found}"


def test_key_of_another_task(write):
    path = write(least("steps = 3"))
    assert message(path) == f"{path}: steps needs task = 'language', not 'sequence'"


@pytest.mark.parametrize("key, told", [("name", "name"), ("data", "name of the data")])
def test_control_characters(write, key, told):
    """What would be refused after the training is refused before it."""
    path = write(re.sub(rf"^{key} = .*$", rf'{key} = "a\\u001b[2J"', least(), flags=re.M))
    assert message(path) == \
        rf"{path}: {told} must not contain control characters, as 'a\x1b[2J' does"


def test_name_of_recipe(tmp_path):
    path = tmp_path / "a\x07.toml"
    path.write_text(least())
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).endswith(
        r": name of the recipe must not contain control characters, as 'a\x07.toml' does")


def test_unknown_task(write):
    path = write(least("task = 'poetry'"))
    assert message(path) == f"{path}: task must be one of sequence, language, not 'poetry'"


def test_missing_key(write):
    path = write(least().replace("units = 4", ""))
    assert message(path) == f"{path}: units is missing; it must be a whole number"


def test_missing_quantization(write):
    path = write(least().partition("[quantization]")[0])
    assert message(path) == f"{path}: the table quantization is missing"


def test_float_language_model(write):
    """A recipe that ends in a float network needs no quantization."""
    path = write(least(LANGUAGE + "epochs = 0").partition("[quantization]")[0])
    assert load_recipe(path).recipe.quantization is None


@pytest.mark.parametrize("line, told", [
    ("units = 0", "units must be from 1 to 4096, not 0"),
    ("layers = 17", "layers must be from 1 to 16, not 17"),
    ("learning_rate = -0.1", "learning_rate must be from 0 to below 1000, not -0.1"),
    ("learning_rate = nan", "learning_rate must be from 0 to below 1000, not nan"),
    ("warm_up = 1.0", "warm_up must be from 0 to below 1, not 1.0"),
    ("dropout = 1.0", "dropout must be from 0 to below 1, not 1.0"),
    ("distillation = -1.0", "distillation must be from 0 to below 100, not -1.0"),
    ("seed = -1", "seed must be from 0 to 2147483647, not -1"),
    ("momentum = 0.9", 'momentum needs optimizer = "sgd", not \'adamw\''),
    ("gradient_norm = 0", "gradient_norm must be from 1e-06 to 1000000.0, not 0.0"),
    ("draw_share = 1.5", "draw_share must be from 0 to 1, not 1.5"),
    ("decay = 'linear'", "decay must be one of cosine, divide, not 'linear'"),
    ("decay = 'divide:1.0'", "divide must be by more than 1 and at most 100, not 1.0"),
    ("seeds = 0", "seeds must be from 1 to 100, not 0"),
    ("epochs = -1", "epochs must be from 0 to 100000, not -1"),
    (LANGUAGE + "steps = 0", "steps must be from 1 to 1000, not 0"),
    (LANGUAGE + "words = 'planes:2'", "Weight method must be one of alternating, "),
])
def test_range(write, line, told):
    key = line.split(" = ")[0]
    path = write(least(line) if key != "units" else least().replace("units = 4", line))
    assert message(path).startswith(f"{path}: {told}")


@pytest.mark.parametrize("line, cautious", [
    ("draw_weights = true\ndraw_share = 1.0", True), ("draw_activations = true", False),
    ("draw_activations = true\ndraw_share = 1.0", True), ("draw_share = 1.0", False),
])
def test_draws_to_the_end(write, line, cautious):
    text = ("draw_share is 1: training draws at random until its last step, so the network that is "
            "trained is not the one that is measured; with a share below 1 the last steps train "
            "the network as it will run")
    assert load_recipe(write(least(line))).recipe.cautions == [text] * cautious


@pytest.mark.parametrize("line, told", [
    ("gate_frac = 16", "Gate fraction bits must be 0 (comparators) or from 2 to 15, not 16"),
    ("state_frac = 7", "The state must have at least the gates' 8 fraction bits, not 7"),
    ("embedding = 'binary'", "Embedding method must be fixed or planes, not binary"),
])
def test_quantization_range(write, line, told):
    path = write(least() + line)
    assert message(path).startswith(f"{path}: quantization: {told}")


def test_range_of_table(write):
    path = write(least() + "[augment]\ntrim = -1\n")
    assert message(path) == f"{path}: augment.trim must be from 0 to 1000, not -1"
    path = write(least() + "coefficient_bits = 1\n")
    assert message(path) == f"{path}: quantization.coefficient_bits must be from 2 to 12, not 1"


def test_words_of_planes(write):
    """Planes that all words share leave no room for coefficients of each one's own."""
    path = write(least(LANGUAGE + "words = 'alternating:2'") + "embedding = 'planes:2'\n")
    assert message(path).startswith(f"{path}: words needs a fixed-point quantization.embedding, "
                                    "not 'planes:2'")


def test_wrong_kind(write):
    path = write(least().replace("units = 4", "units = 'many'"))
    assert message(path) == f"{path}: units must be a whole number, not the text 'many'"
    path = write(least().replace('{all = "twn"}', '{all = "twn", "recurrent.f" = 4}'))
    assert message(path) == f"{path}: quantization.weights.\"recurrent.f\" must be text, not 4"


def test_unknown_cell(write):
    path = write(least().replace("lstm", "elman"))
    names = ", ".join(name.value for name in CELLS.names)
    assert message(path) == f"{path}: cell must be one of {names}, not 'elman'"


def test_missing_file(tmp_path):
    path = tmp_path / "none.toml"
    assert message(path) == f"{path} cannot be read: No such file or directory"


def test_broken_syntax(write):
    path = write("name = ")
    assert message(path).startswith(f"{path} is not valid TOML: Invalid value (at ")


def test_foreign_file(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert message(path) == f"{path} is not a recipe: it is not text"


def test_deep_arrays(write):
    path = write(f"units = {'[' * 5000}{']' * 5000}")
    assert message(path) == f"{path} is not a recipe: its arrays are nested too deeply"


@pytest.mark.parametrize("task, told", [("[]", "an empty array"), ("{}", "a table"), ("3", "3")])
def test_task_of_another_type(write, task, told):
    path = write(least(f"task = {task}"))
    assert message(path) == f"{path}: task must be one of sequence, language, not {told}"


def test_shipped_data(tmp_path, write):
    """A shipped name stands for its file, unless the recipe's folder has something of the name."""
    path = write(least().replace("small.safetensors", "digits"))
    assert load_recipe(path).data_path == EXAMPLES / "digits.safetensors"
    (tmp_path / "digits").mkdir()
    assert load_recipe(path).data_path == tmp_path / "digits"
