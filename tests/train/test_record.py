"""The record of a run names what is on the disk."""

import hashlib
import json

import pytest
from waves import folder, recipe

from ternloom.train.run import train


pytestmark = pytest.mark.train
__all__ = ["folder"]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_record(folder):
    path, out = recipe(folder, "recorded"), folder / "recorded.safetensors"
    path.write_text(path.read_text().replace("seed = 3", "seed = 3\nseeds = 2"))
    result = train(path, out, epochs=1)
    kept = json.loads(out.with_suffix(".json").read_text())
    assert kept["recipe"] == {"recorded.toml": digest(path)}
    assert kept["data"] == {"waves.safetensors": digest(folder / "waves.safetensors")}
    assert kept["written"] == {
        "network": digest(out), "curve": digest(out.with_suffix(".csv")),
        "float network": digest(out.with_suffix(".float.safetensors"))}
    assert (kept["start"], kept["epochs"]) == (None, {"float": 1, "quantized": 1})
    assert kept["kept"] == result.seed
    assert {int(seed): {name: score["test"] for name, score in scores.items()}
            for seed, scores in kept["seeds"].items()} \
        == {seed: {name: score.test for name, score in run.scores.items()}
            for seed, run in result.runs.items()}
    assert set(kept["seconds"]) == {"3", "4"} and all(
        0 < seconds < 600 for seconds in kept["seconds"].values())
