"""A data set of integer codes made of recordings."""

import collections.abc

import numpy as np

from ternloom.data.recordings import Recordings, RecordingsError
from ternloom.data.split import grouped, stratified
from ternloom.files.dataset import PARTS, Dataset, Labels, Numbers
from ternloom.model.format import Fixed
from ternloom.model.scaling import Scaling


__all__ = ["FORMAT", "make"]


#: Codes of inputs unless told otherwise: four standard deviations either way in eight bits.
FORMAT = Fixed(8, 5)


def make(recordings: Recordings, name: str, *, classes: collections.abc.Sequence[str] = (),
         form: Fixed = FORMAT, valid: float = 0.15, test: float = 0.15, seed: int = 1,
         scaling: Scaling | None = None, output_scaling: Scaling | None = None,
         notes: collections.abc.Mapping[str, str] | None = None) -> Dataset:
    """Split, scale and round recordings.

    Parameters
    ----------
    recordings : Recordings
        Their own split is kept. Where it lacks validation sequences, they are drawn from its
        training part; without one all parts are drawn: by group where there are groups, class by
        class where a sequence has one label, and else at random.
    name : str
    classes : sequence of str
        In the order of their indices; those that occur, in order, if empty.
    form : Fixed
        Of a code.
    valid, test : float
        Shares that are drawn.
    seed : int
        Of what is drawn.
    scaling, output_scaling : Scaling or None
        Of the inputs, and of numbers. None: mean 0 and deviation 1 over the training part. Given,
        as for a network that is there already, nothing is drawn: without a split of their own all
        sequences are test.
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
    known = tuple(classes) or tuple(sorted(_occurring(recordings.labels), key=_natural))
    unknown = sorted(_occurring(recordings.labels) - set(known))
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
        scaling = Scaling.fit(_training(recordings.sequences, split))
    targets = (_numbers(recordings, split, output_scaling) if recordings.numbers
               else _labels(recordings, known))
    return Dataset(name, tuple(scaling.codes(each, form) for each in recordings.sequences), targets,
                   split, form, dict(notes or {}) | {"split": how}, scaling)


def _occurring(labels):
    """Classes that occur, of each sequence or of each step."""
    return {str(label) for each in labels for label in np.ravel(each).tolist()}


def _natural(label):
    """Key by which labels that are numbers come in their order, before all others."""
    return (0, int(label), label) if label.isdecimal() else (1, 0, label)


def _training(values, split):
    return [each for each, part in zip(values, split, strict=True) if part == "train"]


def _labels(recordings, classes):
    index = {name: place for place, name in enumerate(classes)}
    if not recordings.per_step:
        return Labels(classes, np.array([index[label] for label in recordings.labels], np.int64))
    return Labels(classes, tuple(np.array([index[label] for label in each.tolist()], np.int64)
                                 for each in recordings.labels))


def _numbers(recordings, split, scaling):
    if scaling is None:
        scaling = Scaling.fit(np.atleast_2d(each) for each in _training(recordings.numbers, split))
    numbers = recordings.numbers
    return Numbers(recordings.names, numbers if recordings.per_step else np.stack(numbers), scaling)


def _split(recordings, shares, seed):
    """Part of each sequence, and how it came to be."""
    drawn = {part: share for part, share in shares.items() if share}
    text = " and ".join(f"{100 * share:g} % {part}" for part, share in drawn.items())
    if recordings.split is None:
        split, how = _drawn(recordings, np.arange(len(recordings.sequences)), drawn, seed)
        return split, f"{how}, {text}, seed {seed}"
    split = _as_given(recordings)
    if "valid" in split or not shares["valid"]:
        return split, "as in the source"
    inside = np.flatnonzero(split == "train")
    split[inside], _ = _drawn(recordings, inside, {"valid": shares["valid"]}, seed)
    return split, (f"as in the source, {100 * shares['valid']:g} % of its training part validates, "
                   f"seed {seed}")


def _drawn(recordings, places, shares, seed):
    """Parts of some sequences, and how they are drawn."""
    if recordings.groups is not None:
        return grouped(np.array(recordings.groups)[places], shares, seed), "by group"
    if recordings.per_step or recordings.numbers:
        return stratified(np.zeros(len(places)), shares, seed), "at random"
    return stratified(np.array(recordings.labels)[places], shares, seed), "stratified by class"


def _as_given(recordings):
    given = recordings.split or ("test",) * len(recordings.sequences)
    unknown = sorted(set(given) - set(PARTS))
    if unknown:
        raise RecordingsError(f"part {unknown[0]!r} is none of {', '.join(PARTS)}")
    return np.array(given, dtype="<U5")


def _check(recordings, classes, split):
    for part in PARTS:
        if part not in split:
            raise RecordingsError(f"no sequence is in the part {part}; give it a larger share or "
                                  "more sequences")
    if recordings.numbers:
        return
    trained = _occurring(_training(recordings.labels, split))
    for name in classes:
        if name not in trained:
            raise RecordingsError(f"class {name!r} does not occur in the training part")
