"""The elementwise pipeline of a layer: when each operation of its cell's equations happens.

Rows of a unit arrive in the order of its gates, one a cycle at most, with gaps of any length. An
operation is anchored at the last row that it depends on and starts a fixed number of cycles after
it, as soon as its operands are there. Two operations that start equally long after different rows
never meet, whatever the gaps; nor do two whose distance is less than that of their rows. Such
operations share a table or a multiplier. What a shared unit makes passes by, so that a later row
that wants it has it caught in a register, which takes a cycle.
"""

import dataclasses
import functools

from ternloom.model.cell.graph import Graph, Node
from ternloom.model.cell.ranges import Ranges
from ternloom.model.node import Layer
from ternloom.model.precision import Precision
from ternloom.model.range import Range


__all__ = ["Issue", "Pipeline", "pipeline"]


#: Cycles of each kind of node, and from an address to a value of memory.
_CYCLES = {"table": 3, "mul": 2, "add": 1, "sub": 1, "relu": 1, "round": 1, "memory": 2}
#: The same where gates are comparators: selections and sums are part of what takes them.
_COMPARATORS = {"table": 1, "mul": 0, "add": 0, "sub": 0, "relu": 0, "round": 1, "memory": 1}

#: Functions that a table holds.
_MOST_FUNCTIONS = 2


@dataclasses.dataclass
class Issue:
    """When a node happens, and in what.

    Parameters
    ----------
    anchor : (int, int)
        Pass, and place in it, of the row that the cycles are counted from.
    start, ready : int
        Cycles until the operands must be there, and until the result is.
    unit : str
        Table or multiplier that computes it, "table0" for one; empty otherwise.
    shared : bool
        Another node is computed in the same unit, so the result passes by.
    """

    anchor: tuple[int, int]
    start: int
    ready: int
    unit: str = ""
    shared: bool = False


