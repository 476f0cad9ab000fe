"""Sequences to run hardware on: real clips where there are any, else random codes."""

import dataclasses

from ternloom.cli import source
from ternloom.cli.error import UserError
from ternloom.cli.option import count


__all__ = ["Stimulus", "add_stimulus", "stimulus"]

#: Steps of a random sequence, fewest and most.
_STEPS = (1, 40)


@dataclasses.dataclass(frozen=True)
class Stimulus:
    """Sequences of input codes.

    Parameters
    ----------
    name : str
        Where they come from.
    sequences : list of int arrays (steps, inputs)
    labels : tuple of int or None
        True class of each, where known.
    """

    name: str
    sequences: list
    labels: tuple | None


def add_stimulus(parser, clips, what):
    """Add DATA, ``--part`` and ``--clips``."""
    parser.add_argument("data", metavar="DATA", nargs="?",
                        help="data file, or the name of a shipped one (default: what a shipped "
                             "network was trained on, else random codes)")
    parser.add_argument("--part", choices=("train", "valid", "test", "all"), default="test",
                        help="part of the data (default: %(default)s)")
    parser.add_argument("--clips", type=count, default=clips, metavar="N",
                        help=f"sequences to {what} (default: %(default)s)")


def stimulus(chosen, network):
    """Sequences that DATA, ``--part`` and ``--clips`` ask for.

    Parameters
    ----------
    chosen : argparse.Namespace
    network : Network

    Returns
    -------
    Stimulus
        Clips spread evenly over the part, or random codes from a fixed seed where a network that
        isn't shipped comes without data.
    """
    name = chosen.data
    if name is None and network.notes.get("data") in source.shipped("data"):
        name = network.notes["data"]
    if name is None:
        from ternloom.model.random import random_sequences
        return Stimulus("random codes", random_sequences(0, network, chosen.clips, _STEPS), None)
    dataset = source.data(name, chosen.part, network)
    total = len(dataset.sequences)
    if chosen.clips > total:
        raise UserError(f"--clips must be at most {total}, the sequences of {dataset.name}'s part "
                        f"{chosen.part}, not {chosen.clips}")
    # Evenly over the part, since a file may be sorted by class.
    chosen_clips = [index * total // chosen.clips for index in range(chosen.clips)]
    return Stimulus(f"{dataset.name}, part {chosen.part}",
                    [dataset.sequences[index] for index in chosen_clips],
                    tuple(int(dataset.labels[index]) for index in chosen_clips))
