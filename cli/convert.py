"""Quantize a float network: choose methods by name, calibrate on data, get integers.

SOURCE is a float network file (ternloom train writes one), a PyTorch state_dict in safetensors,
or the name of a shipped float network. Nothing is trained. --list, which needs no SOURCE, shows
every method and its origin.

A state_dict does not record what the model does with its tensors. Ternloom assumes one nn.LSTM,
nn.GRU or nn.RNN that starts from a cleared state, with its h going straight to the nn.Linear.
--check FILE compares this with outputs of the model itself. The following writes such a file for
the last step (for every step, or for sequences of unequal lengths, see the guide):

  model.eval()                                                # x: (sequences, steps, inputs)
  with torch.no_grad():
      numpy.savez("check.npz", inputs=x.numpy(), outputs=model(x).numpy())
"""

import dataclasses
import pathlib

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.describe import percent
from ternloom.cli.error import UserError
from ternloom.cli.option import count, pair


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = ("ternloom convert digits-lstm-float -o mine.safetensors --weights alternating:2 "
           "--weights readout=integer:8 --activations planes:2 --calibration digits")


#: Share of equal decisions below which a conversion gets a caution.
_ALIKE = 0.9

#: What a table of scores is called, and how one of them is said.
_METRICS = {"accuracy": ("Accuracy", percent),
            "rmse": ("Root mean square error, in deviations of the training part,",
                     "{:.4f}".format)}

#: What is said of the forward, by how it is known.
_FORWARD = {
    "described": "as described in Ternloom's own file",
    "assumed": "assumed, not checked: from a cleared state, nothing between h and the readout; "
               "--check FILE compares it with outputs of your model, see ternloom convert --help",
    "checked": "{vectors} outputs of your model match within {difference:.1e}; float32 explains "
               "{bound:.1e}",
}


def arguments(parser):
    """Add the verb's arguments."""
    parser.add_argument("source", metavar="SOURCE", nargs="?",
                        help="float network: a file, or the name of a shipped one")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="network file to write; replaced if it was converted from SOURCE")
    output.add_force(parser)
    parser.add_argument("--when", choices=("last", "every"),
                        help="steps at which the readout produces output: the last of a sequence, "
                             "or every one (default: those that the calibration data has labels "
                             "or numbers of; every with an embedding)")
    parser.add_argument("--nonlinearity", choices=("tanh", "relu"),
                        help="nonlinearity of an nn.RNN, whose state_dict does not record it")
    parser.add_argument("--check", metavar="FILE",
                        help="inputs and outputs of your own model, NPZ or safetensors: SOURCE is "
                             "rejected if its forward pass gives other outputs")
    parser.add_argument("--list", action="store_true", help="list all methods and exit")
    methods = parser.add_argument_group("methods")
    methods.add_argument("--weights", action="append", metavar="[PLACE=]METHOD",
                         help="method for the weights; PLACE is input, recurrent, readout, a gate "
                              "such as f, a layer such as layer0, or recurrent.f, layer0.input.f "
                              "and so on; may be repeated (default: alternating:2)")
    methods.add_argument("--activations", default="fixed:8", metavar="METHOD",
                         help="method for the layers' outputs (default: %(default)s)")
    methods.add_argument("--state-range", choices=("calibrated", "full"), default="calibrated",
                         help="range of fixed-point layer outputs (and of the samples of online): "
                              "that found on the calibration data, or always -1 to 1, as in a "
                              "recipe without calibrated_range (default: %(default)s)")
    methods.add_argument("--embedding", default="fixed:8", metavar="METHOD",
                         help="method for an embedding's table (default: %(default)s)")
    methods.add_argument("--power-of-two", action="store_true",
                         help="round scales to powers of two, so that no multiplier is needed "
                              "(sign planes are unaffected)")
    _add_widths(parser.add_argument_group("widths"))
    data = parser.add_argument_group("calibration")
    data.add_argument("--calibration", metavar="DATA",
                      help="data file, or the name of shipped data; a text for a network with an "
                           "embedding")
    data.add_argument("--part", choices=("train", "valid", "test", "all"), default="train",
                      help="part of the data to calibrate on (default: %(default)s)")
    data.add_argument("--sequences", type=count, default=200, metavar="N",
                      help="number of sequences to calibrate on, from the first (default: "
                           "%(default)s)")
    data.add_argument("--vocabulary", metavar="TEXT",
                      help="training text that the embedding's vocabulary comes from, if the "
                           "network does not name its words (default: the calibration text)")


