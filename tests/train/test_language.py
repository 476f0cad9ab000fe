"""Language models on a text that takes seconds: training, lowering, and going on after a kill."""

import csv
import math

import numpy as np
import pytest
import torch

from ternloom.evaluate.perplexity import predict
from ternloom.evaluate.score import Perplexity
from ternloom.files.floats import load as load_floats
from ternloom.files.network import load
from ternloom.model import golden
from ternloom.model.cell import LSTM
from ternloom.model.format import Fixed, Online
from ternloom.train import language
from ternloom.train import loop as loops
from ternloom.train.corpus import Corpus
from ternloom.train.lower import lower
from ternloom.train.recipe import RecipeError, load_recipe
from ternloom.train.run import train
from ternloom.train.weights import effective
from ternloom.train.word import LanguageNetwork, perplexity, softmax_answers, softmax_loss


pytestmark = pytest.mark.train

RECIPE = """
task = "language"
name = "tiny"
data = "."
cell = "{cell}"
units = 10
inputs = 6
steps = 5
batch = 4
float_epochs = {float_epochs}
epochs = {epochs}
learning_rate = 0.02
float_learning_rate = 0.05
dropout = 0.1
{more}

[quantization]
weights = {{all = "{weights}"}}
activations = "{activations}"
embedding = "{embedding}"
"""


def text(seed, lines):
    """Lines of a grammar: what a word's letter is decides the next one's digit."""
    random, made = np.random.default_rng(seed), []
    for _ in range(lines):
        digit, words = int(random.integers(3)), []
        for _ in range(random.integers(3, 7)):
            letter = "abc"[random.integers(3)]
            words.append(f"{letter}{digit}")
            digit = "abc".index(letter)
        made.append(" ".join(words))
    return "\n".join(made) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    for seed, (part, lines) in enumerate({"train": 80, "valid": 12, "test": 12}.items()):
        # A word that training doesn't see is unknown.
        extra = "<unk> a0\n" if part == "train" else "a0 zebra\n"
        (folder / f"tiny.{part}.txt").write_text(text(seed, lines) + extra)
    return folder


def recipe(folder, name="tiny", **choices):
    choices = {"cell": "lstm", "weights": "alternating:2", "activations": "online:2", "more": "",
               "embedding": "planes:2", "float_epochs": 3, "epochs": 3} | choices
    path = folder / f"{name}.toml"
    path.write_text(RECIPE.format(**choices))
    return path


def test_corpus(folder):
    corpus = Corpus.load(folder)
    assert corpus.words == 11 and set(corpus.parts) == {"train", "valid", "test"}
    # The most frequent word is the end of a line.
    assert corpus.parts["test"][-1] == 0
    assert int(corpus.parts["test"].max()) < corpus.words


def test_missing_text(tmp_path):
    (tmp_path / "some.train.txt").write_text("a b\n")
    with pytest.raises(RecipeError, match=r"must have exactly one text \*valid.txt, not none$"):
        Corpus.load(tmp_path)


def test_two_texts(folder, tmp_path):
    for path in folder.glob("*.txt"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "another.test.txt").write_text("a b\n")
    with pytest.raises(RecipeError, match="not another.test.txt, tiny.test.txt$"):
        Corpus.load(tmp_path)


def test_short_text(folder):
    path = recipe(folder, "wide", more="").read_text().replace("batch = 4", "batch = 60")
    (folder / "wide.toml").write_text(path)
    with pytest.raises(RecipeError, match="each of its 60 streams must have more than 10 words, "):
        train(folder / "wide.toml", folder / "wide.safetensors")


