"""The inputs of a node: one buffer for each, which the node's array reads together."""

import functools
import operator

from amaranth.lib.wiring import In, Out

from ternloom.hw.buffer import InputBuffer
from ternloom.model.node.operand import named


__all__ = ["connect_inputs", "input_members"]


def input_members(operands, layouts, streamed):
    """Ports of a node's inputs; those of a further input have its number behind their names.

    Parameters
    ----------
    operands : tuple of Operand
    layouts : tuple of InputLayout
    streamed : tuple of int
        Which of the inputs the core's input stream feeds.

    Returns
    -------
    dict of str to Member
        ``i_valid``, ``i_data``, ``i_last``, ``i_reserve``, ``o_space``, of the input buffer;
        ``i_beta`` where coefficients come with the vectors, ``o_short`` and ``o_ready`` where the
        stream does.
    """
    members = {}
    for port, (operand, layout) in enumerate(zip(operands, layouts, strict=True)):
        bits = operand.format.header_bits
        found = {"i_beta": In(bits)} if bits else {}
        found |= {"i_valid": In(1), "i_data": In(layout.beat_lanes * operand.format.width),
                  "i_last": In(1), "i_reserve": In(1)}
        if port in streamed:
            found |= {"o_short": Out(1), "o_ready": Out(1)}
        found["o_space"] = Out(1)
        members |= {named(name, port): member for name, member in found.items()}
    return members


def connect_inputs(m, node, array, operands, streamed, release):
    """Make a node's buffers, ``buffer``, ``buffer1`` and so on, and hand them to its array.

    Parameters
    ----------
    m : Module
    node : Component
        With the ports of ``input_members``.
    array : MatrixVector
    operands : tuple of Operand
    streamed : tuple of int
    release : Signal
        The vectors have been read.

    Returns
    -------
    list of InputBuffer
    """
    buffers = []
    for port, (operand, layout) in enumerate(zip(operands, array.geometry.inputs, strict=True)):
        def outside(name, port=port):
            return getattr(node, named(name, port))

        bits = operand.format.header_bits
        buffer = InputBuffer(layout, operand.format.width, bits, fills=port in streamed)
        m.submodules[named("buffer", port)] = buffer
        m.d.comb += [
            buffer.i_valid.eq(outside("i_valid")),
            buffer.i_data.eq(outside("i_data")),
            buffer.i_last.eq(outside("i_last")),
            buffer.i_reserve.eq(outside("i_reserve")),
            buffer.i_release.eq(release),
            buffer.i_word.eq(array.o_word),
            outside("o_space").eq(buffer.o_space),
        ]
        if bits:
            m.d.comb += [buffer.i_beta.eq(outside("i_beta")),
                         getattr(array, named("i_input_beta", port)).eq(buffer.o_beta)]
        if port in streamed:
            m.d.comb += [outside("o_short").eq(buffer.o_short),
                         outside("o_ready").eq(buffer.o_ready)]
        buffers.append(buffer)
    # All vectors of a step are of the same place in the sequence.
    m.d.comb += [
        array.i_full.eq(functools.reduce(operator.and_, (each.o_full for each in buffers))),
        array.i_last.eq(buffers[0].o_last),
        array.i_next.eq(functools.reduce(operator.and_, (each.o_next for each in buffers))),
        array.i_next_last.eq(buffers[0].o_next_last),
    ]
    return buffers
