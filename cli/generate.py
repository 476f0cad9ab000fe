"""Write a network's Verilog, with test vectors and a report.

The folder gets one self-contained Verilog file, report.json, and vectors/ with recorded
inputs and outputs and a plain Verilog bench that plays them in any simulator.
"""

import json
import shlex

from ternloom.cli import output
from ternloom.cli.console import Command, Outcome, facts, table
from ternloom.cli.option import add_core, add_network, core_network, mapped, module
from ternloom.cli.stimulus import add_stimulus, stimulus
from ternloom.files.network import digest


__all__ = ["EXAMPLE", "arguments", "produce", "run"]

EXAMPLE = "ternloom generate digits-gru-ternary-ternary -o gru --pe 8 --simd 8"


def arguments(parser):
    """Add the verb's arguments."""
    add_network(parser)
    parser.add_argument("-o", "--output", metavar="DIR", required=True,
                        help="folder to write; replaced if ternloom generate wrote it")
    output.add_folder_force(parser)
    parser.add_argument("--name", default="ternloom_core", metavar="MODULE", type=module,
                        help="name of the top module (default: %(default)s)")
    add_core(parser)
    add_stimulus(parser, sequences=2, what="put in vectors/")


def run(chosen, console):
    """Generate into a new folder."""
    network = core_network(chosen)
    mapping = mapped(chosen, network)
    inputs = stimulus(chosen, network)
    with output.folder(chosen.output, verb="generate", inputs=output.inputs(chosen),
                       force=chosen.force, network=network.name) as place:
        with console.progress("Generating"):
            design, report = produce(place, mapping, chosen.name, inputs.sequences)
    data = {"output": str(chosen.output), **report}
    pairs = [("Verilog", f"{chosen.output}/{chosen.name}.v, {report['lines']:,} lines"),
             ("vectors", f"{chosen.output}/vectors, {report['vectors']['sequences']} sequences of "
                         f"{inputs.name}, {report['vectors']['cycles']:,} cycles"),
             ("try", Command(f"cd {shlex.quote(str(chosen.output))}/vectors && "
                             f"iverilog -o ../../bench.vvp testbench.v ../{chosen.name}.v && "
                             "vvp ../../bench.vvp"))]
    return Outcome(data, (facts(pairs), *_tables(design.report)))


def produce(place, mapping, name, sequences):
    """Write the Verilog, its report and its vectors into a folder.

    Returns
    -------
    Design and dict
        The design, and the report that was written.
    """
    from ternloom.hw.verilog import generate
    from ternloom.sim import vectors

    design, network = generate(mapping, name=name), mapping.network
    (place / f"{name}.v").write_text(design.verilog)
    report = {"network": network.name, "digest": digest(network), "top": design.name,
              "lines": design.verilog.count("\n"), "design": design.report,
              "vectors": vectors.write(place / "vectors", mapping, name, sequences)}
    (place / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return design, report


def _tables(report):
    memories = [(each["name"], each["weight"], each["planes"], each["rows"], each["columns"],
                 f"{each['bits']:,}",
                 f"{each['roms']} x {each['rom_depth']:,} x {each['rom_width']}")
                for each in report["matrices"]]
    arrays = [(each["name"], each["element"], each["lanes"], each["accumulator_bits"],
               each["row_bits"], each["coefficients"], each["multipliers"])
              for each in report["arrays"]]
    pipelines = [(each["name"], each["gates"], each["pipelines"], each["multipliers"],
                  each["tables"]) for each in report["elementwise"]]
    tables = [table("Weights, and the ROMs that hold them: number x words x bits",
                    ("", "weights", ">planes", ">rows", ">columns", ">bits", ">ROMs"), memories),
              table("Arrays, and the widths that the weights require",
                    ("", "element", ">lanes", ">sum bits", ">row bits", "coefficients",
                     ">multipliers"), arrays),
              table("Elementwise pipelines, from pre-activations to codes",
                    ("", "gates", ">pipelines", ">multipliers", ">tables"), pipelines)]
    if report["quantizers"]:
        online = [tuple(each[key] for key in ("name", "planes", "rounds", "cycles", "multipliers"))
                  for each in report["quantizers"]]
        tables.append(table("Online quantizers, and the cycles per step that each adds",
                            ("", ">planes", ">rounds", ">cycles", ">multipliers"), online))
    return tables
