"""The verbs at work, and what they print."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import types

import pytest
from edit import edited

from ternloom.cli import train
from ternloom.cli import main as cli
from ternloom.cli.background import Background
from ternloom.cli.error import UserError
from ternloom.cli.main import VERBS, main
from ternloom.files.network import save
from ternloom.hw import verilog
from ternloom.mapping.mapping import Mapping
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.format import Fixed
from ternloom.model.network import When
from ternloom.model.precision import Precision


SHIPPED = "digits-gru-ternary-ternary"

#: One that is made for these tests, so that the tools are soon done.
TINY = "tiny.safetensors"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def tiny(place):
    network = random_network(1, layers=1, units=6, inputs=3, classes=4, when=When.LAST,
                             cell=LSTM, input_format="fixed", state_format="ternary",
                             precision=Precision(Fixed(6, 4), 5, Fixed(9, 6)))
    save(network, place / TINY)


def told(capsys, *arguments):
    """Text that a verb prints."""
    assert main(arguments) == 0
    return capsys.readouterr().out


def answer(capsys, *arguments):
    """JSON that a verb prints, and nothing else does."""
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


@pytest.mark.parametrize("verb", VERBS)
def test_help(place, capsys, verb):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: ternloom {verb} [-h] [--json]")
    assert f"\nexample:\n  ternloom {verb} " in text
    assert "-o" in text or verb in ("info", "eval", "simulate")
    assert "(default: " in text


@pytest.mark.parametrize("verb", VERBS)
def test_example(verb):
    """The example of each verb's help is one that the parser takes."""
    words = cli.importlib.import_module(f"ternloom.cli.{verb}").EXAMPLE.split()
    assert words[:2] == ["ternloom", verb]
    assert cli.parser(verb).parse_args(words[1:]).verb == verb


def test_multiplexed(place, capsys):
    """Two time-multiplexed planes take the array twice the cycles."""
    sizes = "digits-lstm-planes2-planes2", "--pe=4", "--simd=4"
    busy = [answer(capsys, "info", *sizes, *option)["folding"][0]["busy_cycles"]
            for option in ((), ("--multiplexed",))]
    assert busy[0] < busy[1] <= 2 * busy[0]


def test_overview(place, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"\n    {verb} " in text for verb in VERBS)


def test_speed_of_help():
    """Help loads nothing large."""
    program = "import sys\nfrom ternloom.cli.main import main\ntry: main(['--help'])\n" \
              "except SystemExit: print(*sys.modules)"
    out = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True,
                         check=True).stdout
    assert not {"numpy", "amaranth", "rich", "matplotlib", "torch"} & set(out.split())


def test_info(place, capsys):
    text = told(capsys, "info", SHIPPED)
    assert "layer0  gru-reset-after" in text
    assert "13 x fixed(8, 5)" in text
    data = answer(capsys, "info", SHIPPED, "--pe", "8", "--simd", "16")
    assert data["layers"][0]["units"] == 64
    assert data["folding"][0]["lanes"] == 128
    assert [matrix["rows"] for matrix in data["matrices"]] == [192, 192, 10]
    assert data["cycles_per_step"] >= data["folding"][0]["busy_cycles"]


def test_info_in_plain_words(place, capsys):
    """What a step takes on each board, and accuracy in the form that eval has."""
    lines = [line.split(maxsplit=2) for line in told(capsys, "info", SHIPPED).splitlines()]
    times = ["48.0 us on icebreaker at 24 MHz", "15.4 us on ulx3s-85f at 75 MHz",
             "42.7 us on tang-nano-9k at 27 MHz"]
    step, = (line[2] for line in lines if line[:2] == ["time", "step"])
    assert step.startswith("1,152 cycles: ") and all(time in step for time in times)
    assert ["integer", "accuracy", "valid 99.67 %, test 99.33 %"] in lines
    data = answer(capsys, "info", SHIPPED)
    assert data["notes"]["integer accuracy"] == "valid 0.9967, test 0.9933"
    assert data["microseconds_per_step"].items() >= {"icebreaker": 48.0, "ulx3s-85f": 15.36,
                                                     "tang-nano-9k": 1152 / 27}.items()


def test_list(place, capsys):
    data = answer(capsys, "info")
    assert SHIPPED in data["networks"] and "digits" in data["data"]
    assert SHIPPED in data["recipes"] and "digits-lstm-float" in data["float_networks"]
    text = told(capsys, "info")
    assert all(name in text for names in data.values() for name in names)
    lines = [line.split() for line in text.splitlines()]
    assert [SHIPPED, "gru-reset-after", "64", "99.33", "%"] in lines
    assert ["ptb-lstm-hitnet", "lstm", "300", "103.89"] in lines


def test_progress_of_training():
    """Loss rather than perplexity, which says nothing of a classifier."""
    epoch = types.SimpleNamespace(valid_score=0.5, valid_loss=0.25, metric="accuracy")
    assert train._text("float", [epoch]) == \
        "float, 50.0 % right on the validation part, loss 0.250"


def test_background(tiny, place, monkeypatch):
    """Who waits for a verb is told its stages, and at the end its mistake and no stage."""
    yosys = place / "fake"
    yosys.write_text('#!/bin/sh\n[ "$1" = --version ] || sleep 2\necho no silicon\nexit 3\n')
    yosys.chmod(0o755)
    monkeypatch.setenv("YOSYS", str(yosys))
    monkeypatch.setenv("AMARANTH_USE_YOSYS", "builtin")
    stages = []
    with Background(["synth", TINY, "--board=icebreaker", "-o", "out"]) as building, \
            pytest.raises(UserError) as caught:
        building.result(lambda text: stages.append(text))
    assert str(caught.value) == "yosys failed with status 3: no silicon"
    assert stages[-1] == "synthesize" and set(stages) <= {None, "generate", "synthesize"}


