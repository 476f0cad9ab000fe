"""Generated cores under a bench that gives them nothing beyond what docs/design.md asks for."""

import json
import math
import re

import numpy as np
import pytest

from ternloom.hw import verilog
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model import golden
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Ternary
from ternloom.sim.build import build, execute


#: Networks that ``make test-all`` adds for each simulator.
SLOW = 48

_TOP = """\
module bench_top (
  input clk /*verilator public_flat_rw*/,
  input rst /*verilator public_flat_rw*/,
  input [{input}:0] s_axis_tdata /*verilator public_flat_rw*/,
  input s_axis_tvalid /*verilator public_flat_rw*/,
  input s_axis_tlast /*verilator public_flat_rw*/,
  input m_axis_tready /*verilator public_flat_rw*/,
  output s_axis_tready /*verilator public_flat_rd*/,
  output [{output}:0] m_axis_tdata /*verilator public_flat_rd*/,
  output m_axis_tvalid /*verilator public_flat_rd*/,
  output m_axis_tlast /*verilator public_flat_rd*/,
  output [{user}:0] m_axis_tuser /*verilator public_flat_rd*/,
  output error /*verilator public_flat_rd*/
);
  ternloom_core core (
    .clk(clk), .rst(rst), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast), .m_axis_tdata(m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast),
    .m_axis_tuser(m_axis_tuser), .error(error));
endmodule
"""


def wire(form, code):
    """Wire form of a code, as section 2 of docs/design.md has it."""
    if isinstance(form, Binary):
        return (int(code) + 1) // 2
    width = 2 if isinstance(form, Ternary) else form.width
    return int(code) & ((1 << width) - 1)


def code_of_zero(form):
    """The code whose wire form is all zeros."""
    return -1 if isinstance(form, Binary) else 0


def whole_bytes(bits):
    return 8 * math.ceil(bits / 8)


def beats(network, folding, sequence, lack):
    """Beats of a sequence whose last vector lacks so many, and the sequence as the core sees it."""
    form, slots = network.input_format, folding.input_slots
    count = math.ceil(network.inputs / slots)
    sent = [{"codes": [wire(form, code) for code in row[beat * slots:(beat + 1) * slots]],
             "last": 0, "short": 0} for row in sequence for beat in range(count)]
    sent = sent[:len(sent) - lack]
    sent[-1] |= {"last": 1, "short": int(lack > 0)}
    seen = np.array(sequence)
    if lack:
        seen[-1, (count - lack) * slots:] = code_of_zero(form)
    return sent, seen


def transfers(network, chains, result):
    """Output beats of a sequence: data, user, last."""
    found = []
    if network.readout is not None:
        bits = whole_bytes(network.readout.logits.width)
        for row in result["logits"]:
            for index, logit in enumerate(row):
                winner = int(np.argmax(row[:index + 1]))
                found.append([int(logit) & ((1 << bits) - 1), winner, 0])
    else:
        form = network.layers[-1].state_format
        for row, coefficients in zip(result["codes"], result["coefficients"], strict=True):
            found += [[int(one), 1, 0] for one in coefficients]
            for first in range(0, len(row), chains):
                word = sum(wire(form, code) << (slot * form.width)
                           for slot, code in enumerate(row[first:first + chains]))
                found.append([word, 0, 0])
    found[-1][2] = 1
    return found


def make_job(network, folding, rng, chains, *, unknown):
    """A few resets, each with sequences behind it; the last time all of them come through."""
    sequences = random_sequences(rng, network, 8, (1, 4))
    count = math.ceil(network.inputs / folding.input_slots)
    parts = [beats(network, folding, sequence,
                   int(rng.integers(count)) if rng.random() < 0.3 else 0) for sequence in sequences]
    result = golden.run(network, [seen for _, seen in parts])
    outputs = []
    for index in range(len(parts)):
        steps = len(parts[index][1])
        coefficients = result.coefficients and result.coefficients[index]
        outputs.append(transfers(network, chains, {
            "logits": result.logits[index] if network.readout is not None else None,
            "codes": result.codes[index] if network.readout is None else None,
            "coefficients": [[]] * steps if coefficients is None else coefficients}))
    episodes = []
    for turn in range(4):
        order = rng.permutation(len(parts)).tolist()
        whole = turn in (1, 3)
        episodes.append({
            "reset": int(rng.integers(1, 4)), "whole": whole,
            "cycles": 200000 if whole else int(rng.integers(1, 2000)),
            "send": float(rng.choice([1, 0.5, 0.03])), "take": float(rng.choice([1, 0.5, 0.05])),
            "beats": [beat for index in order for beat in parts[index][0]],
            "transfers": [beat for index in order for beat in outputs[index]]})
    return {"seed": int(rng.integers(1 << 30)), "unknown": unknown, "slots": folding.input_slots,
            "code_width": network.input_format.width,
            "width": whole_bytes(folding.input_slots * network.input_format.width),
            "episodes": episodes}


def draw(seed):
    rng = np.random.default_rng([seed, 77])
    kind = ("fixed", "binary", "ternary", "planes", "online")[seed % 5]
    network = random_network(rng, layers=1 + seed % 3 // 2, units=int(rng.integers(1, 8)),
                             inputs=int(rng.integers(1, 9)), classes=int(rng.integers(1, 5)),
                             state_format=kind, readout=seed % 4 != 1)
    parts = tuple(LayerFolding(int(rng.integers(1, 7)), int(rng.integers(1, 7)),
                               bool(rng.integers(2))) for _ in network.layers)
    readout = None if network.readout is None else LayerFolding(*rng.integers(1, 5, 2).tolist())
    return network, Folding.line(parts, readout, int(rng.integers(1, parts[0].simd + 1))), rng


def play(seed, simulator, folder, spoil=lambda text: text):
    """What is wrong with a core, by the bench; nothing if all is well."""
    network, folding, rng = draw(seed)
    design = verilog.generate(Mapping(network, folding))
    job = make_job(network, folding, rng, design.report["streams"]["output"]["slots"],
                   unknown=simulator == "icarus")
    widths = {name: int(re.search(rf"^  \w+put \[?(\d*)(:0\] )?{port};", design.verilog,
                                  re.MULTILINE)[1] or 0)
              for name, port in (("input", "s_axis_tdata"), ("output", "m_axis_tdata"),
                                 ("user", "m_axis_tuser"))}
    (folder / "core.v").write_text(spoil(design.verilog))
    (folder / "bench_top.v").write_text(_TOP.format(**widths))
    (folder / "job.json").write_text(json.dumps(job))
    build(simulator, folder, ["core.v", "bench_top.v"])
    execute(simulator, folder, folder / "job.json", module="hostile_bench")
    return (folder / "job.json.result").read_text()


@pytest.mark.parametrize("seed", range(3))
def test_core(seed, tmp_path):
    assert play(seed, "icarus", tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("seed", range(3, 3 + SLOW))
def test_more_cores(seed, simulator, tmp_path):
    assert play(seed, simulator, tmp_path) == ""


@pytest.mark.parametrize("pattern, replacement, message", [
    (r"^  assign s_axis_tready = .*;", "  assign s_axis_tready = 1'b1;", "s_axis_tready"),
    (r"(\.o__ready\()m_axis_tready", r"\g<1>1'b1", "taken back"),
    (r"^    error <= .*;", "    error <= 1'b0;", "error must be 1, not 0"),
])
def test_fault(pattern, replacement, message, tmp_path):
    """The bench sees what it is for."""
    def spoil(text):
        found, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count
        return found
    assert message in play(2, "icarus", tmp_path, spoil)
