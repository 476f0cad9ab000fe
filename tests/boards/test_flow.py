"""From Verilog to a bitstream on each board, and what a user is told when that is impossible."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
import types

import pytest

from ternloom.boards import flow
from ternloom.boards.error import (BoardError, NetlistBroken, TooLarge, TooSlow, ToolFailed,
                                   ToolMissing, UnknownBoard)
from ternloom.boards.registry import BOARDS, find
from ternloom.boards.shape import CoreShape
from ternloom.mapping.stream import Stream
from ternloom.model.format import Fixed


#: A core of no network: it multiplies, looks up and remembers, so that all cells occur.
PORTS = """\
module loom(clk, rst, s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast,
            m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast, m_axis_tuser, error);
  input clk;
  wire clk;
  input rst;
  input [7:0] s_axis_tdata;
  wire [7:0] s_axis_tdata;
  input s_axis_tvalid;
  output s_axis_tready;
  input s_axis_tlast;
  output [15:0] m_axis_tdata;
  output m_axis_tvalid;
  input m_axis_tready;
  output m_axis_tlast;
  output [1:0] m_axis_tuser;
  output error;
  reg [15:0] rom [0:511];
  reg [15:0] word, sum, product;
  reg [8:0] address;
  reg valid, last;
  integer i;
  initial for (i = 0; i < 512; i = i + 1) rom[i] = (i * 7919 + 13) ^ (i * i);
  assign s_axis_tready = ~valid;
  assign m_axis_tvalid = valid;
  assign m_axis_tlast = last;
  assign m_axis_tdata = sum;
  assign m_axis_tuser = product[15:14];
  assign error = 1'b0;
  always @(posedge clk) begin
    word <= rom[address];
    product <= $signed(word[7:0]) * $signed(s_axis_tdata);
    sum <= sum + product;
    if (rst) begin valid <= 0; address <= 0; end
    else if (s_axis_tvalid & s_axis_tready) begin
      valid <= 1; last <= s_axis_tlast; address <= address + s_axis_tdata;
    end else if (m_axis_tready) valid <= 0;
  end
"""


def design(extra=""):
    mapping = types.SimpleNamespace(taken=Stream(Fixed(4, 0), 5, 2),
                                    given=Stream(Fixed(16, 8), 4, 1, 2),
                                    network=types.SimpleNamespace(gives_logits=True))
    return types.SimpleNamespace(name="loom", verilog=PORTS + extra + "endmodule\n",
                                 mapping=mapping)


#: A memory of 64 bits times ``depth`` beside the core.
MEMORY = """\
  (* ram_style = "block" *) reg [63:0] store [0:{depth} - 1];
  reg [63:0] read;
  reg [15:0] place;
  always @(posedge clk) begin
    place <= place + 1;
    if (s_axis_tvalid) store[place] <= {{8{{s_axis_tdata}}}};
    read <= store[place];
    (* keep *) kept <= ^read;
  end
  (* keep *) reg kept;
"""


#: Nine multipliers beside the core's own.
MULTIPLIERS = """\
  reg [143:0] factors;
  (* keep *) reg [143:0] products;
  always @(posedge clk) factors <= {factors[135:0], s_axis_tdata};
  genvar place;
  generate for (place = 0; place < 9; place = place + 1) begin : multiplier
    wire [7:0] a = factors[16 * place +: 8], b = factors[16 * place + 8 +: 8];
    always @(posedge clk) products[16 * place +: 16] <= a * b;
  end endgenerate
"""


#: More registers than the smallest part has logic cells.
REGISTERS = """\
  (* keep *) reg [5999:0] bank;
  always @(posedge clk) bank <= ~bank;
