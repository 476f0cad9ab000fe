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

from ternloom.cli import source
from ternloom.cli.main import VERBS, main
from ternloom.model.dataset import Dataset
from ternloom.model.dataset import save as save_dataset
from ternloom.model.file import VERSION, save
from ternloom.model.format import Fixed
from ternloom.model.network import Cell, Precision, Weight
from ternloom.model.random import random_network


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
    network = random_network(5, layers=1, units=8, inputs=3, classes=4, weight=Weight.TERNARY,
                             input_format=Fixed(8, 5), state_format="ternary")
    save(network, "net.safetensors")
    return place / "net.safetensors"


def test_no_verb(place, capsys):
    assert mistake(capsys) == "the following arguments are required: VERB; see ternloom --help"


def test_unknown_verb(place, capsys):
    line = mistake(capsys, "synthesise")
    assert line.startswith("argument VERB: invalid choice: 'synthesise' (choose from 'demo', ")


def test_unknown_option(place, capsys):
    line = mistake(capsys, "info", SHIPPED, "--fast")
    assert line == "unrecognized arguments: --fast; see ternloom --help"


def test_unknown_network(place, capsys):
    line = mistake(capsys, "info", "digits-gru")
    assert line.startswith("Network must be a file, or the name of a shipped one (")
    assert SHIPPED in line
    assert line.endswith("), not 'digits-gru'")


def test_unknown_data(place, capsys):
    line = mistake(capsys, "eval", SHIPPED, "cats")
    assert line.startswith("Data must be a file, or the name of a shipped one (digits, ")
    assert line.endswith("), not 'cats'")


def test_unreadable_network(place, capsys):
    """A folder in the place of a file is not one."""
    os.mkdir("net.safetensors")
    assert "Network must be a file" in mistake(capsys, "info", "net.safetensors")


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
    line = mistake(capsys, "info", source.data_path("digits"))
    assert line.endswith("must hold a network, not a data set")


def test_newer_version(network_file, capsys):
    rewrite(network_file, edit=lambda description: description.update(version=99))
    assert mistake(capsys, "info", "net.safetensors") == \
        ("network file net.safetensors was written by a newer Ternloom: version 99, this one "
         f"reads {VERSION}")


def test_unknown_field(network_file, capsys):
    rewrite(network_file, edit=lambda description: description.update(dropout=0.5))
    line = mistake(capsys, "info", "net.safetensors")
    assert line.startswith("network file net.safetensors has a description that is not sound: "
                           "unknown key 'dropout', the known ones are kind, version, digest, ")


def test_wrong_shape(network_file, capsys):
    def cut(tensors):
        tensors["layer0.bias"] = tensors["layer0.bias"][:-1].copy()

    rewrite(network_file, tensors=cut)
    line = mistake(capsys, "info", "net.safetensors")
    assert line.startswith("network file net.safetensors must have layer0.bias as I32 of shape (")


def test_codes_out_of_range(network_file, capsys):
    def spoil(tensors):
        tensors["layer0.input.codes"][:] = 255

    rewrite(network_file, tensors=spoil)
    line = mistake(capsys, "info", "net.safetensors")
    assert "layer0.input.codes must hold bytes below 243, five ternary codes" in line


def test_edited_network(network_file, capsys):
    def spoil(tensors):
        tensors["layer0.bias"][0] += 1

    rewrite(network_file, tensors=spoil)
    assert mistake(capsys, "info", "net.safetensors") == \
        "network file net.safetensors is damaged or was edited: its digest does not match its " \
        "content"


def data_file(inputs=3, form=Fixed(8, 5), classes=4):
    sequences = [np.zeros((5, inputs), np.int16)] * classes
    save_dataset(Dataset("zeros", sequences, np.arange(classes), np.array(["test"] * classes),
                         tuple(map(str, range(classes))), form, {}), "data.safetensors")


def test_data_width(network_file, capsys):
    data_file(inputs=4)
    for verb in (["eval"], ["simulate"], ["generate", "-o", "out"]):
        assert mistake(capsys, *verb, "net.safetensors", "data.safetensors") == \
            "Data zeros has 4 inputs a step, network random takes 3"
    assert not os.path.exists("out")


def test_data_format(network_file, capsys):
    data_file(form=Fixed(8, 4))
    line = mistake(capsys, "eval", "net.safetensors", "data.safetensors")
    assert line == "Data zeros holds codes of fixed(8, 4), network random takes fixed(8, 5)"


def test_data_classes(network_file, capsys):
    data_file(classes=5)
    assert mistake(capsys, "eval", "net.safetensors", "data.safetensors") == \
        "Data zeros has 5 classes, network random knows 4"


