"""The golden model: the network computed on integers, many sequences at a time.

Sequences are sorted by length and packed time-major, as PyTorch packs them, so that each step works
on the sequences that are still running and nothing is padded. Every layer runs over the whole
batch before the next one starts: its input product is then one matrix product.
"""

import collections.abc

import numpy as np

from ternloom.model import online
from ternloom.model.batch import Packing
from ternloom.model.bounds import bounds, working_range
from ternloom.model.cell.integers import Integers, initial_code
from ternloom.model.error import NetworkError
from ternloom.model.frozen import Frozen
from ternloom.model.network import When
from ternloom.model.product import Product


__all__ = ["Result", "Session", "run"]


#: Sequences that are computed together: as many as keep a step's arrays in the cache.
_BATCH = 256


class Result(Frozen):
    """What a network makes of its sequences; every tuple has an entry a sequence.

    Parameters
    ----------
    logits : tuple of int64 array (vectors, classes), or None
        One vector if the readout speaks at the last step, else one a step; None without a readout.
    winners : tuple of int64 array (vectors,), or None
        Index of the largest logit of each vector, the lowest of equals; None without a readout.
    codes : tuple of int array (steps, units), or None
        Codes of the last layer, where there is no readout that takes them.
    coefficients : tuple of int array (steps, planes), or None
        Of those codes, where each vector brings its own.
    trace : mapping of str to tuple of int array (steps, units)
        Every intermediate of docs/design.md section 2 by its name, if a trace was asked for;
        ``readout.logits`` is (vectors, classes) and ``readout.argmax`` (vectors, 1).
    """

    logits: tuple | None
    winners: tuple | None
    codes: tuple | None
    coefficients: tuple | None
    trace: collections.abc.Mapping


def run(network, sequences, *, trace=False):
    """Compute a network on sequences of input codes, exactly.

    Parameters
    ----------
    network : Network
    sequences : list of int array (steps, inputs)
        Input codes; the sequences may differ in length.
    trace : bool
        Whether to keep every named intermediate.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        A sequence that is empty, of the wrong width or with codes out of the input's format.
    NetworkError
        A network whose sums may exceed 62 bits.
    """
    sequences = list(sequences)
    return Session(network, len(sequences)).run(sequences, trace=trace)


class Session:
    """Sequences that come piece by piece: each goes on from the state that its last piece left.

    Parameters
    ----------
    network : Network
    count : int
        Sequences.

    Raises
    ------
    NetworkError
        A network whose sums may exceed 62 bits.
    """

    def __init__(self, network, count=1):
        self._network = network
        self._layers, self._readout = _prepare(network)
        self._states = [layer.start(count) for layer in self._layers]

    def run(self, pieces, *, trace=False):
        """Compute a piece of every sequence.

        Parameters
        ----------
        pieces : list of int array (steps, inputs)
            One for each sequence, of any length.
        trace : bool

        Returns
        -------
        Result
            A readout that speaks at the last step does so at that of each piece.

        Raises
        ------
        ValueError
            As ``run`` does.
        """
        arrays = _check_sequences(self._network, pieces)
        order = sorted(range(len(arrays)), key=lambda index: -len(arrays[index]))
        outputs, traces = [None] * len(arrays), [None] * len(arrays)
        for start in range(0, len(order), _BATCH):
            chosen = order[start:start + _BATCH]
            vectors, named = self._run_batch([arrays[index] for index in chosen], chosen, trace)
            for place, index in enumerate(chosen):
                outputs[index] = vectors[place]
                traces[index] = {name: values[place] for name, values in named.items()}
        return _result(outputs, traces, self._readout is not None, trace,
                       f"layer{len(self._layers) - 1}.beta")

    def _run_batch(self, arrays, chosen, trace):
        """Outputs and traces of sequences of falling length, whose states are those ``chosen``."""
        packing, named = Packing([len(array) for array in arrays]), {}
        codes = packing.pack(arrays)
        values = self._network.input_format.value(codes)
        for number, (layer, held) in enumerate(zip(self._layers, self._states, strict=True)):
            state = {name: values[chosen] for name, values in held.items()}
            codes, values, steps = layer.run(values, packing.sizes, state, trace)
            for name, final in state.items():
                held[name][chosen] = final
            named |= {f"layer{number}.{name}": packing.unpack(np.concatenate(arrays))
                      for name, arrays in steps.items()}
        if self._readout is None:
            return packing.unpack(codes), named
        return self._readout.run(values, packing), named


