"""Data files: sequences of input codes, what is right, and a fixed split, in safetensors.

The tensors are ``codes`` (all steps, inputs), one sequence after the other, int8 where the format
allows it and int16 otherwise; ``offsets`` int32 (sequences + 1), the first step of each sequence;
``split`` uint8 (sequences), an index into train, valid, test; and ``labels`` int16 or ``numbers``
float64 (.., numbers), with an entry per sequence or, if the description says so, per step. The
scalings that raw values went through are in the description.
"""

import collections.abc
import dataclasses
import pathlib
import typing

import msgspec
import numpy as np
import numpy.typing as npt

from ternloom.files.container import Description, read, write
from ternloom.files.decode import convert
from ternloom.files.scaling import ScalingSpec, scaling, scaling_spec
from ternloom.files.targets import DatasetError, Labels, Numbers
from ternloom.model.error import NetworkError
from ternloom.model.format import Format
from ternloom.model.frozen import Frozen
from ternloom.model.names import check_notes
from ternloom.model.node import When
from ternloom.model.scaling import Scaling

if typing.TYPE_CHECKING:
    from ternloom.model.network import Network


__all__ = ["PARTS", "VERSION", "Dataset", "DatasetError", "Labels", "Numbers", "load", "save"]


#: The version of the description that is written, and the newest one that is read.
VERSION = 1
#: Names of the parts of a data set.
PARTS = ("train", "valid", "test")

_KIND = "data set"
_CODES_LIMIT = 1 << 30
#: Type of the names of parts.
_SPLIT = np.array(PARTS).dtype

_Count = typing.Annotated[int, msgspec.Meta(ge=0, le=1 << 26)]
_Inputs = typing.Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


_Names = typing.Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1 << 15)]


