"""Weights of a language model, quantized after training, on a text that takes seconds."""

import json

import numpy as np
import pytest
import torch

from ternloom.files.floats import save
from ternloom.model.cell import GRU_RESET_AFTER
from ternloom.quantize.codes import relative_error
from ternloom.quantize.weights import parse
from ternloom.train.lower import floats
from ternloom.train.posttraining import METHODS, main, quantized
from ternloom.train.word import LanguageNetwork


pytestmark = pytest.mark.train


def network():
    torch.manual_seed(4)
    return LanguageNetwork(GRU_RESET_AFTER, 6, 12, 20, 1)


@pytest.fixture
def place(tmp_path):
    random = np.random.default_rng(2)
    for part in ("train", "valid", "test"):
        words = np.array(list("abcd"))[random.integers(4, size=(30, 5))]
        (tmp_path / f"x.{part}.txt").write_text("\n".join(map(" ".join, words)) + "\n<unk>\n")
    save(floats(network(), "small"), tmp_path / "float.safetensors")
    return tmp_path


def run(place):
    main([str(place / name) for name in ("float.safetensors", ".", "results.json")])
    return json.loads((place / "results.json").read_text())


def test_quantized_weights():
    """All four matrices, nothing else."""
    before, after = network(), network()
    errors = quantized(after, parse("alternating:3"))
    assert set(errors) == {"embedding", "input", "recurrent", "softmax", "all"}
    old = before.embedding.detach().numpy()
    assert errors["embedding"] == pytest.approx(
        relative_error(old, after.embedding.detach().numpy()), rel=1e-6)
    assert min(errors.values()) <= errors["all"] <= max(errors.values())
    same = {name for name, value in before.state_dict().items()
            if torch.equal(value, after.state_dict()[name])}
    assert same == {"layers.0.bias", "layers.0.recurrent_bias", "readout_bias"}


def test_results(place):
    results = run(place)
    assert set(results) == {"float 32"} | {f"{name} {bits}" for name in METHODS
                                           for bits in (2, 3, 4)}
    for bits in (2, 3, 4):
        errors = [results[f"{name} {bits}"]["errors"]["all"]
                  for name in ("alternating", "refined", "greedy")]
        assert errors == sorted(errors)
    assert abs(results["alternating 4"]["perplexity"] - results["float 32"]["perplexity"]) < 0.1


def test_resumption(place):
    """What is there stays, what is missing is made."""
    whole = run(place)
    part = {name: {"perplexity": 1.0, "errors": {}} for name in list(whole)[:5]}
    (place / "results.json").write_text(json.dumps(part))
    assert run(place) == whole | part


def test_foreign_network(place, capsys):
    (place / "float.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(SystemExit) as caught:
        run(place)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
