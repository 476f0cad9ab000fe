"""A full or broken disk: one line, exit status 2, nothing left behind."""

import errno
import os
import pathlib
import re
import subprocess
import sys

import pytest

from ternloom.cli.main import main
from ternloom.files.network import save
from ternloom.model.draw import random_network


FULL = "; nothing was written: free some space for the output and for temporary files (TMPDIR)"

FAILURES = [(errno.ENOSPC, "No space left on device" + FULL),
            (errno.EDQUOT, "Disk quota exceeded" + FULL),
            (errno.EIO, "Input/output error")]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, and one of temporary files."""
    save(random_network(1, layers=1, units=4, inputs=3, classes=3), tmp_path / "tiny.safetensors")
    for name in ("work", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def failing(monkeypatch, method, number):
    def fail(path, *arguments, **settings):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pathlib.Path, method, fail)


def ended(place, capsys, *arguments):
    """The line of a verb that fails and leaves nothing."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("ternloom: ") and err.count("\n") == 1
    assert os.listdir(place / "work") == os.listdir(place / "tmp") == []
    return err.removeprefix("ternloom: ").removesuffix("\n")


@pytest.mark.parametrize("number, told", FAILURES)
def test_errors(place, capsys, monkeypatch, number, told):
    failing(monkeypatch, "write_text", number)
    assert ended(place, capsys, "generate", "../tiny.safetensors", "-o", "out") == told


@pytest.mark.parametrize("verb", [["simulate"], ["synth", "--board=icebreaker", "-o", "out"]],
                         ids=["simulate", "synth"])
def test_verbs(place, capsys, monkeypatch, verb):
    number, told = FAILURES[0]
    failing(monkeypatch, "write_text", number)
    assert ended(place, capsys, verb[0], "../tiny.safetensors", *verb[1:]) == told


def test_network(place, capsys, monkeypatch):
    failing(monkeypatch, "write_bytes", errno.ENOSPC)
    line = ended(place, capsys, "convert", "digits-lstm-float", "-o", "mine.safetensors",
                 "--calibration", "digits", "--sequences=2", "--part=all")
    assert re.fullmatch(r"network file \S+/mine.safetensors cannot be written: "
                        "No space left on device", line)


@pytest.mark.train
def test_checkpoint(place, capsys, monkeypatch):
    number, told = FAILURES[0]
    failing(monkeypatch, "write_bytes", number)
    assert ended(place, capsys, "train", "digits-gru-ternary-ternary", "--epochs=1", "--json",
                 "--checkpoint-every=0") == told


def test_limit_of_the_system(place):
    """A file that the system itself refuses to let grow."""
    program = pathlib.Path(sys.executable).parent / "ternloom"
    done = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", program, "convert",
                           "digits-lstm-float", "-o", "mine.safetensors", "--calibration",
                           "digits", "--sequences=2", "--part=all"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ternloom: network file ")
    assert done.stderr.endswith("/mine.safetensors cannot be written: File too large\n")
    assert os.listdir(place / "work") == os.listdir(place / "tmp") == []


def test_full_standard_output(place):
    program = pathlib.Path(sys.executable).parent / "ternloom"
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "info", "../tiny.safetensors"], stdout=full, text=True,
                              stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, f"ternloom: No space left on device{FULL}\n")
