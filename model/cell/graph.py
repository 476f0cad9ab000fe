"""Cells as graphs: the exact sums and products, tables and named roundings of a cell's equations.

Equations are a function of :class:`Equations`, which records them once for the formats of a layer.
Between two roundings everything is exact: a sum aligns the fraction bits of its operands by left
shifts, a product adds them. What the nodes mean is up to a reading: an object with a method for
each kind of node, which :meth:`Graph.walk` calls in order.

============ =============== =======================================================================
kind         parameter       meaning
============ =============== =======================================================================
``row``      ``Row``         pre-activation of a gate, or one half of it
``old``      name            what the step before carried, zero in the first one of a sequence
``diagonal`` ``Diagonal``    a weight of each unit
``constant`` int             the same for all units
``add``      shifts          sum of both operands, each shifted left first
``sub``      shifts          their difference
``mul``                      their product
``table``    "sigmoid", ...  a function of a number in the format of pre-activations, one of
                             ``ternloom.model.table.FUNCTIONS``
``relu``                     the number, or zero if it is negative
``round``    ``Format``      the code of a number: its rounding and its saturation are the format's
============ =============== =======================================================================
"""

import collections.abc
import dataclasses
import typing

from ternloom.model.format import Fixed, Format
from ternloom.model.precision import Precision


__all__ = ["Equations", "Graph", "Node", "Reading", "Row"]


#: Gates of a cell, whose number goes along with every row.
_MOST_GATES = 4


@dataclasses.dataclass(frozen=True)
class Row:
    """Which row of a layer's matrices a node is.

    Parameters
    ----------
    gate : str
    part : str
        ``"both"`` halves together, or ``"input"`` or ``"recurrent"`` where they stay apart.
    of : str
        The codes that the recurrent half multiplies: ``"h"`` of the step before, or what this step
        feeds back.
    """

    gate: str
    part: str = "both"
    of: str = "h"


@dataclasses.dataclass(frozen=True)
class Diagonal:
    """Which of a layer's diagonals a node is, and the format of its codes.

    Parameters
    ----------
    name : str
    form : Fixed
    """

    name: str
    form: Fixed


@dataclasses.dataclass(eq=False)
class Node:
    """A number of the graph.

    Parameters
    ----------
    kind : str
    args : tuple of Node
    frac : int
        Its fraction bits.
    parameter : object
    name : str
        In traces, or in the bounds if it is a sum or a product; empty where it has none.
    """

    kind: str
    args: tuple["Node", ...]
    frac: int
    parameter: typing.Any = None
    name: str = ""
    users: list["Node"] = dataclasses.field(default_factory=list, repr=False)
    equations: typing.Any = dataclasses.field(default=None, repr=False)

    def __add__(self, other: "Node") -> "Node":
        return self.equations.total("add", self, other)

    def __sub__(self, other: "Node") -> "Node":
        return self.equations.total("sub", self, other)

    def __mul__(self, other: "Node") -> "Node":
        return self.equations.node("mul", (self, other), self.frac + other.frac)

    @property
    def ancestors(self) -> set["Node"]:
        """Nodes that it is made of, itself among them."""
        found, pending = set(), [self]
        while pending:
            found.add(pending[-1])
            pending += pending.pop().args
        return found

    @property
    def exact(self) -> bool:
        """Whether it is a sum or product on the way to a rounding, and in no trace."""
        return self.kind in ("add", "sub", "mul")

    @property
    def blend(self) -> tuple["Node", "Node", "Node"] | None:
        """n, z and h if it is ``n + z*(h - n)``, else None."""
        if self.kind != "add" or self.args[1].kind != "mul":
            return None
        new, (share, difference) = self.args[0], self.args[1].args
        if difference.kind != "sub" or difference.args[1] is not new:
            return None
        return new, share, difference.args[0]

    @property
    def looked_up(self) -> bool:
        """Whether tables alone take it."""
        return all(user.kind == "table" for user in self.users)


