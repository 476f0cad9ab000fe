"""Interfaces between components: what travels over each, and what is heard back.

All are described as their source has them, and joined with ``connect()``. What has several sinks
and hears something back from each goes through :func:`fork`.
"""

import functools
import operator

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect


__all__ = ["Beats", "Codes", "Pending", "Room", "Rows", "Step", "Vectors", "Words", "fork"]


class Room(wiring.Signature):
    """Whoever will send a vector and cannot wait with it later reserves room for it first.

    Members
    -------
    reserve : 1
        A vector will come; only when there is ``space``.
    space : 1
        There is room for a vector that is not reserved yet.
    """

    def __init__(self):
        super().__init__({"reserve": Out(1), "space": In(1)})


class Vectors(wiring.Signature):
    """Vectors of codes from one node to another, a beat a cycle.

    Parameters
    ----------
    bits : int
        Of a beat.
    header_bits : int
        Of the coefficients that come with a vector, if any do.

    Members
    -------
    room : Room
    valid : 1
        There is a beat; nothing holds it up.
    data : bits
    last : 1
        With a vector's last beat: it is the last of its sequence.
    beta : header_bits
        Coefficients, with a vector's last beat. Only where ``header_bits`` is not zero.
    """

    def __init__(self, bits, header_bits=0):
        super().__init__({"room": Out(Room()), "valid": Out(1), "data": Out(bits), "last": Out(1)}
                         | _header(header_bits, Out))


class Beats(wiring.Signature):
    """Vectors of codes from the core's input stream to a node.

    Parameters
    ----------
    bits : int
        Of a beat.

    Members
    -------
    valid, data, last
        As of ``Vectors``, but ``last`` may come before a vector's last beat, which ends the vector;
        ``valid`` only when ``ready``.
    ready : 1
        A beat would be taken.
    short : 1
        With a ``last`` that ends a vector before its last beat.
    """

    def __init__(self, bits):
        super().__init__({"valid": Out(1), "data": Out(bits), "last": Out(1),
                          "ready": In(1), "short": In(1)})


class Pending(wiring.Signature):
    """Vectors that wait to be read, from buffers to an array.

    Members
    -------
    full, last : 1
        A vector is complete, and it is the last of its sequence; a release in this cycle is not
        counted.
    next, next_last : 1
        The same of the vector behind it.
    release : 1
        The vector has been read; in the cycle of its last read or later.
    """

    def __init__(self):
        super().__init__({"full": Out(1), "last": Out(1), "next": Out(1), "next_last": Out(1),
                          "release": In(1)})


class Words(wiring.Signature):
    """Words of codes that an array reads, as the array has them.

    Parameters
    ----------
    words : int
        Of a vector.
    bits : int
        Of a word.
    header_bits : int
        Of the coefficients that come with a vector, if any do.

    Members
    -------
    word : range(words)
        Which word to read.
    codes : bits
        The word, two cycles later.
    beta : header_bits
        Coefficients of the vector. Only where ``header_bits`` is not zero.
    """

    def __init__(self, words, bits, header_bits=0):
        super().__init__({"word": Out(range(max(words, 2))), "codes": In(bits)}
                         | _header(header_bits, In))


class Rows(wiring.Signature):
    """Rows of a chain, from its combiner to what takes them; nothing holds them up.

    Parameters
    ----------
    form : Fixed
        Of a row.
    units : int
        Of a chain.

    Members
    -------
    valid : 1
    gate : range(4)
    unit : range(units)
    value : form
    aside : form
        The input half of a row whose halves stay apart, with ``value``.
    """

    def __init__(self, form, units):
        super().__init__({"valid": Out(1), "gate": Out(range(4)), "unit": Out(range(max(units, 2))),
                          "value": Out(signed(form.width)), "aside": Out(signed(form.width))})


class Codes(wiring.Signature):
    """Codes of one unit after another, of one chain or of all; nothing holds them up.

    Parameters
    ----------
    bits : int
    header_bits : int
        Of the coefficients that come with a vector, if any do.

    Members
    -------
    valid : 1
    data : bits
    beta : header_bits
        Coefficients, from the vector's first code until the next vector's samples have all come.
        Only where ``header_bits`` is not zero.
    """

    def __init__(self, bits, header_bits=0):
        super().__init__({"valid": Out(1), "data": Out(bits)} | _header(header_bits, Out))


class Step(wiring.Signature):
    """Which step it is whose rows are being completed, stable until its results have left.

    Members
    -------
    first, last : 1
        The first, the last of its sequence.
    """

    def __init__(self):
        super().__init__({"first": Out(1), "last": Out(1)})


def _header(bits, flow):
    return {"beta": flow(bits)} if bits else {}


def fork(m, source, sinks):
    """Hand everything to several sinks alike; what they answer holds when all of them say so.

    Parameters
    ----------
    m : Module
    source : interface object
    sinks : sequence of interface objects
        Of the same signature, the other way round.
    """
    if len(sinks) == 1:
        connect(m, source, *sinks)
        return
    sides = (side.signature.flatten(side) for side in (source, *sinks))
    for (_, member, value), *ends in zip(*sides, strict=True):
        parts = [part for _, _, part in ends]
        if member.flow is Out:
            m.d.comb += [part.eq(value) for part in parts]
        else:
            m.d.comb += value.eq(functools.reduce(operator.and_, parts))
