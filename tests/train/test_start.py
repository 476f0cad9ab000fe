"""A float network of one's own as the start: PyTorch's modules, and files that don't fit."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional
from waves import folder, recipe, waves

from ternloom.evaluate.score import integer_score
from ternloom.files.floats import load as load_floats
from ternloom.files.floats import save as save_floats
from ternloom.files.network import load
from ternloom.train.batches import SequenceSet
from ternloom.train.recipe import RecipeError, load_recipe
from ternloom.train.run import train
from ternloom.train.run import load as load_loaded


pytestmark = pytest.mark.train
__all__ = ["folder"]


class Classifier(nn.Module):
    """What people write: a recurrent module, and a Linear of its last step."""

    def __init__(self, kind, inputs, units, layers, classes, **options):
        super().__init__()
        self.rnn = kind(inputs, units, layers, **options)
        self.head = nn.Linear(units, classes)

    def forward(self, values, lengths):
        outputs, _ = self.rnn(values)
        return self.head(outputs[lengths - 1, torch.arange(outputs.shape[1])])


def trained(kind, layers=1, **options):
    """A classifier of the waves, and its share of right answers on the test part."""
    torch.manual_seed(5)
    parts = {name: SequenceSet.from_dataset(waves().part(name)) for name in ("train", "test")}
    model = Classifier(kind, 2, 16, layers, 3, **options)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        loss = functional.cross_entropy(model(parts["train"].values, parts["train"].lengths),
                                        parts["train"].targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        winners = model(parts["test"].values, parts["test"].lengths).argmax(1)
    return model, float((winners == parts["test"].targets).double().mean())


UNTOLD = ("float_epochs = 12\n", "distillation = 0.5\n")


def start(folder, name, cell, layers=1, drop=UNTOLD, more="", **choices):
    """A recipe that says nothing of what comes first."""
    path = recipe(folder, name, cell=cell, **choices)
    text = path.read_text()
    for line in drop:
        assert line in text
        text = text.replace(line, "")
    path.write_text(text.replace("units = 16", f"units = 16\nlayers = {layers}\n{more}"))
    return path


@pytest.mark.parametrize("kind, cell, layers, activations, options", [
    (nn.LSTM, "lstm", 1, "ternary:0.5", {}), (nn.GRU, "gru-reset-after", 2, "ternary:0.5", {}),
    (nn.RNN, "rnn-relu", 1, "fixed:8", {"nonlinearity": "relu"}),
], ids=["lstm", "gru2", "rnn"])
def test_own_network(folder, kind, cell, layers, activations, options):
    """A state_dict goes to few bits; the float score is the model's own."""
    model, share = trained(kind, layers, **options)
    place = folder / f"own-{cell}.safetensors"
    save_file(model.state_dict(), place)
    out = folder / f"few-{cell}.safetensors"
    path = start(folder, f"few-{cell}", cell, layers, activations=activations)
    result = train(path, out, start=place)
    assert result.scores["float"].test == share >= 0.95
    assert result.reference is None and not out.with_suffix(".float.safetensors").exists()
    assert [line.stage for line in result.curve] == ["quantized"] * 20
    assert result.updates == {"float": 0, "quantized": 20 * 15}
    assert result.scores["integer"].test >= share - 0.05
    assert integer_score(load(out), waves()) == result.scores["integer"]


def test_the_rest_of_a_recipe_counts(folder):
    """Without a start there are 40 float epochs and no teacher; what a recipe says, it gets."""
    plain = load_recipe(start(folder, "plain", "lstm")).recipe
    assert (plain.stages, plain.teacher_weight) == ({"float": 40, "quantized": 20}, 0.0)
    taught = load_recipe(start(folder, "taught", "lstm", more="start = 'own.safetensors'")).recipe
    assert (taught.stages, taught.teacher_weight) == ({"float": 0, "quantized": 20}, 1.0)
    told = load_recipe(start(folder, "told", "lstm", drop=(), more="start = 'own.safetensors'"))
    assert (told.recipe.stages, told.recipe.teacher_weight) == ({"float": 12, "quantized": 20}, 0.5)
    fewer = load_loaded(told.path, epochs=3, start=told.path)
    assert fewer.recipe.stages == {"float": 3, "quantized": 3}
    fewer = load_loaded(folder / "taught.toml", epochs=3)
    assert fewer.recipe.stages == {"float": 0, "quantized": 3}


def test_teacher(folder):
    """The answers of the float network are what the quantized one is pulled to."""
    model, _ = trained(nn.LSTM)
    place = folder / "teacher.safetensors"
    save_file(model.state_dict(), place)
    losses = []
    for weight in ("0.0", "1.0"):
        path = start(folder, "pupil", "lstm", more=f"distillation = {weight}")
        losses.append(train(path, folder / "pupil.safetensors", start=place,
                            epochs=1).curve[0].loss)
    assert losses[1] > losses[0] * 1.2


@pytest.mark.parametrize("cell, layers, told", [
    ("gru-reset-after", 1, "has lstm 2 to 16 and a readout of 3 classes, but the recipe and its "
                           "data call for gru-reset-after 2 to 16 and a readout of 3 classes"),
    ("lstm", 2, "call for lstm 2 to 16, lstm 16 to 16 and a readout of 3 classes"),
    ("lstm-peephole", 1, "call for lstm-peephole 2 to 16 and"),
])
def test_other_sizes(folder, cell, layers, told):
    model = Classifier(nn.LSTM, 2, 16, 1, 3)
    place = folder / "other.safetensors"
    save_file(model.state_dict(), place)
    with pytest.raises(RecipeError) as caught:
        train(start(folder, "misfit", cell, layers), folder / "misfit.safetensors", start=place)
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert not (folder / "misfit.safetensors").exists()


def test_other_classes(folder):
    """A file that names its classes in another order would be trained to the wrong ones."""
    model = Classifier(nn.LSTM, 2, 16, 1, 3)
    place = folder / "named.safetensors"
    save_file(model.state_dict(), place)
    stored = load_floats(place)
    for labels in (("fast", "medium", "slow"), ("slow", "medium", "fast")):
        save_floats(type(stored)("named", stored.layers, stored.readout_weight,
                                 stored.readout_bias, labels=labels), place)
        path = start(folder, "named", "lstm")
        if labels[0] == "fast":
            with pytest.raises(RecipeError, match="has the classes fast, medium, slow, but the "
                                                  "data has slow, medium, fast$"):
                train(path, folder / "out.safetensors", start=place, epochs=1)
        else:
            train(path, folder / "out.safetensors", start=place, epochs=1)


def test_not_a_network(folder):
    place = folder / "weights.safetensors"
    save_file({"head.weight": torch.tensor(np.ones((3, 16), np.float32))}, place)
    with pytest.raises(RecipeError, match="no weight_ih_l0"):
        train(start(folder, "none", "lstm"), folder / "none.safetensors", start=place)
