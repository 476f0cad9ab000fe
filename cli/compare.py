"""Compare networks: bits, bytes, errors, accuracy, and the cost of the hardware.

Accuracy, the error of numbers, or with --text the perplexity per word is computed on the golden
model, so it is that of the hardware. LUTs are an estimate, and cycles come from the timing model,
for the sizes given by --pe and --simd.
"""

import json
import pathlib

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, table
from ternloom.cli.error import UserError
from ternloom.cli.option import add_folding, mapped
from ternloom.cli.text import add_text, read_text


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom compare digits-gru-ternary-ternary digits-gru-ternary-fixed8 --data digits"


def arguments(parser):
    """Add the verb's arguments."""
    parser.add_argument("networks", metavar="NET", nargs="+",
                        help="network file, or the name of a shipped network")
    parser.add_argument("--data", metavar="DATA",
                        help="data file to measure accuracy or errors on, or the name of shipped "
                             "data")
    parser.add_argument("--part", choices=("train", "valid", "test", "all"), default="test",
                        help="part of the data (default: %(default)s)")
    add_text(parser)
    parser.add_argument("--float", metavar="NET", dest="reference",
                        help="float network that the networks were made from: adds the error of "
                             "each matrix, and its accuracy and size as a reference")
    parser.add_argument("-o", "--output", metavar="DIR",
                        help="folder for compare.json and, with --data or --text, compare.png; "
                             "replaced if ternloom compare wrote it")
    output.add_folder_force(parser)
    add_folding(parser)


def run(chosen, console):
    """Compare, and write a picture where a folder is asked for."""
    labels, inputs = _labels(chosen.networks), output.inputs(chosen)
    if chosen.output:
        output.check(chosen.output, verb="compare", inputs=inputs, force=chosen.force)
    with console.progress("Comparing") as report:
        result = _measure(chosen, labels, report)
    if chosen.output:
        with output.folder(chosen.output, verb="compare", inputs=inputs,
                           force=chosen.force) as place:
            _write(place, result)
        result = {"output": str(chosen.output)} | result
    return Outcome(result, _tables(result))


def _labels(names):
    """What each network is called: a path by its file's name."""
    labels = [pathlib.Path(name).name.removesuffix(".safetensors") for name in names]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"Two networks have the file name {label!r}; names must differ")
    return labels


def _measure(chosen, labels, report):
    """Everything about every network, as JSON values."""
    if chosen.data and chosen.text:
        raise UserError("--data and --text cannot be used together")
    reference = chosen.reference and source.float_network(chosen.reference)
    networks = [source.network(name) for name in chosen.networks]
    tasks = [_task(chosen, network) for network in networks]
    title = f"{chosen.data}, part {chosen.part}" if chosen.data else chosen.text
    result = {"data": title, "float": None, "networks": []}
    if reference:
        report(text=reference.name)
        result["float"] = _reference(reference, *tasks[0])
    for label, network, task in zip(labels, networks, tasks, strict=True):
        report(text=label)
        result["networks"].append({"name": label, **_row(network, reference, task,
                                                         mapped(chosen, network), report)})
    return result


def _task(chosen, network):
    """What a network is measured by, and on: a data set or words."""
    if chosen.text:
        from ternloom.evaluate import perplexity

        perplexity.check(network)
        return "perplexity", read_text(chosen, network)
    if not chosen.data:
        return "accuracy", None
    if network.readout is None:
        raise UserError(f"Network {network.name} has no readout, so it cannot be measured on "
                        "labelled data")
    data = source.data(chosen.data, chosen.part, network)
    return data.targets.metric, data


def _reference(reference, kind, data):
    """Size and accuracy of the float network."""
    from ternloom.evaluate import floats
    from ternloom.evaluate.size import float_bits

    measured = floats.perplexity if kind == "perplexity" else floats.score
    return {"name": reference.name, "bytes": float_bits(reference) // 8,
            kind: None if data is None else measured(reference, data)}


def _row(network, reference, task, mapping, report):
    from ternloom.cli.cost import hardware, matrix_rows, methods, size_data

    return {**methods(network), **size_data(network), **_score(network, *task, report),
            "matrices": list(matrix_rows(network, reference)),
            "fidelity": _fidelity(network, reference, *task), **hardware(mapping)}


def _fidelity(network, reference, kind, data):
    """How near a network is to the float one on the labelled data, or None without."""
    from ternloom.cli import calibration

    if reference is None or kind == "perplexity" or data is None:
        return None
    return calibration.fidelity(reference, network, calibration.whole(data))


def _score(network, kind, data, report):
    """Accuracy, error or perplexity on the golden model, None without data."""
    from ternloom.evaluate import perplexity
    from ternloom.evaluate.measure import measure

    if data is None:
        return {kind: None}
    if kind != "perplexity":
        return {kind: measure(network, data, report).score}
    return {kind: perplexity.predict(network, data, report).perplexity}


def _write(place, result):
    (place / "compare.json").write_text(json.dumps(result, indent=2) + "\n")
    if result["data"]:
        from ternloom.cli.scatter import draw

        draw(place / "compare.png", result)


def _said(each):
    """Accuracy, error or perplexity in a cell."""
    if each.get("perplexity") is not None:
        return f"{each['perplexity']:.2f}"
    if each.get("rmse") is not None:
        return f"{each['rmse']:.4f}"
    return "" if each.get("accuracy") is None else f"{100 * each['accuracy']:.2f} %"


def _tables(result):
    networks, reference = result["networks"], result["float"]
    rows = [(each["name"], each["weights"], each["activations"], f"{each['bytes']:,}",
             _times(reference, each), _said(each)) for each in networks]
    if reference:
        rows.insert(0, (reference["name"], "float", "float", f"{reference['bytes']:,}", "",
                        _said(reference)))
    kind = next(kind for kind in ("perplexity", "rmse", "accuracy") if kind in networks[0])
    first = table(f"Networks: bytes including scales and biases, {kind} on the golden model",
                  ("", "weights", "activations", ">bytes", ">smaller", f">{kind}"), rows)
    second = table("Hardware: estimated LUT4 and multipliers on ECP5, cycles per time step",
                   ("", ">LUT4", ">multipliers", ">cycles"),
                   [(each["name"], f"{each['luts']:,}", each["multipliers"],
                     f"{each['cycles_per_step']:,.0f}") for each in networks])
    tables = (first, second, _errors(networks)) if reference else (first, second)
    return tables + ((_nearness(networks),) if networks[0]["fidelity"] else ())


def _times(reference, each):
    return f"{reference['bytes'] / each['bytes']:.1f}x" if reference else ""


def _nearness(networks):
    """Fidelity of every network, a network a row."""
    names = [layer["name"] for layer in networks[0]["fidelity"]["layers"]]
    rows = []
    for each in networks:
        found = each["fidelity"]
        shares = [*(layer["error"] for layer in found["layers"]), found["logits_error"],
                  found["agreement"]]
        rows.append((each["name"], *("" if share is None else f"{100 * share:.2f} %"
                                     for share in shares)))
    return table("Fidelity to the float network: root mean square error relative to the float "
                 "values, and share of equal decisions",
                 ("", *(f">{name}.h" for name in names), ">logits", ">equal"), rows)


def _errors(networks):
    """Error of every matrix, a network a row."""
    names = [matrix["name"] for matrix in networks[0]["matrices"]]
    rows = [(each["name"], *(f"{matrix['relative_error']:.4f}" for matrix in each["matrices"]))
            for each in networks]
    return table("Squared error of the weights as integers and coefficients represent them, "
                 "relative to the square of the float weights",
                 ("", *(f">{name}" for name in names)), rows)
