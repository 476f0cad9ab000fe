"""Batches of sequences of like length, and random changes that make more of them."""

import dataclasses

import numpy as np
import torch

from ternloom.files.targets import Numbers
from ternloom.model.format import Fixed
from ternloom.model.node import When


__all__ = ["SequenceSet", "augmented", "within"]


#: Steps that trimming and stretching leave of a sequence that has as many.
_LEAST_STEPS = 4


def within(lengths, steps):
    """Which of so many steps are of sequences of these lengths, bool tensor (steps, sequences)."""
    return torch.arange(steps, device=lengths.device)[:, None] < lengths


@dataclasses.dataclass(frozen=True)
class SequenceSet:
    """One part of a data set as padded tensors.

    Parameters
    ----------
    values : float tensor (steps, sequences, inputs)
        Codes as real numbers, zero beyond a sequence's end.
    lengths : int tensor (sequences,)
    targets : tensor
        Labels as int64, numbers as float32 in deviations from their mean, with one more axis. Of
        sequences (sequences, ...), of steps (steps, sequences, ...) and padded likewise.
    when : When
        Steps that have a target.
    """

    values: torch.Tensor
    lengths: torch.Tensor
    targets: torch.Tensor
    when: When = When.LAST

    @classmethod
    def from_dataset(cls, dataset):
        """Pad and scale the sequences of a ``Dataset``."""
        lengths = np.array([len(sequence) for sequence in dataset.sequences])
        values = _padded(dataset.sequences, np.float32)
        scale = np.float32(2.0**-dataset.format.frac)
        targets = dataset.targets
        entries, dtype = targets.values, np.int64
        if isinstance(targets, Numbers):
            scaled, dtype = targets.scaling.scaled, np.float32
            entries = (tuple(map(scaled, entries)) if targets.when is When.EVERY
                       else scaled(entries))
        if targets.when is When.EVERY:
            entries = _padded(entries, dtype)
        return cls(torch.from_numpy(values * scale), torch.from_numpy(lengths),
                   torch.from_numpy(np.array(entries, dtype)), targets.when)

    def __len__(self):
        return len(self.lengths)

    @property
    def expected(self):
        """Targets of all vectors that a network answers, in its order."""
        if self.when is When.LAST:
            return self.targets
        return self.targets[within(self.lengths, len(self.targets))]

    def select(self, index):
        """The sequences of these indices, padded no more than they need."""
        lengths = self.lengths[index]
        steps = int(lengths.max())
        targets = (self.targets[index] if self.when is When.LAST
                   else self.targets[:steps, index])
        return SequenceSet(self.values[:steps, index], lengths, targets, self.when)

    def to(self, device):
        """The sequences on a device of PyTorch's."""
        return SequenceSet(self.values.to(device), self.lengths.to(device),
                           self.targets.to(device), self.when)

    def in_order(self, batch):
        """Batches in ascending order of length; indices and ``SequenceSet``."""
        for index in torch.argsort(self.lengths, stable=True).split(batch):
            yield index, self.select(index)

    def shuffled(self, batch, generator):
        """Batches of like lengths, drawn anew, in random order."""
        jitter = torch.rand(len(self), generator=generator) * 0.3 + 0.85
        batches = torch.argsort(self.lengths * jitter).split(batch)
        for which in torch.randperm(len(batches), generator=generator):
            yield self.select(batches[which])


def augmented(batch, augment, input_format: Fixed, generator):
    """Stretch, trim, shift, blur and mask sequences at random, and round them to codes again.

    Parameters
    ----------
    batch : SequenceSet
    augment : Augment
    input_format : Fixed
    generator : torch.Generator

    Returns
    -------
    SequenceSet
    """
    def uniform(*shape):
        return torch.rand(shape, generator=generator)

    count, inputs = len(batch), batch.values.shape[2]
    spare = (batch.lengths - _LEAST_STEPS).clamp(min=0).div(2, rounding_mode="floor")
    head = torch.minimum((uniform(count) * (augment.trim + 1)).long(), spare)
    tail = torch.minimum((uniform(count) * (augment.trim + 1)).long(), spare)
    kept = batch.lengths - head - tail
    factor = 1 + augment.stretch * (2 * uniform(count) - 1)
    lengths = torch.maximum((kept * factor).round().long(), kept.clamp(max=_LEAST_STEPS))
    values, targets = _resampled(batch, head, kept, lengths)
    values = values + augment.offset * torch.randn((1, count, inputs), generator=generator)
    values = values + augment.noise * torch.randn(values.shape, generator=generator)
    width = (uniform(count) * (augment.mask + 1)).long().clamp(max=augment.mask)
    start = (uniform(count) * lengths).long()
    step = torch.arange(values.shape[0])[:, None]
    values = values * ~((step >= start) & (step < start + width))[:, :, None]
    codes = torch.floor(values * 2.0**input_format.frac + 0.5)
    codes = codes.clamp(input_format.low, input_format.high)
    return SequenceSet(codes * 2.0**-input_format.frac, lengths, targets, batch.when)


def _padded(arrays, dtype):
    """Arrays (steps, ...) side by side, (steps, arrays, ...), with zeros after their ends."""
    longest = max(map(len, arrays))
    padded = np.zeros((longest, len(arrays), *np.shape(arrays[0])[1:]), dtype)
    for index, array in enumerate(arrays):
        padded[:len(array), index] = array
    return padded


def _resampled(batch, start, kept, lengths):
    """Values and targets of ``kept`` steps from ``start`` on, spread evenly over ``lengths`` steps.

    Values and numbers are interpolated; a label is that of the nearest step.
    """
    step = torch.arange(int(lengths.max()))[:, None]
    stride = (kept - 1) / (lengths - 1).clamp(min=1)
    position = start + torch.minimum(step * stride, (kept - 1).to(stride.dtype))
    below = position.floor().long()
    above = torch.minimum(below + 1, (start + kept - 1)[None])
    which = torch.arange(len(batch))[None]
    share = (position - below)[:, :, None]

    def between(values):
        return values[below, which] * (1 - share) + values[above, which] * share

    targets = batch.targets
    if batch.when is When.EVERY:
        nearest = torch.where(share[:, :, 0] < 0.5, below, above)
        targets = between(targets) if targets.is_floating_point() else targets[nearest, which]
    return between(batch.values), targets
