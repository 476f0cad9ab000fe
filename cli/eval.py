"""Measure a network's accuracy on the golden model.

The golden model computes what the hardware computes, bit for bit, so this is the
accuracy that the FPGA will have.
"""

from ternloom.cli import source
from ternloom.cli.console import Outcome, facts, table
from ternloom.cli.option import add_network


__all__ = ["EXAMPLE", "arguments", "run"]

EXAMPLE = "ternloom eval digits-gru-ternary-ternary digits"


def arguments(parser):
    """Add the verb's arguments."""
    add_network(parser)
    parser.add_argument("data", metavar="DATA", help="data file, or the name of a shipped one")
    parser.add_argument("--part", choices=("train", "valid", "test", "all"), default="test",
                        help="part of the data (default: %(default)s)")


def run(chosen, console):
    """Evaluate, and return the accuracy with the confusion matrix."""
    from ternloom.cli.accuracy import measure

    network = source.network(chosen.network)
    dataset = source.data(chosen.data, chosen.part, network)
    with console.progress("Golden model, sequences") as report:
        accuracy = measure(network, dataset, report)
    data = {"network": network.name, "data": dataset.name, "part": chosen.part,
            "classes": list(dataset.classes), **accuracy.data()}
    pairs = [("network", network.name), ("data", f"{dataset.name}, part {chosen.part}"),
             ("accuracy", f"{100 * accuracy.fraction:.2f} %, {accuracy.correct} of "
                          f"{accuracy.clips} sequences"),
             ("speed", f"{accuracy.steps / accuracy.seconds:,.0f} steps/s")]
    return Outcome(data, (facts(pairs), _confusion(accuracy, dataset.classes)))


def _confusion(accuracy, classes):
    names = [str(name) for name in classes]
    rows = [(name, *(value or "." for value in line))
            for name, line in zip(names, accuracy.confusion)]
    return table("Sequences of each true class (row) given each class (column)",
                 ("", *(f">{name}" for name in names)), rows)