class Reading:
    """What all readings have in common: numbers that come from outside.

    Parameters
    ----------
    row : callable
        Number of a ``Row``; gets the codes that its recurrent half multiplies where this step has
        made them.
    old, diagonals : mapping of str to number
        What the step before carried; the units' own weights.
    """

    def __init__(self, row: collections.abc.Callable[..., typing.Any],
                 old: collections.abc.Mapping[str, typing.Any],
                 diagonals: collections.abc.Mapping[str, typing.Any]) -> None:
        self._row, self._old, self._diagonals = row, old, diagonals

    def row(self, node: Node, *codes: typing.Any) -> typing.Any:
        return self._row(node.parameter, *codes)

    def old(self, node: Node) -> typing.Any:
        return self._old[node.parameter]

    def diagonal(self, node: Node) -> typing.Any:
        return self._diagonals[node.parameter.name]


class Equations:
    """What a cell's equations are written with; every method gives a node.

    Parameters
    ----------
    precision : Precision
    form : Format
        Of the codes that the layer puts out and feeds back.
    diagonal_format : Fixed or None
        Of the units' own weights, where the cell has such.
    """

    def __init__(self, precision: Precision, form: Format, diagonal_format: Fixed) -> None:
        self._precision, self._form, self._diagonal_format = precision, form, diagonal_format
        self.nodes: list[Node] = []
        self.carried: dict[str, Node] = {}
        self.codes: dict[str, Node] = {}
        self._named: set[str] = set()

    def node(self, kind: str, args: tuple[Node, ...], frac: int, parameter: object = None,
             name: str = "") -> Node:
        node = Node(kind, args, frac, parameter, name, equations=self)
        for arg in args:
            arg.users.append(node)
        self.nodes.append(node)
        return node

    def total(self, kind: str, one: Node, other: Node) -> Node:
        frac = max(one.frac, other.frac)
        return self.node(kind, (one, other), frac, (frac - one.frac, frac - other.frac))

    def row(self, gate: str, part: str = "both", of: Node | None = None) -> Node:
        """Pre-activation of a gate: of the input and of the codes ``of``, or one part of it.

        Rows come in the order in which the tensors hold the gates.

        Parameters
        ----------
        gate : str
        part : str
            ``"input"`` or ``"recurrent"`` keeps the halves apart, each a pre-activation; a cell of
            ``"input"`` alone has no recurrent matrix.
        of : node or None
            What ``feedback`` gave; None is h of the step before.
        """
        what = "h" if of is None else next(name for name, one in self.codes.items() if one is of)
        name = f"gate.{gate}.{'preact' if part == 'both' else part}"
        return self.node("row", () if of is None else (of,), self._precision.preact.frac,
                         Row(gate, part, what), name)

    def old(self, name: str) -> Node:
        """What the step before carried under a name."""
        for node in self.nodes:
            if node.kind == "old" and node.parameter == name:
                return node
        return self.node("old", (), self._precision.state.frac, name)

    def diagonal(self, name: str) -> Node:
        """A weight of each unit: a diagonal matrix takes a state like this.

        Diagonals come in the order in which a layer's tensor holds them.
        """
        form = self._diagonal_format
        return self.node("diagonal", (), form.frac, Diagonal(name, form))

    def constant(self, value: int) -> Node:
        """A whole number, the same for all units."""
        return self.node("constant", (), 0, value)

    def sigmoid(self, value: Node) -> Node:
        """Logistic function of a number, which is rounded to a pre-activation first."""
        return self._function("sigmoid", value)

    def tanh(self, value: Node) -> Node:
        """Hyperbolic tangent of a number, which is rounded to a pre-activation first."""
        return self._function("tanh", value)

    def relu(self, value: Node) -> Node:
        """The number, which is rounded to a pre-activation first, or zero if it is negative."""
        value = self._preact(value)
        return self._gate(self.node("relu", (value,), value.frac), value)

    def linear(self, value: Node) -> Node:
        """The number itself, rounded to a pre-activation."""
        return value if value.kind == "row" else self._gate(self._preact(value), value)

    def log_sigmoid(self, value: Node) -> Node:
        """Logarithm of the logistic function of a number, which is rounded to a pre-activation
        first: ``min(value, 0) - log(1 + exp(-|value|))``.
        """
        value = self._preact(value)
        positive = self.node("relu", (value,), value.frac)
        tail = self.node("table", (value,), self._precision.gate_frac, "softplus_tail")
        return value - positive - tail

    def _preact(self, value):
        if value.kind == "row":
            return value
        return self._round(value, self._precision.preact)

    def _function(self, function, value):
        value = self._preact(value)
        gate = self.node("table", (value,), self._precision.gate_frac, function)
        return self._gate(gate, value)

    def _gate(self, node, argument):
        """Name a gate's value after the last row that it depends on, if that has none yet."""
        rows = [one for one in self.nodes if one.kind == "row" and one in argument.ancestors]
        name = f"gate.{rows[-1].parameter.gate}" if rows else ""
        if not rows or name in self._named:
            return node
        self._named.add(name)
        if node.kind == "round":
            self._name(node, f"{name}.preact", name)
        else:
            node.name = name
        if argument.kind == "round":
            self._name(argument, f"{name}.preact", name)
            if rows[-1].parameter.part == "both":
                rows[-1].name = f"{name}.row"
        return node

    @staticmethod
    def _name(rounding, name, stem):
        """Name a rounding, and the sums and products that it is of."""
        rounding.name = name
        made = rounding.args[0]
        if made.exact and not made.name:
            made.name = f"{stem}.{'product' if made.kind == 'mul' else 'sum'}"
            for inner in (each for arg in made.args for each in (arg, *arg.args)):
                if inner.kind == "sub" and not inner.name:
                    inner.name = f"{stem}.difference"

    def _round(self, value, form):
        return self.node("round", (value,), form.frac, form)

    def carry(self, name: str, value: Node) -> Node:
        """Round to the format of states, and carry to the next step under a name."""
        node = self.carried[name] = self._round(value, self._precision.state)
        self._name(node, name, name)
        return node

    def feedback(self, name: str, value: Node) -> Node:
        """Round to codes that rows of this very step multiply."""
        node = self.codes[name] = self._round(value, self._form)
        self._name(node, name, name)
        return node

    def output(self, value: Node) -> Node:
        """Round to codes h, which leave and are what the next step's rows multiply."""
        return self.feedback("h", value)