def test_empty_part(network_file, capsys):
    data_file()
    assert mistake(capsys, "eval", "net.safetensors", "data.safetensors", "--part", "valid") == \
        "Data zeros has no part 'valid'"


def test_too_many_clips(network_file, capsys):
    data_file()
    assert mistake(capsys, "simulate", "net.safetensors", "data.safetensors", "--clips", "5") == \
        "--clips must be at most 4, the sequences of zeros's part test, not 5"


@pytest.mark.parametrize("value", ["0", "-3", "many", "4,0", ""])
@pytest.mark.parametrize("verb", ["info", "simulate", "synth", "generate"])
def test_folding(place, capsys, verb, value):
    line = mistake(capsys, verb, SHIPPED, f"--pe={value}")
    part = value.split(",")[-1]
    assert line == f"argument --pe: must be a whole number from 1, not {part!r}; " \
                   f"see ternloom {verb} --help"


def test_folding_limit(place, capsys):
    assert mistake(capsys, "info", SHIPPED, "--simd=257") == "simd must be from 1 to 256, not 257"


def test_folding_layers(place, capsys):
    assert mistake(capsys, "info", SHIPPED, "--pe=4,4") == \
        "--pe must be one number or 1, one a layer, not 2"


@pytest.mark.parametrize("verb", [["synth", SHIPPED], ["demo"]])
def test_unknown_board(place, capsys, verb):
    assert mistake(capsys, *verb, "--board", "arty") == \
        "board must be one of icebreaker, ulx3s-85f, tang-nano-9k, not 'arty'"
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
        assert line == f"Output file/out.vcd must be in a folder, but {place}/file is a file"


@pytest.mark.parametrize("name", ["1st", "a-b", ""])
def test_module_name(place, capsys, name):
    line = mistake(capsys, "generate", SHIPPED, "-o", "out", f"--name={name}")
    assert line == f"argument --name: must be a Verilog identifier, not {name!r}; " \
                   "see ternloom generate --help"


def test_waves_suffix(place, capsys):
    assert mistake(capsys, "simulate", SHIPPED, "--waves", "waves.txt") == \
        "--waves must be a file that ends in .vcd, not 'waves.txt'"


def test_waves_of_both(place, capsys):
    assert mistake(capsys, "simulate", SHIPPED, "--waves", "a.vcd", "--simulator", "both") == \
        "--waves must go with one simulator, not with both"


def test_netlist_simulator(place, capsys):
    line = mistake(capsys, "simulate", SHIPPED, "--netlist=ecp5", "--simulator=verilator")
    assert line == "--netlist must go with --simulator icarus, not with verilator"


@pytest.mark.parametrize("value", ["0", "fast", "nan"])
def test_frequency(place, capsys, value):
    line = mistake(capsys, "synth", SHIPPED, "--board=icebreaker", f"--frequency={value}")
    assert line == f"argument --frequency: must be a frequency in MHz above 0, not {value!r}; " \
                   "see ternloom synth --help"


def test_missing_torch(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert mistake(capsys, "train", SHIPPED) == \
        "Training needs PyTorch, which this Python lacks; install it with: " \
        "pip install torch==2.13.0"


def test_missing_simulator(place, capsys, monkeypatch):
    from ternloom.sim import tools

    tools.find.cache_clear()
    monkeypatch.setenv("PATH", str(place))
    try:
        line = mistake(capsys, "simulate", SHIPPED, "--clips=1", "--simulator=icarus")
    finally:
        tools.find.cache_clear()
    assert line == "Tool iverilog must be in PATH, where it isn't: apt-get install iverilog"


def test_missing_synthesis(place, capsys, monkeypatch):
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    line = mistake(capsys, "synth", SHIPPED, "--board=icebreaker", "-o", "out")
    assert line == "yosys must be a program, but the environment variable YOSYS names " \
                   "'no-such-yosys'"
    assert os.listdir(place) == []


def test_small_board(place, capsys):
    """Four chains have more multipliers than the smallest board, and the line says so."""
    network = random_network(1, layers=1, units=4, inputs=2, classes=2, weight=Weight.TERNARY,
                             cell=Cell.LSTM, state_format="ternary", input_format="ternary",
                             precision=Precision())
    save(network, "net.safetensors")
    line = mistake(capsys, "synth", "net.safetensors", "--board=icebreaker", "--pe=4", "--simd=4",
                   "--top=core", "-o", "out", "--json")
    assert re.fullmatch(r"the design needs \d+ DSP, iCEBreaker \(UP5K\) has 8", line)
    assert os.listdir(place) == ["net.safetensors"]


@pytest.mark.parametrize("verb", VERBS)
def test_mistake_in_json(place, capsys, verb):
    """With --json, too, a mistake is a line on standard error and nothing on standard output."""
    mistake(capsys, verb, "--json", "--nonsense")
