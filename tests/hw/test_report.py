"""Reports and probes: what they name is there, and every intermediate is named once."""

import collections
import dataclasses
import re

import numpy as np
import pytest
from cellstep import CORE
from edit import edited, refed

from ternloom.hw.verilog import generate
from ternloom.mapping.folding import Folding, LayerFolding
from ternloom.mapping.mapping import Mapping
from ternloom.model.alphabet import ALPHABETS, TERNARY
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Binary, Fixed, Online, Planes, Ternary
from ternloom.model.golden import run
from ternloom.model.precision import Precision


@pytest.fixture(scope="module", params=CORE)
def design(request):
    network = random_network(3, cell=request.param, layers=1, units=5, inputs=4, classes=2,
                             input_format=Fixed(5, 3), state_format=Ternary(),
                             weight=TERNARY)
    return generate(Mapping(network, Folding.line((LayerFolding(4, 4),), LayerFolding(2, 3))))


def test_probes_complete(design):
    """Each unit of each name of the layer's trace is in one probe, at one place."""
    network = design.mapping.network
    trace = run(network, random_sequences(1, network, 1), trace=True).trace
    named = collections.Counter(name for probe in design.probes for name in probe.names
                                if name[1] >= 0)
    expected = {(name, unit) for name in trace if name.startswith("layer0.") for unit in range(5)}
    assert set(named) == expected
    assert set(named.values()) == {1}


def test_probes_exist(design):
    """Data and strobe are signals of their modules."""
    for probe in design.probes:
        for path in (probe.data, probe.valid):
            module, _, signal = path.rpartition(".")
            text = re.search(rf"^module \\ternloom_core\.{re.escape(module)} ?\(.*?^endmodule",
                             design.verilog, re.MULTILINE | re.DOTALL)[0]
            declared = rf"^  (wire|reg|output) (signed )?(\[\d+:0\] )?{signal}( = \S+)?;"
            assert re.search(declared, text, re.MULTILINE), path


@pytest.mark.parametrize("state, shown, signed", [
    (Ternary(), True, True), (Fixed(6, 4), True, True), (Planes((2, 1), 1), True, False),
    (Binary(), False, None),
])
def test_code_probes(state, shown, signed):
    """Codes are watched where their wire form is the code."""
    network = random_network(3, cell=LSTM, layers=1, units=3, inputs=2, state_format=state)
    folding = Folding.line((LayerFolding(2, 2),), LayerFolding(1, 1))
    probes = generate(Mapping(network, folding)).probes
    codes = [probe for probe in probes if probe.data.endswith(".h_seen")]
    assert bool(codes) == shown
    assert all(probe.signed == signed for probe in codes)


@pytest.mark.parametrize("planes", [2, 3])
def test_online(planes):
    """Samples, codes and coefficients are watched; multipliers for coefficients are counted."""
    network = random_network(3, cell=LSTM, layers=1, units=5, inputs=2, classes=2,
                             state_format=Online(Fixed(6, 5), planes))
    found = generate(Mapping(network, Folding.line((LayerFolding(4, 4),), LayerFolding(1, 1))))
    watched = {name for probe in found.probes for name, _ in probe.names}
    assert watched >= {"layer0.sample", "layer0.h", "layer0.beta"}
    line, = found.report["quantizers"]
    assert (line["planes"], line["multipliers"]) == (planes, planes == 3)
    layer, readout = found.report["arrays"]
    assert readout["multipliers"] == planes + (readout["coefficients"] == "multiplier")
    assert layer["chains"] == 2
    assert layer["multipliers"] == 2 * (planes + (layer["coefficients"] == "multiplier"))


def test_matrices(design):
    """One line a matrix, and ROMs that have room for all of them."""
    layer, readout = design.mapping.network.layers[0], design.mapping.network.readout
    lines = {line["name"]: line for line in design.report["matrices"]}
    assert list(lines) == ["layer0.input", "layer0.recurrent", "readout.weights"]
    for name, matrix in (("layer0.input", layer.input), ("layer0.recurrent", layer.recurrent),
                         ("readout.weights", readout.weights)):
        line = lines[name]
        assert (line["rows"], line["columns"], line["planes"]) == \
            (matrix.rows, matrix.columns, matrix.planes)
        assert line["weight"] == "ternary" and line["bits"] == 2 * matrix.codes.size
        room = line["roms"] * line["rom_width"] * line["rom_depth"]
        held = [other["bits"] for other in lines.values()
                if other["name"].partition(".")[0] == name.partition(".")[0]]
        assert room >= sum(held)
    assert lines["layer0.input"]["roms"] == 4 and lines["layer0.input"]["rom_width"] == 2 * 4