def test_eval(place, capsys):
    text = told(capsys, "eval", SHIPPED, "digits")
    assert "of 300 sequences" in text
    data = answer(capsys, "eval", SHIPPED, "digits")
    assert data["sequences"] == 300
    assert data["correct"] == sum(data["confusion"][index][index] for index in range(10))
    assert f"{data['correct']} of 300" in text
    assert answer(capsys, "eval", SHIPPED, "digits", "--part", "valid")["sequences"] == 300


def test_generate(tiny, capsys):
    """What is written runs without Python: the bench passes, and fails where a vector is wrong."""
    data = answer(capsys, "generate", TINY, "-o", "out", "--name", "core")
    assert sorted(os.listdir("out")) == [".ternloom.json", "core.v", "report.json", "vectors"]
    assert data["vectors"]["sequences"] == 2 and data["vectors"]["transfers"] == 8
    assert bench() == "passed: 8 of 8 transfers seen, 0 wrong"
    with open("out/vectors/output.hex") as stream:
        lines = stream.read().split()
    lines[7] = f"{int(lines[7], 16) ^ 1:x}"
    with open("out/vectors/output.hex", "w") as stream:
        stream.write("\n".join(lines))
    assert bench() == "FAILED: 8 of 8 transfers seen, 1 wrong"


def bench():
    """Last line of the plain Verilog bench, run as its own first lines say."""
    with open("out/vectors/testbench.v") as stream:
        command = re.search(r"// (iverilog .*?)    \(in this folder\)", stream.read())[1]
    return subprocess.run(command, shell=True, check=True, cwd="out/vectors", capture_output=True,
                          text=True).stdout.splitlines()[-1]


def test_generate_after_trying(tiny, capsys):
    """The line that is printed to try leaves nothing that the same command would not replace."""
    first = told(capsys, "generate", TINY, "-o", "out")
    command = re.search(r"^try +(cd .*)$", first, re.M)[1]
    run = subprocess.run(command, shell=True, check=True, capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "passed: 8 of 8 transfers seen, 0 wrong"
    assert told(capsys, "generate", TINY, "-o", "out") == first


def test_generate_repeats(place, capsys):
    """The same again makes the same files, and a table of the weights."""
    text = told(capsys, "generate", SHIPPED, "-o", "one")
    assert "layer0.recurrent" in text
    answer(capsys, "generate", SHIPPED, "-o", "two")
    assert subprocess.run(["diff", "-r", "one", "two"], check=False).returncode == 0


def test_simulate(place, capsys):
    text = told(capsys, "simulate", SHIPPED, "--sequences", "1")
    assert "1 sequences of digits, part test" in text
    assert "exact" in text
    assert os.listdir(place) == []


def test_simulate_random(tiny, capsys):
    """A network that brings no data runs on random codes."""
    data = answer(capsys, "simulate", TINY, "--sequences=3", "--simulator=both")
    assert data["exact"] and data["data"] == "random codes" and data["sequences"] == 3
    assert [run["simulator"].split()[0] for run in data["runs"]] == ["verilator", "icarus"]
    assert data["runs"][0]["transfers"] == data["runs"][1]["transfers"] > 12
    assert os.listdir(".") == [TINY]


@pytest.mark.parametrize("name", ["a.vcd", "a.fst"])
def test_waves(tiny, capsys, name):
    told(capsys, "simulate", TINY, "--sequences=1", "--simulator=icarus", f"--waves=w/{name}")
    assert os.listdir("w") == [name]
    assert os.path.getsize(f"w/{name}") > 1000


def test_mismatch(tiny, capsys, monkeypatch):
    """A wrong core ends with exit status 1 and the place of the first difference."""
    right = verilog.generate

    def wrong(mapping, name="ternloom_core"):
        network = mapping.network
        bias = network.readout.bias.copy()
        bias[3] += 1 << network.readout.shift
        readout = dataclasses.replace(network.readout, bias=bias)
        return right(Mapping(edited(network, readout=readout), mapping.folding), name)

    monkeypatch.setattr(verilog, "generate", wrong)
    assert main(["simulate", TINY, "--sequences=1", "--simulator=icarus"]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "WRONG" in text
    assert "icarus 11.0: sequence 0, step" in text and "must be" in text


def test_synth(tiny, capsys):
    data = answer(capsys, "synth", TINY, "--board=icebreaker", "-o", "out", "--pe=2",
                  "--simd=1")
    assert data["clock"]["achieved"] >= data["clock"]["asked"]
    assert os.path.getsize(os.path.join("out", data["bitstream"])) > 10_000
    assert 0 < data["utilization"]["logic cells"]["used"] <= 5280
    assert data["clock"]["asked"] == 24 and data["untimed"] == ""
    assert data["step"]["microseconds"] == data["step"]["cycles"] / 24
    assert data["link"]["baud"] == 115_200
    assert data["link"]["microseconds"] == 1e7 * data["link"]["request_bytes"] / 115_200


@pytest.mark.train
def test_train(place, capsys):
    data = answer(capsys, "train", SHIPPED, "-o", "mine.safetensors", "--epochs", "1")
    assert sorted(os.listdir(place)) == ["mine.csv", "mine.float.safetensors", "mine.json",
                                         "mine.safetensors"]
    assert set(data["accuracy"]) == {"float", "quantized", "integer"}
    assert answer(capsys, "info", "mine.safetensors")["name"] == SHIPPED
