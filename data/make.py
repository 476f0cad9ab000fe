"""A data set of integer codes made of recordings."""

import collections
import collections.abc

import numpy as np

from ternloom.data.recordings import Recordings, RecordingsError
from ternloom.data.split import grouped, stratified
from ternloom.files.dataset import PARTS, Dataset
from ternloom.model.format import Fixed
from ternloom.model.scaling import Scaling


__all__ = ["FORMAT", "make"]


#: Codes of inputs unless told otherwise: four standard deviations either way in eight bits.
FORMAT = Fixed(8, 5)


def make(recordings: Recordings, name: str, *, classes: collections.abc.Sequence[str] = (),
         form: Fixed = FORMAT, valid: float = 0.15, test: float = 0.15, seed: int = 1,
         scaling: Scaling | None = None,
         notes: collections.abc.Mapping[str, str] | None = None) -> Dataset:
    """Split, scale and round recordings.

    Parameters
    ----------
    recordings : Recordings
        Their own split is kept. Where it lacks validation sequences, they are drawn from its
        training part; without one all parts are drawn, by group where there are groups and class
        by class where not.
    name : str
    classes : sequence of str
        In the order of their indices; those that occur, in order, if empty.
    form : Fixed
        Of a code.
    valid, test : float
        Shares that are drawn.
    seed : int
        Of what is drawn.
    scaling : Scaling or None
        None: mean 0 and deviation 1 over the steps of the training part. Given, as for a network
        that is there already, nothing is drawn: without a split of their own all are test.
    notes : mapping of str to str or None

    Returns
    -------
    Dataset
        With its scaling.

    Raises
    ------
    RecordingsError
        A class that never occurs in training, a part that is left without a sequence, a label
        that is no class.
    """
    known = tuple(classes) or tuple(sorted(set(recordings.labels), key=_natural))
    unknown = sorted(set(recordings.labels) - set(known))
    if unknown:
        raise RecordingsError(f"label {unknown[0]!r} is none of the classes {', '.join(known)}")
    if scaling is not None:
        split, how = _as_given(recordings), "as in the source"
        if len(scaling.mean) != recordings.inputs:
            raise RecordingsError(f"there are {recordings.inputs} inputs per step, but the scaling "
                                  f"is of {len(scaling.mean)}")
    else:
        split, how = _split(recordings, {"test": test, "valid": valid}, seed)
        _check(recordings, known, split)
        scaling = Scaling.fit(each for each, part in zip(recordings.sequences, split, strict=True)
                              if part == "train")
    labels = np.array([known.index(label) for label in recordings.labels], dtype=np.int64)
    return Dataset(name, tuple(scaling.codes(each, form) for each in recordings.sequences), labels,
                   split, known, form, dict(notes or {}) | {"split": how}, scaling)


def _natural(label):
    """Key by which labels that are numbers come in their order, before all others."""
    return (0, int(label), label) if label.isdecimal() else (1, 0, label)


def _split(recordings, shares, seed):
    """Part of each sequence, and how it came to be."""
    drawn = {part: share for part, share in shares.items() if share}
    text = " and ".join(f"{100 * share:g} % {part}" for part, share in drawn.items())
    if recordings.split is None:
        if recordings.groups is not None:
            return grouped(recordings.groups, drawn, seed), f"by group, {text}, seed {seed}"
        return (stratified(recordings.labels, drawn, seed),
                f"stratified by class, {text}, seed {seed}")
    split = _as_given(recordings)
    if "valid" in split or not shares["valid"]:
        return split, "as in the source"
    inside = np.flatnonzero(split == "train")
    share = {"valid": shares["valid"]}
    if recordings.groups is not None:
        split[inside] = grouped(np.array(recordings.groups)[inside], share, seed)
    else:
        split[inside] = stratified(np.array(recordings.labels)[inside], share, seed)
    return split, (f"as in the source, {100 * shares['valid']:g} % of its training part validates, "
                   f"seed {seed}")


def _as_given(recordings):
    given = recordings.split or ("test",) * len(recordings.sequences)
    unknown = sorted(set(given) - set(PARTS))
    if unknown:
        raise RecordingsError(f"part {unknown[0]!r} is none of {', '.join(PARTS)}")
    return np.array(given, dtype="<U5")


def _check(recordings, classes, split):
    counts = collections.Counter(zip(split.tolist(), recordings.labels, strict=True))
    for part in PARTS:
        if part not in split:
            raise RecordingsError(f"no sequence is in the part {part}; give it a larger share or "
                                  "more sequences")
    for name in classes:
        if not counts["train", name]:
            raise RecordingsError(f"class {name!r} has no sequence in the training part")
