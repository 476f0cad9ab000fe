"""The timing model: the cycle of every transfer, from sizes and arrival times alone."""

import numpy as np

from ternloom.mapping.geometry import Source, network_geometry
from ternloom.mapping.schedule import (code_leads, combiner_latency, exit_latency, result_latency,
                                       waits)
from ternloom.model.frozen import Frozen
from ternloom.model.network import When


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
        Cycle of the last word of each step in each recurrent layer.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    ends: np.ndarray

    @property
    def step_cycles(self):
        """Cycles a step of the slowest layer takes once the pipeline is full."""
        if len(self.ends) < 3:
            return int(self.ends.max() + 1)
        return int(np.diff(self.ends, axis=0).max(axis=1)[-1])


class _Layer:
    """One recurrent layer, step after step."""

    def __init__(self, layer, geometry):
        self._layer    = layer
        self._geometry = geometry
        self._waits    = waits(layer, geometry)
        self._settled  = self._end = -1
        self._inputs   = max(i for i, b in enumerate(geometry.blocks) if b.source is Source.INPUT)
        self.released, self.ends = [], []

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

    def space(self, vector):
        """First cycle at which the input buffer has room for this vector."""
        return self.released[vector - 2] + 1 if vector >= 2 else 0


class _Queue:
    """The output queue, with a consumer that is always ready."""

    def __init__(self, beats, vectors):
        self._spare  = (vectors - 1) * beats
        self.outputs = []

    def room(self):
        """First cycle at which there is room for a vector more."""
        queued = len(self.outputs) - self._spare
        return self.outputs[queued - 1] + 1 if queued > 0 else 0

    def put(self, cycles):
        """Take a vector, of which a beat comes at each of the cycles."""
        self.outputs.extend((cycles + _QUEUE).tolist())


class _Codes:
    """The output of a network without a readout, vector after vector."""

    def __init__(self, layer, geometry):
        # Coefficients take the place of the codes, which follow them without a gap.
        header = layer.state_format.header
        leads  = code_leads(layer, geometry)
        self._delays = np.concatenate([np.arange(header) - leads[0], header - leads])
        self._queue  = _Queue(len(self._delays), 2)

    @property
    def outputs(self):
        return self._queue.outputs

    def step(self, arrival, last):
        """Take a vector whose last code comes at ``arrival``."""
        self._queue.put(arrival + self._delays)

    def space(self, vector):
        """First cycle at which there is room for this vector, the one after the last taken."""
        return self._queue.room()


class _Readout:
    """The readout, vector after vector."""

    def __init__(self, readout, geometry):
        self._readout  = readout
        self._block    = geometry.blocks[0]
        self._latency  = exit_latency(geometry) + combiner_latency(geometry)
        self._queue    = _Queue(readout.classes, 2 if readout.when is When.EVERY else 1)
        self._end, self._dropped = -1, -1
        self.released  = []

    @property
    def outputs(self):
        return self._queue.outputs

    def step(self, arrival, last):
        """Take a vector whose last code comes at ``arrival``."""
        if self._readout.when is When.LAST and not last:
            self._dropped = max(arrival, self._dropped, self._end) + 1
            self.released.append(self._dropped)
            return
        decision = max(arrival + 1, self._dropped, self._end, self._queue.room(), 0)
        self._end = decision + self._block.cycles
        self.released.append(self._end)
        rows = decision + 1 + self._block.exits()[self._block.planes - 1::self._block.planes]
        self._queue.put(rows + self._latency)

    space = _Layer.space


def predict(network, folding, lengths, offers=None):
    """Predict the cycle of every input and output transfer.

    Parameters
    ----------
    network : Network
    folding : Folding
    lengths : sequence of int
        Steps of each sequence; they follow one another without a pause of the source's own.
    offers : int array, optional
        For each beat of the input stream the first cycle at which the source offers it; a beat is
        never offered before the one before it was taken. Default: at once.

    Returns
    -------
    Timing
    """
    folding.check(network)
    geometries = network_geometry(network, folding)
    layers = [_Layer(layer, geometry)
              for layer, geometry in zip(network.layers, geometries, strict=False)]
    final = (_Codes(network.layers[-1], geometries[-1]) if network.readout is None
             else _Readout(network.readout, geometries[-1]))
    last = np.concatenate([np.arange(length) == length - 1 for length in lengths])
    beats = geometries[0].beats
    offers = np.zeros(len(last) * beats, dtype=np.int64) if offers is None else np.asarray(offers)
    if offers.shape != (len(last) * beats,):
        raise ValueError(f"offers must be {len(last) * beats}, one a beat, not {offers.shape}")

    inputs = np.empty(len(last) * beats, dtype=np.int64)
    taken = -1
    for vector, ends in enumerate(last):
        room = layers[0].space(vector)
        for beat in range(vector * beats, (vector + 1) * beats):
            taken = max(taken + 1, int(offers[beat]), room)
            inputs[beat] = taken
        arrival = taken
        for layer, following in zip(layers, layers[1:] + [final], strict=True):
            arrival = layer.step(arrival, following.space(vector))
        final.step(arrival, ends)
    ends = np.array([layer.ends for layer in layers], dtype=np.int64).T
    return Timing(inputs, np.array(final.outputs, dtype=np.int64), ends)


def pace(network, folding):
    """Cycles between steps once a long sequence is under way."""
    long, short = (int(predict(network, folding, [steps]).outputs[-1])
                   for steps in (2 * _STEPS, _STEPS))
    return (long - short) / _STEPS
