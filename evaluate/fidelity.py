"""How near the integer network is to the float network that it stands for, on data.

Both readings see the same input values. What a layer puts out and what the readout says are
compared as real numbers; decisions by the largest logit.
"""

import collections.abc
import dataclasses
import math

import numpy as np

from ternloom.model import golden, online
from ternloom.model.error import NetworkError
from ternloom.model.network import Network, When
from ternloom.quantize import forward
from ternloom.quantize.floats import FloatNetwork


__all__ = ["Fidelity", "LayerFidelity", "measure"]


#: Steps that are traced together: so many fit in memory, with every intermediate of every unit.
_TRACED = 4096


@dataclasses.dataclass(frozen=True)
class LayerFidelity:
    """One layer, all units and steps together.

    Parameters
    ----------
    name : str
        ``layer0``, ...
    error : float
        Root of the mean square difference of h, relative to the root of the float h's mean square.
    saturated : float or None
        Share of the codes of h at an end of their range; None of codes that are no fixed point.
    state_saturated : float
        The same of what is carried over time: c of an LSTM, wide h of a GRU.
    """

    name: str
    error: float
    saturated: float | None
    state_saturated: float


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """What a network makes of data beside what its float network makes of them.

    Parameters
    ----------
    sequences, steps : int
        That were compared.
    layers : tuple of LayerFidelity
    logits_error : float or None
        As the error of a layer, of all logits that the readout gives; None without a readout.
    agreement : float or None
        Share of the readout's vectors whose largest logit is the same class in both.
    """

    sequences: int
    steps: int
    layers: tuple[LayerFidelity, ...]
    logits_error: float | None
    agreement: float | None


class _Sum:
    """Squares of a difference and of what it is relative to, and counts of saturated codes."""

    def __init__(self):
        self.difference = self.power = 0.0
        self.ends = self.carried = self.count = 0

    def add(self, found, expected):
        expected = expected.astype(np.float64)
        self.difference += float(np.square(found - expected).sum())
        self.power += float(np.square(expected).sum())

    @property
    def error(self):
        if not self.power:
            return math.inf if self.difference else 0.0
        return math.sqrt(self.difference / self.power)


def measure(network: Network, reference: FloatNetwork,
            codes: collections.abc.Sequence[np.ndarray],
            values: collections.abc.Sequence[np.ndarray], most: int | None = None) -> Fidelity:
    """Run both readings over the same data.

    Parameters
    ----------
    network : Network
    reference : FloatNetwork
        The one that it comes from.
    codes : list of int array (steps, inputs)
        Input codes.
    values : list of float array (steps, inputs)
        The values that the float network sees in their place.
    most : int or None
        Steps of each sequence, from its start, that are compared; None compares all.

    Returns
    -------
    Fidelity

    Raises
    ------
    NetworkError
        For a float network of other cells or sizes.
    """
    _check(network, reference)
    codes, values = ([each[:most] for each in sequences] for sequences in (codes, values))
    sums = [_Sum() for _ in network.layers]
    logits, equal, vectors = _Sum(), 0, 0
    for chosen in _batches([len(each) for each in codes]):
        result = golden.run(network, [codes[index] for index in chosen], trace=True)
        passes = forward.run(reference, [values[index] for index in chosen])
        for index, (total, expected) in enumerate(zip(sums, passes, strict=True)):
            _add_layer(total, network.layers[index], f"layer{index}.", result.trace, expected)
        for place in range(len(chosen) if network.gives_logits else 0):
            expected = _logits(network, reference, passes[-1].outputs[place])
            equal += _add_logits(logits, network.readout, result, place, expected)
            vectors += len(expected)
    layers = tuple(LayerFidelity(
        f"layer{index}", total.error,
        total.ends / total.count if layer.state_format.rounded else None,
        total.carried / total.count)
        for index, (layer, total) in enumerate(zip(network.layers, sums, strict=True)))
    return Fidelity(len(codes), sum(map(len, codes)), layers, *(
        (logits.error, equal / vectors) if network.gives_logits else (None, None)))


def _check(network, reference):
    found, wanted = ([(layer.cell.name, layer.inputs, layer.units) for layer in each.layers]
                     + [("readout", classes)]
                     for each, classes in (
                         (reference, reference.classes),
                         (network, network.readout.classes if network.readout else 0)))
    if found != wanted:
        raise NetworkError(f"float network {reference.name!r} has other layers, {found}, than "
                           f"network {network.name!r}, {wanted}")


def _batches(lengths):
    """Indices of sequences that are run together."""
    chosen: list[int] = []
    steps = 0
    for index, length in enumerate(lengths):
        if chosen and steps + length > _TRACED:
            yield chosen
            chosen, steps = [], 0
        chosen.append(index)
        steps += length
    yield chosen


def _add_layer(total, layer, prefix, trace, expected):
    """Count the steps of some sequences in."""
    form = layer.state_format
    codes = np.concatenate(trace[f"{prefix}h"])
    if form.header:
        meant = online.values(form, codes, np.concatenate(trace[f"{prefix}beta"]))
    else:
        meant = form.value(codes)
    total.add(meant * 2.0**-form.frac, np.concatenate(expected.outputs))
    total.count += codes.size
    if form.rounded:
        total.ends += _at_ends(codes, form)
    for name in layer.cell.carried:
        total.carried += _at_ends(np.concatenate(trace[prefix + name]), layer.precision.state)


def _add_logits(total, readout, result, place, expected):
    """Count the logits of a sequence in; returns how many vectors have the same class."""
    total.add(result.logits[place] * 2.0**-readout.logits.frac, expected)
    return int((result.winners[place] == expected.argmax(axis=1)).sum())


def _at_ends(codes, form):
    return int(((codes == form.low) | (codes == form.high)).sum())


def _logits(network, reference, outputs):
    """Float logits of the steps of the readout's ``when``, (vectors, classes)."""
    last = network.readout.when is When.LAST
    return forward.logits(reference, outputs[-1:] if last else outputs)