def _add_widths(group):
    group.add_argument("--coefficient-bits", type=count, default=8, metavar="N",
                       help="bits of the integer coefficients (default: %(default)s)")
    group.add_argument("--preact", type=pair, default=(10, 6), metavar="WIDTH,FRAC",
                       help="format of pre-activations (default: 10,6)")
    group.add_argument("--gate-frac", type=int, default=8, metavar="N",
                       help="fraction bits of gates; 0 makes hard gates, which are comparators "
                            "(default: %(default)s)")
    group.add_argument("--state-frac", type=int, default=11, metavar="N",
                       help="fraction bits of the state (default: %(default)s)")


def run(chosen, console):
    """Convert, and return what it cost and how far it is from the float network."""
    if chosen.list:
        return _list()
    for name, place in (("SOURCE", chosen.source), ("--output", chosen.output),
                        ("--calibration", chosen.calibration)):
        if place is None:
            raise UserError(f"{name} is missing; see ternloom convert --help")
    from ternloom.cli import calibration
    from ternloom.cli.cost import matrix_rows, size_data
    from ternloom.files import network as file

    spec = _spec(chosen)
    reference = source.float_network(chosen.source, chosen.nonlinearity)
    forward = _forward(chosen, reference)
    with (output.file(chosen.output, own=lambda path: _converted(path, reference.name),
                      inputs=output.inputs(chosen), force=chosen.force) as path,
          console.progress("Converting") as report):
        data = calibration.load(reference, chosen)
        network = calibration.convert(reference, data, spec)
        report(text="fidelity")
        fidelity = calibration.fidelity(reference, network, data)
        metric, scores = calibration.scores(reference, network, data, report)
        result = {"network": str(chosen.output), "float_network": reference.name,
                  "forward": forward, "when": network.readout and network.readout.when.value,
                  "weights": spec.weights, "activations": spec.activations,
                  "state_range": chosen.state_range, "calibration": data.title,
                  "matrices": list(matrix_rows(network, reference)),
                  **size_data(network, reference), "fidelity": fidelity,
                  "unbounded_errors": calibration.unbounded(reference, spec),
                  "metric": metric, metric: scores}
        network = dataclasses.replace(network, name=pathlib.Path(chosen.output).stem,
                                      notes=_notes(reference, result),
                                      scaling=data.dataset and data.dataset.scaling,
                                      output_scaling=_output_scaling(data, network))
        file.save(network, path)
    return Outcome(result, _tables(result))


def _output_scaling(data, network):
    """What makes numbers of the logits of a network that was converted on data with numbers."""
    if data.dataset is None or network.readout is None:
        return None
    return data.dataset.targets.scaling


def _forward(chosen, reference):
    """How sure it is what the network does with its tensors, as JSON values."""
    from ternloom.evaluate import check
    from ternloom.files import floats

    if chosen.check is None:
        assumed = floats.reader(source.float_path(chosen.source))
        return {"known": "assumed" if assumed else "described"}
    found = check.compare(reference, check.load(chosen.check))
    if not found.passed:
        raise UserError(f"{chosen.check}: {found.line}")
    return {"known": "checked", "sequences": found.sequences, "vectors": found.vectors,
            "difference": found.difference, "bound": found.bound}


def _converted(path, name):
    """Whether a file has a network that was converted from the float network of that name."""
    from ternloom.files.container import origin

    kind, _, notes = origin(path)
    return kind == "network" and notes.get("converted from") == name


def _spec(chosen):
    from ternloom.model.network import When
    from ternloom.quantize.spec import QuantizationSpec

    weights = {}
    for text in chosen.weights or ["alternating:2"]:
        place, given, method = text.rpartition("=")
        if (key := place if given else "all") in weights:
            raise UserError(f"--weights gives {key!r} two methods; give each place one")
        weights[key] = method
    try:
        return QuantizationSpec(
            weights=weights, activations=chosen.activations, embedding=chosen.embedding,
            calibrated_range=chosen.state_range == "calibrated",
            when=chosen.when and When(chosen.when),
            power_of_two=chosen.power_of_two, coefficient_bits=chosen.coefficient_bits,
            preact_width=chosen.preact[0], preact_frac=chosen.preact[1],
            gate_frac=chosen.gate_frac, state_frac=chosen.state_frac)
    except ValueError as error:
        hint = "; ternloom convert --list shows all methods" if "ethod" in str(error) else ""
        raise UserError(f"{error}{hint}") from None


