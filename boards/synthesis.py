"""Synthesis alone: Verilog to the cells of a family."""

from ternloom.boards import report
from ternloom.boards.error import BoardError
from ternloom.boards.family import FAMILIES
from ternloom.boards.tool import YOSYS
from ternloom.model.durable import scratch


__all__ = ["ADDERS", "script", "synthesize"]


#: Yosys turns chains of ``$add`` and ``$sub`` into compressor trees of LUTs with one carry chain
#: at the end. This map makes a carry chain of each before it can: on parts with four-input LUTs
#: and carry chains, that is smaller and faster for sums of several bits.
ADDERS = """\
(* techmap_celltype = "$add $sub" *)
module ternloom_adder (A, B, Y);
parameter A_SIGNED = 0;
parameter B_SIGNED = 0;
parameter A_WIDTH = 1;
parameter B_WIDTH = 1;
parameter Y_WIDTH = 1;
parameter _TECHMAP_CELLTYPE_ = "";
input [A_WIDTH-1:0] A;
input [B_WIDTH-1:0] B;
output [Y_WIDTH-1:0] Y;
wire [Y_WIDTH-1:0] propagate;
wire [Y_WIDTH-1:0] carry;
wire subtract = _TECHMAP_CELLTYPE_ == "$sub";
\\$alu #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH),
        .Y_WIDTH(Y_WIDTH))
  alu (.A(A), .B(B), .BI(subtract), .CI(subtract), .Y(Y), .X(propagate), .CO(carry));
endmodule
"""

_PRELUDE = """\
hierarchy -top {top}
proc
flatten
opt
wreduce
peepopt
opt_clean
techmap -map adders.v
"""


def script(sources, top, family, *, adders):
    """Yosys script that leaves ``netlist.json`` and ``cells.json``.

    Parameters
    ----------
    sources : sequence of str
        Verilog files in the folder of the script.
    top : str
    family : Family
    adders : bool
        Whether every addition becomes a carry chain first, by the map ``ADDERS`` in the file
        ``adders.v``.
    """
    lines = [f"read_verilog {name}" for name in sources]
    if adders:
        lines.append(_PRELUDE.format(top=top).rstrip())
    lines += [f"{family.synthesis} -top {top} -json netlist.json",
              "tee -q -o cells.json stat -json"]
    return "\n".join(lines) + "\n"


def synthesize(verilog, top, family, *, adders=False, options=""):
    """Count the cells that a module takes.

    Parameters
    ----------
    verilog : str
    top : str
    family : str
        ``ice40``, ``ecp5`` or ``gowin``.
    adders : bool
        See ``script``.
    options : str
        Appended to the family's synthesis command.

    Returns
    -------
    dict of str to int
        By cell type.

    Raises
    ------
    BoardError
        For an unknown family, a missing tool, or Verilog that Yosys refuses.
    """
    if family not in FAMILIES:
        raise BoardError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    with scratch() as folder:
        (folder / "design.v").write_text(verilog)
        (folder / "adders.v").write_text(ADDERS)
        text = script(["design.v"], top, FAMILIES[family], adders=adders)
        text = text.replace(f" -top {top} -json netlist.json", f" {options} -top {top}")
        (folder / "synthesize.ys").write_text(text)
        YOSYS.run(("-q", "-s", "synthesize.ys"), folder, "synthesize.log")
        return report.cells(report.read_json(folder / "cells.json"))
