"""The timing model: the cycle of every transfer, from sizes and arrival times alone."""

import collections.abc
import typing

import numpy as np
import numpy.typing as npt

from ternloom.mapping.geometry import Source
from ternloom.mapping.schedule import (code_leads, combiner_latency, exit_latency, result_latency,
                                       row_waits, waits)
from ternloom.model.frozen import Frozen
from ternloom.model.network import INPUT, Readout, When


if typing.TYPE_CHECKING:
    from ternloom.mapping.mapping import Mapping


__all__ = ["Timing", "pace", "predict"]


#: Cycles from a logit or a code to the output stream.
_QUEUE = 2
#: Steps over which the settled pace of a step is measured.
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


class _Buffer:
    """The input buffer of a node: ``released`` is when the array was done with each vector."""

    def __init__(self):
        self.released = []

    def space(self, vector):
        """First cycle at which the input buffer has room for this vector."""
        return self.released[vector - 2] + 1 if vector >= 2 else 0


class _Layer(_Buffer):
    """One layer, step after step."""

    def __init__(self, layer, geometry):
        super().__init__()
        self._layer    = layer
        self._geometry = geometry
        self._waits    = waits(layer, geometry)
        self._settled  = self._end = -1
        self._inputs   = max(i for i, b in enumerate(geometry.blocks) if b.source is Source.INPUT)
        self.ends = []

    def step(self, arrival, space):
        """Cycle of the step's last code.

        ``arrival`` is the cycle of the input vector's last beat, ``space`` the first cycle at which
        the layer that follows has room.
        """
        geometry = self._geometry
        for index, block in enumerate(geometry.blocks):
            decision = max(self._end, 0)
            if index == 0:
                decision = max(decision, arrival + 1)
            if block.waits:
                decision = max(decision, self._settled)
            if index == len(geometry.blocks) - 1:
                decision = max(decision, space)
            self._end = decision + block.cycles
            if self._waits[index]:
                self._settled = max(self._settled, self._end + self._waits[index])
            if index == self._inputs:
                self.released.append(self._end)
        self.ends.append(self._end)
        return self._end + result_latency(self._layer, geometry, geometry.blocks[-1])


class _Output:
    """The output stream, with a consumer that is always ready: one beat a cycle, in the order of
    the vectors.
    """

    def __init__(self):
        self.cycles = []

    def leave(self, offered):
        """Cycle at which each of a vector's beats leaves, of those at which they could."""
        places = np.arange(len(offered))
        free = self.cycles[-1] + 1 if self.cycles else 0
        left = np.maximum(np.maximum.accumulate(offered - places), free) + places
        self.cycles.extend(left.tolist())
        return left.tolist()


class _Queue:
    """A queue before the output stream."""

    def __init__(self, output, beats, vectors):
        self._output, self._spare = output, (vectors - 1) * beats
        self._left = []

    def room(self):
        """First cycle at which there is room for a vector more."""
        queued = len(self._left) - self._spare
        return self._left[queued - 1] + 1 if queued > 0 else 0

    def put(self, cycles):
        """Take a vector, of which a beat comes at each of the cycles."""
        self._left += self._output.leave(cycles + _QUEUE)


class _Codes:
    """The output of a network without a readout, vector after vector."""

    def __init__(self, layer, geometry, output):
        # Coefficients take the place of the codes, which follow them without a gap.
        header = layer.state_format.header
        leads  = code_leads(layer, geometry)
        self._delays = np.concatenate([np.arange(header) - leads[0], header - leads])
        self._queue  = _Queue(output, len(self._delays), 2)

    def put(self, arrival):
        """Take a vector whose last code comes at ``arrival``."""
        self._queue.put(arrival + self._delays)

    def space(self, vector):
        """First cycle at which there is room for this vector, the one after the last taken."""
        return self._queue.room()


class _Readout(_Buffer):
    """A readout, vector after vector."""

    def __init__(self, readout, geometry, output):
        super().__init__()
        self._readout  = readout
        self._blocks   = geometry.blocks
        self._waits    = row_waits(geometry)
        self._latency  = exit_latency(geometry) + combiner_latency(geometry)
        self._queue    = _Queue(output, readout.classes, 2 if readout.when is When.EVERY else 1)
        self._end, self._dropped = -1, -1

    def step(self, arrival, last):
        """Take a vector whose last code comes at ``arrival``."""
        if self._readout.when is When.LAST and not last:
            self._dropped = max(arrival, self._dropped, self._end) + 1
            self.released.append(self._dropped)
            return
        decision, settled = max(arrival + 1, self._dropped, self._end, 0), 0
        for index, (block, wait) in enumerate(zip(self._blocks, self._waits, strict=True)):
            if block.waits:
                decision = max(decision, settled)
            if index == len(self._blocks) - 1:
                decision = max(decision, self._queue.room())
            self._end = decision + block.cycles
            settled = self._end + wait
            start, decision = decision, self._end
        self.released.append(self._end)
        rows = start + 1 + block.exits()[block.planes - 1::block.planes]
        self._queue.put(rows + self._latency)


def predict(mapping: "Mapping", lengths: collections.abc.Iterable[int],
            offers: npt.ArrayLike | None) -> Timing:
    """Predict the cycle of every input and output transfer, see ``Mapping.predict``."""
    network, geometries, output = mapping.network, mapping.geometries, _Output()
    bodies = {node.name: _Readout(node.body, geometry, output) if isinstance(node.body, Readout)
              else _Layer(node.body, geometry)
              for node, geometry in zip(network.nodes, geometries, strict=True)}
    followers: dict[str, list[_Buffer | _Codes]] = {
        name: [bodies[network.nodes[index].name] for index, _ in network.consumers(name)]
        for name in (INPUT, *bodies)}
    codes = None
    if not network.speaks:
        final, = network.outputs
        place = [node.name for node in network.nodes].index(final.name)
        codes = _Codes(final.body, geometries[place], output)
        followers[final.name] = [codes]
    last = np.concatenate([np.arange(length) == length - 1 for length in lengths])
    beats = mapping.taken.beats
    offers = np.zeros(len(last) * beats, dtype=np.int64) if offers is None else np.asarray(offers)
    if offers.shape != (len(last) * beats,):
        raise ValueError(f"offers must be {len(last) * beats}, one a beat, not {offers.shape}")

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
            if isinstance(node.body, Readout):
                body.step(arrival, ends)
                continue
            space = max(each.space(vector) for each in followers[node.name])
            arrivals[node.name] = body.step(arrival, space)
        if codes is not None:
            codes.put(arrivals[final.name])
    ends = np.array([body.ends for body in bodies.values() if isinstance(body, _Layer)],
                    dtype=np.int64).T
    return Timing(inputs, np.array(output.cycles, dtype=np.int64), ends)


def pace(mapping: "Mapping") -> float:
    """Cycles between steps once a long sequence is under way."""
    long, short = (int(predict(mapping, [steps], None).outputs[-1])
                   for steps in (2 * _STEPS, _STEPS))
    return (long - short) / _STEPS
