"""Area a lane of the processing elements on iCE40 and ECP5, and the clock they reach."""

import collections
import dataclasses
import json
import pathlib
import tempfile

import numpy as np
from amaranth import *
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.boards import synthesis
from ternloom.boards.family import FAMILIES
from ternloom.boards.tool import YOSYS
from ternloom.hw import array
from ternloom.mapping.folding import LayerFolding
from ternloom.mapping.geometry import readout_geometry
from ternloom.model.alphabet import BINARY, EXPONENTIAL, INTEGER, QUATERNARY, TERNARY
from ternloom.model.format import Binary, Fixed, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.network import Operand, Readout, When


__all__ = ["TITLE", "Harness", "clock", "make_element", "netlist", "rows", "tables"]

LANES = 32

TITLE = (f"Processing elements of {LANES} lanes: LUT4 a lane (a bit of a carry chain is one LUT) "
         "for every pair of weights and activations, beside a sum of products written down plainly "
         "and mapped by Yosys without DSP; the clock in MHz between registers on UP5K and ECP5 "
         "speed grade 6 where there is a floor")

#: Weights by name: alphabet, and bits of a lane.
_WEIGHTS = {
    "binary": (BINARY, 1), "ternary": (TERNARY, 2),
    "quaternary": (QUATERNARY, 2), "exponential, 8 powers": (EXPONENTIAL, 4),
    "int4": (INTEGER, 4), "int8": (INTEGER, 8),
}

#: Activations by name.
_ACTIVATIONS = {"1 bit": Binary(), "ternary": Ternary(), "8 bit": Fixed(8, 7)}

#: What we promised; what others take, and better plain descriptions that were made by hand.
_FLOORS = {("binary", "1 bit"): 2.6, ("ternary", "ternary"): 5.2, ("ternary", "8 bit"): 28.0,
           ("int8", "8 bit"): 228.0}
#: Plain descriptions that Yosys takes many minutes to map, as it once did.
_KNOWN = {("int8", "8 bit"): "228"}
_OTHERS = {("binary", "1 bit", "ice40"): "XNOR and count: 2.4; BISMO, all in: 2.7 of 6 inputs",
           ("binary", "1 bit", "ecp5"): "XNOR and count: 2.4; BISMO, all in: 2.7 of 6 inputs",
           ("ternary", "ternary", "ice40"): "two counts: 5.7",
           ("ternary", "ternary", "ecp5"): "two counts: 5.9",
           ("ternary", "8 bit", "ice40"): "add or subtract: 26; ternfpga, 8 lanes: 44.4",
           ("ternary", "8 bit", "ecp5"): "add or subtract: 36; ternfpga, 8 lanes: 39.9"}

#: Of nextpnr, by family.
_PLACE = {
    "ice40": ("--up5k", "--package", "sg48", "--pcf-allow-unconstrained"),
    "ecp5": ("--25k", "--package", "CABGA256", "--speed", "6", "--lpf-allow-unconstrained"),
}
_WITHOUT_DSP = {"ice40": "synth_ice40", "ecp5": "synth_ecp5 -nowidelut -nodsp"}


class _Plain(wiring.Component):
    """The sum of products of an element, as one would write it."""

    def __init__(self, element, form):
        self._element, self._form = element, form
        values = element.weight.lane_levels(element.weight_bits)
        largest = element.simd * max(abs(value) for value in values) * form.magnitude
        super().__init__({
            "weights":     In(len(element.weights)),
            "activations": In(len(element.activations)),
            "o":           Out(range(-largest, largest + 1)),
        })

    def elaborate(self, platform):
        m = Module()
        element = self._element
        m.d.comb += self.o.eq(sum(self._product(
            self.weights.word_select(lane, element.weight_bits),
            self.activations.word_select(lane, element.activation_bits))
            for lane in range(element.simd)))

        return m

    def _product(self, weight, code):
        value = Mux(code, 1, -1) if isinstance(self._form, Binary) else code.as_signed()
        match self._element.weight.name:
            case "binary":
                return Mux(weight, value, -value)
            case "quaternary":
                size = Mux(weight[0] ^ weight[1], value, value << 1)
                return Mux(weight[1], size, -size)
            case "exponential":
                size = value << weight[:-1]
                return Mux(weight[-1], -size, size)
            case "ternary":
                return Mux(weight[0], Mux(weight[1], -value, value), 0)
            case _:
                return weight.as_signed() * value


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


def netlist(harness, family, folder, *, adders=True):
    """Cells of a harness, as Yosys writes them: a list of dicts.

    Without ``adders`` Yosys does as it likes with sums, but may not use DSP blocks.
    """
    made = FAMILIES[family]
    if not adders:
        made = dataclasses.replace(made, synthesis=_WITHOUT_DSP[family])
    (folder / "element.v").write_text(verilog.convert(harness, name="element", ports=[harness.i]))
    for name, text in synthesis.files(["element.v"], "element", made, adders=adders).items():
        (folder / name).write_text(text)
    YOSYS.run(("-q", "-s", "synthesize.ys"), folder, "element.log")
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
    FAMILIES[family].place.run(
        (*_PLACE[family], "--json", "netlist.json", "--seed", "1", "--freq", "120", "--quiet",
         "--timing-allow-fail", "--report", "report.json"), folder, "place.log")
    report = json.loads((folder / "report.json").read_text())
    return min(domain["achieved"] for domain in report["fmax"].values())


def rows():
    """One row a pair of weights and activations and family, as dicts."""
    return [_row(weight, activation, family) for weight in _WEIGHTS for activation in _ACTIVATIONS
            for family in _PLACE]


def make_element(weight, activation):
    """The element that a core would have for weights and activations by name."""
    kind, bits = _WEIGHTS[weight]
    codes = np.array(kind.lane_levels(bits))
    if kind == EXPONENTIAL:
        codes = np.sign(codes) * (np.log2(np.abs(codes)).astype(int) + 1)
    matrix = Matrix(kind, np.resize(codes, (1, 1, LANES * 8)).astype(np.int8),
                    np.ones((1, 1), dtype=np.int32))
    readout = Readout((Operand(_ACTIVATIONS[activation], matrix),), np.zeros(1, dtype=np.int32), 0,
                      Fixed(8, 0), When.EVERY)
    return array.make_element(readout_geometry(readout, LayerFolding(1, LANES), 1))


def _row(weight, activation, family):
    element = make_element(weight, activation)
    plain = _Plain(element, _ACTIVATIONS[activation])
    with tempfile.TemporaryDirectory(prefix="ternloom-") as folder:
        folder = pathlib.Path(folder)
        straightforward = _KNOWN.get((weight, activation))
        if straightforward is None:
            cells = netlist(_harness(plain), family, folder, adders=False)
            straightforward = f"{tables(cells, family)[0] / LANES:.2f}"
        total, carry = tables(netlist(_harness(element), family, folder), family)
        floor = _FLOORS.get((weight, activation))
        mhz = f"{clock(family, folder):.0f}" if floor else ""
    return {"weights": weight, "activations": activation, "family": family,
            "element": element.arithmetic.value, "registers": element.stages, "LUT4": total,
            "in carries": carry, "LUT4/lane": f"{total / LANES:.2f}",
            "straightforward": straightforward,
            "floor": f"{floor:.1f}" if floor else "",
            "others": _OTHERS.get((weight, activation, family), ""), "MHz": mhz}


def _harness(element):
    return Harness(element, [element.weights, element.activations], [element.o])
