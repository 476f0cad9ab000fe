"""A whole training run on a task that takes seconds."""

import csv
import dataclasses
import pathlib

import numpy as np
import pytest
import torch
from waves import folder, recipe, waves

from ternloom.evaluate.score import Accuracy, integer_score
from ternloom.files import shipped
from ternloom.files.dataset import DatasetError, save
from ternloom.files.floats import load as load_floats
from ternloom.files.network import load
from ternloom.model import golden
from ternloom.model.cell import GRU_RESET_AFTER
from ternloom.model.format import Ternary
from ternloom.quantize.forward import logits, run
from ternloom.train.recipe import RecipeError, load_recipe
from ternloom.train.recurrent import RecurrentNetwork
from ternloom.train.run import _replaced, train


pytestmark = pytest.mark.train
__all__ = ["folder"]

@pytest.mark.parametrize("choices", [
    {}, {"cell": "lstm", "weights": "mean-binary"},
    {"cell": "gru-reset-before", "activations": "fixed:8"},
    {"cell": "lstm", "weights": "alternating:2", "activations": "planes:2"},
    {"cell": "lstm", "weights": "integer:4", "activations": "online:2"},
], ids=str)
def test_accuracy(folder, choices):
    """The task is learnt in floating point, in few bits, and the integers decide the same."""
    name = "-".join(choices.values()).replace(":", "") or "default"
    out = folder / f"{name}.safetensors"
    result = train(recipe(folder, name, **choices), out)
    assert result.scores["float"].test >= 0.97
    assert result.scores["quantized"].test >= 0.9
    assert result.scores["integer"] == result.scores["quantized"]
    network = load(out)
    assert integer_score(network, waves()) == result.scores["integer"]
    assert network.labels == ("slow", "medium", "fast")
    assert network.notes["recipe"] == f"{name}.toml"
    assert (network.notes["data"], network.notes["data source"]) == ("waves", "drawn at random")
    reference = load_floats(out.with_suffix(".float.safetensors"))
    assert right(reference, waves().part("test")) == result.scores["float"].test
    assert reference.labels == network.labels and reference.name == "tiny-float"
    noted = Accuracy.from_note(network.notes["float accuracy"])
    assert noted.test == pytest.approx(result.scores["float"].test, abs=1e-4)


def right(network, dataset):
    """Share of right answers of a float network."""
    forward = run(network, [codes * 2.0**-dataset.format.frac for codes in dataset.sequences])[-1]
    winners = [logits(network, outputs[-1]).argmax() for outputs in forward.outputs]
    return float(np.mean(winners == dataset.targets.values))


def content(path):
    return path.read_bytes(), path.with_suffix(".csv").read_bytes()


def test_determinism(folder):
    """The same seed makes the same bytes, whatever PyTorch drew before; another one doesn't."""
    path = recipe(folder, "twice")
    files = []
    for name, threads in (("first", 1), ("second", 2)):
        torch.manual_seed(threads)
        train(path, folder / f"{name}.safetensors", epochs=2)
        files.append(content(folder / f"{name}.safetensors"))
    assert files[0] == files[1]
    path.write_text(path.read_text().replace("seed = 3", "seed = 4"))
    train(path, folder / "third.safetensors", epochs=2)
    assert content(folder / "third.safetensors")[1] != files[0][1]


