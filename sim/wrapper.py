"""The bench's top level: several cores side by side, with ports that a simulator may reach."""

import re

from ternloom.sim.case import beat_width


__all__ = ["TOP", "bench_top", "renamed"]


#: Module name of the bench's top level.
TOP = "bench_top"
#: Ports of a core that the bench drives, and those that it reads.
_DRIVEN = ("rst", "s_axis_tdata", "s_axis_tvalid", "s_axis_tlast", "m_axis_tready")
_READ = ("s_axis_tready", "m_axis_tdata", "m_axis_tvalid", "m_axis_tlast", "m_axis_tuser",
         "error")


def renamed(verilog, name, new):
    """Verilog with module ``name`` and all modules below it, ``name.part``, called otherwise."""
    return re.sub(rf"(?<![\w$.]){re.escape(name)}(?![\w$])", new, verilog)


def _port(direction, index, port, widths):
    width = widths.get(port)
    vector = f" [{width - 1}:0]" if width else ""
    access = "public_flat_rw" if direction == "input" else "public_flat_rd"
    return f"  {direction}{vector} core{index}_{port} /*verilator {access}*/"


def bench_top(cases, modules):
    """Verilog of the bench's top level.

    The ports of core i are called ``core<i>_<port>``, its instance ``core<i>``; all share ``clk``,
    which reaches a core while ``core<i>_enable`` is high: one that is done costs no more time.

    Parameters
    ----------
    cases : list of Case
    modules : list of str
        Module name of each case's core.

    Returns
    -------
    str
    """
    ports, instances = ["  input clk /*verilator public_flat_rw*/"], []
    for index, (case, module) in enumerate(zip(cases, modules, strict=True)):
        widths = dict(zip(("s_axis_tdata", "m_axis_tdata", "m_axis_tuser"),
                          beat_width(case.mapping), strict=True))
        ports += [_port("input", index, port, widths) for port in (*_DRIVEN, "enable")]
        ports += [_port("output", index, port, widths) for port in _READ]
        pins = ", ".join(f".{port}(core{index}_{port})" for port in _DRIVEN + _READ)
        # An assignment would not do: Icarus reads ports that only a bench drives as high impedance.
        instances.append(f"  reg core{index}_clk;\n  always @(clk or core{index}_enable) "
                         f"core{index}_clk = clk & core{index}_enable;\n"
                         f"  {module} core{index} (.clk(core{index}_clk), {pins});")
    return "\n".join([f"module {TOP} (", ",\n".join(ports), ");", *instances, "endmodule", ""])
