"""UART, 8 data bits, no parity, one stop bit, at any rate that the clock can divide."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out


__all__ = ["UartReceiver", "UartTransmitter", "phase_increment", "phase_width"]


def phase_width(frequency: int, baud: int) -> int:
    """Bits of the phase accumulator: the rate is then within 0.05 % of ``baud``."""
    return max(frequency // baud, 1).bit_length() + 10


def phase_increment(frequency: int, baud: int) -> int:
    """What the phase accumulator adds each cycle; it overflows once a bit.

    Raises
    ------
    ValueError
        When a bit is shorter than four cycles.
    """
    if not 0 < 4 * baud <= frequency:
        raise ValueError(f"UART rate must be from 1 to {int(frequency) // 4} baud at "
                         f"{frequency / 1e6:g} MHz, not {baud!r}")
    return round((baud << phase_width(frequency, baud)) / frequency)


class UartTransmitter(wiring.Component):
    """Bytes to line levels.

    A byte takes ten bits of ``frequency / baud`` cycles on average; the stream is not ready
    meanwhile.

    Parameters
    ----------
    frequency, baud : int
        Hz of the domain ``sync``, and bits a second.

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1)
        High when idle.
    """

    def __init__(self, *, frequency: int, baud: int) -> None:
        self._width     = phase_width(frequency, baud)
        self._increment = phase_increment(frequency, baud)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        phase = Signal(self._width)
        tick  = Signal()
        frame = Signal(10, init=1)
        left  = Signal(range(11))
        m.d.comb += self.i.ready.eq(left == 0)
        m.d.sync += self.tx.eq(frame[0] | (left == 0))
        with m.If(left == 0):
            m.d.sync += [Cat(phase, tick).eq(0), frame.eq(Cat(Const(0, 1), self.i.payload, 1))]
            with m.If(self.i.valid):
                m.d.sync += left.eq(10)
        with m.Else():
            m.d.sync += Cat(phase, tick).eq(phase + self._increment)
            with m.If(tick):
                m.d.sync += [frame.eq(frame >> 1), left.eq(left - 1)]

        return m


class UartReceiver(wiring.Component):
    """Line levels to bytes, each bit sampled in its middle.

    The line cannot wait: a byte that comes while the one before it has not been taken is lost.

    Parameters
    ----------
    frequency, baud : int
        Hz of the domain ``sync``, and bits a second.

    Members
    -------
    rx : In(1)
        Asynchronous; synchronized here.
    o : Out(stream.Signature(8))
    overrun : Out(1)
        High for a cycle when a byte is lost.
    broken : Out(1)
        High for a cycle when a stop bit is missing, as in a break. The receiver then waits
        for an idle line.
    """

    def __init__(self, *, frequency: int, baud: int) -> None:
        self._width     = phase_width(frequency, baud)
        self._increment = phase_increment(frequency, baud)
        super().__init__({
            "rx":      In(1, init=1),
            "o":       Out(stream.Signature(8)),
            "overrun": Out(1),
            "broken":  Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()

        line = Signal(init=1)
        m.submodules.synchronizer = cdc.FFSynchronizer(self.rx, line, init=1)

        phase = Signal(self._width, init=1 << (self._width - 1))
        tick  = Signal()
        bits  = Signal(8)
        count = Signal(range(10))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        m.d.sync += Cat(phase, tick).eq(phase + self._increment)
        # A reset in the middle of a break waits for the break's end.
        with m.FSM(init="Wait"):
            with m.State("Idle"):
                m.d.sync += [Cat(phase, tick).eq(phase.init), count.eq(0)]
                with m.If(~line):
                    m.next = "Frame"
            with m.State("Frame"):
                with m.If(tick):
                    m.d.sync += [bits.eq(Cat(bits[1:], line)), count.eq(count + 1)]
                    with m.If((count == 0) & line):
                        m.next = "Idle"
                    with m.If(count == 9):
                        m.next = "Wait"
                        m.d.comb += self.broken.eq(~line)
                        with m.If(line):
                            self._deliver(m, bits)
                            m.next = "Idle"
            with m.State("Wait"):
                with m.If(line):
                    m.next = "Idle"

        return m

    def _deliver(self, m, bits):
        with m.If(self.o.valid & ~self.o.ready):
            m.d.comb += self.overrun.eq(1)
        with m.Else():
            m.d.sync += [self.o.payload.eq(bits), self.o.valid.eq(1)]