def test_softmax_loss():
    """The loss in bfloat16 and its gradients are those in single precision, nearly."""
    torch.manual_seed(3)
    network = LanguageNetwork(LSTM, 40, 5, 8, 1)
    codes = torch.randn(6, 3, 8, requires_grad=True)
    targets = torch.randint(40, (6, 3))
    wanted = torch.nn.functional.cross_entropy(network.logits(codes).view(-1, 40), targets.view(-1))
    tensors = [codes, network.readout_weight, network.readout_bias]
    expected = torch.autograd.grad(wanted, tensors)
    loss = softmax_loss(network, codes, targets)
    for made, exact in zip(torch.autograd.grad(loss, tensors), expected):
        assert float((made - exact).norm() / exact.norm()) < 0.02
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=1e-3)


def test_distilled_loss():
    """A teacher's shares count beside the targets, in value and gradient."""
    torch.manual_seed(4)
    network, teacher = (LanguageNetwork(LSTM, 40, 5, 8, 1) for _ in range(2))
    codes = torch.randn(6, 3, 8, requires_grad=True)
    targets = torch.randint(40, (6, 3))
    answers = softmax_answers(teacher, 3 * codes.detach())
    given = answers.float().softmax(1)
    shares = teacher.logits(3 * codes.detach()).view(-1, 40).softmax(1)
    assert torch.allclose(given, shares, rtol=0.05)
    logits = network.logits(codes).view(-1, 40)
    wanted = torch.nn.functional.cross_entropy(logits, targets.view(-1)) \
        + 0.7 * torch.nn.functional.cross_entropy(logits, given)
    tensors = [codes, network.readout_weight, network.readout_bias]
    expected = torch.autograd.grad(wanted, tensors)
    loss = softmax_loss(network, codes, targets, answers, 0.7)
    for made, exact in zip(torch.autograd.grad(loss, tensors), expected):
        assert float((made - exact).norm() / exact.norm()) < 0.02
    assert float(loss.detach()) == pytest.approx(float(wanted.detach()), rel=2e-3)


@pytest.mark.parametrize("more", ["", "dampening = 2.0", 'optimizer = "sgd"'])
def test_places(folder, monkeypatch, more):
    """What is carried gets a place where a step is captured, and is the same as without one."""
    path, corpus = recipe(folder, "places", more=more), Corpus.load(folder)

    def made():
        torch.manual_seed(1)
        _, network, _, loop = language.train(load_recipe(path).recipe, corpus)
        return loop.curve, network

    curve, network = made()
    optimizer = loops._optimizer
    monkeypatch.setattr(language.LanguageTask, "captured", True)
    monkeypatch.setattr(loops, "Step", lambda function: function)
    monkeypatch.setattr(loops, "_optimizer", lambda *given: optimizer(*given[:3]))
    again, other = made()
    assert again == curve
    for one, two in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_dampening(folder):
    """Weights are pulled towards what their codes mean, and then mean what they meant."""
    torch.manual_seed(1)
    loaded, corpus = load_recipe(recipe(folder, "dampened")), Corpus.load(folder)
    _, network, *_ = language.train(loaded.recipe, corpus)
    weight, quantizer = next(network.matrices())
    before, meant = weight.detach().clone(), effective(quantizer, weight).detach()
    network.dampen(0.25)
    torch.testing.assert_close(weight.detach(), before + (meant - before) / 4)
    wanted = effective(quantizer, weight).detach()
    network.settle()
    assert torch.equal(weight.detach(), wanted)
    assert torch.equal(effective(quantizer, weight).detach(), wanted)


METHODS = [
    {}, {"cell": "gru-reset-after", "weights": "alternating:3", "activations": "online:3"},
    {"weights": "hitnet-ternary:0.7:scaled", "activations": "ternary:0.5",
     "more": "draw_activations = true"},
    {"cell": "gru-reset-before", "weights": "ott-ternary", "activations": "fixed:8",
     "embedding": "fixed:8", "more": "draw_weights = true"},
    {"embedding": "fixed:8", "more": 'words = "alternating:2"'},
]