def _result(outputs, traces, has_readout, trace, final):
    """What a session hands out, of the output vectors and the traces of each sequence.

    ``final`` is the name of the last layer's coefficients.
    """
    names = traces[0] if traces else ()
    gathered = {name: [one[name] for one in traces] for name in names}
    if not has_readout:
        return Result(None, None, outputs, gathered.get(final), gathered if trace else {})
    winners = [np.argmax(vectors, axis=1) for vectors in outputs]
    if not trace:
        return Result(outputs, winners, None, None, {})
    gathered["readout.logits"] = outputs
    gathered["readout.argmax"] = [winner[:, None] for winner in winners]
    return Result(outputs, winners, None, None, gathered)


def _check_sequences(network, sequences):
    """Sequences as arrays, or a ``ValueError`` that names the first sequence and step at fault."""
    arrays = [np.asarray(sequence) for sequence in sequences]
    kind, inputs = network.input_format, network.inputs
    for index, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != inputs:
            raise ValueError(f"sequence {index} must have the shape (steps, {inputs}), "
                             f"not {array.shape}")
        if not len(array):
            raise ValueError(f"sequence {index} must have at least one step, not 0")
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"sequence {index} must hold integer codes, not {array.dtype}")
        if not kind.contains(array):
            step, column = next((step, column) for step, column in np.ndindex(array.shape)
                                if not kind.contains(array[step, column]))
            raise ValueError(f"sequence {index} step {step} must hold codes of {kind!r}, "
                             f"not {int(array[step, column])} in column {column}")
    return arrays


