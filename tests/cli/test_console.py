"""What reaches the terminal: whole lines, and a user's text as it is."""

import contextlib
import dataclasses
import queue
import shutil
import time

import numpy as np
import pytest

from ternloom.cli import console, source
from ternloom.cli.console import Command, Console, Outcome, Terminal, facts, table
from ternloom.cli.error import UserError
from ternloom.cli.main import main
from ternloom.files.dataset import Dataset, Labels
from ternloom.files.dataset import save as save_dataset
from ternloom.files.network import save
from ternloom.model.alphabet import TERNARY
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed
from ternloom.model.network import When


#: What a library of terminals would take for its own.
MARKUP = "[/nope] [bold]b[/bold] :smile: [link=x]"

#: Cursor, colour, bell, lines, the direction of writing, and a character of no width.
CONTROL = "a\x1b[31mb\rc\nd\u202ee\x07\x9bf\u200bg\x7f"
SEEN = r"a\x1b[31mb\rc\nd\u202ee\x07\x9bf\u200bg\x7f"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A current folder with a network and data all of whose names are markup."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    classes = tuple(f"[/class{index}]" for index in range(4))
    network = random_network(5, layers=1, units=6, inputs=3, classes=4, weight=TERNARY,
                             input_format=Fixed(8, 5), state_format="ternary", when=When.LAST)
    save(dataclasses.replace(network, name=MARKUP, labels=classes,
                             notes={"[/key]": "[/value]"}), "net.safetensors")
    codes = np.random.default_rng(1).integers(-99, 99, (8, 5, 3)).astype(np.int16)
    split = np.array(["train", "valid", "test", "test"] * 2)
    save_dataset(Dataset(MARKUP, list(codes), Labels(classes, np.arange(8) % 4), split,
                         Fixed(8, 5), {}), "data.safetensors")
    return tmp_path


@pytest.mark.parametrize("verb, told", [
    (["info", "net.safetensors"], [f"network    {MARKUP}", "[/key]     [/value]"]),
    (["eval", "net.safetensors", "data.safetensors"],
     [f"network   {MARKUP}", f"data      {MARKUP}, part test", "[/class0]  [/class1]"]),
    (["generate", "net.safetensors", "data.safetensors", "-o", "out"], [f"of {MARKUP}"]),
    (["simulate", "net.safetensors", "data.safetensors", "--simulator=icarus", "--sequences=1"],
     [f"network    {MARKUP}", f"1 sequences of {MARKUP}, part test"]),
    (["compare", "[b].safetensors", "--data", "data.safetensors"], ["\n[b]  "]),
])
def test_markup(place, capsys, verb, told):
    """Names that look like markup are names, in every verb."""
    shutil.copy("net.safetensors", "[b].safetensors")
    assert main(verb) == 0
    out = capsys.readouterr().out
    for text in told:
        assert text in out


def test_markup_of_mistake(place, capsys):
    assert main(["eval", "net.safetensors", "digits"]) == 2
    assert capsys.readouterr().err == \
        f"ternloom: Data digits has 13 inputs per step, but network {MARKUP} expects 3\n"


def hostile(thing, **names):
    """A network or data set with names that its constructor may refuse."""
    for name, value in names.items():
        object.__setattr__(thing, name, value)
    return thing


@pytest.mark.parametrize("verb, count", [(["info", "x"], 3), (["eval", "x", "y"], 14)])
def test_control_characters(place, capsys, monkeypatch, verb, count):
    """What moves a cursor or turns the writing round is shown as an escape."""
    network = hostile(source.network("net.safetensors"), name=CONTROL, notes={CONTROL: CONTROL})
    data = source.data("data.safetensors", "all")
    data = hostile(data, name=CONTROL, targets=hostile(data.targets, names=(CONTROL,) * 4))
    monkeypatch.setattr(source, "network", lambda name: network)
    monkeypatch.setattr(source, "data", lambda name, part, network: data)
    assert main(verb) == 0
    out, err = capsys.readouterr()
    assert all(line.isprintable() for line in (out + err).split("\n"))
    assert out.count(SEEN) == count


