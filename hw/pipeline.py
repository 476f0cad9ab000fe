"""The pipeline of any cell: its equations in gates, and what can be watched in it."""

import dataclasses

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.hw.fixed import delayed, quantized, range_shape, rounded_sum, saturated, watch
from ternloom.hw.interface import Codes, Rows
from ternloom.hw.moment import Moments
from ternloom.hw.table import Table, compared, compared_unrounded
from ternloom.mapping.pipeline import pipeline


__all__ = ["CellPipeline", "PipelineProbe", "pipeline_probes", "pipeline_units"]


@dataclasses.dataclass(frozen=True)
class PipelineProbe:
    """A signal of a pipeline that shows a named intermediate.

    Parameters
    ----------
    name : str
        Of the signal; it holds a value when that of the name ``name_valid`` is high.
    signed : bool
    value : str
        Name in the golden model's trace.
    """

    name: str
    signed: bool
    value: str


def pipeline_probes(layer):
    """What can be watched in a pipeline of the layer, in the order of the data flow."""
    form, made, found = layer.pipeline_format, pipeline(layer), []
    for node in made.graph.traced:
        is_code = node in made.graph.codes.values()
        # The wire form of a binary code is not the code, so it cannot be compared as it is.
        if made.cut(node) or (is_code and not form.plain):
            continue
        is_signed = not is_code or form.signed
        value = node.name
        if value == "h" and layer.state_format.header:
            value = "sample"
        found.append(PipelineProbe(_signal(node), is_signed, value))
    return tuple(found)


def pipeline_units(layer):
    """Multipliers and tables of a pipeline of the layer.

    Returns
    -------
    dict of str to int
        ``"multipliers"`` and ``"tables"``.
    """
    names = pipeline(layer).units
    return {title: sum(name.startswith(kind) for name in names)
            for title, kind in (("multipliers", "mul"), ("tables", "table"))}


def _signal(node):
    """Name of the signal that a named node is watched by."""
    return f"{node.name.replace('.', '_')}_seen"


class CellPipeline(wiring.Component):
    """Pre-activations of a unit become its state and code.

    A pre-activation may come every cycle. Nothing waits: a unit's code comes a fixed number of
    cycles after its last pre-activation, see ``ternloom.mapping.schedule.pipeline_latency``.

    Parameters
    ----------
    layer : Layer
    units : int
        Units of the chain.
    chain, chains : int
        Which units these are: every ``chains``-th, from this one on.

    Members
    -------
    i : Rows
    first : 1
        The step is the first of its sequence: the state before it is zero.
    o : Codes
        What leaves the layer, or samples that become codes.
    reset : Codes
        What is fed back within the step, where the cell has such.
    """

    def __init__(self, layer, units, chain=0, chains=1):
        self._layer = layer
        self._units = units
        #: Codes of the units' own weights, by name.
        self.diagonals = {name: codes[chain::chains].tolist()
                          for name, codes in layer.own_weights.items()}
        codes = Codes(layer.pipeline_format.width)
        super().__init__({
            "i":     In(Rows(layer.precision.preact, units)),
            "first": In(1),
            "o":     Out(codes),
            "reset": Out(codes),
        })

    def elaborate(self, platform):
        m = Module()
        made = pipeline(self._layer)
        moments = Moments(m, made, self, self._units)
        operations = _Operations(m, made, moments, self)
        for node in made.issues:
            getattr(operations, f"_{node.kind}")(node)
        moments.finish()

        for name, node in made.graph.codes.items():
            codes, issue = self.o if name == "h" else self.reset, made.issues[node]
            m.d.comb += [codes.valid.eq(moments.strobe(issue.anchor, issue.ready)),
                         codes.data.eq(moments.value(node))]
        for node in made.graph.traced:
            if not made.cut(node):
                issue = made.issues[node]
                watch(m, _signal(node), moments.strobe(issue.anchor, issue.ready),
                      moments.value(node))

        return m


