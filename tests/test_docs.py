"""The documents say what the code does."""

import enum
import json
import os
import pathlib
import re
import sys
import types

import msgspec
import numpy as np
import pytest
from hwsim import drive

from ternloom.boards import exchange
from ternloom.boards.link import BytesToVectors, VectorsToBytes, unpack_vector
from ternloom.boards.registry import BOARDS
from ternloom.cli.main import main
from ternloom.files.dataset import load as load_data
from ternloom.files.network import load as load_network
from ternloom.files.shipped import folder
from ternloom.mapping.folding import Folding
from ternloom.mapping.mapping import Mapping
from ternloom.model import golden
from ternloom.quantize.spec import QuantizationSpec
from ternloom.train.recipe import Augment, LanguageRecipe, SequenceRecipe


ROOT = pathlib.Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "guide.md").read_text()
NETWORK = load_network(folder() / "digits-gru-ternary-ternary.safetensors")
FOLDING = Folding.uniform(NETWORK, 4, 8)


def recipe_table():
    """Default of each key by its dotted name, as the guide has it."""
    text = GUIDE.partition("<!-- recipe -->")[2].partition("<!-- /recipe -->")[0]
    rows = [line.strip("| ").split(" | ") for line in text.strip().splitlines()[2:]]
    return {row[0].strip("`"): row[3].strip("`") for row in rows}


def default(field):
    """Default of a key as TOML has it."""
    if field.required:
        return "must be given"
    value = field.default
    if isinstance(value, msgspec.Struct):
        plain = msgspec.to_builtins(value)
        shown = ", ".join(f"{name} = {plain[name]}" for name in ("width", "frac") if name in plain)
        return f"{{{shown}}}" if shown else "none"
    if isinstance(value, enum.Enum):
        value = value.value
    return "none" if value is None else json.dumps(value)


def test_recipe_keys():
    """Every key of every recipe, with its default, is in the guide, and no other."""
    fields = {}
    for prefix, struct in (("", SequenceRecipe), ("", LanguageRecipe), ("augment.", Augment),
                           ("quantization.", QuantizationSpec)):
        fields |= {prefix + field.name: field for field in msgspec.structs.fields(struct)}
    told = recipe_table()
    assert told.pop("task") == '"sequence"'
    assert sorted(told) == sorted(fields)
    # Only a language model that stays a float network has none.
    assert told.pop("quantization") == "must be given"
    for name, text in told.items():
        assert (name, text) == (name, default(fields[name]))


def test_demo_in_readme():
    """The README shows what the demo prints, of a run of this command line."""
    head, *lines = demo_block()
    assert re.fullmatch(r"On a machine of \d+ cores:", head)
    names = [line[4:].partition("  ")[0] for line in lines if line]
    assert names == ["network", "accuracy", "float accuracy", "Verilog", "simulation", "board",
                     "clock", "utilization", "bitstream", "time", "What to do next", "look",
                     "install", "load", "send", "receive"]
    assert {line[20:] for line in lines} >= {
        NETWORK.name, "99.33 %, 298 of 300 test recordings, golden model",
        "valid 99.67 %, test 100.00 %", "icebreaker", "demo/bitstream/ternloom_core.bin"}


def demo_block():
    """Lines of the README's block."""
    text = (ROOT / "README.md").read_text()
    return text.partition("<!-- demo -->\n")[2].partition("<!-- /demo -->")[0].splitlines()