def test_global_state(folder):
    """A run leaves PyTorch's random state and threads as they were."""
    threads = torch.get_num_threads()
    torch.manual_seed(8)
    expected = torch.rand(3)
    torch.manual_seed(8)
    train(recipe(folder, "state"), folder / "state.safetensors", epochs=1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_curve(folder):
    out, seen = folder / "curve.safetensors", []
    result = train(recipe(folder, "curve"), out, epochs=2,
                   progress=lambda stage, step, steps, curve: seen.append((stage, step, steps)))
    assert [(epoch.stage, epoch.epoch) for epoch in result.curve] \
        == [("float", 1), ("float", 2), ("quantized", 1), ("quantized", 2)]
    assert seen == [(stage, step, 30) for stage in ("float", "quantized") for step in range(1, 31)]
    with out.with_suffix(".csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0]) == ["stage", "epoch", "loss", "valid_loss", "valid_accuracy"]
    assert [float(line["valid_loss"]) for line in lines] \
        == pytest.approx([epoch.valid_loss for epoch in result.curve], abs=1e-6)


def test_end_of_draws(folder, monkeypatch):
    """The last steps train what runs, and the slope is the design's when draws end."""
    calls = []
    draw = RecurrentNetwork.draw
    monkeypatch.setattr(RecurrentNetwork, "draw", lambda network, *how: (
        calls.append(how), draw(network, *how)))
    path = recipe(folder, "draws", weights="ternary-connect:scaled")
    path.write_text(path.read_text().replace("seed = 3", "seed = 3\ndraw_weights = true\n"
                                             "draw_share = 0.5\nwarmth = 4.0\nfloat_epochs = 0")
                    .replace("float_epochs = 12\n", ""))
    train(path, folder / "draws.safetensors", epochs=4)
    quantized = calls
    half = len(quantized) // 2
    assert quantized[:half] == [(True, False, 4.0 ** (1 - step / half)) for step in range(half)]
    assert quantized[half:] == [(False, False, 1.0)] * half


class Killed(Exception):
    pass


def test_seeds(folder):
    """Several seeds are so many runs; the best on the validation part is kept, with all scores."""
    path = recipe(folder, "seeds", weights="ternary-connect:scaled")
    text = path.read_text()
    alone = {}
    for seed in (3, 4, 5):
        path.write_text(text.replace("seed = 3", f"seed = {seed}"))
        alone[seed] = train(path, folder / f"seed{seed}.safetensors", epochs=2)
    path.write_text(text.replace("seed = 3", "seed = 3\nseeds = 3"))
    out, stages = folder / "seeds.safetensors", []
    result = train(path, out, epochs=2,
                   progress=lambda stage, *_: stage in stages or stages.append(stage))
    assert stages == [f"seed {seed}, {stage}" for seed in alone for stage in ("float", "quantized")]
    assert {seed: run.scores for seed, run in result.runs.items()} \
        == {seed: run.scores for seed, run in alone.items()}
    best = max(alone, key=lambda seed: alone[seed].scores["integer"].valid)
    assert len({run.scores["integer"].valid for run in alone.values()}) > 1
    network = load(out)
    assert network.notes["seed"] == f"{best} of 3, 4, 5, the best on the validation part"
    assert network.notes["integer accuracy, seed 4"] == alone[4].scores["integer"].note()
    kept = alone[best]
    assert (result.scores, result.curve) == (kept.scores, kept.curve)
    assert golden.run(network, waves().sequences).logits[0].tolist() \
        == golden.run(kept.network, waves().sequences).logits[0].tolist()


@pytest.mark.parametrize("dies_at", [("seed 3, quantized", 20), ("seed 4, float", 7)], ids=str)
def test_resumption_of_seeds(folder, tmp_path, dies_at):
    """Seeds that are done are not trained again; what is made is the same to the byte."""
    path = recipe(folder, "kill")
    path.write_text(path.read_text().replace("seed = 3", "seed = 3\nseeds = 2"))
    train(path, tmp_path / "whole.safetensors", epochs=2)

    def die(stage, step, steps, curve):
        if (stage, step) == dies_at:
            raise Killed

    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(Killed):
        train(path, tmp_path / "parts.safetensors", checkpoint=checkpoint, interval=0.0,
              progress=die, epochs=2)
    seen = []
    train(path, tmp_path / "parts.safetensors", checkpoint=checkpoint, epochs=2,
          progress=lambda stage, step, steps, curve: seen.append((stage, step)))
    assert seen[0] == dies_at
    assert content(tmp_path / "parts.safetensors") == content(tmp_path / "whole.safetensors")
    assert {path.name for path in tmp_path.glob("*.checkpoint")} \
        == {"run.seed3.checkpoint", "run.seed4.checkpoint"}


def test_no_epochs(folder):
    """Calibration alone makes a sound network of the float one."""
    result = train(recipe(folder, "none"), folder / "none.safetensors", epochs=0)
    assert result.curve == []
    assert result.network.layers[0].state_format == Ternary()
    assert result.network.layers[0].cell is GRU_RESET_AFTER


def test_negative_epochs(folder):
    with pytest.raises(RecipeError, match="^Epochs must be 0 or more, not -1$"):
        train(recipe(folder, "negative"), folder / "negative.safetensors", epochs=-1)


@pytest.mark.parametrize("name", ["gpu", "cuda:9", ""])
def test_no_device(folder, name):
    """Before anything is trained, in one line."""
    path = folder / "device.safetensors"
    with pytest.raises(RecipeError, match=f"^PyTorch cannot use the device '{name}' here "
                                          r"\([^\n]+\); choose one such as cpu or cuda$"):
        train(recipe(folder, "device"), path, epochs=1, device=name)
    assert not path.exists()


def test_missing_data(folder):
    path = recipe(folder, "lost")
    path.write_text(path.read_text().replace("waves", "missing"))
    with pytest.raises(DatasetError, match="missing.safetensors cannot be read"):
        train(path, folder / "lost.safetensors")
    assert not (folder / "lost.safetensors").exists()


def test_data_without_test_part(folder):
    data = waves()
    save(dataclasses.replace(data, split=np.where(data.split == "test", "train", data.split)),
         folder / "partial.safetensors")
    path = recipe(folder, "partial")
    path.write_text(path.read_text().replace("waves", "partial"))
    with pytest.raises(RecipeError) as caught:
        train(path, folder / "out.safetensors")
    assert str(caught.value) == (f"{folder / 'partial.safetensors'} must have sequences in "
                                 "each of the parts train, valid and test")


def test_shipped_data(tmp_path, monkeypatch):
    """Data may be named by what they are shipped as; a file or folder of that name counts more."""
    monkeypatch.chdir(tmp_path)
    loaded = load_recipe(shipped.folder() / "japanese-vowels-gru-ternary-ternary.toml")
    for data in ("digits", pathlib.Path("digits")):
        replaced = _replaced(loaded, None, data, None)
        assert replaced.data_path == shipped.folder() / "digits.safetensors"
    (tmp_path / "digits").mkdir()
    assert _replaced(loaded, None, "digits", None).data_path == tmp_path / "digits"
    assert _replaced(loaded, None, "none", None).data_path == tmp_path / "none"
