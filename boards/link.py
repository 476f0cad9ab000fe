"""Bytes to input beats and output beats to bytes: what the UART carries.

To the board, for each vector: one flag byte, whose bit 0 says that the vector is the last of its
sequence, then the vector's input beats, each as the bytes of ``s_axis_tdata``, low byte first.

From the board, for each output vector: its logits, class 0 first, each as the bytes of
``m_axis_tdata``, low byte first; then the index of the largest as one byte, or two (low byte
first) when there are more than 256 classes. Without a readout its beats of codes, and no index.

A flag byte with bit 1 set, ``STATUS``, brings no vector but asks for the status: one byte, sent
as soon as no vector is on its way. Bit 0 says that the core found an error, bit 1 that a byte was
lost since the host ran ahead; both stay until a reset, as which a break on the line counts. Where a
byte was lost the board takes what follows for the rest of a vector: a host whose question is not
answered sends a break.
"""

import collections.abc

from amaranth import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["STATUS", "BytesToVectors", "VectorsToBytes", "pack_vector", "unpack_status",
           "unpack_vector"]


#: What asks for the status.
STATUS = b"\x02"


class BytesToVectors(wiring.Component):
    """Bytes of the host to beats of a core's input stream.

    A beat is offered in the cycle after its last byte was taken; no byte is taken while it waits.

    Parameters
    ----------
    width : int
        Bits of a beat.
    beats : int
        Beats of a vector.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(StructLayout({"data": width, "last": 1})))
        ``last`` with the last beat of a sequence.
    ask : Out(1)
        High for a cycle when the host asks for the status.
    """

    def __init__(self, width: int, beats: int) -> None:
        self._bytes = -(-width // 8)
        self._beats = beats
        self._width = width
        layout = data.StructLayout({"data": width, "last": 1})
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(layout)),
                          "ask": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        last = Signal()
        beat = Signal(range(self._beats))
        byte = Signal(range(self._bytes))
        word = Signal(8 * self._bytes)
        m.d.comb += [
            self.o.p.data.eq(word[:self._width]),
            self.o.p.last.eq(last & (beat == self._beats - 1)),
        ]
        with m.FSM():
            with m.State("Flag"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [last.eq(self.i.payload[0]), beat.eq(0), byte.eq(0)]
                m.d.comb += self.ask.eq(self.i.valid & self.i.payload[1])
                with m.If(self.i.valid & ~self.ask):
                    m.next = "Byte"
            with m.State("Byte"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [word.eq(Cat(word, self.i.payload)[8:]), byte.eq(byte + 1)]
                    with m.If(byte == self._bytes - 1):
                        m.next = "Beat"
            with m.State("Beat"):
                m.d.comb += self.o.valid.eq(1)
                m.d.sync += byte.eq(0)
                with m.If(self.o.ready):
                    m.d.sync += beat.eq(beat + 1)
                    m.next = "Byte"
                    with m.If(beat == self._beats - 1):
                        m.next = "Flag"

        return m


class VectorsToBytes(wiring.Component):
    """Beats of a core's output stream to bytes for the host, and the status where it is asked for.

    The next beat is taken when the bytes of the one before are gone.

    Parameters
    ----------
    width : int
        Bits of a beat: a logit, or codes.
    winner_width : int
        Bits of the index of a class; 0 sends none.
    classes : int
        Beats of a vector.

    Members
    -------
    i : In(stream.Signature(StructLayout({"data": width, "winner": winner_width})))
    o : Out(stream.Signature(8))
    ask : In(1)
        High for a cycle: send the status before the next vector. What is asked for before it is
        sent is sent once.
    status : In(2)
    """

    def __init__(self, width: int, winner_width: int, classes: int) -> None:
        self._bytes        = -(-width // 8)
        self._winner_bytes = -(-winner_width // 8)
        self._classes      = classes
        layout = data.StructLayout({"data": width, "winner": winner_width})
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(8)),
                          "ask": In(1), "status": In(2)})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        total = self._bytes + self._winner_bytes
        left  = Signal(range(total + 1))
        index = Signal(range(self._classes))
        word  = Signal(8 * total)
        final = index == self._classes - 1
        padded = Signal(8 * self._bytes)
        asked, answers = Signal(), Signal()
        m.d.comb += [
            padded.eq(self.i.p.data),
            answers.eq(asked & (left == 0) & (index == 0)),
            self.i.ready.eq((left == 0) & ~answers),
            self.o.valid.eq(left != 0),
            self.o.payload.eq(word[:8]),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [word.eq(Cat(padded, self.i.p.winner)), left.eq(self._bytes),
                         index.eq(index + 1)]
            with m.If(final):
                m.d.sync += [left.eq(total), index.eq(0)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [word.eq(word >> 8), left.eq(left - 1)]
        m.d.sync += asked.eq((asked & ~answers) | self.ask)
        with m.If(answers):
            m.d.sync += [word.eq(self.status), left.eq(1)]

        return m


def pack_vector(beats: collections.abc.Iterable[int], input_bytes: int, *, last: bool) -> bytes:
    """Bytes that carry a vector to the board.

    Parameters
    ----------
    beats : sequence of int
        Values of ``s_axis_tdata``.
    input_bytes : int
        Bytes of each.
    last : bool
        Whether the vector is the last of its sequence.

    Returns
    -------
    bytes
    """
    return bytes([last]) + b"".join(int(beat).to_bytes(input_bytes, "little") for beat in beats)


def unpack_vector(answer: bytes, classes: int, output_bytes: int) -> tuple[list[int], int]:
    """Logits and winner of a vector's bytes from the board.

    Parameters
    ----------
    answer : bytes
    classes, output_bytes : int

    Returns
    -------
    list of int, int
    """
    cut = classes * output_bytes
    logits = [int.from_bytes(answer[at:at + output_bytes], "little", signed=True)
              for at in range(0, cut, output_bytes)]
    return logits, int.from_bytes(answer[cut:], "little")


def unpack_status(answer: bytes) -> tuple[bool, bool]:
    """What the board says of itself: whether the core found an error, and whether a byte was lost.

    Parameters
    ----------
    answer : bytes
        One.

    Returns
    -------
    bool, bool
    """
    return bool(answer[0] & 1), bool(answer[0] & 2)