class _Layer:
    """A layer ready to run: products and the integer type that holds its sums.

    Parameters
    ----------
    layer : Layer
    dtype : dtype
        Integer type that holds every sum of the layer.
    """

    def __init__(self, layer, dtype):
        self._layer, self._dtype, self._graph = layer, dtype, layer.graph
        self._input = Product(layer.input, layer.input_format, dtype)
        self._bias = layer.bias.astype(dtype)
        self._recurrent_bias = (None if layer.recurrent_bias is None
                                else layer.recurrent_bias.astype(dtype))
        self._diagonals = {name: codes.astype(dtype) for name, codes in layer.own_weights.items()}
        #: Rows of each pass, and their product with what they multiply.
        self._passes, start = [], 0
        for gates in layer.cell.passes:
            rows = slice(start, start + len(gates) * layer.units)
            product = layer.cell.recurrent and Product(layer.recurrent, layer.state_format, dtype,
                                                       rows)
            self._passes.append((gates, rows, product))
            start = rows.stop

    def start(self, count):
        """State of sequences that have not begun: arrays (count, units) by name."""
        layer = self._layer
        # The code of zero need not have the value zero, but online its coefficients are.
        kind = layer.state_format
        h = 0 if kind.header else kind.value(initial_code(kind))
        held = {name: np.zeros((count, layer.units), dtype=self._dtype)
                for name in layer.cell.carried}
        return held | {"h": np.full((count, layer.units), h)}

    def run(self, values, sizes, state, trace):
        """Codes of all steps, packed, their values, and what a trace holds of each step.

        Parameters
        ----------
        values : int array (all steps, inputs)
            What a dot product sees of the input's codes.
        sizes : list of int
            Sequences that have each step.
        state : dict of str to int array (sequences, units)
            What each sequence starts from, and in the end what its last step left.
        trace : bool
            Otherwise a trace holds coefficients that come with the codes, and nothing else.

        Returns
        -------
        (int array (all steps, units), int array, dict of str to list of int array)
        """
        rows = self._input.rows(values) + self._bias
        codes, outputs, kept, start = [], [], {}, 0
        for size in sizes:
            named = self._step(rows[start:start + size],
                               {name: held[:size] for name, held in state.items()})
            meant = self._quantized(named)
            for name in self._layer.cell.carried:
                state[name][:size] = named[name]
            state["h"][:size] = meant
            codes.append(named["h"])
            outputs.append(meant)
            for name, value in named.items():
                if trace or name == "beta":
                    kept.setdefault(name, []).append(value)
            start += size
        return np.concatenate(codes), np.concatenate(outputs), kept

    def _quantized(self, named):
        """Values of a step's codes, which online come only now."""
        kind = self._layer.state_format
        if not kind.header:
            return kind.value(named["h"])
        named["sample"] = named["h"]
        named["h"], named["beta"] = online.quantize(kind, named["sample"])
        return online.values(kind, named["h"], named["beta"])

    def _step(self, rows, state):
        """One step: everything named, from input rows and what the step before left."""
        known = {}

        def row(what, *codes):
            if (what.gate, what.part) not in known:
                number = next(number for number, (gates, *_) in enumerate(self._passes)
                              if what.gate in gates)
                known.update(self._pass(number, rows, state["h"], *codes))
            return known[what.gate, what.part]

        values = self._graph.walk(Integers(self._layer.precision, self._dtype, row, state,
                                           self._diagonals))
        return {node.name: values[node] for node in self._graph.traced}

    def _pass(self, number, rows, h, *codes):
        """Pre-activations of a pass by gate and part."""
        gates, part, product = self._passes[number]
        layer, units = self._layer, self._layer.units
        if not product:
            sums = self._preact(rows)
            return {(gate, "input"): sums[:, place * units:(place + 1) * units]
                    for place, gate in enumerate(gates)}
        inputs, recurrent = rows[:, part], product(*codes) if codes else product.rows(h)
        merged = [gate for gate in gates if gate not in layer.cell.apart]
        stop = len(merged) * units
        sums = self._preact(inputs[:, :stop] + recurrent[:, :stop])
        found = {(gate, "both"): sums[:, place * units:(place + 1) * units]
                 for place, gate in enumerate(merged)}
        for gate in gates[len(merged):]:
            found[gate, "input"] = self._preact(inputs[:, stop:])
            found[gate, "recurrent"] = self._preact(recurrent[:, stop:] + self._recurrent_bias)
        return found

    def _preact(self, rows):
        """Pre-activations of sums."""
        layer = self._layer
        return layer.precision.preact.quantize(rows, layer.precision.preact.frac + layer.shift)


class _Readout:
    """The readout ready to run."""

    def __init__(self, readout):
        self._readout = readout
        self._product = Product(readout.weights, readout.input_format, np.int64)

    def run(self, values, packing):
        """Logits of each sequence: a list of int64 array (vectors, classes)."""
        readout = self._readout
        last = readout.when is When.LAST
        sums = self._product.rows(packing.last(values) if last else values) + readout.bias
        logits = readout.logits.quantize(sums, readout.logits.frac + readout.shift)
        return [row[None] for row in logits] if last else packing.unpack(logits)


def _prepare(network):
    """Layers and readout ready to run, in integer types that their bounds allow."""
    ranges = bounds(network)
    for name, reach in ranges.items():
        if reach.magnitude >= 1 << 62:
            raise NetworkError(f"{name} must be less than 2**62 in magnitude, "
                               f"not {reach.magnitude}")
    layers = []
    for index, layer in enumerate(network.layers):
        prefix = f"layer{index}."
        own = {name.removeprefix(prefix): reach for name, reach in ranges.items()
               if name.startswith(prefix)}
        layers.append(_Layer(layer, _integer_type(working_range(layer, own))))
    return layers, None if network.readout is None else _Readout(network.readout)


def _integer_type(reach):
    """Narrowest type that holds a working range, for speed; no sum below 2**62 leaves int64."""
    return np.int32 if reach.width <= 32 else np.int64
