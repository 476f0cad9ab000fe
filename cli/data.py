"""Make a data file of raw values: labelled sequences of integer codes, split into parts.

SOURCE is an NPZ file with the arrays X (sequences, steps, inputs) and y, or X_train, y_train,
X_test, y_test; or a CSV file with a row per step, in which all columns are inputs but those that
the options name. Each input is shifted and scaled to mean 0 and deviation 1 over the training
part, and the data file keeps this scaling, as do the networks that are made with it. --like
NETWORK applies a network's scaling to new recordings. A picture of what was read is written
beside the data file.
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
    columns.add_argument("--label", default="label", metavar="COLUMN",
                         help="class of the sequence (default: %(default)s)")
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
    parts.add_argument("--window", type=count, metavar="STEPS",
                       help="cut sequences into pieces; in a CSV file a piece has the class of its "
                            "last row")
    parts.add_argument("--stride", type=count, metavar="STEPS",
                       help="steps from one piece to the next (default: those of --window)")
    for name in ("valid", "test"):
        parts.add_argument(f"--{name}", type=_share, default=0.15, metavar="SHARE",
                           help=f"share of the sequences, or groups, that is drawn for the part "
                                f"{name} where SOURCE does not say (default: %(default)s)")
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

    origin = pathlib.Path(chosen.source)
    if origin.suffix == ".npz":
        named = [f"--{name}" for name in ("sequence", "group", "split") if getattr(chosen, name)]
        if named or chosen.drop:
            raise UserError(f"{(named or ['--drop'])[0]} names a column of a CSV file; {origin} is "
                            "an NPZ file")
        recordings, classes = npz.read(origin)
        if chosen.window:
            recordings = recordings.windows(chosen.window, chosen.stride)
        return recordings, classes
    if origin.suffix != ".csv":
        raise UserError(f"{origin} is neither .npz nor .csv: save the recordings in one of the "
                        "two, as ternloom data --help describes them")
    columns = rows.Columns(chosen.label, chosen.sequence, chosen.group, chosen.split,
                           tuple(chosen.drop))
    return rows.read(origin, columns, window=chosen.window, stride=chosen.stride), ()


def _dataset(chosen, recordings, classes, name, made_from):
    from ternloom.data import make
    from ternloom.model.format import Fixed

    notes = {"made from": made_from,
             "preparation": "each input to mean 0 and deviation 1 over the training steps"}
    if chosen.window:
        notes["windows"] = f"{chosen.window} steps every {chosen.stride or chosen.window}"
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
    notes["preparation"] = f"scaled as network {network.name} expects"
    return make(recordings, name, classes=network.labels or classes, form=network.input_format,
                scaling=network.scaling, notes=notes)


def _outcome(dataset, recordings, place):
    from ternloom.files.dataset import PARTS

    counts = collections.Counter(zip(dataset.split.tolist(), dataset.labels.tolist(), strict=True))
    inputs = _inputs(dataset, recordings)
    lengths = [len(each) for each in dataset.sequences]
    data = {"data": str(place), "picture": str(place.with_suffix(_PICTURE)),
            "sequences": len(lengths), "inputs": inputs, "steps": [min(lengths), max(lengths)],
            "split": dataset.notes["split"],
            "classes": {name: {part: counts[part, index] for part in PARTS}
                        for index, name in enumerate(dataset.classes)}}
    steps = f"{min(lengths)}" + (f" to {max(lengths)}" if min(lengths) < max(lengths) else "")
    pairs = [("data", place), ("picture", place.with_suffix(_PICTURE)),
             ("sequences", f"{len(lengths):,} of {steps} steps"),
             ("format", dataset.format.text), ("parts", dataset.notes["split"])]
    pairs += [("caution", f"input {each['name']} saturates in {100 * each['saturated']:.1f} % of "
               "the steps; --format with fewer fraction bits has a wider range")
              for each in inputs if each["saturated"] > _MUCH]
    rows = [(name, *counted.values()) for name, counted in data["classes"].items()]
    scales = [(each["name"], f"{each['mean']:.6g}", f"{each['deviation']:.6g}",
               f"{100 * each['saturated']:.2f} %") for each in inputs]
    return Outcome(data, (facts(pairs),
                          table("Sequences of each class", ("", *(f">{part}" for part in PARTS)),
                                rows),
                          table("Inputs: mean and deviation of the training part, share of codes "
                                "at the ends of the range",
                                ("", ">mean", ">deviation", ">saturated"), scales)))


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
