"""Describe a network: layers, memory, cycles; without NET, list what is shipped.

Shows the layers with their formats, the memory of the weights and, for the sizes given by --pe
and --simd, how busy the arrays are and how many cycles a time step takes. Nothing is generated:
cycles come from the timing model, which the hardware matches exactly.
"""

from ternloom.cli import source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.cost import matrix_rows
from ternloom.cli.describe import note
from ternloom.cli.option import add_core, add_network, core_network, mapped
from ternloom.files.network import digest
from ternloom.model.network import Layer


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom info digits-gru-ternary-ternary --pe 8 --simd 8"


def arguments(parser):
    """Add the verb's arguments."""
    add_network(parser, nargs="?")
    add_core(parser)


def run(chosen, console):
    """Describe the network and its folding, or list what is shipped."""
    if chosen.network is None:
        return _list()
    network = core_network(chosen)
    mapping = mapped(chosen, network)
    arrays = list(_arrays(mapping))
    matrices = list(matrix_rows(network))
    cycles = mapping.cycles_per_step
    data = {"name": network.name, "digest": digest(network), "inputs": network.inputs,
            "input_format": network.input_format.text, "layers": list(_layers(network)),
            "readouts": _readouts(network),
            "words": None if network.embedding is None else len(network.embedding),
            "streams": _streams(mapping),
            "matrices": matrices, "folding": arrays, "cycles_per_step": cycles,
            "microseconds_per_step": _times(cycles), "notes": dict(network.notes)}
    return Outcome(data, _tables(data))


def _times(cycles):
    """Microseconds that so many cycles take at the clock of each board, by its name."""
    from ternloom.boards.registry import BOARDS

    return {name: cycles / board.frequency for name, board in BOARDS.items()}


def _list():
    """Names and kinds of the shipped networks, data and recipes."""
    networks = [source.network(name) for name in source.shipped("network")]
    data = [source.data(name, "all") for name in source.shipped("data")]
    floats = [source.float_network(name) for name in source.shipped("float network")]
    return Outcome(
        {"networks": [each.name for each in networks], "data": list(source.shipped("data")),
         "float_networks": [each.name for each in floats],
         "recipes": list(source.shipped("recipe"))},
        (table("Networks, with accuracy or perplexity on the test part",
               ("name", "layers", ">result"),
               [(each.name, ", ".join(f"{layer.cell.name} {layer.units}" for layer in each.layers),
                 _result(each.notes)) for each in networks]),
         table("Float networks, for ternloom convert", ("name", "layers"),
               [(each.name, ", ".join(f"{layer.cell.name} {layer.units}" for layer in each.layers))
                for each in floats]),
         table("Data", ("name", ">sequences", ">inputs", ">classes"),
               [(name, len(each.sequences), each.inputs, len(each.targets.names))
                for name, each in zip(source.shipped("data"), data, strict=True)]),
         table("Recipes, for ternloom train", ("name", "cell", ">units"),
               [(name, each.cell.name, each.units) for name, each in _recipes()])))


def _result(notes):
    """What a network reached on the test part, of its notes."""
    scores = (note(name, notes.get(name, "")) for name in ("integer accuracy", "integer rmse",
                                                           "integer perplexity"))
    return next(filter(None, scores), "").rpartition("test ")[2]


def _recipes():
    """Name and content of each shipped recipe."""
    from ternloom.train.recipe import load_recipe

    for name, path in source.shipped("recipe").items():
        yield name, load_recipe(path).recipe


def _layers(network):
    for node in network.nodes:
        layer = node.body
        if not isinstance(layer, Layer):
            continue
        yield {"name": node.name, "from": list(node.inputs), "cell": layer.cell.name,
               "units": layer.units, "inputs": layer.inputs,
               "input_format": ", ".join(each.format.text for each in layer.operands),
               "state_format": layer.state_format.text,
               "precision": {"preact": layer.precision.preact.text,
                             "gate_frac": layer.precision.gate_frac,
                             "slope": layer.precision.slope * 2.0**-layer.precision.slope_frac,
                             "state": layer.precision.state.text}}