class _Operations:
    """Gates of each kind of node.

    Parameters
    ----------
    m : Module
    made : Pipeline
    moments : Moments
    pipeline : CellPipeline
    """

    def __init__(self, m, made, moments, pipeline):
        self._m, self._made, self._moments, self._pipeline = m, made, moments, pipeline
        self._precision = made.precision
        #: Ports of units that several nodes share: what they are fed with, and what they give.
        self._ports = {}

    def _at(self, part, node):
        """A number when a node starts."""
        issue = self._made.issues[node]
        return self._moments.at(part, issue.anchor, issue.start)

    def _operands(self, node):
        return [self._at(arg, node) for arg in node.args]

    def _shape(self, node):
        reach = self._made.ranges[node]
        return range_shape(reach.low, reach.high)

    def _name(self, node):
        return node.name.replace(".", "_") or f"{node.kind}{self._made.graph.nodes.index(node)}"

    def _steady(self, node):
        """Whether what a node is made of stays until the next unit's."""
        anchor = self._made.issues[node].anchor
        return all(arg.kind == "constant" or (arg in self._made.issues and self._moments.held(arg)
                                              and self._made.issues[arg].anchor == anchor)
                   for arg in node.args)

    def _result(self, node, value, shape):
        """A register, or wires where the node takes no cycle."""
        issue = self._made.issues[node]
        if issue.ready > issue.start:
            self._moments.register(node, self._name(node), shape, value)
            return
        result = Signal(shape, name=self._name(node))
        self._m.d.comb += result.eq(value)
        self._moments.made(node, result, self._steady(node))

    def _row(self, node):
        row = node.parameter
        aside = row.part == "input" and row.gate in self._made.graph.apart
        self._moments.made(node, self._pipeline.i.aside if aside else self._pipeline.i.value, False)

    def _add(self, node):
        if self._made.carries(node):
            # One carry chain with its rounding.
            self._moments.made(node, Const(0), False)
        elif self._made.selects(node):
            new, gate, old = (self._at(part, node) for part in node.blend)
            shifts = [node.frac - part.frac for part in node.blend]
            self._result(node, Mux(gate[0], old << shifts[2], new << shifts[0]), self._shape(node))
        else:
            one, other = (value << shift
                          for value, shift in zip(self._operands(node), node.parameter))
            self._result(node, one + other, self._shape(node))

    def _sub(self, node):
        one, other = (value << shift for value, shift in zip(self._operands(node), node.parameter))
        self._result(node, one - other, self._shape(node))

    def _relu(self, node):
        value, = self._operands(node)
        self._result(node, Mux(value < 0, 0, value), self._shape(node))

    def _mul(self, node):
        if not self._made.comparators:
            self._multiply(node)
            return
        # A gate of -1, 0 or 1 selects.
        pairs = zip(node.args, self._operands(node), strict=True)
        (arg, few), (_, other) = sorted(pairs, key=lambda pair: self._width(pair[0]))
        chosen = Mux(few[-1], -other, other) if self._made.ranges[arg].low < 0 else other
        self._result(node, Mux(few[0], chosen, 0), self._shape(node))

    def _width(self, node):
        return self._made.ranges[node].width

    def _multiply(self, node):
        """A product of two registers, in one more; nodes that share a multiplier take turns."""
        m, issue = self._m, self._made.issues[node]
        nodes = self._made.units[issue.unit]
        if issue.unit not in self._ports:
            widths = [max(map(self._width, column)) for column in zip(*(one.args for one in nodes))]
            feeds = [Signal(signed(width), name=f"{issue.unit}_{side}")
                     for side, width in zip("ab", widths)]
            held = [delayed(m, feed, 1) for feed in feeds]
            product = Signal(signed(max(map(self._width, nodes))), name=issue.unit)
            self._ports[issue.unit] = feeds, product
            due = self._moments.strobe(issue.anchor, issue.ready - 1) if len(nodes) == 1 else 1
            with m.If(due):
                m.d.sync += product.eq(held[0] * held[1])
        feeds, product = self._ports[issue.unit]
        self._feed(node, feeds, self._operands(node))
        self._moments.made(node, product, len(nodes) == 1)

    def _feed(self, node, feeds, values):
        """Hand a node's operands to its unit when they are due; to one of its own always."""
        issue = self._made.issues[node]
        alone = len(self._made.units[issue.unit]) == 1
        for feed, value in zip(feeds, values, strict=True):
            if alone:
                self._m.d.comb += feed.eq(value)
                continue
            with self._m.If(self._moments.strobe(issue.anchor, issue.start)):
                self._m.d.comb += feed.eq(value)

    def _table(self, node):
        issue = self._made.issues[node]
        if self._made.comparators:
            self._compare(node)
            return
        nodes = self._made.units[issue.unit]
        functions = list(dict.fromkeys(one.parameter for one in nodes))
        if issue.unit not in self._ports:
            self._m.submodules[issue.unit] = table = Table(self._precision, *functions)
            self._ports[issue.unit] = table
            second = [self._moments.strobe(self._made.issues[one].anchor,
                                           self._made.issues[one].start)
                      for one in nodes if one.parameter != functions[0]]
            self._m.d.comb += table.i_select.eq(Cat(second).any() if second else 0)
        table = self._ports[issue.unit]
        if all(one.args[0].kind == "row" for one in nodes):
            # Rows come through one port.
            if node is nodes[0]:
                self._m.d.comb += table.i_value.eq(*self._operands(node))
        else:
            self._feed(node, [table.i_value], self._operands(node))
        self._moments.made(node, table.o, len(nodes) == 1 and self._steady(node))

    def _compare(self, node):
        """A function of few levels, by comparison; of a rounded state without its rounding."""
        argument = node.args[0]
        if not self._made.cut(argument):
            value, = self._operands(node)
            self._result(node, compared(self._m, value, node.parameter, self._precision), signed(2))
            return
        source = argument.args[0]
        value, reach = self._at(source, node), self._made.ranges[source]
        result = compared_unrounded(self._m, value, reach, source.frac, node.parameter,
                                    self._precision)
        self._moments.made(node, result, self._moments.held(source))

    def _round(self, node):
        if self._made.cut(node):
            self._moments.made(node, Const(0), False)
            return
        form, source = node.parameter, node.args[0]
        shape = signed(form.width) if form.rounded and form.signed else form.width
        if self._made.carries(source):
            whole, fine = (self._at(arg, node) for arg in source.args)
            dropped = source.frac - form.frac
            lifted = Signal(signed(len(whole) + source.parameter[0] - dropped),
                            name=f"{self._name(node)}_whole")
            product = Signal(signed(len(fine)), name=self._name(source))
            self._m.d.comb += [lifted.eq(whole << (source.parameter[0] - dropped)),
                               product.eq(fine)]
            total = rounded_sum(self._m, lifted, product, dropped, form.rounding)
            result = saturated(self._m, total, form)
        else:
            operand, = self._operands(node)
            value = Signal(self._shape(source), name=f"{self._name(node)}_of")
            self._m.d.comb += value.eq(operand)
            result = quantized(self._m, value, source.frac, form)
        self._result(node, result, shape)
