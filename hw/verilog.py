"""Emission: a core as one self-contained Verilog file, with a report of what is in it."""

import dataclasses

from amaranth import *
from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil

from ternloom.files import cache
from ternloom.hw.core import Core
from ternloom.hw.report import Probe, describe, header, probes, streams
from ternloom.mapping.mapping import Mapping


__all__ = ["Design", "generate"]


@dataclasses.dataclass(frozen=True)
class Design:
    """A generated core.

    Parameters
    ----------
    name : str
        Top module.
    verilog : str
        Plain Verilog-2001; submodules are named after the top and their path. It starts with a
        comment that names the network and the ports.
    mapping : Mapping
    report : dict
        See ``report.describe``, and under ``streams`` see ``report.streams``.
    probes : tuple of Probe
        Named intermediates.
    """

    name: str
    verilog: str = dataclasses.field(repr=False)
    mapping: Mapping
    report: dict = dataclasses.field(repr=False, compare=False)
    probes: tuple[Probe, ...] = dataclasses.field(repr=False)


class _Roms:
    """Platform that takes memories which are never written out of the netlist.

    Amaranth emits the contents of a memory bit by bit, which takes minutes for a large network;
    a module for each distinct ROM takes none. Simulation keeps Amaranth's own memories.
    """

    def __init__(self, name):
        self._name = name
        self._modules = {}

    def get_memory(self, memory):
        if memory.write_ports:
            return memory.elaborate(None)
        width = Shape.cast(memory.shape).width
        key = width, tuple(value & ((1 << width) - 1) for value in memory.init)
        module = self._modules.setdefault(key, f"{self._name}.rom{len(self._modules)}")
        m = Module()
        for index, port in enumerate(memory.read_ports):
            m.submodules[f"port{index}"] = Instance(
                module, i_clk=ClockSignal(port.domain), i_addr=port.addr, o_data=port.data)
        return m

    def verilog(self):
        """Text of the ROM modules."""
        return "".join(_rom(name, *key) for key, name in self._modules.items())


def _verilog(text):
    """Netlist of Amaranth as Verilog.

    Unlike ``amaranth.back.verilog`` this leaves no combinational ``always`` block: those of signals
    that keep their initial value would never run in a simulator that reads the file as
    SystemVerilog, where initial values are no events.
    """
    yosys = find_yosys(lambda version: version >= (0, 40))
    script = [f"read_rtlil <<rtlil\n{text}\nrtlil", "proc -norom", "memory_collect",
              "opt_clean", "attrmap -remove generator -remove top -remove src -remove keep "
              "-remove amaranth.hierarchy -remove amaranth.decoding", "write_verilog -norename"]
    lines, version = "\n".join(script), ".".join(map(str, yosys.version()))
    netlist = cache.text(cache.folder("verilog"), cache.key(version, lines),
                         lambda: yosys.run(["-q", "-"], lines, ignore_warnings=True))
    # Icarus takes a function whose escaped name starts with a dollar for one of its own.
    return netlist.replace("\\$procmux$", "\\procmux$")


def _rom(name, width, words):
    address = max((len(words) - 1).bit_length(), 1)
    digits = -(-width // 4)
    contents = "".join(f"    contents[{index}] = {width}'h{word:0{digits}x};\n"
                       for index, word in enumerate(words))
    return (f"\nmodule \\{name} (clk, addr, data);\n"
            f"  input clk;\n"
            f"  input [{address - 1}:0] addr;\n"
            f"  output [{width - 1}:0] data;\n"
            f"  reg [{width - 1}:0] data;\n"
            f"  reg [{width - 1}:0] contents [0:{len(words) - 1}];\n"
            f"  initial begin\n{contents}  end\n"
            f"  always @(posedge clk) data <= contents[addr];\n"
            f"endmodule\n")


def generate(mapping, name="ternloom_core"):
    """Emit a core as Verilog.

    Parameters
    ----------
    mapping : Mapping
    name : str
        Of the top module.

    Returns
    -------
    Design

    Raises
    ------
    NetworkError
        If no array holds the alphabets of two matrices together.
    """
    # Before there is a component that Amaranth would warn of as never used.
    report = describe(mapping) | {"streams": streams(mapping)}
    core, roms = Core(mapping), _Roms(name)
    text = _verilog(rtlil.convert(core, name=name, platform=roms, emit_src=False))
    return Design(name, header(name, mapping) + text + roms.verilog(), mapping, report,
                  probes(mapping))