def _gates(precision):
    """How a layer's gates are made, in a few words."""
    bits = precision["gate_frac"]
    kind = f"{bits}-bit tables" if bits else "hard (comparators): no tables, no multipliers"
    return kind if precision["slope"] == 1 else f"{kind}, slope {precision['slope']:g}"


def _readouts(network):
    found = [{"name": node.name, "inputs": list(node.inputs), "classes": node.body.classes,
              "when": node.body.when.value} for node in network.outputs if network.gives_logits]
    return found and [found[0] | {"labels": list(network.labels)}, *found[1:]]


def _arrays(mapping):
    for node, part, made in zip(mapping.network.nodes, mapping.folding.arrays, mapping.geometries,
                                strict=True):
        yield {"name": node.name, "element": made.arithmetic.value, "pe": part.pe,
               "simd": part.simd, "chains": made.chains, "lanes": part.lanes,
               "busy_cycles": made.busy_cycles, "ideal_cycles": made.ideal_cycles}


def _streams(mapping):
    """What a core takes and gives."""
    parts = {"input": mapping.taken, "output": mapping.given}
    return {name: {"format": part.form.text, "slots": part.slots, "beats": part.beats}
            for name, part in parts.items()}


def _step_text(data):
    """Cycles and times of a step, in a line."""
    from ternloom.boards.registry import BOARDS

    times = ", ".join(f"{each:,.1f} us on {name} at {BOARDS[name].frequency:g} MHz"
                      for name, each in data["microseconds_per_step"].items())
    return f"{data['cycles_per_step']:,.0f} cycles: {times}"


def _readout_facts(readouts):
    """Facts on each readout."""
    if not readouts:
        return [("readout", "none: outputs the last layer's codes at every step")]
    return [(each["name"], f"{each['classes']} classes, at "
                           f"{'the last' if each['when'] == 'last' else 'every'} step")
            for each in readouts]


def _tables(data):
    total = sum(matrix["bits"] for matrix in data["matrices"])
    first = [("network", data["name"]), ("SHA-256", data["digest"]),
             ("input", f"{data['inputs']} x {data['input_format']}"),
             *([("words", f"{data['words']:,}, looked up by the host")] if data["words"] else []),
             *(_readout_facts(data["readouts"])),
             ("gates", ", ".join(dict.fromkeys(_gates(each["precision"])
                                               for each in data["layers"]))),
             ("weights", f"{total:,} bits ({total / 8192:.1f} KiB)"),
             ("streams", "; ".join(f"{name} {part['beats']} x {part['slots']} x {part['format']}"
                                   for name, part in data["streams"].items())),
             ("time step", _step_text(data)),
             *((name, note(name, text)) for name, text in data["notes"].items())]
    layers = [(each["name"], each["cell"], ", ".join(each["from"]), each["inputs"], each["units"],
               each["input_format"], each["state_format"], each["precision"]["state"])
              for each in data["layers"]]
    matrices = [(each["name"], each["weights"], each["planes"], each["rows"], each["columns"],
                 f"{each['bits']:,}", f"{100 * each['zeros']:.0f} %")
                for each in data["matrices"]]
    arrays = [(each["name"], each["element"], each["pe"], each["simd"], each["chains"],
               each["lanes"], each["busy_cycles"], f"{each['ideal_cycles']:,.0f}")
              for each in data["folding"]]
    return (facts(first),
            table("Layers", ("", "cell", "from", ">inputs", ">units", "input", "output", "state"),
                  layers),
            table("Matrices", ("", "weights", ">planes", ">rows", ">columns", ">bits", ">zeros"),
                  matrices),
            table("Arrays: busy cycles per step", (
                "", "element", ">pe", ">simd", ">chains", ">lanes", ">busy", ">ideal"), arrays))
