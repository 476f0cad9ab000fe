"""The inputs of a node: one buffer for each, which the node's array reads together."""

import functools
import operator

from amaranth.lib.wiring import In, connect, flipped

from ternloom.hw.buffer import InputBuffer, input_signature
from ternloom.hw.interface import Pending
from ternloom.model.node.operand import named


__all__ = ["connect_inputs", "input_members"]


def input_members(operands, layouts, streamed):
    """Ports of a node's inputs.

    Parameters
    ----------
    operands : tuple of Operand
    layouts : tuple of InputLayout
    streamed : tuple of int
        Which of the inputs the core's input stream feeds.

    Returns
    -------
    dict of str to Member
        ``i``, ``i1``, ...: ``Beats`` of those that are streamed, else ``Vectors``.
    """
    return {named("i", port): In(input_signature(layout, operand.format,
                                                 streamed=port in streamed))
            for port, (operand, layout) in enumerate(zip(operands, layouts, strict=True))}


def connect_inputs(m, node, array, operands, streamed):
    """Make a node's buffers, ``buffer``, ``buffer1`` and so on, and let its array read them.

    Parameters
    ----------
    m : Module
    node : Component
        With the ports of ``input_members``.
    array : MatrixVector
    operands : tuple of Operand
    streamed : tuple of int

    Returns
    -------
    Pending
        Vectors of all inputs, which are read and released together.
    """
    found = []
    for port, (operand, layout) in enumerate(zip(operands, array.geometry.inputs, strict=True)):
        buffer = InputBuffer(layout, operand.format, streamed=port in streamed)
        m.submodules[named("buffer", port)] = buffer
        connect(m, flipped(getattr(node, named("i", port))), buffer.i)
        connect(m, getattr(array, named("input", port)), buffer.words)
        found.append(buffer.pending)
    if len(found) == 1:
        return found[0]
    # All vectors of a step are of the same place in the sequence.
    joint = Pending().create()
    m.d.comb += [
        joint.full.eq(functools.reduce(operator.and_, (each.full for each in found))),
        joint.last.eq(found[0].last),
        joint.next.eq(functools.reduce(operator.and_, (each.next for each in found))),
        joint.next_last.eq(found[0].next_last),
        *(each.release.eq(joint.release) for each in found),
    ]
    return joint
