"""Measure a network on the golden model: accuracy on labelled data, or perplexity on a text.

The golden model computes what the hardware computes, bit for bit, so this is the
accuracy that the FPGA will have. With --text a language network predicts every word from all
words before it, and the result is its perplexity per word.
"""

import time

from ternloom.cli import source
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
        return _predict(chosen, console, network)
    return _classify(chosen, console, network)


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


def _classify(chosen, console, network):
    """Accuracy on labelled data."""
    from ternloom.evaluate.accuracy import measure

    if network.readout is None:
        raise UserError(f"Network {network.name} has no readout, so it cannot be measured on "
                        "labelled data")
    dataset = source.data(chosen.data, chosen.part, network)
    with console.progress("Golden model, sequences") as report:
        accuracy = measure(network, dataset, report)
    data = {"network": network.name, "data": dataset.name, "part": chosen.part,
            "classes": list(dataset.classes), **accuracy.data()}
    pairs = [("network", network.name), ("data", f"{dataset.name}, part {chosen.part}"),
             ("accuracy", f"{percent(accuracy.fraction)}, {accuracy.correct} of "
                          f"{accuracy.sequences} sequences"),
             ("speed", f"{accuracy.steps / accuracy.seconds:,.0f} steps/s on this computer, not "
                       "the hardware's speed")]
    return Outcome(data, (facts(pairs), _confusion(accuracy, dataset.classes)))


def _confusion(accuracy, classes):
    names = [str(name) for name in classes]
    rows = [(name, *(value or "." for value in line))
            for name, line in zip(names, accuracy.confusion)]
    return table("Sequences by true class (row) and predicted class (column)",
                 ("", *(f">{name}" for name in names)), rows)
