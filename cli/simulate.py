"""Check the Verilog against the golden model, bit for bit and cycle for cycle.

Every output transfer must have the value that the golden model computes, in the cycle that the
timing model predicts. The first mismatch is reported, with the earliest wrong value inside the
core. The exit status is 0 if everything agrees and 1 if not.
"""

import contextlib
import dataclasses
import pathlib

from ternloom.cli import output
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.error import UserError
from ternloom.cli.option import add_core, add_network, core_network, mapped
from ternloom.cli.stimulus import add_stimulus, stimulus


__all__ = ["EXAMPLE", "arguments", "describe", "run", "tables"]

EXAMPLE = "ternloom simulate digits-gru-ternary-ternary --sequences 20 --simulator both"

#: What ``--simulator`` stands for.
_SIMULATORS = {"verilator": ("verilator",), "icarus": ("icarus",), "both": ("verilator", "icarus")}

#: Wave files that each simulator writes.
_WAVES = {"verilator": (".vcd",), "icarus": (".vcd", ".fst")}


def arguments(parser):
    """Add the verb's arguments."""
    from ternloom.sim.netlist import FAMILIES

    add_network(parser)
    add_stimulus(parser, sequences=5, what="run")
    parser.add_argument("--simulator", choices=tuple(_SIMULATORS), metavar="NAME",
                        help="verilator, icarus or both (default: verilator; icarus with "
                             "--netlist)")
    parser.add_argument("--waves", metavar="FILE",
                        help="record waves to this file: .vcd, or with Icarus .fst")
    output.add_force(parser, "a file named by --waves that is not a .vcd from this command")
    parser.add_argument("--netlist", choices=FAMILIES, metavar="FAMILY",
                        help="simulate the post-synthesis netlist instead, for "
                             f"{', '.join(FAMILIES)}; takes minutes, in Icarus only")
    add_core(parser)


def run(chosen, console):
    """Simulate, and say whether everything agreed."""
    names = _simulators(chosen)
    network = core_network(chosen)
    mapping = mapped(chosen, network)
    inputs = stimulus(chosen, network)
    design = _design(chosen, console, mapping)
    reports = []
    with contextlib.ExitStack() as stack:
        waves = chosen.waves and stack.enter_context(output.file(
            chosen.waves, own=_recorded, inputs=output.inputs(chosen), force=chosen.force,
            option="--waves"))
        for name in names:
            reports.append(simulate_sequences(console, mapping, inputs, name, design, waves))
    data = {"network": network.name, "data": inputs.name, "sequences": len(inputs.sequences),
            "exact": all(report.exact for report in reports), "waves": chosen.waves,
            "netlist": chosen.netlist, "runs": [describe(report) for report in reports]}
    return Outcome(data, tables(data), status=0 if data["exact"] else 1)


def simulate_sequences(console, mapping, inputs, simulator, design, waves=None):
    """Simulate with progress, and return the report."""
    from ternloom.sim.run import simulate

    with console.progress(f"Simulating in {simulator.capitalize()}, sequences") as report:
        report(0, len(inputs.sequences), "compiling")
        return simulate(mapping, inputs.sequences, simulator=simulator, design=design,
                        waves=waves, progress=report)


def describe(report):
    """A report as JSON values."""
    wrong = None
    if report.mismatch is not None:
        wrong = dataclasses.asdict(report.mismatch) | {"text": str(report.mismatch)}
    return {"simulator": report.simulator, "exact": report.exact, "cycles": report.cycles,
            "transfers": report.transfers, "seconds": report.seconds, "mismatch": wrong}


def tables(data):
    """The same for people."""
    runs = [(each["simulator"], "exact" if each["exact"] else "WRONG", f"{each['transfers']:,}",
             f"{each['cycles']:,}", f"{each['seconds']:.1f}") for each in data["runs"]]
    what = f"{data['sequences']} sequences of {data['data']}"
    first = [("network", data["network"]), ("sequences", what),
             ("design", f"{data['netlist']} netlist" if data["netlist"] else "generated Verilog")]
    if data["waves"]:
        first.append(("waves", data["waves"]))
    wrong = [f"{each['simulator']}: {each['mismatch']['text']}"
             for each in data["runs"] if each["mismatch"]]
    return (facts(first),
            table("Transfers compared with the golden model (value) and the timing model (cycle)",
                  ("simulator", "result", ">transfers", ">cycles", ">seconds"), runs), *wrong)


def _recorded(path):
    """Whether a file has waves of the bench; only .vcd tells."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    return start.startswith(b"$") and b" core0_enable $end" in start


def _simulators(chosen):
    """Names of the simulators to run, after refusing what cannot go together."""
    if chosen.netlist and chosen.simulator not in (None, "icarus"):
        raise UserError(f"--netlist needs --simulator icarus, not {chosen.simulator}")
    if chosen.waves and chosen.simulator == "both":
        raise UserError("--waves needs one simulator, not both")
    names = ("icarus",) if chosen.netlist else _SIMULATORS[chosen.simulator or "verilator"]
    suffix = pathlib.Path(chosen.waves).suffix if chosen.waves else ".vcd"
    if suffix not in _WAVES[names[0]]:
        raise UserError(f"--waves must be a file that ends in {' or '.join(_WAVES[names[0]])}, "
                        f"not {chosen.waves!r}")
    return names


def _design(chosen, console, mapping):
    """What to simulate: the generated core, or what synthesis makes of it."""
    from ternloom.hw.verilog import generate

    with console.progress("Generating"):
        design = generate(mapping)
    if chosen.netlist is None:
        return design
    from ternloom.sim.netlist import synthesize

    with console.progress(f"Synthesizing for {chosen.netlist}"):
        return synthesize(design, chosen.netlist)
