"""Make a data file of raw values: sequences of integer codes and what is right, split into parts.

SOURCE is an NPZ file with the arrays X (sequences, steps, inputs) and y, or X_train, y_train,
X_test, y_test; or a CSV file with a row per step, in which all columns are inputs but those that
the options name. What is right is a label, or with --target a number; of each sequence, or with
--when every of each of its steps. --ahead N makes it a forecast: the number N steps later.

Each input is shifted and scaled to mean 0 and deviation 1 over the training part, and the data
file keeps this scaling, as do the networks that are made with it. --like NETWORK applies a
network's scaling to new recordings. A picture of what was read is written beside the data file.
"""

import argparse
import collections
import pathlib

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.error import UserError
from ternloom.cli.option import count, pair


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom data gestures.csv -o gestures.safetensors --sequence recording --group person"
#: Label column of a CSV file that doesn't name another.
_LABEL = "label"

#: Suffix of the picture beside the data file.
_PICTURE = ".png"
#: Share of saturated codes of an input that gets a caution.
_MUCH = 0.02


def arguments(parser):
    """Add the verb's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="NPZ or CSV file")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="data file to write (default: SOURCE's name with .safetensors, in the "
                             "current folder); replaced if it was made from SOURCE")
    output.add_force(parser)
    parser.add_argument("--name", help="name of the data (default: that of the output file)")
    parser.add_argument("--format", type=pair, default=(8, 5), metavar="WIDTH,FRAC",
                        help="fixed-point format of the codes (default: 8,5, which is four "
                             "deviations either way)")
    parser.add_argument("--like", metavar="NETWORK",
                        help="take scaling, format and classes from a network; recordings without "
                             "parts of their own are then all test")
    columns = parser.add_argument_group("columns of a CSV file")
    columns.add_argument("--label", metavar="COLUMN", help=f"class (default: {_LABEL})")
    columns.add_argument("--target", action="append", default=[], metavar="COLUMN",
                         help="number to be told, instead of a class; may be repeated")
    columns.add_argument("--ahead", type=count, metavar="STEPS",
                         help="tell the --target so many steps ahead; it is an input too then")
    columns.add_argument("--sequence", metavar="COLUMN",
                         help="what the rows of one sequence share (default: the file is one "
                              "sequence, to be cut by --window)")
    columns.add_argument("--group", metavar="COLUMN",
                         help="what must not be in two parts, such as a speaker")
    columns.add_argument("--split", metavar="COLUMN",
                         help="part of the sequence: train, valid or test")
    columns.add_argument("--drop", action="append", default=[], metavar="COLUMN",
                         help="column that is no input, such as a time; may be repeated")
    parts = parser.add_argument_group("windows and parts")
    parts.add_argument("--when", choices=("last", "every"), default="last",
                       help="what is right of each sequence, or of each piece at its last step; or "
                            "at every step (default: %(default)s)")
    parts.add_argument("--window", type=count, metavar="STEPS",
                       help="cut sequences into pieces")
    parts.add_argument("--stride", type=count, metavar="STEPS",
                       help="steps from one piece to the next (default: those of --window)")
    parts.add_argument("--in-time", action="store_true",
                       help="cut each sequence in three before it is cut into pieces: training "
                            "first, then validation, then the test, as a forecast needs")
    for name in ("valid", "test"):
        parts.add_argument(f"--{name}", type=_share, default=0.15, metavar="SHARE",
                           help=f"share of the sequences, groups or steps that is drawn for the "
                                f"part {name} where SOURCE does not say (default: %(default)s)")
    parts.add_argument("--seed", type=int, default=1, metavar="N",
                       help="seed of what is drawn (default: %(default)s)")


def _share(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to below 1, not {text!r}")
    return value


def run(chosen, console):
    """Read, split, scale and write, and return what there is of each class and input."""
    from ternloom.files.dataset import save

    if chosen.stride and not chosen.window:
        raise UserError("--stride needs --window")
    if chosen.seed < 0:
        raise UserError(f"--seed must be 0 or more, not {chosen.seed}")
    origin = pathlib.Path(chosen.source)
    if not origin.is_file():
        raise UserError(f"No file is called {chosen.source!r}")
    place = (pathlib.Path(chosen.output) if chosen.output
             else output.default(origin.stem, ".safetensors"))
    with (output.file(place, beside=(_PICTURE,), inputs=output.inputs(chosen), force=chosen.force,
                      own=lambda path: _made(path, origin)) as path,
          console.progress("Reading") as report):
        recordings, classes = _read(chosen)
        report(text="scaling")
        dataset = _dataset(chosen, recordings, classes, chosen.name or place.stem, origin.name)
        save(dataset, path)
        report(text="drawing")
        from ternloom.cli.recordings import draw

        draw(path.with_suffix(_PICTURE), dataset, recordings)
    return _outcome(dataset, recordings, place)


def _made(path, origin):
    """Whether a file is one that this verb made of the source."""
    if path.suffix == _PICTURE:
        from ternloom.cli.recordings import drew

        return drew(path)
    from ternloom.files import container

    kind, _, notes = container.origin(path)
    return kind == "data set" and notes.get("made from") == origin.name


def _read(chosen):
    """Recordings, and the classes in the order of the source."""
    from ternloom.data import npz, table as rows

    origin, classes = pathlib.Path(chosen.source), ()
    if origin.suffix == ".npz":
        named = [f"--{name}" for name in ("label", "target", "ahead", "sequence", "group", "split",
                                          "drop") if getattr(chosen, name)]
        if named:
            raise UserError(f"{named[0]} is about columns of a CSV file; {origin} is an NPZ file")
        recordings, classes = npz.read(origin)
    elif origin.suffix == ".csv":
        recordings = rows.read(origin, _columns(chosen, rows.Columns))
    else:
        raise UserError(f"{origin} is neither .npz nor .csv: save the recordings in one of the "
                        "two, as ternloom data --help describes them")
    if chosen.in_time:
        recordings = recordings.in_time(chosen.valid, chosen.test)
    if chosen.window:
        recordings = recordings.windows(chosen.window, chosen.stride)
    if chosen.when == "last":
        recordings = recordings.at_last() if chosen.window else recordings.whole()
    elif not recordings.per_step:
        raise UserError(f"--when every needs a label or a number for every step; {origin} has one "
                        "per sequence")
    return recordings, classes


def _columns(chosen, columns):
    if chosen.ahead and not chosen.target:
        raise UserError("--ahead needs --target, the column to be told")
    if chosen.label and chosen.target:
        raise UserError("--label and --target cannot be used together")
    label = None if chosen.target else chosen.label or _LABEL
    return columns(label, chosen.sequence, chosen.group, chosen.split, tuple(chosen.drop),
                   tuple(chosen.target), chosen.ahead or 0)


def _dataset(chosen, recordings, classes, name, made_from):
    from ternloom.data import make
    from ternloom.model.format import Fixed

    notes = {"made from": made_from,
             "preparation": "each input to mean 0 and deviation 1 over the training steps"}
    if chosen.window:
        notes["windows"] = f"{chosen.window} steps every {chosen.stride or chosen.window}"
    if chosen.ahead:
        notes["numbers"] = f"{', '.join(chosen.target)}, {chosen.ahead} steps ahead"
    if chosen.in_time:
        notes["parts"] = "one after the other in time"
    if chosen.like is None:
        try:
            form = Fixed(*chosen.format)
        except ValueError as error:
            raise UserError(f"Invalid --format: {error}") from None
        return make(recordings, name, classes=classes, form=form, valid=chosen.valid,
                    test=chosen.test, seed=chosen.seed, notes=notes)
    network = source.network(chosen.like)
    if network.scaling is None:
        raise UserError(f"Network {network.name} does not know how raw values are scaled: the data "
                        "that it was made from did not say")
    if recordings.numbers and network.output_scaling is None:
        raise UserError(f"Network {network.name} gives classes, but {made_from} has numbers to be "
                        "told")
    notes["preparation"] = f"scaled as network {network.name} expects"
    return make(recordings, name, classes=() if recordings.numbers else network.labels or classes,
                form=network.input_format, scaling=network.scaling,
                output_scaling=network.output_scaling, notes=notes)


def _outcome(dataset, recordings, place):
    inputs, lengths = _inputs(dataset, recordings), [len(each) for each in dataset.sequences]
    data = {"data": str(place), "picture": str(place.with_suffix(_PICTURE)),
            "sequences": len(lengths), "inputs": inputs, "steps": [min(lengths), max(lengths)],
            "when": dataset.targets.when.value, "split": dataset.notes["split"]}
    steps = f"{min(lengths)}" + (f" to {max(lengths)}" if min(lengths) < max(lengths) else "")
    pairs = [("data", place), ("picture", place.with_suffix(_PICTURE)),
             ("sequences", f"{len(lengths):,} of {steps} steps"),
             ("format", dataset.format.text), ("parts", dataset.notes["split"])]
    pairs += [("caution", f"input {each['name']} saturates in {100 * each['saturated']:.1f} % of "
               "the steps; --format with fewer fraction bits has a wider range")
              for each in inputs if each["saturated"] > _MUCH]
    scales = [(each["name"], f"{each['mean']:.6g}", f"{each['deviation']:.6g}",
               f"{100 * each['saturated']:.2f} %") for each in inputs]
    targets, shown = _targets(dataset)
    return Outcome(data | targets, (
        facts(pairs), shown,
        table("Inputs: mean and deviation of the training part, share of codes at the ends of the "
              "range", ("", ">mean", ">deviation", ">saturated"), scales)))


def _targets(dataset):
    """What is right, as JSON values and as a table."""
    from ternloom.files.dataset import PARTS, Numbers

    parts, targets = {name: dataset.part(name).targets for name in PARTS}, dataset.targets
    if isinstance(targets, Numbers):
        scales = [{"name": name, "mean": mean, "deviation": deviation} for name, mean, deviation
                  in zip(targets.names, targets.scaling.mean.tolist(),
                         targets.scaling.deviation.tolist(), strict=True)]
        counts = {part: len(each.flat) for part, each in parts.items()}
        return {"numbers": scales, "counts": counts}, table(
            f"Numbers, one per {targets.per}: mean and deviation of the training part, and counts",
            ("", ">mean", ">deviation", *(f">{part}" for part in PARTS)),
            [(each["name"], f"{each['mean']:.6g}", f"{each['deviation']:.6g}",
              *(f"{count:,}" for count in counts.values())) for each in scales])
    counts = {part: collections.Counter(each.flat.tolist()) for part, each in parts.items()}
    classes = {name: {part: counts[part][index] for part in PARTS}
               for index, name in enumerate(targets.names)}
    return {"classes": classes}, table(
        f"{targets.per.capitalize()}s of each class", ("", *(f">{part}" for part in PARTS)),
        [(name, *(f"{count:,}" for count in counted.values()))
         for name, counted in classes.items()])


def _inputs(dataset, recordings):
    """Name, scaling and saturation of each input."""
    import numpy as np

    low, high = dataset.format.code_range
    codes = np.concatenate(dataset.sequences)
    saturated = ((codes == low) | (codes == high)).mean(axis=0)
    names = recordings.columns or [str(index) for index in range(dataset.inputs)]
    return [{"name": name, "mean": mean, "deviation": deviation, "saturated": share}
            for name, mean, deviation, share in zip(
                names, dataset.scaling.mean.tolist(), dataset.scaling.deviation.tolist(),
                saturated.tolist(), strict=True)]
