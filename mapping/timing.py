"""The timing model: the cycle of every transfer, from sizes and arrival times alone."""

import collections.abc
import typing

import numpy as np
import numpy.typing as npt

from ternloom.mapping.kind import KINDS
from ternloom.mapping.steps import Buffer, Codes, Output
from ternloom.model.frozen import Frozen
from ternloom.model.network import INPUT
from ternloom.model.node import rule


if typing.TYPE_CHECKING:
    from ternloom.mapping.mapping import Mapping


__all__ = ["Timing", "cycles_per_step", "predict"]


#: Steps over which the settled cycles per step are counted.
_STEPS = 64


class Timing(Frozen):
    """Predicted cycles, counted from the first clock edge after reset.

    Parameters
    ----------
    inputs : int64 array
        Cycle of each beat of the input stream.
    outputs : int64 array
        Cycle of each beat of the output stream, with a consumer that is always ready.
    ends : int64 array (vectors, layers)
        Cycle of the last word of each step in each layer.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    ends: np.ndarray

    @property
    def step_cycles(self) -> int:
        """Cycles a step of the slowest layer takes once the pipeline is full."""
        if len(self.ends) < 3:
            return int(self.ends.max() + 1)
        return int(np.diff(self.ends, axis=0).max(axis=1)[-1])


def predict(mapping: "Mapping", lengths: collections.abc.Iterable[int],
            offers: npt.ArrayLike | None) -> Timing:
    """Predict the cycle of every input and output transfer, see ``Mapping.predict``."""
    network, geometries, output = mapping.network, mapping.geometries, Output()
    bodies = {node.name: rule(KINDS, node.body).timing(node.body, geometry, output)
              for node, geometry in zip(network.nodes, geometries, strict=True)}
    followers: dict[str, list[Buffer | Codes]] = {
        name: [bodies[network.nodes[index].name] for index, _ in network.consumers(name)]
        for name in (INPUT, *bodies)}
    codes = None
    if not network.gives_logits:
        final, = network.outputs
        codes = Codes(final.body.form, bodies[final.name].leads, output)
        followers[final.name] = [codes]
    last = np.concatenate([np.arange(length) == length - 1 for length in lengths])
    beats = mapping.taken.beats
    offers = np.zeros(len(last) * beats, dtype=np.int64) if offers is None else np.asarray(offers)
    if offers.shape != (len(last) * beats,):
        raise ValueError(f"offers must have the shape ({len(last) * beats},), one per beat, "
                         f"not {offers.shape}")

    inputs = np.empty(len(last) * beats, dtype=np.int64)
    taken = -1
    for vector, ends in enumerate(last):
        room = max(each.space(vector) for each in followers[INPUT])
        for beat in range(vector * beats, (vector + 1) * beats):
            taken = max(taken + 1, int(offers[beat]), room)
            inputs[beat] = taken
        arrivals = {INPUT: taken}
        for node in network.nodes:
            body, arrival = bodies[node.name], max(arrivals[name] for name in node.inputs)
            space = max((each.space(vector) for each in followers[node.name]), default=0)
            arrivals[node.name] = body.step(arrival, ends, space)
        if codes is not None:
            codes.put(arrivals[final.name])
    ends = np.array([bodies[node.name].ends for node in network.nodes
                     if not node.body.gives_logits], dtype=np.int64).T
    return Timing(inputs, np.array(output.cycles, dtype=np.int64), ends)


def cycles_per_step(mapping: "Mapping") -> float:
    """Cycles between steps once a long sequence is under way."""
    long, short = (int(predict(mapping, [steps], None).outputs[-1])
                   for steps in (2 * _STEPS, _STEPS))
    return (long - short) / _STEPS
