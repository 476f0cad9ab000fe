"""Sequences to run hardware on: of data or a text where there is one, else random codes."""

from ternloom.cli import source
from ternloom.cli.error import UserError
from ternloom.cli.option import count
from ternloom.cli.text import add_text, read_text


__all__ = ["add_stimulus", "stimulus"]

#: Steps of a random sequence, fewest and most.
_STEPS = (1, 40)


def add_stimulus(parser, sequences, what):
    """Add DATA, ``--part``, ``--sequences``, ``--text``, ``--vocabulary`` and ``--words``."""
    parser.add_argument("data", metavar="DATA", nargs="?",
                        help="data file, or the name of shipped data (default: the data that a "
                             "shipped network was trained on, otherwise random codes)")
    parser.add_argument("--part", choices=("train", "valid", "test", "all"), default="test",
                        help="part of the data (default: %(default)s)")
    parser.add_argument("--sequences", type=count, default=sequences, metavar="N",
                        help=f"sequences to {what} (default: %(default)s)")
    add_text(parser)
    parser.add_argument("--words", type=count, default=200, metavar="N",
                        help=f"words of --text to {what}, as one sequence (default: %(default)s)")


def stimulus(chosen, network):
    """Sequences that DATA, ``--part`` and ``--sequences``, or ``--text`` and ``--words`` ask for.

    Parameters
    ----------
    chosen : argparse.Namespace
    network : Network

    Returns
    -------
    Stimulus
        Sequences spread evenly over the part, or random codes from a fixed seed where a network
        that isn't shipped comes without data.
    """
    from ternloom.cli.sequences import Stimulus

    if chosen.text is not None:
        return _text(chosen, network)
    name = chosen.data
    if name is None and network.notes.get("data") in source.shipped("data"):
        name = network.notes["data"]
    if name is None:
        from ternloom.model.draw import random_sequences
        drawn = random_sequences(0, network, chosen.sequences, _STEPS)
        return Stimulus("random codes", drawn)
    dataset = source.data(name, chosen.part, network)
    total = len(dataset.sequences)
    if chosen.sequences > total:
        raise UserError(f"--sequences must be at most {total}, the sequences of {dataset.name}'s "
                        f"part {chosen.part}, not {chosen.sequences}")
    # Evenly over the part, since a file may be sorted by class.
    places = [index * total // chosen.sequences for index in range(chosen.sequences)]
    return Stimulus(f"{dataset.name}, part {chosen.part}",
                    [dataset.sequences[index] for index in places])


def _text(chosen, network):
    """The first words of a text, as one sequence."""
    from ternloom.cli.sequences import Stimulus

    if chosen.data is not None:
        raise UserError("DATA and --text cannot be used together")
    tokens = read_text(chosen, network)
    if chosen.words > len(tokens):
        raise UserError(f"--words must be at most {len(tokens)}, the length of {chosen.text}, "
                        f"not {chosen.words}")
    return Stimulus(f"{chosen.words} words of {chosen.text}",
                    [network.embed(tokens[:chosen.words])])
