"""Worst cases of a cell: the reading of its graph on ranges of integers."""

import numpy as np

from ternloom.model.cell.graph import Node
from ternloom.model.format import Format
from ternloom.model.precision import Precision
from ternloom.model.range import Range
from ternloom.model.table import FUNCTIONS


__all__ = ["Ranges", "format_range", "rounding_range"]


def format_range(form: Format) -> Range:
    """Range of a format's codes; online, of what the codes are made of."""
    return Range(*form.pipeline_format.code_range)


class Ranges:
    """Reading of a graph on ranges: any code of the state and any pre-activation can occur.

    Parameters
    ----------
    precision : Precision
    old : Range, optional
        Of what the step before carried: all that the format holds by default.
    """

    def __init__(self, precision: Precision, old: Range | None = None) -> None:
        self._precision = precision
        self._old = format_range(precision.state) if old is None else old

    def row(self, node: Node, *codes: Range) -> Range:
        return format_range(self._precision.preact)

    def old(self, node: Node) -> Range:
        return self._old

    def diagonal(self, node: Node) -> Range:
        return format_range(node.parameter.form)

    def constant(self, node: Node) -> Range:
        return Range(node.parameter, node.parameter)

    def add(self, node: Node, one: Range, other: Range) -> Range:
        plain = (one << node.parameter[0]) + (other << node.parameter[1])
        return self._blend(node) or plain

    def sub(self, node: Node, one: Range, other: Range) -> Range:
        return (one << node.parameter[0]) - (other << node.parameter[1])

    def mul(self, node: Node, one: Range, other: Range) -> Range:
        return one * other

    def table(self, node: Node, argument: Range) -> Range:
        entries = FUNCTIONS[node.parameter](self._precision)
        reached = entries[np.arange(argument.low, argument.high + 1)]
        return Range(int(reached.min()), int(reached.max()))

    def relu(self, node: Node, value: Range) -> Range:
        return Range(max(value.low, 0), max(value.high, 0))

    def round(self, node: Node, value: Range) -> Range:
        form = node.parameter
        if not form.rounded:
            return format_range(form)
        return Range(*(int(form.quantize(end, node.args[0].frac))
                       for end in (value.low, value.high)))

    def _blend(self, node):
        """Range of ``n + z*(h - n)`` with z from zero to one, None for another sum.

        It grows with h and with n, and is linear in z: its extremes are corners.
        """
        if node.blend is None:
            return None
        new, share, old = node.blend
        found = self._of(share)
        if found.low < 0 or found.high > 1 << share.frac:
            return None
        ends = [self._of(one) << node.frac - share.frac - one.frac for one in (new, old)]
        corners = [((1 << share.frac) - z) * n + z * h for z in (found.low, found.high)
                   for n, h in ((ends[0].low, ends[1].low), (ends[0].high, ends[1].high))]
        return Range(min(corners), max(corners))

    def _of(self, node):
        return getattr(self, node.kind)(node, *map(self._of, node.args))


def rounding_range(value: Range, frac: int, form: Format) -> Range:
    """What a format's ``quantize`` computes on its way from a range of ``frac`` fraction bits."""
    form = form.pipeline_format
    if not form.rounded:
        return value
    shift = frac - form.frac
    if shift <= 0:
        return value << -shift | format_range(form)
    half = Range(0, 1 << (shift - 1))
    return value | value + half | half | format_range(form)
