"""Parts of a data set, drawn class by class or group by group."""

import collections.abc

import numpy as np
import numpy.typing as npt

from ternloom.data.recordings import RecordingsError


__all__ = ["grouped", "stratified"]


def stratified(labels: npt.ArrayLike, fractions: collections.abc.Mapping[str, float],
               seed: int) -> np.ndarray:
    """Draw the parts of a data set class by class.

    Parameters
    ----------
    labels : array (sequences,)
    fractions : mapping of str to float
        Share of each part that is drawn; what is left is ``"train"``.
    seed : int

    Returns
    -------
    array of str (sequences,)
    """
    labels = np.asarray(labels)
    random = np.random.default_rng(seed)
    split = np.full(len(labels), "train", dtype="<U5")
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        start = 0
        for part, fraction in fractions.items():
            stop = start + round(fraction * len(members))
            split[members[start:stop]] = part
            start = stop
    return split


def grouped(groups: npt.ArrayLike, fractions: collections.abc.Mapping[str, float],
            seed: int) -> np.ndarray:
    """Draw the parts of a data set group by group, so that none is in two parts.

    Parameters
    ----------
    groups : array (sequences,)
        Such as speakers or patients.
    fractions : mapping of str to float
        Share of the groups of each part that is drawn, at least one group; what is left is
        ``"train"``.
    seed : int

    Returns
    -------
    array of str (sequences,)

    Raises
    ------
    RecordingsError
        If there are too few groups for the parts.
    """
    groups = np.asarray(groups)
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    split = np.full(len(groups), "train", dtype="<U5")
    counts = {part: max(1, round(share * len(names))) for part, share in fractions.items() if share}
    if sum(counts.values()) >= len(names):
        raise RecordingsError(f"{len(names)} groups are too few for train"
                              + "".join(f", {part}" for part in counts)
                              + ": each part needs one of its own")
    start = 0
    for part, count in counts.items():
        split[np.isin(groups, names[start:start + count])] = part
        start += count
    return split
