"""Mistakes of a user: one line that says what is wrong, exit status 2, and nothing written."""

import json
import os
import pathlib
import re
import sys

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from storing import forge, parts
from ternloom.boards.registry import BOARDS
from ternloom.cli import option, source
from ternloom.cli.main import VERBS, main
from ternloom.files.dataset import Dataset, Labels
from ternloom.files.dataset import save as save_dataset
from ternloom.files.network import VERSION, save
from ternloom.model.alphabet import TERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed
from ternloom.model.precision import Precision


SHIPPED = "digits-gru-ternary-ternary"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mistake(capsys, *arguments):
    """The one line that a mistake gets."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ternloom: ") and err.endswith("\n") and err.count("\n") == 1
    return err.removeprefix("ternloom: ").removesuffix("\n")


def rewrite(path, *, edit=None, tensors=None):
    """Change the description or the tensors of a file that Ternloom wrote."""
    with safetensors.safe_open(path, framework="numpy") as stored:
        description = json.loads(stored.metadata()["ternloom"])
        content = {name: stored.get_tensor(name) for name in stored.keys()}
    if edit:
        edit(description)
    if tensors:
        tensors(content)
    safetensors.numpy.save_file(content, path, {"ternloom": json.dumps(description)})


@pytest.fixture
def network_file(place):
    network = random_network(5, layers=1, units=8, inputs=3, classes=4, weight=TERNARY,
                             input_format=Fixed(8, 5), state_format="ternary")
    save(network, "net.safetensors")
    return place / "net.safetensors"


def test_no_verb(place, capsys):
    """The help, on standard error, since nothing was done."""
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("usage: ternloom [-h] [--version] VERB ...\n")
    assert all(f"\n    {verb} " in err for verb in VERBS)


@pytest.mark.parametrize("verb, message", [
    (["info", "--pe"], "argument --pe: expected one argument"),
    (["eval"], "NET is missing: network file, or the name of a shipped network (ternloom info "
               "lists them)"),
    (["generate", SHIPPED], "-o/--output is missing: folder to write; replaced if ternloom "
                            "generate wrote it"),
    (["synth"], "NET is missing: network file, or the name of a shipped network (ternloom info "
                "lists them)"),
    (["train"], "RECIPE is missing: recipe (a TOML file), or the name of a shipped recipe"),
])
def test_missing_argument(place, capsys, verb, message):
    assert mistake(capsys, *verb) == f"{message}; see ternloom {verb[0]} --help"


def test_unknown_verb(place, capsys):
    line = mistake(capsys, "synthesise")
    assert line.startswith("argument VERB: invalid choice: 'synthesise' (choose from 'demo', ")


def test_unknown_option(place, capsys):
    line = mistake(capsys, "info", SHIPPED, "--fast")
    assert line == "unrecognized arguments: --fast; see ternloom --help"


def test_unknown_network(place, capsys):
    assert mistake(capsys, "info", "digits-gru-ternery") == \
        "No file and no shipped network is called 'digits-gru-ternery'; did you mean " \
        "'digits-gru-ternary-fixed8', 'digits-gru-ternary-ternary' or 'digits-gru-online3'? " \
        "ternloom info lists all that are shipped"
    assert mistake(capsys, "info", "none") == \
        "No file and no shipped network is called 'none'; ternloom info lists all that are shipped"


def test_network_beside(network_file, capsys):
    """A name without its suffix, and one that is misspelt, of a file that is there."""
    for name in ("net", "nett.safetensors"):
        assert mistake(capsys, "info", name) == \
            f"No file and no shipped network is called {name!r}; did you mean " \
            "'net.safetensors'? ternloom info lists all that are shipped"


def test_unknown_data(place, capsys):
    assert mistake(capsys, "eval", SHIPPED, "digit") == \
        "No file and no shipped data set is called 'digit'; did you mean 'digits'? ternloom info " \
        "lists all that are shipped"


def test_unreadable_network(place, capsys):
    """A folder in the place of a file is not one."""
    os.mkdir("net.safetensors")
    assert mistake(capsys, "info", "net.safetensors") == \
        "net.safetensors is a folder, not a network"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_network(network_file, capsys, share):
    content = network_file.read_bytes()
    network_file.write_bytes(content[:int(share * len(content))])
    line = mistake(capsys, "info", "net.safetensors")
    assert line.startswith("network file net.safetensors is truncated")


def test_foreign_file(place, capsys):
    pathlib.Path("net.safetensors").write_text("PK, but no safetensors")
    assert mistake(capsys, "info", "net.safetensors") == \
        "network file net.safetensors is not a safetensors file"


def test_foreign_safetensors(place, capsys):
    safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, "net.safetensors")
    assert mistake(capsys, "info", "net.safetensors") == \
        "network file net.safetensors was not written by Ternloom: it has no metadata 'ternloom'"


def test_data_as_network(place, capsys):
    path = source.data_path("digits")
    told = "is a data set, not a network; use it as DATA of ternloom eval, or with ternloom " \
           "train --data"
    for name in ("digits", path):
        for verb in ("info", "eval"):
            assert mistake(capsys, verb, name) == f"{name} {told}"


def test_float_network_as_network(place, capsys):
    assert mistake(capsys, "eval", "digits-lstm-float", "digits") == \
        "digits-lstm-float is a float network, not a network; use ternloom convert to make a " \
        "network from it, or ternloom compare --float"


def test_network_as_data(network_file, capsys):
    told = "is a network, not a data set; networks are for ternloom info, eval, generate, " \
           "simulate and synth"
    assert mistake(capsys, "eval", SHIPPED, "net.safetensors") == f"net.safetensors {told}"


def test_recipe_as_network(place, capsys):
    pathlib.Path("mine.toml").write_text("")
    assert mistake(capsys, "info", "mine.toml") == \
        "mine.toml is a recipe, not a network; use ternloom train to make a network from it"


def test_state_dict_as_network(place, capsys):
    safetensors.numpy.save_file({"lstm.weight_hh_l0": np.zeros((4, 1), np.float32)},
                                "net.safetensors")
    assert mistake(capsys, "info", "net.safetensors") == \
        "net.safetensors is a PyTorch float network, not a network; use ternloom convert to make " \
        "a network from it"


@pytest.mark.parametrize("length", [0x0280, 0x0480])
def test_length_like_a_pickle(place, length):
    """A safetensors file begins with the length of its header, whatever bytes that has."""
    header = json.dumps({"__metadata__": {"ternloom": json.dumps({"kind": "network"})}})
    pathlib.Path("net.safetensors").write_bytes(length.to_bytes(8, "little")
                                                + header.encode().ljust(length))
    assert source.network_path("net.safetensors") == pathlib.Path("net.safetensors")


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x80\x02"])
@pytest.mark.parametrize("verb", [["info"], ["convert", "-o", "x", "--calibration", "digits"]])
def test_pickle(place, capsys, content, verb):
    """What torch.save writes; the line that is told makes a file that convert reads."""
    pathlib.Path("my net.pt").write_bytes(content + bytes(40))
    assert mistake(capsys, *verb, "my net.pt") == (
        "my net.pt was written by torch.save and is not read, since it may run code; convert its "
        "state_dict to safetensors with: python -c 'import torch, safetensors.torch as s; "
        's.save_file(torch.load("my net.pt"), "my net.safetensors")\'')


def test_newer_version(network_file, capsys):
    rewrite(network_file, edit=lambda description: description.update(version=99))
    assert mistake(capsys, "info", "net.safetensors") == \
        ("network file net.safetensors was written by a newer Ternloom: it has version 99, and "
         f"this one reads up to {VERSION}")


def test_unknown_field(network_file, capsys):
    rewrite(network_file, edit=lambda description: description.update(dropout=0.5))
    line = mistake(capsys, "info", "net.safetensors")
    assert line.startswith("network file net.safetensors has an invalid description: "
                           "unknown key 'dropout'; the known ones are kind, version, digest, ")


def test_wrong_shape(network_file, capsys):
    def cut(tensors):
        tensors["layer0.bias"] = tensors["layer0.bias"][:-1].copy()

    rewrite(network_file, tensors=cut)
    line = mistake(capsys, "info", "net.safetensors")
    assert line.startswith("network file net.safetensors has layer0.bias as I32 of shape (")


def test_codes_out_of_range(network_file, capsys):
    def spoil(tensors):
        tensors["layer0.input.codes"][:] = 255

    document, tensors = parts(network_file)
    spoil(tensors)
    forge(network_file, document, tensors)
    line = mistake(capsys, "info", "net.safetensors")
    assert "layer0.input.codes must be bytes below 243, of five ternary codes" in line


def test_edited_network(network_file, capsys):
    def spoil(tensors):
        tensors["layer0.bias"][0] += 1

    rewrite(network_file, tensors=spoil)
    assert mistake(capsys, "info", "net.safetensors") == \
        "network file net.safetensors is damaged or was edited: its digest does not match its " \
        "content"


def data_file(inputs=3, form=Fixed(8, 5), classes=4):
    sequences = [np.zeros((5, inputs), np.int16)] * classes
    labels = Labels(tuple(map(str, range(classes))), np.arange(classes))
    save_dataset(Dataset("zeros", sequences, labels, np.array(["test"] * classes), form, {}),
                 "data.safetensors")


def test_data_width(network_file, capsys):
    data_file(inputs=4)
    for verb in (["eval"], ["simulate"], ["generate", "-o", "out"]):
        assert mistake(capsys, *verb, "net.safetensors", "data.safetensors") == \
            "Data zeros has 4 inputs per step, but network random expects 3"
    assert not os.path.exists("out")


def test_data_format(network_file, capsys):
    data_file(form=Fixed(8, 4))
    line = mistake(capsys, "eval", "net.safetensors", "data.safetensors")
    assert line == ("Data zeros has codes of Fixed(width=8, frac=4), but network random expects "
                    "Fixed(width=8, frac=5)")


def test_data_classes(network_file, capsys):
    data_file(classes=5)
    assert mistake(capsys, "eval", "net.safetensors", "data.safetensors") == \
        "Data zeros has 5 classes, but network random has 4"


def test_empty_part(network_file, capsys):
    data_file()
    assert mistake(capsys, "eval", "net.safetensors", "data.safetensors", "--part", "valid") == \
        "Data zeros has no sequences in part 'valid'"


def test_too_many_sequences(network_file, capsys):
    data_file()
    assert mistake(capsys, "simulate", "net.safetensors", "data.safetensors", "--sequences=5") == \
        "--sequences must be at most 4, the sequences of zeros's part test, not 5"


@pytest.mark.parametrize("value", ["0", "-3", "many", "4,0", ""])
@pytest.mark.parametrize("verb", ["info", "simulate", "synth", "generate"])
def test_folding(place, capsys, verb, value):
    line = mistake(capsys, verb, SHIPPED, f"--pe={value}")
    part = value.split(",")[-1]
    assert line == f"argument --pe: must be a whole number of at least 1, not {part!r}; " \
                   f"see ternloom {verb} --help"


def test_folding_limit(place, capsys):
    assert mistake(capsys, "info", SHIPPED, "--simd=257") == "simd must be from 1 to 256, not 257"


def test_folding_layers(place, capsys):
    assert mistake(capsys, "info", SHIPPED, "--pe=4,4") == \
        "--pe must be one number or 1, one per layer, not 2"


@pytest.mark.parametrize("verb", [["synth", SHIPPED], ["demo"]])
def test_unknown_board(place, capsys, verb):
    assert mistake(capsys, *verb, "--board", "arty") == \
        f"board must be one of {', '.join(BOARDS)}, not 'arty'"
    assert os.listdir(place) == []


@pytest.mark.parametrize("verb", [["generate", SHIPPED], ["synth", SHIPPED, "--board=icebreaker"],
                                  ["demo"]])
def test_foreign_folder(place, capsys, verb):
    os.mkdir("mine")
    pathlib.Path("mine", "thesis").write_text("years of work")
    assert mistake(capsys, *verb, "-o", "mine") == \
        "Output folder mine exists and was not written by ternloom; choose another with " \
        "--output, or remove it"
    assert os.listdir("mine") == ["thesis"]
    assert os.listdir(place) == ["mine"]


def test_folder_below_a_file(place, capsys):
    pathlib.Path("file").write_text("")
    for verb in (["generate", SHIPPED, "-o"], ["simulate", SHIPPED, "--waves"]):
        line = mistake(capsys, *verb, "file/out.vcd")
        assert line == f"Output file/out.vcd cannot be written: {place}/file is a file, not a " \
                       "folder"


@pytest.mark.parametrize("name, told", [
    *((name, f"must be a Verilog identifier, not {name!r}") for name in ("1st", "a-b", "")),
    *((name, f"must not be a keyword of Verilog or SystemVerilog, such as {name!r}")
      for name in ("module", "wire", "always", "showcancelled", "logic", "bool")),
    ("testbench", "must not be 'testbench', the name of the bench that is written with the core"),
])
def test_module_name(place, capsys, name, told):
    line = mistake(capsys, "generate", SHIPPED, "-o", "out", f"--name={name}")
    assert line == f"argument --name: {told}; see ternloom generate --help"


def test_keywords(place):
    """What Icarus takes for a keyword may name no module, and all that may do name one."""
    from ternloom.cli.keyword import KEYWORDS

    for word in ("Module", "core", "clk", "beat", "outputs", "entity", "signal", "mod"):
        assert option.module(word) == word
    assert len(KEYWORDS) == 251


def test_waves_suffix(place, capsys):
    assert mistake(capsys, "simulate", SHIPPED, "--waves", "waves.txt") == \
        "--waves must be a file that ends in .vcd, not 'waves.txt'"


def test_waves_of_both(place, capsys):
    assert mistake(capsys, "simulate", SHIPPED, "--waves", "a.vcd", "--simulator", "both") == \
        "--waves needs one simulator, not both"


def test_netlist_simulator(place, capsys):
    line = mistake(capsys, "simulate", SHIPPED, "--netlist=ecp5", "--simulator=verilator")
    assert line == "--netlist needs --simulator icarus, not verilator"


@pytest.mark.parametrize("value", ["0", "fast", "nan"])
def test_frequency(place, capsys, value):
    line = mistake(capsys, "synth", SHIPPED, "--board=icebreaker", f"--frequency={value}")
    assert line == f"argument --frequency: must be a frequency in MHz above 0, not {value!r}; " \
                   "see ternloom synth --help"


def test_baud(place, capsys):
    assert mistake(capsys, "synth", SHIPPED, "--board=icebreaker", "--top=core", "--baud=9600") == \
        "--baud needs --top uart, not core"
    assert mistake(capsys, "synth", SHIPPED, "--board=icebreaker", "--baud=9000000") == \
        "baud must be from 1 to 6000000 at 24 MHz, not 9000000"
    assert os.listdir(place) == []


def test_missing_torch(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert mistake(capsys, "train", SHIPPED) == \
        "Training needs PyTorch, which is not installed; install it with: " \
        "pip install torch==2.13.0"


def test_missing_simulator(place, capsys, monkeypatch):
    from ternloom.sim import tools

    tools.find.cache_clear()
    monkeypatch.setenv("PATH", str(place))
    try:
        line = mistake(capsys, "simulate", SHIPPED, "--sequences=1", "--simulator=icarus")
    finally:
        tools.find.cache_clear()
    assert line == "iverilog was not found in PATH; install it with: apt-get install iverilog"


def test_missing_synthesis(place, capsys, monkeypatch):
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    line = mistake(capsys, "synth", SHIPPED, "--board=icebreaker", "-o", "out")
    assert line == "yosys was not found: the environment variable YOSYS names " \
                   "'no-such-yosys', which is not a program"
    assert os.listdir(place) == []


def test_small_board(place, capsys):
    """Four chains have more multipliers than the smallest board, and the line says so."""
    network = random_network(1, layers=1, units=4, inputs=2, classes=2, weight=TERNARY,
                             cell=LSTM, state_format="ternary", input_format="ternary",
                             precision=Precision())
    save(network, "net.safetensors")
    line = mistake(capsys, "synth", "net.safetensors", "--board=icebreaker", "--pe=4", "--simd=4",
                   "--top=core", "-o", "out", "--json")
    assert re.fullmatch(r"the design needs at least \d+ DSP, but iCEBreaker \(UP5K\) has 8", line)
    assert os.listdir(place) == ["net.safetensors"]


@pytest.mark.parametrize("verb", VERBS)
def test_mistake_in_json(place, capsys, verb):
    """With --json, too, a mistake is a line on standard error and nothing on standard output."""
    mistake(capsys, verb, "--json", "--nonsense")
