"""Training on labels of steps and on numbers: the integers say what PyTorch says."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from ternloom.evaluate.score import integer_score
from ternloom.files.dataset import Dataset, Labels, Numbers, save
from ternloom.files.floats import load as load_floats
from ternloom.files.network import load
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.model.scaling import Scaling
from ternloom.train.batches import SequenceSet, augmented
from ternloom.train.recipe import Augment, RecipeError
from ternloom.train.run import train


pytestmark = pytest.mark.train

RECIPE = """\
name = "tiny"
data = "{data}.safetensors"
cell = "gru-reset-after"
units = 12
float_epochs = 12
epochs = 12
batch = 12
learning_rate = 0.01
float_learning_rate = 0.02
distillation = 0.5
seed = 3

[augment]
noise = 0.05

[quantization]
weights = {{all = "alternating:2"}}
activations = "fixed:8"
"""


def dataset(kind):
    """Noisy sines of any phase: whether the last two values rose, or the next value."""
    random = np.random.default_rng(5)
    sequences, tags, numbers = [], [], []
    for _ in range(120):
        steps = int(random.integers(8, 17))
        phase = random.uniform(0, 6.28) + 0.6 * np.arange(steps + 1)
        values = np.sin(phase)
        sequences.append(np.floor(32 * values[:-1, None] + 0.5).astype(np.int16))
        tags.append((np.diff(values, prepend=values[0])[:-1] > 0).astype(int))
        numbers.append(np.stack([values[1:] * 100 + 7, values[:-1]], axis=1))
    split = np.array(["train", "train", "valid", "test"])[np.arange(120) % 4]
    scaling = Scaling.fit(numbers)
    targets = {"tags": lambda: Labels(("falls", "rises"), tags),
               "numbers": lambda: Numbers(("next", "now"), numbers, scaling),
               "last": lambda: Numbers(("next", "now"), np.stack([each[-1] for each in numbers]),
                                       scaling)}[kind]()
    return Dataset(kind, sequences, targets, split, Fixed(8, 5))


@pytest.fixture
def made(tmp_path):
    def make(kind, old="", new=""):
        save(dataset(kind), tmp_path / f"{kind}.safetensors")
        path = tmp_path / "tiny.toml"
        path.write_text(RECIPE.format(data=kind).replace(old, new))
        return path, tmp_path / "tiny-net.safetensors"
    return make


def curve(path):
    with path.with_suffix(".csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_tags(made):
    recipe, out = made("tags")
    result = train(recipe, out)
    network, data = load(out), dataset("tags")
    assert result.scores["float"].test >= 0.9 and result.scores["quantized"].test >= 0.88
    assert result.scores["integer"] == result.scores["quantized"] == integer_score(network, data)
    assert network.readout.when is When.EVERY and network.labels == ("falls", "rises")
    assert network.output_scaling is None
    assert float(curve(out)[-1]["valid_accuracy"]) > 0.85
    data.match(network)


@pytest.mark.parametrize("kind", ["numbers", "last"])
def test_numbers(made, kind):
    recipe, out = made(kind)
    result = train(recipe, out)
    network, data = load(out), dataset(kind)
    assert result.scores["float"].test < 0.35 and result.scores["quantized"].test < 0.4
    assert integer_score(network, data) == result.scores["integer"]
    for part in ("valid", "test"):
        assert getattr(result.scores["integer"], part) == pytest.approx(
            getattr(result.scores["quantized"], part), rel=1e-6)
    assert network.output_scaling == data.targets.scaling
    assert network.readout.when is data.targets.when
    assert network.readout.logits.frac >= 8
    assert float(curve(out)[-1]["valid_rmse"]) < 0.5
    assert load_floats(out.with_suffix(".float.safetensors")).labels == ("next", "now")
    noted = network.notes["integer rmse"]
    assert noted == result.scores["integer"].note()


def test_last_step_alone(made):
    recipe, out = made("tags", 'activations = "fixed:8"', 'activations = "fixed:8"\nwhen = "last"')
    with pytest.raises(RecipeError, match='quantization.when is "last", but the data have labels '
                                          "of every step$"):
        train(recipe, out)
    assert not out.exists()


def test_padding_and_order():
    """What stands behind a sequence's end is no target."""
    data = dataset("numbers").take([0, 1, 2])
    part = SequenceSet.from_dataset(data)
    expected = part.expected
    assert len(expected) == sum(map(len, data.sequences))
    first = torch.from_numpy(np.stack([data.targets.scaling.scaled(each[0])
                                       for each in data.targets.values])).float()
    assert torch.equal(expected[:3], first)
    tags = SequenceSet.from_dataset(dataset("tags").take([0, 1, 2]))
    chosen = tags.select(torch.tensor([1]))
    assert chosen.expected.tolist() == dataset("tags").targets.values[1].tolist()


def test_targets_follow_their_steps():
    """Targets that are the input itself remain so when time is trimmed and stretched."""
    data = dataset("numbers")
    scaling = Scaling(np.zeros(1), np.ones(1))
    same = dataclasses.replace(data, targets=Numbers(
        ("now",), [each / 32 for each in data.sequences], scaling))
    part = SequenceSet.from_dataset(same)
    changed = augmented(part, Augment(trim=3, stretch=0.4), data.format,
                        torch.Generator().manual_seed(1))
    assert bool((changed.lengths != part.lengths).any())
    # Codes are rounded anew, numbers are not.
    assert float((changed.values - changed.targets).abs().max()) <= 1 / 64 + 1e-6
    tags = dataclasses.replace(data, targets=Labels(("down", "up"), [
        (each[:, 0] >= 0).astype(int) for each in data.sequences]))
    changed = augmented(SequenceSet.from_dataset(tags), Augment(trim=3, stretch=0.4), data.format,
                        torch.Generator().manual_seed(1))
    clear = changed.values[:, :, 0].abs() > 0.6
    assert torch.equal(changed.targets[clear], (changed.values[:, :, 0] >= 0).long()[clear])