@pytest.mark.slow
def test_demo_again(tmp_path, monkeypatch, capsys):
    """The demo prints what the README shows, but for the seconds and the machine's programs."""
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out.splitlines()
    for said, shown in zip(printed, demo_block()[2:], strict=True):
        if not said.startswith(("time", "simulation")):
            assert shown == f"    {said}".rstrip()
    assert sorted(os.listdir("demo")) == [".ternloom.json", "answer.bin", "bitstream",
                                          "picture.png", "recording.bin", "report.json",
                                          "ternloom_core.v", "vectors"]
    with open("demo/picture.png", "rb") as stream:
        assert stream.read(4) == b"\x89PNG"
    with open("demo/report.json") as stream:
        report = json.load(stream)
    assert report["eval"]["accuracy"] > 0.95
    sent = pathlib.Path("demo/recording.bin").read_bytes()
    assert play(sent) == pathlib.Path("demo/answer.bin").read_bytes()
    assert len(sent) == report["recording"]["sent"]
    assert play(sent)[-1] == report["recording"]["label"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_boards(board):
    """Clock, baud rate and loader of each board."""
    row = next(line for line in GUIDE.splitlines() if f"| `{board.name}` |" in line)
    assert row.endswith(f"| {board.frequency:g} MHz | {board.baud:,} | "
                        f"`{board.program.format('FILE')}` |")


def play(sent):
    """What a board answers: the link's components around the golden model."""
    stream = Mapping(NETWORK, FOLDING).taken
    vectors = len(sent) // (1 + stream.beats * stream.data_width // 8)
    taken = drive(BytesToVectors(stream.data_width, stream.beats), sent, vectors * stream.beats,
                  [0])
    lasts = [beat for beat, payload in enumerate(taken) if payload.last]
    assert lasts == [len(taken) - 1]
    sequence = stream.unpack([payload.data for payload in taken])
    result = golden.run(NETWORK, [sequence.astype(np.int16)])
    logits, winner = result.logits[0][-1].tolist(), int(result.winners[0][-1])
    beats = [{"data": logit & 0xFFFF, "winner": winner if index == 9 else 0}
             for index, logit in enumerate(logits)]
    return bytes(drive(VectorsToBytes(16, 4, 10), beats, 21, [0]))


class Port:
    """A serial port with a board behind it."""

    opened = None

    def __init__(self, name, baud, timeout):
        Port.opened = name, baud, timeout
        self.sent = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def write(self, data):
        self.sent += data

    def read(self, count):
        return play(self.sent)[:count]


def test_host(capsys, monkeypatch):
    """The program in the guide that talks to a board."""
    monkeypatch.setitem(sys.modules, "serial", types.SimpleNamespace(Serial=Port))
    program = re.search(r"<!-- host -->\n```python\n(.*?)```", GUIDE, re.DOTALL)[1]
    exec(compile(program, "guide.md", "exec"), {})
    assert re.fullmatch(r"spoken (\d) heard \1\n", capsys.readouterr().out)
    assert Port.opened == ("/dev/ttyUSB1", 115_200, 5)


def own_cell(folder_of_examples):
    """The guide's program for a cell of one's own, on the shipped recordings, and what it needs."""
    program = re.search(r"<!-- own cell -->\n```python\n(.*?)```", GUIDE, re.DOTALL)[1]
    rng, units = np.random.default_rng(1), 12
    weights = {"input_weight": (3 * units, 13), "recurrent_weight": (3 * units, units),
               "bias": (3 * units,), "readout_weight": (10, units), "readout_bias": (10,)}
    path = str(folder_of_examples / "digits.safetensors")
    return (program.replace('"gestures.safetensors"', repr(path)),
            {name: rng.standard_normal(shape) / 3 for name, shape in weights.items()})


def test_own_cell():
    """All but the bitstream."""
    program, names = own_cell(folder())
    exec(compile(program.partition("result = build(")[0], "guide.md", "exec"), names)
    assert names["network"].layers[0].cell.gates == ("a", "u", "o")
    assert names["report"].transfers > 0


def test_two_networks():
    """The guide's program for a network that is no line."""
    program = re.search(r"<!-- two networks -->\n```python\n(.*?)```", GUIDE, re.DOTALL)[1]
    names = {}
    exec(compile(program, "guide.md", "exec"), names)
    assert list(names["answers"]) == ["gru_says", "lstm_says"]
    assert names["report"].transfers > 0


@pytest.mark.slow
def test_own_bitstream(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program, names = own_cell(folder())
    exec(compile(program, "guide.md", "exec"), names)
    assert re.fullmatch(r"\d+\.\d MHz, \S+\.bin\n", capsys.readouterr().out)


def test_exchange():
    """Bytes that the demo leaves are those that the board takes and gives."""
    sequence = load_data(folder() / "digits.safetensors").part("test").sequences[3]
    sent = exchange.question(Mapping(NETWORK, FOLDING), sequence)
    assert len(sent) == 14 * len(sequence)
    answer = exchange.answer(Mapping(NETWORK, FOLDING), sequence)
    assert play(sent) == answer
    result = golden.run(NETWORK, [sequence])
    assert unpack_vector(answer, 10, 2) == (result.logits[0][-1].tolist(),
                                            int(result.winners[0][-1]))