class _Spec(Description, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    classes: _Names | msgspec.UnsetType = msgspec.UNSET
    numbers: _Names | msgspec.UnsetType = msgspec.UNSET
    every_step: bool | msgspec.UnsetType = msgspec.UNSET
    format: Format
    notes: dict[str, str]
    inputs: _Inputs
    sequences: _Count
    steps: _Count
    scaling: ScalingSpec | msgspec.UnsetType = msgspec.UNSET
    output_scaling: ScalingSpec | msgspec.UnsetType = msgspec.UNSET


class Dataset(Frozen):
    """Sequences of input codes, and what is right.

    Parameters
    ----------
    name : str
    sequences : tuple of int16 array (steps, inputs)
        At least one step each.
    targets : Labels or Numbers
    split : array of str (sequences)
        "train", "valid" or "test".
    format : Format
        Of a code.
    notes : mapping of str to str
        Source, licence, preparation.
    scaling : Scaling or None
        What raw values went through before they were rounded to codes.

    Raises
    ------
    DatasetError
        Parts that don't fit each other; a name, class or note that has control characters.
    """

    name: str
    sequences: tuple[np.ndarray, ...]
    targets: Labels | Numbers
    split: np.ndarray
    format: Format
    notes: collections.abc.Mapping[str, str] = dataclasses.field(default_factory=dict)
    scaling: Scaling | None = None

    def __post_init__(self):
        if not isinstance(self.targets, Labels | Numbers):
            raise DatasetError(f"targets must be Labels or Numbers, not {self.targets!r}")
        check_notes(self.name, self.targets.names, self.notes, DatasetError, "classes")
        count = len(self.sequences)
        if np.shape(self.split) != (count,):
            raise DatasetError(f"split must have the shape ({count},), one per sequence, "
                               f"not {np.shape(self.split)}")
        for part in np.unique(self.split):
            if part not in PARTS:
                raise DatasetError(f"split must be one of {', '.join(PARTS)}, not {str(part)!r}")
        for index, sequence in enumerate(self.sequences):
            self._check_sequence(index, sequence)
        self.targets.check([len(sequence) for sequence in self.sequences])
        if self.scaling is not None and count and len(self.scaling.mean) != self.inputs:
            raise DatasetError(f"scaling must have {self.inputs} entries, one per input, "
                               f"not {len(self.scaling.mean)}")
        super().__post_init__()
        self._hold(split=np.asarray(self.split).astype(_SPLIT, copy=False))

    def _check_sequence(self, index, sequence):
        if np.ndim(sequence) != 2 or not len(sequence) or sequence.shape[1] != self.inputs:
            raise DatasetError(f"sequence {index} must have the shape (steps, {self.inputs}), "
                               f"not {np.shape(sequence)}")
        if sequence.dtype != np.int16 or not self.format.contains(sequence):
            raise DatasetError(f"sequence {index} must hold int16 codes of {self.format!r}, "
                               f"not {sequence.dtype} from {sequence.min()} to {sequence.max()}")

    def __repr__(self):
        kind = "classes" if isinstance(self.targets, Labels) else self.targets.what
        return (f"Dataset({self.name!r}, {len(self.sequences)} sequences of {self.inputs} inputs, "
                f"{len(self.targets.names)} {kind}, digest {self.digest[:12]})")

    @property
    def inputs(self) -> int:
        """Elements of an input vector; 0 of an empty data set."""
        return self.sequences[0].shape[-1] if self.sequences else 0

    def part(self, name: str) -> typing.Self:
        """The sequences of one part, as a data set of the same name.

        Parameters
        ----------
        name : str
            "train", "valid" or "test".
        """
        if name not in PARTS:
            raise DatasetError(f"part must be one of {', '.join(PARTS)}, not {name!r}")
        return self.take(np.flatnonzero(self.split == name))

    def take(self, indices: npt.ArrayLike) -> typing.Self:
        """The sequences of these indices, in this order, as a data set of the same name."""
        indices = np.asarray(indices, dtype=np.int64)
        sequences = tuple(self.sequences[index] for index in indices)
        return dataclasses.replace(self, sequences=sequences, targets=self.targets.take(indices),
                                   split=self.split[indices])

    def match(self, network: "Network") -> None:
        """Raise ``DatasetError`` unless a network can be run on the sequences.

        What is right are answers that it can give, if it has a readout.

        Parameters
        ----------
        network : Network
        """
        if self.inputs != network.inputs:
            raise DatasetError(f"Data {self.name} has {self.inputs} inputs per step, but network "
                               f"{network.name} expects {network.inputs}")
        if not _same_codes(self.format, network.input_format):
            raise DatasetError(f"Data {self.name} has codes of {self.format!r}, but network "
                               f"{network.name} expects {network.input_format!r}")
        if None not in (self.scaling, network.scaling) and self.scaling != network.scaling:
            raise DatasetError(f"Data {self.name} was scaled by another mean and deviation than "
                               f"network {network.name} expects; make it of the raw values with "
                               "ternloom data --like")
        self.targets.match(self.name, network)


def _same_codes(one, other):
    """Whether codes mean the same in two formats: how the values between became codes is no matter.

    A threshold is: it says which values are a code's own.
    """
    return one.meaning == other.meaning


def _codes_type(form):
    """Narrowest dtype that holds the codes of a format."""
    low, high = form.code_range
    if low < -(1 << 15) or high >= 1 << 15:
        raise ValueError(f"has the format {form!r}, whose codes do not fit 16 signed bits")
    return np.dtype(np.int8 if low >= -128 and high < 128 else np.int16)


def _layout(spec: _Spec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that a description calls for."""
    if not spec.sequences:
        raise ValueError("has no sequences")
    if spec.steps * spec.inputs > _CODES_LIMIT:
        raise ValueError(f"has {spec.steps * spec.inputs} codes, and at most {_CODES_LIMIT} are "
                         "allowed")
    entries = spec.steps if spec.every_step is True else spec.sequences
    shapes = {"codes": (_codes_type(spec.format).name, (spec.steps, spec.inputs)),
              "offsets": ("int32", (spec.sequences + 1,)),
              "split": ("uint8", (spec.sequences,))}
    known = [each for each in (spec.classes, spec.numbers) if each is not msgspec.UNSET]
    if len(known) != 1:
        raise ValueError("has classes and numbers" if known else "has neither classes nor numbers")
    if (spec.output_scaling is msgspec.UNSET) != (spec.numbers is msgspec.UNSET):
        raise ValueError("must have output_scaling if it has numbers, and only then")
    if isinstance(spec.numbers, msgspec.UnsetType):
        return shapes | {"labels": ("int16", (entries,))}
    return shapes | {"numbers": ("float64", (entries, len(spec.numbers)))}


def save(dataset: Dataset, path: str | pathlib.Path) -> None:
    """Write a data file, whole or not at all.

    Parameters
    ----------
    dataset : Dataset
        With at least one sequence.
    path : str or Path
        Replaced if it exists.

    Raises
    ------
    DatasetError
        A data set beyond the limits of the file, or a place that cannot be written.
    """
    lengths = [len(sequence) for sequence in dataset.sequences]
    targets = dataset.targets
    numbers, names = isinstance(targets, Numbers), targets.names
    spec = _Spec(kind=_KIND, version=VERSION, name=dataset.name,
                 classes=msgspec.UNSET if numbers else names,
                 numbers=names if numbers else msgspec.UNSET,
                 every_step=True if targets.when is When.EVERY else msgspec.UNSET,
                 format=dataset.format, notes=dict(dataset.notes), inputs=max(dataset.inputs, 1),
                 sequences=len(lengths), steps=sum(lengths),
                 scaling=scaling_spec(dataset.scaling),
                 output_scaling=scaling_spec(targets.scaling))
    try:
        shapes = _layout(convert(_Spec, msgspec.to_builtins(spec)))
    except ValueError as failure:
        raise DatasetError(f"data set {dataset.name!r} {failure}") from None
    parts = np.array([PARTS.index(part) for part in dataset.split])
    tensors = {"codes": np.concatenate(dataset.sequences), "offsets": np.cumsum([0, *lengths]),
               targets.what: targets.flat, "split": parts}
    write(path, spec, {name: np.ascontiguousarray(tensors[name], dtype=dtype)
                       for name, (dtype, _) in shapes.items()}, DatasetError)


def load(path: str | pathlib.Path) -> Dataset:
    """Read a data file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        One line that says what is wrong with the file.
    """
    spec, tensors = read(path, {VERSION: _Spec}, _KIND, _layout, DatasetError)
    try:
        dataset = _dataset(spec, tensors)
    except (DatasetError, NetworkError) as failure:
        raise DatasetError(f"data set file {path} is invalid: {failure}") from None
    return dataset


def _dataset(spec, tensors):
    """The data set that a description and its tensors make."""
    offsets, parts = tensors["offsets"], tensors["split"]
    if offsets[0] != 0 or offsets[-1] != spec.steps or (np.diff(offsets) < 1).any():
        raise DatasetError(f"offsets must rise from 0 to {spec.steps}")
    if (parts >= len(PARTS)).any():
        raise DatasetError(f"split must be from 0 to {len(PARTS) - 1}, not {int(parts.max())}")
    codes = tensors["codes"].astype(np.int16)
    # Nobody else has it: the data set takes over what it cannot change.
    codes.flags.writeable = False
    return Dataset(spec.name, tuple(np.split(codes, offsets[1:-1])),
                   _targets(spec, tensors, offsets), np.array(PARTS)[parts], spec.format,
                   spec.notes, scaling(spec.scaling))


def _targets(spec, tensors, offsets):
    """What a description and its tensors say is right."""
    values = tensors["labels" if "labels" in tensors else "numbers"]
    if spec.every_step is True:
        values = tuple(np.split(values, offsets[1:-1]))
    output_scaling = scaling(spec.output_scaling)
    if output_scaling is None:
        return Labels(spec.classes, values)
    return Numbers(spec.numbers, values, output_scaling)
