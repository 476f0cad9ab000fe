"""Area a lane of the processing elements on iCE40 and ECP5, and the clock they reach."""

import collections
import json
import pathlib
import tempfile

from amaranth import *
from amaranth.back import verilog

from ternloom.boards import synthesis
from ternloom.boards.family import FAMILIES
from ternloom.boards.tool import NEXTPNR_ECP5, NEXTPNR_ICE40, YOSYS
from ternloom.model.network import Weight
from ternloom.hw.adder import ShiftAdd
from ternloom.hw.element import GatedPopcount, XnorPopcount


__all__ = ["TITLE", "Harness", "clock", "netlist", "rows", "tables"]

TITLE = ("Processing elements: LUT4 a lane (a bit of a carry chain is one LUT), and the clock in "
         "MHz between registers on UP5K and ECP5 speed grade 6")

#: Name, what makes it, the floor, what a straightforward description of 32 lanes takes as we
#: measured it, and what others take.
_ELEMENTS = (
    ("XNOR", XnorPopcount, 2.6, {"ice40": "2.4", "ecp5": "2.4"},
     dict.fromkeys(("ice40", "ecp5"), "BISMO: 2.7 of six inputs, all included")),
    ("ternary x ternary", lambda simd: GatedPopcount(simd, weight_bits=2, activation_bits=2), 5.2,
     {"ice40": "5.7", "ecp5": "5.9"}, dict.fromkeys(("ice40", "ecp5"), "")),
    ("ternary x 8 bit",
     lambda simd: ShiftAdd(simd, weight=Weight.TERNARY, activation_width=8), 28.0,
     {"ice40": "26", "ecp5": "36"},
     {"ice40": "ternfpga, 8 lanes: 44.4", "ecp5": "ternfpga, 8 lanes: 39.9"}),
)

_PLACE = {
    "ice40": (NEXTPNR_ICE40, ("--up5k", "--package", "sg48", "--pcf-allow-unconstrained")),
    "ecp5": (NEXTPNR_ECP5, ("--25k", "--package", "CABGA256", "--speed", "6",
                            "--lpf-allow-unconstrained")),
}

#: Lanes of which the clock is measured too.
_PLACED = 64


class Harness(Elaboratable):
    """A component between registers that take no table: a shift register in, kept ones out."""

    def __init__(self, component, inputs, outputs):
        self._component = component
        self._inputs, self._outputs = Cat(inputs), Cat(outputs)
        self.i = Signal()

    @property
    def registers(self):
        """How many those are."""
        return len(self._inputs) + len(self._outputs)

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self._component
        shifted = Signal(len(self._inputs), attrs={"keep": 1})
        result = Signal(len(self._outputs), attrs={"keep": 1})
        m.d.sync += [shifted.eq(Cat(self.i, shifted)), result.eq(self._outputs)]
        m.d.comb += self._inputs.eq(shifted)

        return m


def netlist(harness, family, folder):
    """Cells of a harness, as Yosys writes them: a list of dicts."""
    (folder / "element.v").write_text(verilog.convert(harness, name="element", ports=[harness.i]))
    (folder / "adders.v").write_text(synthesis.ADDERS)
    (folder / "element.ys").write_text(synthesis.script(["element.v"], "element", FAMILIES[family],
                                                        adders=True))
    YOSYS.run(("-q", "-s", "element.ys"), folder, "element.log")
    written = json.loads((folder / "netlist.json").read_text())
    return list(written["modules"]["element"]["cells"].values())


def tables(cells, family):
    """LUT4 that a netlist takes, and how many of them sit in carry chains.

    An ECP5 carry cell stands for two tables. On iCE40 a carry sits beside its table, but one that
    no table shares, one that a signal of the fabric enters and one that leaves other than through
    its table take a logic cell more each.
    """
    kinds = collections.Counter(cell["type"] for cell in cells)
    if family == "ecp5":
        return kinds["LUT4"] + 2 * kinds["CCU2C"], 2 * kinds["CCU2C"]
    pins = [cell["connections"] for cell in cells if cell["type"] == "SB_CARRY"]
    luts = [cell["connections"] for cell in cells if cell["type"] == "SB_LUT4"]
    beside = {(lut["I1"][0], lut["I2"][0], lut["I3"][0]) for lut in luts}
    carries = {pin["CO"][0] for pin in pins}
    alone = sum((pin["I0"][0], pin["I1"][0], pin["CI"][0]) not in beside for pin in pins)
    enter = sum(pin["CI"][0] not in carries | {"0", "1"} for pin in pins)
    taken = {bit for cell in cells for name, bits in cell["connections"].items() for bit in bits
             if (cell["type"], name) not in (("SB_CARRY", "CI"), ("SB_CARRY", "CO"),
                                             ("SB_LUT4", "I3"))}
    return len(luts) + alone + enter + len(carries & taken), len(pins)


def clock(family, folder):
    """MHz between registers of the netlist in ``folder``, after place and route with one seed."""
    place, options = _PLACE[family]
    place.run((*options, "--json", "netlist.json", "--seed", "1", "--freq", "120", "--quiet",
               "--timing-allow-fail", "--report", "report.json"), folder, "place.log")
    report = json.loads((folder / "report.json").read_text())
    return min(domain["achieved"] for domain in report["fmax"].values())


def rows(lanes=(32, 64)):
    """One row an element, number of lanes and family, as dicts."""
    return [_row(element, simd, family) for element in _ELEMENTS for simd in lanes
            for family in _PLACE]


def _row(element, simd, family):
    name, build, floor, straightforward, others = element
    with tempfile.TemporaryDirectory(prefix="ternloom-") as folder:
        folder = pathlib.Path(folder)
        element = build(simd)
        harness = Harness(element, (element.weights, element.activations), (element.o,))
        cells = netlist(harness, family, folder)
        total, carry = tables(cells, family)
        mhz = f"{clock(family, folder):.0f}" if simd == _PLACED else ""
    return {"element": name, "lanes": simd, "family": family, "LUT4": total, "in carries": carry,
            "LUT4/lane": f"{total / simd:.2f}", "floor": f"{floor:.1f}",
            "straightforward": straightforward[family], "others": others[family], "MHz": mhz}