def test_arrays(design):
    layer, readout = design.report["arrays"]
    assert (layer["name"], readout["name"]) == ("layer0", "readout")
    assert layer["element"] == "gated-popcount" and layer["serial_planes"] == 5
    assert layer["chains"] * layer["elements"] == 4 and layer["lanes"] == 16
    for line in (layer, readout):
        assert line["ideal_cycles"] <= line["busy_cycles"]
        assert 0 < line["accumulator_bits"] and 0 < line["row_bits"]


@pytest.mark.parametrize("weight", ALPHABETS.values())
def test_weights(weight):
    """Bits of the codes in use, and of a weight in the ROM, which holds those of both matrices."""
    network = random_network(5, layers=1, units=4, inputs=3, weight=weight, state_format=Planes(
        (2, 1), 2))
    folding = Folding.line((LayerFolding(2, 2, multiplexed=True),), LayerFolding(1, 2))
    report = generate(Mapping(network, folding)).report
    matrices = network.layers[0].input, network.layers[0].recurrent
    for line, matrix in zip(report["matrices"], matrices, strict=False):
        assert line["bits"] == matrix.code_bits * matrix.codes.size
        assert line["rom_width"] == 2 * max(each.code_bits for each in matrices)
    layer, readout = report["arrays"]
    assert layer["weight_bits"] * 2 == report["matrices"][0]["rom_width"]
    assert (layer["activation_bits"], layer["activation_planes"]) == (1, 2)
    assert layer["multiplexed"] and not readout["multiplexed"]


@pytest.mark.parametrize("gate_frac, gates", [(8, "tables"), (0, "comparators")])
@pytest.mark.parametrize("cell", CORE, ids=str)
def test_elementwise(cell, gate_frac, gates):
    """Products and ROMs of the pipelines' Verilog are those of the report; comparators: none."""
    network = random_network(3, cell=cell, layers=1, units=8, inputs=4, state_format=Ternary(),
                             weight=TERNARY, precision=Precision(gate_frac=gate_frac))
    design = generate(Mapping(network, Folding.line((LayerFolding(4, 4),), LayerFolding(2, 3))))
    line, = design.report["elementwise"]
    assert line["gates"] == gates and line["pipelines"] == 2
    modules = re.findall(r"^module \\ternloom_core\.layer0\.pipeline\d\S* .*?^endmodule",
                         design.verilog, re.MULTILINE | re.DOTALL)
    assert sum(text.count(" * ") for text in modules) == line["multipliers"]
    assert sum(len(re.findall(r"^  \\ternloom_core\.rom\d+ ", text, re.MULTILINE))
               for text in modules) == line["tables"]
    assert (line["multipliers"] == 0) == (line["tables"] == 0) == (gates == "comparators")


@pytest.mark.parametrize("values, coefficients", [((4, 4), "wires"), ((4, 2), "shifter"),
                                                  ((4, 3), "multiplier")])
def test_coefficients(values, coefficients):
    """Products in the combiners' Verilog are there only where the report says so."""
    network = random_network(3, cell=LSTM, layers=1, units=8, inputs=4,
                             input_format=Ternary(), state_format=Ternary(), weight=TERNARY)
    def filled(matrix):
        given = np.full_like(matrix.coefficients, values[0])
        given[:, 0] = values[1]
        return dataclasses.replace(matrix, coefficients=given)

    layer, readout = network.layers[0], network.readout
    network = edited(network, readout=refed(readout, matrix=filled(readout.weights)),
        layers=(refed(layer, matrix=filled(layer.input),
                                    recurrent=filled(layer.recurrent)),))
    design = generate(Mapping(network, Folding.line((LayerFolding(4, 4),), LayerFolding(2, 3))))
    modules = re.findall(r"^module \\ternloom_core\.\S*combiner\d+ .*?^endmodule",
                         design.verilog, re.MULTILINE | re.DOTALL)
    assert len(modules) == sum(line["chains"] for line in design.report["arrays"])
    products = sum(text.count(" * ") for text in modules)
    assert products == sum(line["multipliers"] for line in design.report["arrays"])
    assert (products > 0) == (coefficients == "multiplier")
    assert {line["coefficients"] for line in design.report["arrays"]} == {coefficients}
