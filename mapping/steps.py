"""The cycles of each kind of node, step after step, and those of the output stream."""

import numpy as np

from ternloom.mapping.geometry import Geometry, Source
from ternloom.mapping.schedule import (code_leads, combiner_latency, exit_latency, result_latency,
                                       row_waits, waits)
from ternloom.model.format import Format
from ternloom.model.node import Layer, Readout, When


__all__ = ["Buffer", "Codes", "LayerTiming", "Output", "ReadoutTiming"]


#: Cycles from a logit or a code to the output stream.
_QUEUE = 2


class Buffer:
    """The input buffer of a node: ``released`` is when the array was done with each vector."""

    def __init__(self) -> None:
        self.released: list[int] = []

    def space(self, vector: int) -> int:
        """First cycle at which the input buffer has room for this vector."""
        return self.released[vector - 2] + 1 if vector >= 2 else 0


class LayerTiming(Buffer):
    """One layer, step after step."""

    def __init__(self, layer: Layer, geometry: Geometry, output: "Output") -> None:
        super().__init__()
        self._layer    = layer
        self._geometry = geometry
        self._waits    = waits(layer, geometry)
        self._settled  = self._end = -1
        self._inputs   = max(i for i, b in enumerate(geometry.blocks) if b.source is Source.INPUT)
        self.ends: list[int] = []
        #: Cycles from each code to the last of its vector.
        self.leads     = code_leads(layer, geometry)

    def step(self, arrival: int, last: bool, space: int) -> int:
        """Cycle of the step's last code.

        ``arrival`` is the cycle of the input vector's last beat, ``last`` says whether its sequence
        ends with it, ``space`` is the first cycle at which what follows has room.
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


class Output:
    """The output stream, with a consumer that is always ready: one beat a cycle, in the order of
    the vectors.
    """

    def __init__(self) -> None:
        self.cycles: list[int] = []

    def leave(self, offered: np.ndarray) -> list[int]:
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


class Codes:
    """The output of a network without a readout, vector after vector."""

    def __init__(self, form: Format, leads: np.ndarray, output: Output) -> None:
        # Coefficients take the place of the codes, which follow them without a gap.
        header = form.header
        self._delays = np.concatenate([np.arange(header) - leads[0], header - leads])
        self._queue  = _Queue(output, len(self._delays), 2)

    def put(self, arrival: int) -> None:
        """Take a vector whose last code comes at ``arrival``."""
        self._queue.put(arrival + self._delays)

    def space(self, vector: int) -> int:
        """First cycle at which there is room for this vector, the one after the last taken."""
        return self._queue.room()


class ReadoutTiming(Buffer):
    """A readout, vector after vector."""

    def __init__(self, readout: Readout, geometry: Geometry, output: Output) -> None:
        super().__init__()
        self._readout  = readout
        self._blocks   = geometry.blocks
        self._waits    = row_waits(geometry)
        self._latency  = exit_latency(geometry) + combiner_latency(geometry)
        self._queue    = _Queue(output, readout.classes, 2 if readout.when is When.EVERY else 1)
        self._end, self._dropped = -1, -1

    def step(self, arrival: int, last: bool, space: int) -> None:
        """Take a vector whose last code comes at ``arrival``; arguments as of a layer."""
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
