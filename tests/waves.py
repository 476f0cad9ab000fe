"""A task that takes seconds to learn: noisy sines of three frequencies, and a recipe for it."""

import numpy as np
import pytest

from ternloom.files.dataset import Dataset, Labels, save
from ternloom.model.format import Fixed


__all__ = ["folder", "recipe", "waves"]


RECIPE = """
name = "tiny"
data = "waves.safetensors"
cell = "{cell}"
units = 16
float_epochs = 12
epochs = 20
learning_rate = 0.01
float_learning_rate = 0.02
batch = 12
dropout = 0.1
distillation = 0.5
seed = 3

[quantization]
weights = {{all = "{weights}"{readout}}}
activations = "{activations}"
power_of_two = true

[augment]
stretch = 0.1
noise = 0.1
trim = 1
"""


def waves(seed=1):
    """Noisy sines of three frequencies and any phase, 8 to 16 steps."""
    random = np.random.default_rng(seed)
    labels = np.arange(360) % 3
    sequences = []
    for label in labels:
        steps = np.arange(random.integers(8, 17))
        phase = random.uniform(0, 6.28) + steps * (0.4, 0.9, 1.6)[label]
        values = np.stack([np.sin(phase), np.cos(phase)], axis=1)
        values += random.normal(0, 0.1, values.shape)
        sequences.append(np.floor(32 * values).astype(np.int16))
    split = np.array(["train", "train", "valid", "test"])[np.arange(360) // 3 % 4]
    return Dataset(name="waves", sequences=sequences, split=split, format=Fixed(8, 5),
                   targets=Labels(("slow", "medium", "fast"), labels),
                   notes={"source": "drawn at random"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    save(waves(), folder / "waves.safetensors")
    return folder


def recipe(folder, name, **choices):
    choices = {"cell": "gru-reset-after", "weights": "twn", "activations": "ternary:0.5"} | choices
    choices["readout"] = ', readout = "twn"' if choices["weights"] == "mean-binary" else ""
    path = folder / f"{name}.toml"
    path.write_text(RECIPE.format(**choices))
    return path
