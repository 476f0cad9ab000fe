"""Synthesis alone: Verilog to the cells of a family, and whether nothing was lost on the way."""

import collections.abc
import pathlib
import re

from ternloom.boards import report
from ternloom.boards.error import BoardError, NetlistBroken
from ternloom.boards.family import FAMILIES, Family
from ternloom.boards.tool import YOSYS
from ternloom.files.durable import scratch


__all__ = ["ADDERS", "files", "synthesize", "verify"]


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
opt_clean"""

#: What synthesis does to products before it maps them, so that those are counted that are left.
_REDUCE = """\
opt -nodffe -nosdff
fsm
opt
wreduce
peepopt
opt_clean
share
opt_clean"""

#: Of ``check``, which names each bit: a wire of a flat design that several cells drive.
_CONFLICT = re.compile(r"multiple conflicting drivers for [^.]*\.\\?(\S+)")


def files(sources: collections.abc.Iterable[str], top: str, family: Family, *,
          adders: bool) -> dict[str, str]:
    """Yosys script ``synthesize.ys`` and the files beside the sources that it reads.

    The script leaves ``netlist.json`` and ``cells.json``, and for ``verify`` ``check.txt`` and
    ``products.json``: the wires with several drivers after multipliers were mapped, and the cells
    of the design with a cell for each multiplier that it needs.

    Parameters
    ----------
    sources : sequence of str
        Verilog files in the folder of the script.
    top : str
    family : Family
    adders : bool
        Whether every addition becomes a carry chain first, by the map ``ADDERS``.

    Returns
    -------
    dict of str to str
        Texts by name.
    """
    command = f"{family.synthesis} -top {top} -json netlist.json"
    lines = [f"read_verilog {name}" for name in sources]
    lines += [_PRELUDE.format(top=top)] if adders else []
    # Copying a design changes no name in it.
    lines += ["design -save whole",
              *(["techmap -map adders.v"] if adders else []),
              f"{command} -run :map_ram",
              "tee -q -o check.txt check",
              *(line.format(command) for line in family.finish),
              "tee -q -o cells.json stat -json",
              "design -load whole",
              *([] if adders else [_PRELUDE.format(top=top)]),
              _REDUCE,
              *family.products,
              "opt_clean",
              "tee -q -o products.json stat -json"]
    return {"synthesize.ys": "\n".join(lines) + "\n", **family.files,
            **({"adders.v": ADDERS} if adders else {})}


def verify(folder: pathlib.Path, family: Family) -> None:
    """Refuse a netlist that has lost a part of its design.

    Yosys 0.70 loses multipliers for iCE40, without a word: of a product that passes two registers
    in a row, and of a sum of products that have registers.

    Parameters
    ----------
    folder : Path
        Where the script of ``files`` ran.
    family : Family

    Raises
    ------
    NetlistBroken
        When the netlist is empty, has fewer multipliers than the design, or had a wire with several
        drivers once those were mapped.
    """
    found = report.cells(report.read_json(folder / "cells.json"))
    products = report.cells(report.read_json(folder / "products.json"), internal=True)
    needed = sum(count for kind, count in products.items() if kind.startswith("$__MUL"))
    left = sum(found.get(kind, 0) for kind in family.multipliers)
    wires = dict.fromkeys(_CONFLICT.findall((folder / "check.txt").read_text()))
    names = ", ".join(list(wires)[:3])
    if left < needed:
        raise NetlistBroken(
            f"yosys lost multipliers: its {family.name} netlist has {left} of the design's "
            f"{needed}; pass a product through one register, not two, and do not add products "
            f"after a register, or build for a board of another family")
    if wires:
        raise NetlistBroken(
            f"yosys broke the netlist: for {family.name} it drives {names} from several cells; "
            f"choose another version of yosys with the environment variable YOSYS, or build for a "
            f"board of another family")
    if not found:
        raise NetlistBroken(f"yosys removed the whole design: its {family.name} netlist is empty; "
                            f"connect what the design computes to an output")


def synthesize(verilog: str, top: str, family: str, *, adders: bool = False) -> dict[str, int]:
    """Count the cells that a module takes.

    Parameters
    ----------
    verilog : str
    top : str
    family : str
        Of ``FAMILIES``.
    adders : bool
        See ``files``.

    Returns
    -------
    dict of str to int
        By cell type.

    Raises
    ------
    BoardError
        For an unknown family, a missing tool, Verilog that Yosys refuses, or a netlist that has
        lost a part of it.
    """
    if family not in FAMILIES:
        raise BoardError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    with scratch() as folder:
        (folder / "design.v").write_text(verilog)
        for name, text in files(["design.v"], top, FAMILIES[family], adders=adders).items():
            (folder / name).write_text(text)
        YOSYS.run(("-q", "-s", "synthesize.ys"), folder, "synthesize.log")
        verify(folder, FAMILIES[family])
        return report.cells(report.read_json(folder / "cells.json"))