class Pipeline:
    """The schedule of a cell's graph.

    Parameters
    ----------
    graph : Graph
    precision : Precision

    Attributes
    ----------
    issues : dict of Node to Issue
        Of all nodes but constants and what is read from memory.
    units : dict of str to list of Node
        Tables and multipliers, and what each computes.
    ranges : dict of Node to Range
    cycles : dict of str to int
        Latency of each kind of node, and of "memory".
    """

    issues: dict[Node, Issue]
    units: dict[str, list[Node]]
    ranges: dict[Node, Range]
    cycles: dict[str, int]

    def __init__(self, graph: Graph, precision: Precision) -> None:
        self.graph, self.precision = graph, precision
        self.comparators = precision.comparators
        self.cycles = _COMPARATORS if precision.comparators else _CYCLES
        self.ranges = graph.walk(Ranges(precision))
        self._places = {gate: (number, place) for number, gates in enumerate(graph.passes)
                        for place, gate in enumerate(gates)}
        shared: set[Node] = set()
        # That a unit is shared delays who takes its results, until nothing moves any more.
        while not self._settled(shared):
            shared |= self._sharing()

    def _settled(self, shared):
        """Schedule all nodes; whether no others than those of ``shared`` share a unit."""
        self.issues, self.units = {}, {}
        for node in self.graph.nodes:
            self._schedule(node, shared)
        return self._sharing() <= shared

    def _sharing(self):
        return {node for nodes in self.units.values() if len(nodes) > 1 for node in nodes}

    def latency(self, name: str = "h") -> int:
        """Cycles from the last pre-activation that codes wait for to the codes."""
        return self.issues[self.graph.codes[name]].ready

    def late(self, name: str = "h") -> int:
        """Cycles by which memories are complete later than the codes that rows wait for, mostly
        none: what is carried later than h, what later passes take later than what is fed back.
        """
        code = self.issues[self.graph.codes[name]]
        kept = (self.graph.carried.values() if name == "h" else
                [node for node, issue in self.issues.items() if issue.anchor[0] == code.anchor[0]
                 and any(self.issues[user].anchor[0] > issue.anchor[0] for user in node.users)])
        issues = [self.issues[node] for node in kept]
        return max([0, *(issue.ready - (code.anchor[1] - issue.anchor[1]) - code.ready
                         for issue in issues)])

    def rows(self, anchor: tuple[int, int]) -> int:
        """Rows of a unit in the pass of an anchor."""
        return len(self.graph.passes[anchor[0]])

    def carries(self, node: Node) -> bool:
        """Whether a sum is one carry chain with its rounding: ``n + z*(h - n)``, where n is lifted
        past all the bits that are dropped.
        """
        return (not self.comparators and node.blend is not None and len(node.users) == 1
                and node.users[0].kind == "round"
                and node.parameter[0] >= node.frac - node.users[0].parameter.frac > 0)

    def selects(self, node: Node) -> bool:
        """Whether ``n + z*(h - n)`` is n or h, as z is 0 or 1."""
        return (self.comparators and node.blend is not None
                and self.ranges[node.blend[1]] == Range(0, 1))

    def cut(self, node: Node) -> bool:
        """Whether a rounding is part of the cuts of the comparison that follows it."""
        return (self.comparators and node.kind == "round" and node.args[0].kind == "round"
                and bool(node.users) and node.looked_up)

    def _cost(self, node):
        """Cycles that a node takes."""
        if self.carries(node) or self.cut(node):
            return 0
        if self.comparators and node.kind == "table" and self.cut(node.args[0]):
            return 0
        return self.cycles[node.kind]

    def _schedule(self, node, shared):
        if node.kind == "row":
            self.issues[node] = Issue(self._places[node.parameter.gate], 0, 0)
            return
        if node.kind in ("old", "diagonal", "constant"):
            return
        anchors = [self.issues[arg].anchor for arg in node.args if arg in self.issues]
        anchor = max(anchors) if anchors else self._wanted(node)
        start = max(self._there(arg, anchor, shared) for arg in node.args)
        issue = self.issues[node] = Issue(anchor, start, start + self._cost(node),
                                          shared=node in shared)
        if node.kind in ("table", "mul") and not self.comparators:
            self._share(node, issue)

    def _there(self, arg, anchor, shared):
        """Cycles from an anchor until an operand is there."""
        if arg.kind == "constant":
            return 0
        if arg not in self.issues or self.issues[arg].anchor[0] != anchor[0]:
            return self.cycles["memory"]
        issue = self.issues[arg]
        if issue.anchor == anchor:
            return issue.ready
        return issue.ready + (arg in shared or self.streams(arg)) - (anchor[1] - issue.anchor[1])

    def streams(self, node: Node) -> bool:
        """Whether a result passes by: a row, or what a table without a register makes of it."""
        return node.kind == "row" or (node.kind == "table" and not self.comparators
                                      and self.streams(node.args[0]))

    def _wanted(self, node):
        """The first row beside which something of memory alone is wanted."""
        def rows(one):
            if one.kind == "row":
                return [self._places[one.parameter.gate]]
            return [anchor for arg in one.args for anchor in rows(arg)]

        return min(max(rows(user), default=(0, 0)) for user in node.users)

    def _share(self, node, issue):
        """Give a table or multiplication a unit in which it never meets another one."""
        for name, nodes in self.units.items():
            if len({one.parameter for one in [*nodes, node]}) > _MOST_FUNCTIONS:
                continue
            if name.startswith(node.kind) and all(self._apart(self.issues[other], issue)
                                                  for other in nodes):
                nodes.append(node)
                issue.unit = name
                return
        issue.unit = f"{node.kind}{sum(name.startswith(node.kind) for name in self.units)}"
        self.units[issue.unit] = [node]

    def _apart(self, one, other):
        """Whether two operations never want a unit in the same cycle, however the rows come."""
        if one.start == other.start:
            return one.anchor != other.anchor
        late, early = (one, other) if one.start > other.start else (other, one)
        if late.anchor[0] != early.anchor[0]:
            return False
        # The early one of a later row meets the late one if that row comes so much later.
        rows = self.rows(late.anchor)
        return late.start - early.start < ((early.anchor[1] - late.anchor[1]) % rows or rows)


@functools.lru_cache(maxsize=4096)
def _pipeline(graph, precision):
    return Pipeline(graph, precision)


def pipeline(layer: Layer) -> Pipeline:
    """The schedule of a layer's pipelines, made once for all layers of the same cell and formats.

    Parameters
    ----------
    layer : Layer
        Online, pipelines give samples, not codes.
    """
    return _pipeline(layer.pipeline_graph, layer.precision)
