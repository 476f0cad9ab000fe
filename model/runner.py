"""Each kind of node ready to run in the golden model: packed vectors in, packed vectors out."""

import collections.abc
import typing

import numpy as np

from ternloom.model import online
from ternloom.model.batch import Batch
from ternloom.model.bounds import working_range
from ternloom.model.cell.integers import Integers, initial_code
from ternloom.model.node import Body, Layer, Readout, When, rule
from ternloom.model.product import Product
from ternloom.model.range import Range


__all__ = ["Runner", "runner"]


class Runner(typing.Protocol):
    """A body ready to run."""

    def start(self, count: int) -> dict[str, np.ndarray]:
        """State of sequences that have not begun: arrays (count, units) by name."""

    def run(self, inputs: list[np.ndarray], batch: Batch, state: dict[str, np.ndarray],
            trace: bool) -> tuple[typing.Any, np.ndarray | None, dict[str, list[np.ndarray]]]:
        """What the node puts out at all steps.

        Parameters
        ----------
        inputs : list of int array (all steps, elements)
            What a dot product sees of each input's codes.
        batch : Batch
            Which sequences have each step.
        state : dict of str to int array (sequences, units)
            What each sequence starts from, and in the end what its last step left.
        trace : bool
            Otherwise a trace holds coefficients that come with the codes, and nothing else.

        Returns
        -------
        (codes, values, dict of str to list of int array)
            Codes (all steps, size), packed, and their values, and what a trace holds of each step.
            A readout gives logits (vectors, size) of each sequence, no values and no trace.
        """


class _Layer:
    """A layer ready to run: products in the integer type that holds its sums.

    Parameters
    ----------
    layer : Layer
    ranges : dict of str to Range
        The layer's bounds, by their names without the layer's.
    """

    def __init__(self, layer, ranges):
        dtype = _integer_type(working_range(layer, ranges))
        self._layer, self._dtype, self._graph = layer, dtype, layer.graph
        self._inputs = [Product(operand.matrix, operand.format, dtype)
                        for operand in layer.operands]
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
        layer = self._layer
        # The code of zero need not have the value zero, but online its coefficients are.
        form = layer.state_format
        h = 0 if form.header else form.value(initial_code(form))
        state = {name: np.zeros((count, layer.units), dtype=self._dtype)
                 for name in layer.cell.carried}
        return state | {"h": np.full((count, layer.units), h)}

    def run(self, inputs, batch, state, trace):
        rows = self._bias
        for product, values in zip(self._inputs, inputs, strict=True):
            rows = product.rows(values) + rows
        kept: dict[str, list[np.ndarray]] = {}
        codes, outputs, start = [], [], 0
        for size in batch.sizes:
            named = self._step(rows[start:start + size],
                               {name: each[:size] for name, each in state.items()})
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
        form = self._layer.state_format
        if not form.header:
            return form.value(named["h"])
        named["sample"] = named["h"]
        named["h"], named["beta"] = online.quantize(form, named["sample"])
        return online.values(form, named["h"], named["beta"])

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

    def __init__(self, readout, ranges):
        self._readout = readout
        self._products = [Product(operand.matrix, operand.format, np.int64)
                          for operand in readout.operands]

    def start(self, count):
        return {}

    def run(self, inputs, batch, state, trace):
        readout = self._readout
        last, sums = readout.when is When.LAST, readout.bias
        for product, values in zip(self._products, inputs, strict=True):
            sums = product.rows(batch.last(values) if last else values) + sums
        logits = readout.logits.quantize(sums, readout.logits.frac + readout.shift)
        return [row[None] for row in logits] if last else batch.unpack(logits), None, {}


#: What runs each kind of node; made of the body and its bounds.
_RUNNERS: dict[type[Body], collections.abc.Callable[[typing.Any, dict[str, Range]], Runner]] = {
    Layer: _Layer, Readout: _Readout}


def runner(body: Body, ranges: dict[str, Range]) -> Runner:
    """A body ready to run.

    Parameters
    ----------
    body : Body
    ranges : dict of str to Range
        Its bounds, by their names without the node's.
    """
    return rule(_RUNNERS, body)(body, ranges)


def _integer_type(reach):
    """Narrowest type that holds a working range, for speed; no sum below 2**62 leaves int64."""
    return np.int32 if reach.width <= 32 else np.int64