def test_control_characters_of_mistake(place, capsys, monkeypatch):
    def refuse(name):
        raise UserError(f"Network {CONTROL} is bad")

    monkeypatch.setattr(source, "network", refuse)
    assert main(["info", "x"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("ternloom: Network ") and err[:-1].isprintable()


@contextlib.contextmanager
def logged(monkeypatch, label):
    """Progress that is written to a log at once: yields what reports, and returns what is told."""
    lines = queue.Queue()
    with monkeypatch.context() as patched:
        patched.setattr(console, "_PATIENCE", 0.05)
        patched.setattr(console, "_LOOK", 0.001)
        # Another thread writes the lines, and what takes captured text away isn't made for two.
        patched.setattr(Terminal, "print", lambda _, line, **how: lines.put(f"{line}\n"))
        with Console().progress(label) as report:
            def told(*arguments, **words):
                report(*arguments, **words)
                return lines.get(timeout=60)
            yield told


def test_stages_in_a_log(monkeypatch):
    """A stage is told when it begins, also where nothing is reported while it lasts."""
    with logged(monkeypatch, "Building") as report:
        assert report() == "Building, 0 s\n"
        assert report(text="synthesize") == "Building: synthesize, 0 s\n"
        assert report(text="pack") == "Building: pack, 0 s\n"


def test_silence_of_haste(capsys, monkeypatch):
    """What is soon done is not worth a word."""
    monkeypatch.setattr(console, "_LOOK", 0.001)
    with Console().progress("Building") as report:
        report(text="synthesize")
        time.sleep(0.05)
    assert capsys.readouterr() == ("", "")


def test_control_characters_of_progress(capsys, monkeypatch):
    with logged(monkeypatch, CONTROL) as report:
        assert report(3, 4, CONTROL) == f"{SEEN}: {SEEN} 3/4, 0 s\n"
    Console().say(CONTROL)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Console().progress(CONTROL) as report:
        report(text=CONTROL)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{SEEN}\n")
    assert "\x1b[31m" not in err and "\u202e" not in err and "\x07" not in err


def shown(capsys, *parts):
    Console().show(Outcome({}, parts))
    return capsys.readouterr().out


LONG = "cd /" + "/".join(["a long name"] * 20) + " && vvp bench"
WORDS = " ".join(["word"] * 20)


def test_pipe(capsys, monkeypatch):
    """Where no terminal is, nothing is broken, and no line ends in blanks."""
    monkeypatch.setenv("COLUMNS", "40")
    out = shown(capsys, facts([("try", Command(LONG)), ("words", WORDS)]), LONG,
                table("Title", ("", ">n"), [("a", 1), (WORDS, 100)]))
    blank = " " * len(WORDS)
    assert out.splitlines() == [f"try    {LONG}", f"words  {WORDS}", LONG, "", "Title",
                                f"{blank}    n", f"a{blank[1:]}    1", f"{WORDS}  100"]


def test_terminal(capsys, monkeypatch):
    """On a terminal, which wraps long lines itself, a command is one line, so that it is copied
    as one; other text is broken between words.
    """
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = shown(capsys, facts([("try", Command(LONG)), ("words", WORDS)]), LONG)
    assert f"{LONG}\n" in out.splitlines(keepends=True)[0] and LONG == out.splitlines()[-1]
    assert len(out.splitlines()) == 2 + 4


def test_unknown_total(capsys, monkeypatch):
    """Work of unknown length has no count."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Console().progress("Building") as report:
        report(text="place and route")
    err = capsys.readouterr().err
    assert "Building: place and route" in err and "0/" not in err


def test_stages(capsys):
    """For a program that runs a verb: a line a stage, beside a result in JSON."""
    with Console(machine=True, stages=True).progress("Building") as report:
        for stage in ("generate", "generate", "pack"):
            report(text=stage)
        report(1, 2)
    assert capsys.readouterr() == ("", "stage: generate\nstage: pack\n")