@pytest.mark.parametrize("choices", METHODS, ids=str)
def test_integers(folder, choices):
    """The lowered network computes the quantized one's logits, bit for bit, all through a text."""
    loaded = load_recipe(recipe(folder, "method", **choices))
    torch.manual_seed(1)
    corpus = Corpus.load(folder)
    _, network, task, _ = language.train(loaded.recipe, corpus)
    network.double()
    tokens = corpus.parts["test"]
    with torch.no_grad():
        logits = network.logits(network(torch.tensor(tokens)[:, None]))[:, 0]
    lowered = lower(network, "tiny")
    result = golden.run(lowered, [lowered.embed(tokens)])
    assert np.array_equal(result.logits[0], (logits * 2.0**lowered.readout.logits.frac).numpy())
    nats, _ = perplexity(network, task.parts["test"])
    assert predict(lowered, tokens).perplexity == pytest.approx(math.exp(nats), rel=1e-12)


@pytest.mark.parametrize("cell", ["lstm", "gru-reset-after"])
def test_training(folder, cell):
    """Far below the eleven words that it could be, in floating point and in integers."""
    path = recipe(folder, cell, cell=cell, float_epochs=12, epochs=8)
    out = folder / f"{cell}.safetensors"
    result = train(path, out)
    assert result.scores["float"].test < 6
    assert result.scores["integer"].test < 7
    assert result.scores["integer"].test == pytest.approx(result.scores["quantized"].test,
                                                          rel=1e-9)
    network = load(out)
    assert network.layers[0].state_format == Online(Fixed(8, 7), 2)
    assert network.labels == () and network.embedding.shape == (11, 6)
    noted = Perplexity.from_note(network.notes["integer perplexity"])
    assert noted.test == pytest.approx(result.scores["integer"].test, abs=0.005)
    assert len(load_floats(out.with_suffix(".float.safetensors")).embedding) == 11


def test_start(folder):
    """A float recipe's file is what a quantized one starts from."""
    floats = folder / "floats.safetensors"
    train(recipe(folder, "floats", epochs=0), floats)
    path = recipe(folder, "after", more='start = "floats.safetensors"', float_epochs=0, epochs=1)
    result = train(path, folder / "after.safetensors")
    assert result.reference is None
    corpus = Corpus.load(folder)
    loaded = load_recipe(path)
    network, *_ = language.train(loaded.recipe, corpus, floats)
    stored = load_floats(floats)
    assert np.array_equal(network.embedding.detach().numpy(), stored.embedding)
    assert np.array_equal(network.layers[0].bias.detach().numpy(), stored.layers[0].bias)


def test_start_of_another_size(folder):
    floats = folder / "small.safetensors"
    path = recipe(folder, "small", epochs=0)
    path.write_text(path.read_text().replace("units = 10", "units = 9"))
    train(path, floats, epochs=1)
    with pytest.raises(RecipeError, match="has lstm 6 to 9 and a readout of 11 classes and "
                                          "an embedding of 11 words, but the recipe and its data "
                                          "call for lstm 6 to 10 and"):
        train(recipe(folder, "large"), folder / "large.safetensors", start=floats)


class Steps:
    """An optimizer that keeps rates and the gradients' norms instead of making steps."""

    def __init__(self, kind, seen):
        self._kind, self._seen = kind, seen

    def __call__(self, parameters, rate, **options):
        optimizer = self._kind(parameters, rate, **options)
        self._seen.append(options)
        optimizer.register_step_pre_hook(lambda one, *_: self._seen.append((
            one.param_groups[0]["lr"], float(torch.stack([
                parameter.grad.norm() for parameter in one.param_groups[0]["params"]
                if parameter.grad is not None]).norm()))))
        return optimizer