def _notes(reference, result):
    """Where the network comes from and how near it is, as its file keeps it."""
    methods = ", ".join(method if place == "all" else f"{place}={method}"
                        for place, method in result["weights"].items())
    errors = ", ".join(f"{each['name']} {each['relative_error']:.4f}"
                       for each in result["matrices"])
    notes = dict(reference.notes) | {
        "converted from": reference.name, "weights": methods,
        "activations": result["activations"], "state range": result["state_range"],
        "calibration": result["calibration"], "weight errors": errors,
        "fidelity": ", ".join(f"{name} {error}" for name, error, *_ in
                              _fidelity_rows(result["fidelity"]))}
    if result["forward"]["known"] == "checked":
        notes["forward"] = _FORWARD["checked"].format(**result["forward"])
    metric = result["metric"]
    if set(result[metric]) == {"valid", "test"}:
        notes |= {f"{kind} {metric}": ", ".join(f"{part} {scores[kind]:.4f}"
                                                for part, scores in result[metric].items())
                  for kind in ("float", "integer")}
    return notes


def _fidelity_rows(fidelity):
    """Name, error and shares of what was compared, as text."""
    def share(value):
        return "" if value is None else f"{100 * value:.2f} %"

    rows = [(f"{each['name']}.h", share(each["error"]), share(each["saturated"]),
             share(each["state_saturated"]), "") for each in fidelity["layers"]]
    if fidelity["logits_error"] is not None:
        rows.append(("logits", share(fidelity["logits_error"]), "", "",
                     share(fidelity["agreement"])))
    return rows


def _list():
    """Names of all methods and their origin."""
    from ternloom.quantize import activations, weights

    kinds = {"weights": weights.listing(), "activations": activations.listing()}
    return Outcome({kind: [{"method": usage, "source": line} for usage, line in listed]
                    for kind, listed in kinds.items()},
                   tuple(part for kind, listed in kinds.items()
                         for part in (f"\nMethods for {kind}", facts(listed))))


def _fidelity(fidelity):
    cut = ", the first 1,000 steps of each" if fidelity["cut"] else ""
    return table("Fidelity to the float network on the calibration data "
                 f"({fidelity['sequences']:,} sequences, {fidelity['steps']:,} steps{cut}): root "
                 "mean square error relative to the float values, share of codes at the ends of "
                 "their range, share of equal decisions",
                 ("", ">error", ">saturated", ">state saturated", ">equal"),
                 _fidelity_rows(fidelity))


def _tables(result):
    methods = ", ".join(f"{place}: {method}" for place, method in result["weights"].items())
    readout = {"last": "at the last step", "every": "at every step",
               None: "none: h of the last layer, at every step"}
    pairs = [("network", result["network"]), ("from", result["float_network"]),
             ("forward", _FORWARD[result["forward"]["known"]].format(**result["forward"])),
             ("readout", readout[result["when"]]),
             ("weights", methods), ("activations", result["activations"]),
             ("calibration", result["calibration"]),
             ("size", f"{result['bytes']:,} bytes including scales and biases, "
                      f"{result['float_bytes'] / result['bytes']:.1f} times smaller than float")]
    agreement = result["fidelity"]["agreement"]
    if agreement is not None and agreement < _ALIKE:
        pairs.append(("caution", f"{100 * (1 - agreement):.0f} % of the decisions below differ "
                      "from the float network's: use more bits for weights or activations, such as "
                      "--weights integer:8:by-row --activations fixed:12, or train (ternloom train)"
                      ))
    if result["unbounded_errors"]:
        pairs.append(("unbounded", "error with all the powers of Ott et al.: "
                      + ", ".join(f"{name} {error:.4f}"
                                  for name, error in result["unbounded_errors"].items())))
    matrices = [(each["name"], each["weights"], each["planes"], each["rows"], each["columns"],
                 f"{each['bits']:,}", f"{each['scale_bits']:,}", f"{each['relative_error']:.4f}")
                for each in result["matrices"]]
    title, said = _METRICS[result["metric"]]
    scores = [(part, *map(said, kinds.values()))
              for part, kinds in result[result["metric"]].items()]
    tables = (table("Matrices: bits of codes and of scales, and the squared error of the weights "
                    "as these represent them, relative to the square of the float weights",
                    ("", "weights", ">planes", ">rows", ">columns", ">bits", ">scales", ">error"),
                    matrices),)
    tables += (_fidelity(result["fidelity"]),)
    if scores:
        tables += (table(f"{title} on the parts not used for calibration",
                         ("", ">float", ">integer"), scores),)
    return (facts(pairs), *tables)