"""


def test_shape():
    shape = CoreShape.of(design())
    assert shape == CoreShape("loom", 8, 16, 2, beats=3, classes=4)
    assert (shape.input_bytes, shape.output_bytes, shape.winner_bytes) == (1, 2, 1)


@pytest.mark.parametrize("name", BOARDS)
def test_bitstream(name, tmp_path):
    stages = []
    result = flow.build(name, design(), top="uart", work_dir=tmp_path, progress=stages.append,
                        frequency={"ulx3s-85f": 50}.get(name))
    assert stages == ["synthesize", "place and route", "pack"]
    assert list(result.seconds) == stages
    assert result.clock.met
    assert result.bitstream.parent == result.folder
    assert result.bitstream.stat().st_size > 50_000
    assert os.listdir(tmp_path) == [result.folder.name]
    assert all(use.used <= use.available for use in result.utilization.values())
    assert result.utilization["block RAM"].used > 0
    assert (result.baud, result.untimed) == (115_200, BOARDS[name].family.untimed)
    assert {resource: result.utilization[resource].available
            for resource in BOARDS[name].capacity} == BOARDS[name].capacity
    assert sum(hop.logic + hop.routing for hop in result.critical_path) > 1
    assert json.loads((result.folder / "result.json").read_text())["board"] == name


def test_core_alone(tmp_path):
    result = flow.build("icebreaker", design(), work_dir=tmp_path)
    assert (result.bitstream, result.baud) == (None, None)
    assert result.utilization["pins"].used == 2
    assert result.clock.asked == BOARDS["icebreaker"].goal
    stages = []
    again = flow.build("icebreaker", design(), work_dir=tmp_path, progress=stages.append)
    assert again == result
    assert stages == []


def test_digest():
    planned = flow.plan("icebreaker", design())
    versions = {"yosys": "1", "nextpnr-ice40": "2"}
    assert planned.digest(versions) == flow.plan("icebreaker", design()).digest(versions)
    others = [
        planned.digest({"yosys": "1", "nextpnr-ice40": "3"}),
        flow.plan("icebreaker", design(), seed=2).digest(versions),
        flow.plan("icebreaker", design(), top="uart").digest(versions),
        flow.plan("icebreaker", design(), frequency=13).digest(versions),
        flow.plan("icebreaker", design(), top="uart", baud=9600).digest(versions),
        flow.plan("icebreaker", design(" // other\n")).digest(versions),
    ]
    assert len({planned.digest(versions), *others}) == 7


def test_unknown_board():
    with pytest.raises(UnknownBoard) as error:
        find("breadboard")
    assert str(error.value) == f"board must be one of {', '.join(BOARDS)}, not 'breadboard'"


@pytest.mark.parametrize(("arguments", "message"), [
    ({"top": "side"}, "top must be one of core, uart, not 'side'"),
    ({"frequency": 0}, "frequency must be from 1 to 1000 MHz, not 0"),
    ({"top": "uart", "frequency": 900}, "the PLL cannot make 900 MHz from 12 MHz"),
    ({"top": "uart", "baud": 0}, "baud must be from 1 to 6000000 at 24 MHz, not 0"),
    ({"top": "uart", "baud": 7_000_000}, "baud must be from 1 to 6000000 at 24 MHz, not 7000000"),
])
def test_refusal(arguments, message):
    with pytest.raises(BoardError) as error:
        flow.plan("icebreaker", design(), **arguments)
    assert str(error.value) == message


@pytest.mark.parametrize(("extra", "resource", "needed", "available"), [
    (MEMORY.format(depth=4096), "block RAM", 65, 30),
    (MULTIPLIERS, "DSP", 10, 8),
    (REGISTERS, "logic cells", 6060, 5280),
])
def test_too_large(tmp_path, extra, resource, needed, available):
    stages = []
    with pytest.raises(TooLarge) as error:
        flow.build("icebreaker", design(extra), work_dir=tmp_path, progress=stages.append)
    assert str(error.value) == (f"the design needs at least {needed} {resource}, "
                                f"but iCEBreaker (UP5K) has {available}")
    assert stages == ["synthesize"]
    assert (error.value.resource, error.value.needed, error.value.available) == (
        resource, needed, available)
    assert os.listdir(tmp_path) == []


#: A product that passes two registers in a row.
TWICE = """\
  reg signed [15:0] first, second;
  (* keep *) reg parity;
  always @(posedge clk) begin
    first <= $signed(word[15:8]) * $signed(s_axis_tdata);
    second <= first;
    parity <= ^second;
  end
