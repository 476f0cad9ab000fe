"""What synthesis may not lose, and the cells that it must choose for the timing to be seen."""

import pytest

from ternloom.boards import report
from ternloom.boards.error import BoardError, NetlistBroken
from ternloom.boards.family import ECP5, FAMILIES, GOWIN, ICE40, gowin
from ternloom.boards.registry import BOARDS
from ternloom.boards.report import Usage
from ternloom.boards.synthesis import synthesize


ADDER = "module sum(input [7:0] a, b, c, d, e, output [10:0] y); assign y = a+b+c+d+e; endmodule"


def test_adders():
    """The carry chains of five summands: four adders, where Yosys alone makes a compressor."""
    chains = synthesize(ADDER, "sum", "ice40", adders=True)
    compressor = synthesize(ADDER, "sum", "ice40")
    assert chains["SB_CARRY"] > compressor["SB_CARRY"]
    assert chains["SB_LUT4"] < compressor["SB_LUT4"]


def test_refusal():
    with pytest.raises(BoardError) as error:
        synthesize(ADDER, "sum", "spartan")
    assert str(error.value) == f"family must be one of {', '.join(FAMILIES)}, not 'spartan'"


#: A product that passes two registers in a row.
TWICE = """\
module lost(input clk, input signed [7:0] a, b, output reg signed [15:0] o);
  reg signed [7:0] ra, rb;
  reg signed [15:0] p;
  always @(posedge clk) begin ra <= a; rb <= b; p <= ra * rb; o <= p; end
endmodule
"""
#: Two products that each pass a register, and their sum.
SUM = """\
module lost(input clk, input signed [7:0] a, b, c, d, output reg signed [16:0] o);
  reg signed [15:0] p, q;
  always @(posedge clk) begin p <= a * b; q <= c * d; o <= p + q; end
endmodule
"""


@pytest.mark.parametrize(("verilog", "adders", "left", "needed"), [
    (TWICE, True, 0, 1), (TWICE, False, 0, 1), (SUM, False, 1, 2),
])
def test_lost_multiplier(verilog, adders, left, needed):
    with pytest.raises(NetlistBroken) as error:
        synthesize(verilog, "lost", "ice40", adders=adders)
    assert str(error.value) == (
        f"yosys lost multipliers: its ice40 netlist has {left} of the design's {needed}; pass a "
        "product through one register, not two, and do not add products after a register, or "
        "build for a board of another family")


@pytest.mark.parametrize("family", ["ecp5", "gowin"])
@pytest.mark.parametrize(("verilog", "needed"), [(TWICE, 1), (SUM, 2)])
def test_kept_multiplier(family, verilog, needed):
    found = synthesize(verilog, "lost", family)
    assert sum(found.get(kind, 0) for kind in FAMILIES[family].multipliers) == needed


#: Products that need no multiplier: by constants, narrow, unused, twice the same, of zero, and
#: two of which one at a time is wanted.
PRODUCTS = """\
module kept(input clk, choose, input signed [7:0] a, b, c, input [1:0] d, e,
            output reg signed [15:0] o, twin, other, eight, odd, output reg [3:0] narrow,
            output reg signed [15:0] one, table_, output reg signed [35:0] wide, output nought);
  wire signed [15:0] unused = c * c;
  wire signed [7:0] none = 0;
  reg signed [7:0] rom [0:3];
  initial begin rom[0] = 4; rom[1] = 4; rom[2] = 4; rom[3] = 4; end
  assign nought = none * a;
  always @(posedge clk) begin
    o <= a * b;
    twin <= a * b;
    other <= b * c;
    eight <= a * 8;
    odd <= a * 7;
    narrow <= d * e;
    one <= choose ? a * c : c * b;
    table_ <= rom[d] * c;
    wide <= {a, b, a} * $signed({c, b});
  end
endmodule
"""


@pytest.mark.parametrize("adders", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_products(family, adders):
    """Multipliers that a design does not need, or Yosys makes of other cells, are none lost."""
    found = synthesize(PRODUCTS, "kept", family, adders=adders)
    assert sum(found.get(kind, 0) for kind in FAMILIES[family].multipliers) >= 3


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_empty(family):
    with pytest.raises(NetlistBroken) as error:
        synthesize("module none(input a, output y); assign y = 0; endmodule", "none", family)
    assert str(error.value) == (
        f"yosys removed the whole design: its {family} netlist is empty; connect what the design "
        "computes to an output")


MEMORY = """\
module memory(input clk, write, input [7:0] from, to, input [13:0] i, output reg [13:0] o,
              input a, b, c, output y, z, n);
  reg [13:0] waiting [0:255];
  always @(posedge clk) begin
    if (write) waiting[to] <= i;
    o <= waiting[from ^ to];
  end
  assign y = a & b & c, z = a ^ b, n = ~a;
endmodule
"""


def test_gowin_memory():
    """A memory with a write and a read port is semi-dual, and every table has four inputs."""
    found = synthesize(MEMORY, "memory", "gowin")
    memories = [kind for kind in found if kind.startswith(("SP", "SDP", "DP"))]
    assert memories == ["SDPX9B"]
    assert found["SDPX9B"] == 1
    assert [kind for kind in found if kind.startswith("LUT")] == ["LUT4"]


def test_tables():
    """The words of a smaller table come again for each value of the inputs that it lacks."""
    assert gowin.TABLES.splitlines()[6:12] == [
        "module LUT2 (F, I0, I1);", "parameter INIT = 0;", "output F;", "input I0, I1;",
        "LUT4 #(.INIT({4{INIT[3:0]}})) _TECHMAP_REPLACE_ (.F(F), .I0(I0), .I1(I1));", "endmodule"]


@pytest.mark.parametrize(("family", "found", "expected"), [
    (ICE40, {"SB_LUT4": 40, "SB_DFFESR": 30, "SB_DFF": 20, "SB_CARRY": 10, "SB_MAC16": 2,
             "SB_RAM40_4K": 3}, {"logic cells": 50, "block RAM": 3, "DSP": 2}),
    (ECP5, {"LUT4": 5, "CCU2C": 3, "TRELLIS_FF": 7, "DP16KD": 1},
     {"LUT": 11, "FF": 7, "block RAM": 1, "DSP": 0}),
    (GOWIN, {"LUT4": 5, "ALU": 4, "DFFRE": 2, "DFF": 1, "SPX9": 1, "SDPX9B": 1, "MULT9X9": 1,
             "RAM16SDP4": 4}, {"LUT": 5, "ALU": 4, "FF": 3, "block RAM": 2, "DSP 18x18": 0,
                               "DSP 9x9": 1}),
])
def test_least_utilization(family, found, expected):
    capacity = next(board.capacity for board in BOARDS.values() if board.family is family)
    assert report.least_utilization(found, family, capacity) == {
        name: Usage(used, capacity[name]) for name, used in expected.items()}
