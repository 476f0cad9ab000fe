"""Options that several verbs share, and the values they stand for."""

import argparse
import dataclasses

from ternloom.cli.error import UserError


__all__ = ["add_core", "add_folding", "add_network", "core_network", "count", "mapped",
           "frequency", "module", "pair", "seconds"]

#: What ``--pe`` and ``--simd`` are when left out.
PE, SIMD = 4, 8


def count(text):
    """A whole number from 1, for ``type=``."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return value


def frequency(text):
    """A clock frequency in MHz above zero, for ``type=``."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 10_000:
        raise argparse.ArgumentTypeError(f"must be a frequency in MHz above 0, not {text!r}")
    return value


def seconds(text):
    """A time in seconds from zero, for ``type=``."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, 0 or more, not {text!r}")
    return value


def module(text):
    """A plain Verilog identifier that may name the top module, for ``type=``."""
    from ternloom.cli.keyword import KEYWORDS

    if not (text.isidentifier() and text.isascii()):
        raise argparse.ArgumentTypeError(f"must be a Verilog identifier, not {text!r}")
    if text in KEYWORDS:
        raise argparse.ArgumentTypeError("must not be a keyword of Verilog or SystemVerilog, "
                                         f"such as {text!r}")
    if text == "testbench":
        raise argparse.ArgumentTypeError("must not be 'testbench', the name of the bench that is "
                                         "written with the core")
    return text


def _counts(text):
    """Whole numbers from 1 with commas between, for ``type=``."""
    return tuple(count(part) for part in text.split(","))


def pair(text):
    """Two whole numbers with a comma between, for ``type=``."""
    try:
        first, second = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("must be two whole numbers separated by a comma, "
                                         f"not {text!r}") from None
    return first, second


def add_network(parser, **settings):
    """Add the argument NET."""
    parser.add_argument("network", metavar="NET", **settings,
                        help="network file, or the name of a shipped network (ternloom info lists "
                             "them)")


def add_folding(parser):
    """Add ``--pe``, ``--simd`` and ``--multiplexed``."""
    group = parser.add_argument_group("size of the hardware")
    group.add_argument("--pe", type=_counts, default=(PE,), metavar="N[,N...]",
                       help="processing elements of each layer: rows processed at once; one number "
                            f"for all layers, or one per layer (default: {PE})")
    group.add_argument("--simd", type=_counts, default=(SIMD,), metavar="N[,N...]",
                       help="lanes of each element: columns processed at once; one number for all "
                            f"layers, or one per layer (default: {SIMD})")
    group.add_argument("--multiplexed", action="store_true",
                       help="time-multiplex activation planes on one counter per element, instead "
                            "of giving each plane its own: smaller and slower")


def add_core(parser):
    """Add ``--pe``, ``--simd`` and ``--no-readout``."""
    add_folding(parser)
    parser.add_argument("--no-readout", action="store_true",
                        help="leave the readout to the host: the core outputs the last layer's "
                             "codes at every step")


def core_network(arguments):
    """The network NET as it becomes a core, without its readout if ``--no-readout`` says so."""
    from ternloom.cli import source
    from ternloom.model.network import Layer

    network = source.network(arguments.network)
    if not arguments.no_readout:
        return network
    labels = () if network.embedding is None else network.labels
    layers = tuple(node for node in network.nodes if isinstance(node.body, Layer))
    return dataclasses.replace(network, nodes=layers, labels=labels, output_scaling=None)


def mapped(arguments, network):
    """The network in a folding that ``--pe``, ``--simd`` and ``--multiplexed`` ask for.

    Parameters
    ----------
    arguments : argparse.Namespace
    network : Network

    Returns
    -------
    Mapping
    """
    from ternloom.mapping.folding import Folding, LayerFolding
    from ternloom.mapping.mapping import Mapping
    from ternloom.model.network import Layer

    depth = len(network.layers)
    sizes = []
    for name in ("pe", "simd"):
        given = getattr(arguments, name)
        if len(given) not in (1, depth):
            raise UserError(f"--{name} must be one number or {depth}, one per layer, "
                            f"not {len(given)}")
        sizes.append(given * depth if len(given) == 1 else given)
    layers = iter([LayerFolding(pe, simd) for pe, simd in zip(*sizes, strict=True)])
    base = Folding.uniform(network, sizes[0][0], sizes[1][0])
    arrays = (next(layers) if isinstance(node.body, Layer) else part
              for node, part in zip(network.nodes, base.arrays, strict=True))
    return Mapping(network, dataclasses.replace(base, arrays=tuple(
        dataclasses.replace(part, multiplexed=arguments.multiplexed) for part in arrays)))