"""


def test_lost_multiplier(tmp_path):
    stages = []
    with pytest.raises(NetlistBroken) as error:
        flow.build("icebreaker", design(TWICE), work_dir=tmp_path,
                   progress=stages.append)
    assert str(error.value) == (
        "yosys lost multipliers: its ice40 netlist has 1 of the design's 2; pass a product "
        "through one register, not two, and do not add products after a register, or build for a "
        "board of another family")
    assert stages == ["synthesize"]
    assert os.listdir(tmp_path) == []


#: A memory with a write and a read port, and logic in front of its addresses.
WAITING = """\
  reg [13:0] waiting [0:255];
  reg [13:0] found;
  (* keep *) reg parity;
  always @(posedge clk) begin
    if (s_axis_tvalid & valid) waiting[address[7:0] ^ sum[7:0]] <= word[13:0];
    found <= waiting[address[8:1] ^ product[7:0]];
    parity <= ^found;
  end
"""


@pytest.mark.slow
def test_timed_addresses(tmp_path):
    """nextpnr knows of paths to all addresses of a memory on Gowin."""
    planned = flow.plan("tang-nano-9k", design(WAITING))
    for name, text in planned.files.items():
        (tmp_path / name).write_text(text)
    synthesize, place = planned.commands
    synthesize.tool.run(synthesize.arguments, tmp_path, "synthesize.log")
    place.tool.run((*place.arguments, "--detailed-timing-report"), tmp_path, "place.log")
    nets = json.loads((tmp_path / "report.json").read_text())["detailed_net_timings"]
    ends = [end["port"] for net in nets for end in net["endpoints"] if "waiting" in end["cell"]]
    assert {port for port in ends if port.startswith("AD")} >= {
        f"AD{side}{bit}" for side in "AB" for bit in range(4, 12)}


def test_too_slow(tmp_path):
    with pytest.raises(TooSlow) as error:
        flow.build("icebreaker", design(), top="uart", frequency=120, work_dir=tmp_path)
    assert re.fullmatch(r"the design reaches only \d+\.\d MHz on iCEBreaker \(UP5K\), not the 120 "
                        "MHz asked for; lower the frequency or try another seed",
                        str(error.value))
    assert os.listdir(tmp_path) == []


def test_bad_verilog(tmp_path):
    with pytest.raises(ToolFailed) as error:
        flow.build("icebreaker", design("  nonsense!\n"), work_dir=tmp_path)
    assert str(error.value).startswith("yosys failed with status 1: core.v:")
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == []


def test_missing_tool(tmp_path, monkeypatch):
    monkeypatch.setenv("ICEPACK", "lost")
    with pytest.raises(ToolMissing, match="^icepack was not found: the environment "):
        flow.build("icebreaker", design(), top="uart", work_dir=tmp_path)
    assert os.listdir(tmp_path) == []


def test_interrupt(tmp_path):
    """A break in the middle leaves no folder and no process."""
    (tmp_path / "core.v").write_text(design(MEMORY.format(depth=16384)).verilog)
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, str(tmp_path)], text=True,
                          stderr=subprocess.DEVNULL, stdout=subprocess.PIPE) as caller:
        assert caller.stdout.readline() == "synthesize\n"
        time.sleep(0.3)
        caller.send_signal(signal.SIGINT)
        assert caller.wait(30) == -signal.SIGINT
    assert os.listdir(tmp_path / "out") == []


INTERRUPTED = """\
import pathlib, sys, types
from ternloom.boards import flow
from ternloom.mapping.stream import Stream
from ternloom.model.format import Fixed
folder = pathlib.Path(sys.argv[1])
mapping = types.SimpleNamespace(taken=Stream(Fixed(4, 0), 5, 2),
                                given=Stream(Fixed(16, 8), 4, 1, 2),
                                network=types.SimpleNamespace(gives_logits=True))
design = types.SimpleNamespace(name="loom", verilog=(folder / "core.v").read_text(),
                               mapping=mapping)
flow.build("icebreaker", design, work_dir=folder / "out",
           progress=lambda stage: print(stage, flush=True))
"""


def test_board_completeness():
    board = BOARDS["icebreaker"]
    with pytest.raises(UnknownBoard, match="^Board icebreaker has no pin led, rx$"):
        dataclasses.replace(board, pins={"clk": board.pins["clk"], "tx": board.pins["tx"]})
