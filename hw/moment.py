"""Values of a pipeline in time: strobes, registers that hold what a later row needs, memories."""

from amaranth import *
from amaranth.lib.memory import Memory

from ternloom.hw.fixed import delayed, range_shape


__all__ = ["Moments"]


class Moments:
    """What the nodes of a pipeline are in gates, at any time after any row.

    Parameters
    ----------
    m : Module
    made : Pipeline
    pipeline : CellPipeline
        Whose rows come.
    units : int
    """

    def __init__(self, m, made, pipeline, units):
        self._m, self._made, self._pipeline, self._units = m, made, pipeline, units
        self._strobes, self._places, self._caught = {}, [pipeline.i.unit], {}
        self._values, self._reads, self._writes = {}, {}, []

    def strobe(self, anchor, cycles):
        """High so many cycles after a row."""
        chain = self._strobes.setdefault(anchor, [])
        if not chain:
            passes = self._made.graph.passes
            index = sum(map(len, passes[:anchor[0]])) + anchor[1]
            first = Signal(name=f"{passes[anchor[0]][anchor[1]]}_valid")
            self._m.d.comb += first.eq(self._pipeline.i.valid & (self._pipeline.i.gate == index))
            chain.append(first)
        while len(chain) <= cycles:
            chain.append(delayed(self._m, chain[-1], 1))
        return chain[cycles]

    def place(self, cycles):
        """Unit of the row so many cycles ago."""
        while len(self._places) <= cycles:
            self._places.append(delayed(self._m, self._places[-1], 1))
        return self._places[cycles]

    def made(self, node, value, held):
        """Say what a node is from its issue's ``ready`` on: if ``held``, until the next unit's."""
        self._values[node] = value, held

    def held(self, node):
        """Whether a node's value stays until that of the next unit."""
        return self._values[node][1]

    def value(self, node):
        """A node's value when it is ready."""
        return self._values[node][0]

    def register(self, node, name, shape, value):
        """A register that takes a value in the cycle before the node is ready, and holds it."""
        issue = self._made.issues[node]
        result = Signal(shape, name=name)
        with self._m.If(self.strobe(issue.anchor, issue.ready - 1)):
            self._m.d.sync += result.eq(value)
        self.made(node, result, True)

    def at(self, node, anchor, start):
        """A node's value ``start`` cycles after a row."""
        if node.kind == "constant":
            return Const(node.parameter, range_shape(node.parameter, node.parameter))
        if node.kind == "old":
            return self._old(node, start)
        if node.kind == "diagonal":
            return self._diagonal(node, start)
        issue = self._made.issues[node]
        if issue.anchor[0] != anchor[0]:
            return self._kept(node, start)
        value, held = self._values[node]
        where, seen, rows = issue.anchor, issue.ready, self._made.rows(anchor)
        while True:
            behind = anchor[1] - where[1]
            if held and start >= seen + rows - behind:
                # It does not last: on to the wanted row's time, as late as it does.
                last = seen + rows - behind - 1
                value, where, seen = self._catch(value, anchor, last), anchor, last + 1
            elif held or (where == anchor and start == seen):
                return value
            elif where == anchor and start == seen + 1:
                return delayed(self._m, value, 1)
            else:
                value, held, seen = self._catch(value, where, seen), True, seen + 1

    def _catch(self, value, anchor, cycle):
        """A register of what is there so many cycles after a row, until the next unit's."""
        key = id(value), anchor, cycle
        if key not in self._caught:
            register = Signal.like(value, name=f"{value.name}_held", init=0)
            with self._m.If(self.strobe(anchor, cycle)):
                self._m.d.sync += register.eq(value)
            # The value is kept along, so that its id stays its own.
            self._caught[key] = register, value
        return self._caught[key][0]

    def _old(self, node, start):
        """What the step before carried; zero in the first step of a sequence."""
        if node not in self._reads:
            first = min(self._made.issues[user].start for user in node.users)
            form, graph = self._made.precision.state, self._made.graph
            data = self._read(node.parameter, signed(form.width), first,
                              graph.carried[node.parameter])
            old = Signal(signed(form.width), name=f"{node.parameter}_old")
            # Of a recurrent cell the flag stays until all results have left.
            read = 0 if graph.recurrent else first - (self._made.cycles["memory"] - 1)
            masked = old.eq(Mux(delayed(self._m, self._pipeline.first, read), 0, data))
            # Through a register where memory takes two cycles.
            self._m.d["sync" if self._made.cycles["memory"] > 1 else "comb"] += masked
            self._reads[node] = first, old
        first, old = self._reads[node]
        return delayed(self._m, old, start - first)

    def _diagonal(self, node, start):
        """The unit's own weight."""
        cycles, what = self._made.cycles["memory"], node.parameter
        if node not in self._reads:
            first = min(self._made.issues[user].start for user in node.users)
            codes = self._pipeline.diagonals[what.name]
            rom = Memory(shape=signed(what.form.width), depth=max(self._units, 2), init=codes)
            self._m.submodules[f"diagonal_{what.name}"] = rom
            port = rom.read_port()
            self._m.d.comb += port.addr.eq(self.place(first - cycles))
            self._reads[node] = first, delayed(self._m, port.data, cycles - 1)
        first, value = self._reads[node]
        return delayed(self._m, value, start - first)

    def _kept(self, node, start):
        """What an earlier pass made, of the unit."""
        if (node, start) not in self._reads:
            name = f"kept{self._made.graph.nodes.index(node)}"
            data = self._read(name, self.value(node).shape(), start, node)
            self._reads[node, start] = delayed(self._m, data, self._made.cycles["memory"] - 1)
        return self._reads[node, start]

    def _read(self, name, shape, start, node):
        """Word of the unit, of a memory that takes a node's values."""
        memory = Memory(shape=shape, depth=max(self._units, 2), init=[])
        self._m.submodules[name] = memory
        self._writes.append((memory.write_port(), node))
        read = memory.read_port()
        self._m.d.comb += read.addr.eq(self.place(start - self._made.cycles["memory"]))
        return read.data

    def finish(self):
        """Write the memories, whose values have all been made now."""
        for port, node in self._writes:
            issue = self._made.issues[node]
            self._m.d.comb += [port.en.eq(self.strobe(issue.anchor, issue.ready)),
                               port.addr.eq(self.place(issue.ready)),
                               port.data.eq(self.value(node))]
