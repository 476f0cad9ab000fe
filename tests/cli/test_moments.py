"""Ctrl-C and kill -9 at random moments of every verb: nothing torn, nothing lost."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ternloom.files.network import save
from ternloom.model.draw import random_network


SHIPPED = "digits-gru-ternary-ternary"

#: Every verb with arguments, and what it writes.
VERBS = {
    "demo":     (["demo", "--sequences=1"], {"demo"}),
    "train":    (["train", SHIPPED, "--epochs=1", "-o", "mine.safetensors",
                  "--checkpoint-every=0.2"],
                 {"mine.safetensors", "mine.csv", "mine.json", "mine.float.safetensors"}),
    "convert":  (["convert", "digits-lstm-float", "-o", "mine.safetensors", "--calibration",
                  "digits", "--sequences=20"], {"mine.safetensors"}),
    "info":     (["info", SHIPPED], set()),
    "eval":     (["eval", SHIPPED, "digits"], set()),
    "compare":  (["compare", SHIPPED, "--data", "digits", "-o", "out"], {"out"}),
    "generate": (["generate", SHIPPED, "-o", "out"], {"out"}),
    "simulate": (["simulate", "../tiny.safetensors", "--simulator=icarus", "--waves=a.vcd"],
                 {"a.vcd"}),
    "synth":    (["synth", "../tiny.safetensors", "--board=ulx3s-85f", "--frequency=50", "-o",
                  "out"], {"out"}),
}

#: What a stopped training may leave.
KEPT = {f"mine.seed{seed}.checkpoint" for seed in (1, 2, 3)}

#: Ctrl-Cs of a verb.
MOMENTS = 20


class Place:
    """A current folder and one of temporary files, in which the program is run."""

    def __init__(self, folder):
        self.work, self.scratch = folder / "work", folder / "tmp"
        self.work.mkdir()
        self.scratch.mkdir()

    def start(self, arguments):
        return subprocess.Popen(
            [pathlib.Path(sys.executable).parent / "ternloom", *arguments], text=True,
            cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            env=os.environ | {"TMPDIR": str(self.scratch)})

    def run(self, arguments):
        """Run to the end and return the seconds that it took."""
        began = time.monotonic()
        process = self.start(arguments)
        _, err = process.communicate()
        assert process.returncode == 0, err
        return time.monotonic() - began

    def content(self):
        """Names in both folders."""
        return set(os.listdir(self.work)), os.listdir(self.scratch)


@pytest.fixture
def place(tmp_path):
    save(random_network(1, layers=1, units=4, inputs=3, classes=3), tmp_path / "tiny.safetensors")
    return Place(tmp_path)


def catches(process, number):
    """Whether a process has a handler for a signal."""
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return False
    caught = next((line for line in status.splitlines() if line.startswith("SigCgt")), "SigCgt 0")
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def interrupt(place, arguments, made, seconds):
    """Interrupt a run, which ends as it should; whether it had not yet ended."""
    before, _ = place.content()
    process = place.start(arguments)
    # Python's own start is not ours to answer for.
    while not catches(process, signal.SIGTERM) and process.poll() is None:
        time.sleep(0.005)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    after, left = place.content()
    assert left == [] and "Traceback" not in err
    if process.returncode == 0:
        assert after == made
        return False
    assert process.returncode == 130
    kept = " and ".join(sorted(after & KEPT))
    said = {f"the same command continues from {kept}": bool(kept),
            # Before the command is imported, it does not know of an earlier run's checkpoint.
            "nothing was left behind": after == before}
    assert said[err.splitlines()[-1].removeprefix("ternloom: interrupted, ")]
    assert after - KEPT == before - KEPT
    return True


def check(place, verb, moments, seed):
    arguments, made = VERBS[verb]
    draw = random.Random(seed)
    duration = place.run(arguments)
    assert place.content() == (made, [])
    interrupted = tries = 0
    while interrupted < moments:
        tries += 1
        assert tries < 10 * moments
        interrupted += interrupt(place, arguments, made, draw.uniform(0, duration))
    place.run(arguments)
    assert place.content() == (made, [])


@pytest.mark.parametrize("verb", ["info", "generate"])
def test_three_moments(place, verb):
    check(place, verb, 3, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("verb", [
    pytest.param(verb, marks=pytest.mark.train) if verb == "train" else verb for verb in VERBS])
def test_twenty_moments(place, verb):
    check(place, verb, MOMENTS, seed=2026)


def kill(place, process):
    """Kill a run, and say what it left in both folders."""
    process.kill()
    process.communicate()
    work, scratch = place.content()
    return sorted(work), scratch


def test_killed(place):
    """What kill -9 leaves is gone after the next run, a living run's is not."""
    arguments = ["generate", "digits-lstm-planes2-planes2", "-o", "out", "--pe=64", "--simd=32"]
    living, dead = place.start(arguments), place.start(arguments)
    while len(list(place.work.glob(".out.ternloom-*/new"))) < 2:
        assert dead.poll() is None and living.poll() is None
        time.sleep(0.05)
    work, scratch = kill(place, dead)
    assert len(work) == len(scratch) == 2
    place.run(["generate", "../tiny.safetensors", "-o", "other"])
    assert len(os.listdir(place.scratch)) == 1
    assert len(list(place.work.glob(".out.ternloom-*/new"))) == 1
    living.send_signal(signal.SIGINT)
    living.communicate(timeout=60)
    assert place.content() == ({"other"}, [])