def test_schedule(folder, monkeypatch):
    """Stochastic gradient descent with clipped gradients, divided after each worse epoch."""
    seen = []
    monkeypatch.setattr("torch.optim.SGD", Steps(torch.optim.SGD, seen))
    path = recipe(folder, "sgd", float_epochs=8, epochs=0, more="""
optimizer = "sgd"
momentum = 0.5
weight_decay = 0.001
gradient_norm = 0.125
warm_up = 0.0
decay = "divide:2"
""")
    path.write_text(path.read_text().replace("float_learning_rate = 0.05",
                                             "float_learning_rate = 200.0"))
    result = train(path, folder / "sgd.safetensors")
    options, *steps = seen
    assert options == {"momentum": 0.5, "weight_decay": 0.001, "fused": True}
    assert all(norm <= 0.125 * (1 + 1e-5) for _, norm in steps)
    rate, best, expected = 200.0, math.inf, []
    for epoch in result.curve:
        expected += [rate] * (len(steps) // len(result.curve))
        rate, best = (rate, epoch.valid_loss) if epoch.valid_loss < best else (rate / 2, best)
    assert rate < 200
    assert [rate for rate, _ in steps] == expected


class Killed(Exception):
    pass


def content(path):
    return path.read_bytes(), path.with_suffix(".csv").read_bytes()


#: Kinds of optimizers, whose state a checkpoint holds, and a teacher, whose states go on too.
SCHEDULES = ["", "distillation = 0.5\noptimizer = 'sgd'\nmomentum = 0.9\ngradient_norm = 0.25",
             "optimizer = 'sgd'\ndecay = 'divide:1.2'\nwarm_up = 0.0"]


@pytest.mark.parametrize("more", SCHEDULES, ids=["adamw", "momentum", "divide"])
@pytest.mark.parametrize("dies_at", [("float", 7), ("float", 16), ("quantized", 13)], ids=str)
def test_resumption(folder, tmp_path, dies_at, more):
    """A run that is killed in the middle of an epoch and goes on ends in the same bytes."""
    path, checkpoint = recipe(folder, "resumed", more=more), tmp_path / "run.checkpoint"
    train(path, tmp_path / "whole.safetensors")

    def die(stage, step, steps, curve):
        if (stage, step) == dies_at:
            raise Killed

    with pytest.raises(Killed):
        train(path, tmp_path / "parts.safetensors", checkpoint=checkpoint, interval=0.0,
              progress=die)
    assert checkpoint.exists() and not (tmp_path / "parts.safetensors").exists()
    seen = []
    train(path, tmp_path / "parts.safetensors", checkpoint=checkpoint,
          progress=lambda stage, step, steps, curve: seen.append((stage, step)))
    assert seen[0] == dies_at
    assert content(tmp_path / "parts.safetensors") == content(tmp_path / "whole.safetensors")


def test_checkpoint_of_another_recipe(folder, tmp_path):
    checkpoint = tmp_path / "run.checkpoint"

    def die(stage, step, steps, curve):
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        train(recipe(folder, "one"), tmp_path / "a", checkpoint=checkpoint, interval=0.0,
              progress=die)
    with pytest.raises(RecipeError, match="^Checkpoint .* belongs to another recipe, or"):
        train(recipe(folder, "two", epochs=2), tmp_path / "a", checkpoint=checkpoint)


@pytest.mark.parametrize("foreign", [b"", b"nothing of the kind"])
def test_foreign_checkpoint(folder, tmp_path, foreign):
    checkpoint = tmp_path / "run.checkpoint"
    checkpoint.write_bytes(foreign)
    with pytest.raises(RecipeError, match="^Checkpoint .* is damaged, or was not written by"):
        train(recipe(folder, "foreign"), tmp_path / "a", checkpoint=checkpoint)


def test_curve(folder):
    out = folder / "curve.safetensors"
    result = train(recipe(folder, "curve"), out)
    with out.with_suffix(".csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["stage"], int(line["epoch"])) for line in lines] \
        == [(epoch.stage, epoch.epoch) for epoch in result.curve] \
        == [(stage, epoch) for stage in ("float", "quantized") for epoch in (1, 2, 3)]
