"""What a recurrent cell is: a name and its equations."""

import collections.abc
import dataclasses
import functools

from ternloom.model.cell.graph import Equations, Graph
from ternloom.model.cell.ranges import Ranges
from ternloom.model.format import Fixed, Format
from ternloom.model.precision import Precision
from ternloom.model.range import Range


__all__ = ["Cell"]


@functools.lru_cache(maxsize=4096)
def _graph(equations, precision, form, diagonal_format):
    return Graph(equations, precision, form, diagonal_format)


@dataclasses.dataclass(frozen=True, repr=False)
class Cell:
    """A recurrent cell; everything else about it is read from its equations.

    Parameters
    ----------
    name : str
        In files and recipes, on the command line and in messages.
    equations : function of Equations
        Its docstring names the source.

    Raises
    ------
    ValueError
        Equations that no core has, see ``Graph``.
    """

    name: str
    equations: collections.abc.Callable[[Equations], object]

    def __post_init__(self):
        # Refuses equations that no core has.
        _ = self.outline

    def __repr__(self):
        return f"Cell({self.name!r})"

    def __deepcopy__(self, memo):
        return self

    def __str__(self):
        return self.name

    def graph(self, precision: Precision, form: Format,
              diagonal_format: Fixed = Fixed(8, 7)) -> Graph:
        """The equations with the formats of a layer.

        Parameters
        ----------
        precision : Precision
        form : Format
            Of the layer's codes.
        diagonal_format : Fixed
            Of the units' own weights, where the cell has such.

        Returns
        -------
        Graph
        """
        return _graph(self.equations, precision, form, diagonal_format)

    @property
    def outline(self) -> Graph:
        """The graph for whom its formats don't matter."""
        return self.graph(Precision(), Fixed(8, 7))

    @property
    def gates(self) -> tuple[str, ...]:
        """Gate names in the order of the tensors and of the rows of a unit."""
        return self.outline.gates

    @property
    def passes(self) -> tuple[tuple[str, ...], ...]:
        """Gates of each run over the units."""
        return self.outline.passes

    @property
    def recurrent(self) -> bool:
        """Whether it has a recurrent matrix."""
        return self.outline.recurrent

    @property
    def apart(self) -> tuple[str, ...]:
        """Gates whose recurrent half stays apart from the input half, with a bias of its own."""
        return self.outline.apart

    @property
    def diagonals(self) -> tuple[str, ...]:
        """Names of the weights that a unit has of its own."""
        return self.outline.diagonals

    @property
    def carried(self) -> tuple[str, ...]:
        """Names of what a step hands to the next, besides the codes h."""
        return tuple(self.outline.carried)

    @property
    def comparable(self) -> bool:
        """Whether its gates can be comparators: each product has a gate, and each table is one."""
        graph = self.graph(Precision(gate_frac=0), Fixed(8, 7))
        values = graph.walk(Ranges(Precision(gate_frac=0)))
        return all(any(values[arg].magnitude <= 1 for arg in node.args) if node.kind == "mul" else
                   node.parameter in ("sigmoid", "tanh")
                   for node in graph.nodes if node.kind in ("mul", "table"))

    @property
    def bounded(self) -> bool:
        """Whether what it carries stays from -1 to 1, as convex combinations of such numbers do."""
        one = 1 << Precision().state.frac
        return self._within(self.outline.carried.values(), Range(-one, one))

    @property
    def confined(self) -> bool:
        """Whether what it puts out stays from -1 to 1."""
        one = 1 << Precision().state.frac
        return self._within([self.outline.codes["h"]], Range(-one, one) if self.bounded else None)

    def _within(self, roundings, old):
        """Whether roundings are of numbers from -1 to 1 if all that is carried is of a range."""
        values = self.outline.walk(Ranges(Precision(), old))
        made = [node.args[0] for node in roundings]
        return all(values[node].magnitude <= 1 << node.frac for node in made)

    @property
    def feedback(self) -> str | None:
        """Name of the codes that rows of the same step multiply, or None."""
        return next((name for name in self.outline.codes if name != "h"), None)