class Graph:
    """The recorded equations of a cell.

    Parameters
    ----------
    equations : function of Equations
    precision : Precision
    form : Format
    diagonal_format : Fixed or None

    Attributes
    ----------
    nodes : tuple of Node
        Each after those that it is made of.
    carried : dict of str to Node
        What goes to the next step, besides the codes.
    codes : dict of str to Node
        ``"h"``, and what is fed back within a step.
    passes : tuple of tuple of str
        Gates of each run over the units: rows of what this step makes wait for all of it.
    recurrent : bool
        Whether rows multiply h, or what a step feeds back; else all are of the input alone.
    apart : tuple of str
        Gates whose halves are pre-activations of their own.
    diagonals : tuple of str
        Names of the weights that a unit has of its own.

    Raises
    ------
    ValueError
        Equations that no core has: without an output or with more than four gates, with more than
        one kind of fed-back codes or number that is carried, with halves apart of another gate
        than the first pass's last, or with a recurrent half in some gates only.
    """

    def __init__(self, equations: collections.abc.Callable[[Equations], object],
                 precision: Precision, form: Format, diagonal_format: Fixed) -> None:
        made = Equations(precision, form, diagonal_format)
        equations(made)
        self.nodes, self.carried, self.codes = tuple(made.nodes), made.carried, made.codes
        rows = [node.parameter for node in self.nodes if node.kind == "row"]
        order = [name for name in self.codes if name != "h"]
        passes = [dict.fromkeys(row.gate for row in rows if row.of == of) for of in ("h", *order)]
        self.passes = tuple(tuple(gates) for gates in passes if gates)
        self.recurrent = any(row.part != "input" for row in rows)
        self.apart = tuple(dict.fromkeys(row.gate for row in rows
                                         if self.recurrent and row.part != "both"))
        if not self.recurrent:
            self._name_whole_rows()
        self.diagonals = tuple(dict.fromkeys(node.parameter.name for node in self.nodes
                                             if node.kind == "diagonal"))
        self._check(rows, order)

    def _name_whole_rows(self):
        """Name rows of the input alone as those of both halves."""
        taken = {node.name for node in self.nodes}
        for node in self.nodes:
            if node.kind == "row":
                stem = f"gate.{node.parameter.gate}"
                node.name = f"{stem}.{'row' if f'{stem}.preact' in taken else 'preact'}"

    def _check(self, rows, order):
        if "h" not in self.codes:
            raise ValueError("A cell must have an output")
        if len(order) > 1:
            raise ValueError(f"A cell must feed back at most one kind of codes, "
                             f"not {', '.join(order)}")
        if len(self.carried) > 1:
            raise ValueError(f"A cell must carry at most one number, not {', '.join(self.carried)}")
        gates = list(dict.fromkeys(row.gate for row in rows))
        if not 1 <= len(gates) <= _MOST_GATES:
            raise ValueError(f"A cell must have from 1 to {_MOST_GATES} gates, not {len(gates)}")
        if gates != [gate for part in self.passes for gate in part]:
            raise ValueError("A cell must have the rows of fed-back codes after all others, "
                             f"not {', '.join(gates)}")
        whole = {row.gate for row in rows if row.part != "input"}
        if self.recurrent and len(whole) < len(gates):
            raise ValueError("A cell must have a recurrent half in all gates or in none, not in "
                             f"{', '.join(gate for gate in gates if gate in whole)} alone")
        if self.apart and self.apart != self.passes[0][-1:]:
            raise ValueError("A cell must keep apart the halves of its first pass's last gate, "
                             f"not of {', '.join(self.apart)}")
        used = self.codes["h"].ancestors
        idle = [node.parameter.gate for node in self.nodes if node.kind == "row"
                and node not in used and node.parameter.gate in self.passes[-1]]
        if idle:
            raise ValueError(f"A cell must make its output of all rows of its last pass, "
                             f"and of {', '.join(idle)}")
        missing = {node.parameter for node in self.nodes if node.kind == "old"} - set(self.carried)
        if missing:
            raise ValueError(f"A cell must carry what it takes from the step before: "
                             f"{', '.join(sorted(missing))}")

    @property
    def gates(self) -> tuple[str, ...]:
        """Gates in the order of the tensors."""
        return tuple(gate for part in self.passes for gate in part)

    @property
    def results(self) -> tuple[tuple[str, Node], ...]:
        """Names and nodes of what a step leaves: h, then what is carried."""
        return ("h", self.codes["h"]), *self.carried.items()

    @property
    def traced(self) -> tuple[Node, ...]:
        """Nodes that a trace holds."""
        return tuple(node for node in self.nodes if node.name and not node.exact)

    def walk(self, reading: object) -> dict[Node, typing.Any]:
        """Values of all nodes.

        Parameters
        ----------
        reading : object
            With a method for each kind of node, called with the node and the values of its
            arguments.

        Returns
        -------
        dict of Node to value
        """
        values: dict[Node, typing.Any] = {}
        for node in self.nodes:
            values[node] = getattr(reading, node.kind)(node, *(values[arg] for arg in node.args))
        return values
