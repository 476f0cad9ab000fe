"""Measure a network on the golden model: accuracy, errors of numbers, or perplexity on a text.

The golden model computes what the hardware computes, bit for bit, so this is how right
the FPGA will be. --picture draws what the network answers. With --text a language network
predicts every word from all words before it, and the result is its perplexity per word.
"""

import contextlib
import math
import pathlib
import time

from ternloom.cli import output, source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.describe import percent
from ternloom.cli.error import UserError
from ternloom.cli.option import add_network
from ternloom.cli.text import add_text, read_text


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom eval digits-gru-ternary-ternary digits"


def arguments(parser):
    """Add the verb's arguments."""
    add_network(parser)
    parser.add_argument("data", metavar="DATA", nargs="?",
                        help="data file, or the name of shipped data")
    parser.add_argument("--part", choices=("train", "valid", "test", "all"), default="test",
                        help="part of the data (default: %(default)s)")
    parser.add_argument("--picture", metavar="FILE",
                        help="PNG file to draw the answers to: the confusion matrix, or what is "
                             "right and what is said over time")
    output.add_force(parser, "a file that ternloom eval did not draw")
    add_text(parser)


def run(chosen, console):
    """Evaluate, and return the accuracy with the confusion matrix, or the perplexity."""
    if chosen.data and chosen.text:
        raise UserError("DATA and --text cannot be used together")
    network = source.network(chosen.network)
    if not chosen.data and not chosen.text:
        raise UserError("DATA is missing: a data file, or the name of shipped data such as digits"
                        if network.embedding is None else
                        f"--text is missing: a text whose words {network.name} is to predict")
    if chosen.text is not None:
        if chosen.picture:
            raise UserError("--picture needs DATA")
        return _predict(chosen, console, network)
    return _answer(chosen, console, network)


def _predict(chosen, console, network):
    """Perplexity on a text."""
    from ternloom.evaluate import perplexity

    perplexity.check(network)
    tokens = read_text(chosen, network)
    start = time.perf_counter()
    with console.progress("Golden model, words") as report:
        found = perplexity.predict(network, tokens, report)
    seconds = time.perf_counter() - start
    data = {"network": network.name, "text": chosen.text, "words": found.words,
            "vocabulary": len(network.embedding), "perplexity": found.perplexity,
            "nats": found.nats, "right": found.right, "seconds": seconds}
    pairs = [("network", network.name), ("text", chosen.text),
             ("perplexity", f"{found.perplexity:.2f} per word, {found.words:,} words of a "
                            f"vocabulary of {len(network.embedding):,}"),
             ("right", f"{100 * found.right / found.words:.2f} % of the words were ranked first"),
             ("speed", f"{found.words / seconds:,.0f} words/s on this computer, not the "
                       "hardware's speed")]
    return Outcome(data, (facts(pairs),))


def _answer(chosen, console, network):
    """Accuracy on labelled data, or errors on data with numbers."""
    from ternloom.evaluate import answers
    from ternloom.evaluate.errors import Errors
    from ternloom.evaluate.measure import judge

    if network.readout is None:
        raise UserError(f"Network {network.name} has no readout, so it cannot be measured on "
                        "labelled data")
    dataset = source.data(chosen.data, chosen.part, network)
    with _picture(chosen) as picture, console.progress("Golden model, sequences") as report:
        given = answers.collect(network, dataset, report)
        found = judge(network, given, dataset.targets)
        if picture is not None:
            from ternloom.cli.answers import draw

            report(text="drawing")
            draw(picture, network, dataset, given, found)
    data = {"network": network.name, "data": dataset.name, "part": chosen.part,
            "when": dataset.targets.when.value, **found.data()}
    told = _errors if isinstance(found, Errors) else _decisions
    said, *shown = told(data, dataset.targets, found)
    pairs = [("network", network.name), ("data", f"{dataset.name}, part {chosen.part}"), said,
             *([("picture", chosen.picture)] if picture else []),
             ("speed", f"{found.steps / found.seconds:,.0f} steps/s on this computer, not "
                       "the hardware's speed")]
    return Outcome(data, (facts(pairs), *shown))


def _picture(chosen):
    """Where to draw: a path that takes its place when the block ends, or None."""
    if chosen.picture is None:
        return contextlib.nullcontext()
    from ternloom.cli.answers import drew

    return output.file(pathlib.Path(chosen.picture), own=drew, inputs=output.inputs(chosen),
                       force=chosen.force)


def _decisions(data, targets, found):
    """Accuracy in a line, the classes, and the confusion matrix."""
    names = [str(name) for name in targets.names]
    data["classes"] = names
    what, title = f"{targets.per}s", targets.per.capitalize() + "s"
    shares = [found.confusion.sum(axis=1), found.precision, found.recall, found.f1]
    rows = [(name, f"{int(count):,}", *("" if math.isnan(each) else percent(each)
                                        for each in rest))
            for name, count, *rest in zip(names, *shares)]
    confusion = [(name, *(value or "." for value in line))
                 for name, line in zip(names, found.confusion)]
    return (("accuracy", f"{percent(found.fraction)}, {found.correct:,} of {found.count:,} {what}"),
            table(f"{title} by true class (row) and predicted class (column)",
                  ("", *(f">{name}" for name in names)), confusion),
            table("Classes", ("", f">{what}", ">precision", ">recall", ">F1"), rows))


def _errors(data, targets, found):
    """The error in a line, and of each number beside what saying their mean comes to."""
    truth = targets.flat
    plain = ((truth - targets.scaling.mean)**2).mean(axis=0)**0.5
    data["numbers"] = list(targets.names)
    data["mean_rmse"] = plain.tolist()
    rows = [(name, f"{error:.5g}", f"{naive:.5g}", f"{deviation:.5g}")
            for name, error, naive, deviation in zip(targets.names, found.by_number, plain,
                                                     targets.scaling.deviation)]
    return (("error", f"{found.rmse:.4f}, root mean square of {len(truth):,} {targets.per}s, in "
                      "deviations of the training part"),
            table("Numbers: root mean square error in their unit; that of always saying the mean "
                  "of the training part; deviation of the training part",
                  ("", ">error", ">of the mean", ">deviation"), rows))