LANGUAGE = """
task = "language"
name = "mine"
data = "../texts"
cell = "lstm"
units = 8
inputs = 4
steps = 4
batch = 3
dropout = 0.2
float_epochs = 12
epochs = 12

[quantization]
weights = {all = "alternating:2"}
activations = "online:2"
embedding = "planes:2"
"""

#: The classifier draws weights, activations and changes of the sequences.
SEQUENCE = """
name = "mine"
data = "{data}"
cell = "gru-reset-after"
units = 8
float_epochs = 2
epochs = 2
dropout = 0.2
draw_weights = true
draw_activations = true

[augment]
noise = 0.1
trim = 2

[quantization]
weights = {{all = "twn"}}
activations = "ternary:0.5"
"""


@pytest.mark.train
@pytest.mark.slow
@pytest.mark.parametrize("task", ["sequence", "language"])
def test_killed_training(place, task):
    """Killed again and again, training goes on from its checkpoint to the same bytes."""
    from ternloom.cli import source

    text = LANGUAGE if task == "language" else SEQUENCE.format(data=source.data_path("digits"))
    (place.work / "mine.toml").write_text(text)
    os.mkdir(place.work.parent / "texts")
    words = np.array(list("abcdefgh"))[np.random.default_rng(1).integers(8, size=(3, 60, 8))]
    for part, lines in zip(("train", "valid", "test"), words, strict=True):
        (place.work.parent / "texts" / f"{part}.txt").write_text(
            "\n".join(map(" ".join, lines)) + "\n")
    whole = ["train", "mine.toml", "--checkpoint-every=0"]
    duration = place.run(whole)
    names = {"mine.toml", "mine.safetensors", "mine.csv", "mine.float.safetensors"}
    record = {"mine.json"}
    assert place.content() == (names | record, [])
    expected = {name: (place.work / name).read_bytes() for name in names}
    for name in names - {"mine.toml"} | record:
        (place.work / name).unlink()
    draw, kills, resumed = random.Random(2026), 0, 0
    while True:
        resumed += (place.work / "mine.checkpoint").exists()
        process = place.start(whole)
        # From the fifth kill on with more time, so that it comes to an end.
        limit = draw.uniform(0.3, 0.8 if kills < 5 else 1.5) * duration
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            kill(place, process)
            kills += 1
            continue
        _, err = process.communicate()
        assert process.returncode == 0, err
        break
    assert kills >= 2 and resumed >= 2
    assert place.content() == (names | record, [])
    assert {name: (place.work / name).read_bytes() for name in names} == expected
