"""What stands around a core: a UART on a board's pins, or a harness that only measures."""

import collections.abc

from amaranth import (Cat, ClockDomain, ClockSignal, Const, Elaboratable, Module, ResetSignal,
                      Signal, Value)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ternloom.boards.link import BytesToVectors, VectorsToBytes
from ternloom.boards.pll import Pll
from ternloom.boards.shape import CoreShape
from ternloom.boards.uart import UartReceiver, UartTransmitter


__all__ = ["Harness", "UartCore", "UartTop", "core_ports"]


#: Cycles of reset after configuration. iCE40 block RAM reads zeros for its first microseconds.
_RESET_CYCLES = 1024

_MakeCore = collections.abc.Callable[[dict[str, Value]], Elaboratable]


def core_ports(shape: CoreShape) -> dict[str, Value]:
    """A signal for every port of a core, by the port's name; clock and reset are ``sync``'s."""
    widths = {
        "s_axis_tdata": shape.input_width, "s_axis_tvalid": 1, "s_axis_tready": 1,
        "s_axis_tlast": 1,
        "m_axis_tdata": shape.output_width, "m_axis_tvalid": 1, "m_axis_tready": 1,
        "m_axis_tlast": 1, "m_axis_tuser": shape.winner_width, "error": 1,
    }
    ports = {name: Signal(width, name=name) for name, width in widths.items()}
    return {"clk": ClockSignal("sync"), "rst": ResetSignal("sync"), **ports}


class UartCore(wiring.Component):
    """A core that takes and gives bytes on a serial line (see ``ternloom.boards.link``).

    A break on ``rx`` resets the core and everything here, so a host can start afresh.

    Parameters
    ----------
    shape : CoreShape
    frequency, baud : int
        Hz of the domain ``sync``, and bits a second.
    core : function of dict to Elaboratable, or None
        Makes the core from its ports; None is the instance of the shape's Verilog module.

    Members
    -------
    rx : In(1)
    tx : Out(1)
    restart : Out(1)
        High for a cycle on a break: reset the domain.
    lost : Out(1)
        High once a byte was lost since the host ran ahead of the core, until the next reset.
    error : Out(1)
        Of the core.
    """

    def __init__(self, shape: CoreShape, *, frequency: int, baud: int,
                 core: _MakeCore | None = None) -> None:
        self._shape     = shape
        self._frequency = frequency
        self._baud      = baud
        self._core      = shape.instance if core is None else core
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "restart": Out(1),
                          "lost": Out(1), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        shape, rate = self._shape, {"frequency": self._frequency, "baud": self._baud}
        m.submodules.receiver = receiver = UartReceiver(**rate)
        m.submodules.transmitter = transmitter = UartTransmitter(**rate)
        m.submodules.unpack = unpack = BytesToVectors(shape.input_width, shape.beats)
        m.submodules.pack = pack = VectorsToBytes(
            shape.output_width, shape.winner_width if shape.has_winner else 0, shape.classes)
        ports = core_ports(shape)
        m.submodules.core = self._core(ports)
        wiring.connect(m, receiver.o, unpack.i)
        wiring.connect(m, pack.o, transmitter.i)
        m.d.comb += [
            ports["s_axis_tdata"].eq(unpack.o.p.data),
            ports["s_axis_tlast"].eq(unpack.o.p.last),
            ports["s_axis_tvalid"].eq(unpack.o.valid),
            unpack.o.ready.eq(ports["s_axis_tready"]),
            pack.i.p.data.eq(ports["m_axis_tdata"]),
            pack.i.p.winner.eq(ports["m_axis_tuser"]),
            pack.i.valid.eq(ports["m_axis_tvalid"]),
            ports["m_axis_tready"].eq(pack.i.ready),
            self.error.eq(ports["error"]),
            pack.ask.eq(unpack.ask),
            pack.status.eq(Cat(self.error, self.lost)),
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
        ]
        m.d.sync += self.restart.eq(receiver.broken)
        with m.If(receiver.overrun):
            m.d.sync += self.lost.eq(1)

        return m


class UartTop(wiring.Component):
    """A board's design: clock generator, reset, and a core behind a UART.

    Parameters
    ----------
    shape : CoreShape
    pll : Pll or None
        None takes the board's clock as it is.
    frequency, baud : int
    invert_led : bool
    core : function of dict to Elaboratable, or None
        See ``UartCore``.

    Members
    -------
    clk, rx : In(1)
    tx : Out(1)
    led : Out(1)
        Lit when a byte from the host was lost, or the core found an error.
    """

    def __init__(self, shape: CoreShape, *, pll: Pll | None, frequency: int, baud: int,
                 invert_led: bool, core: _MakeCore | None = None) -> None:
        self._core       = UartCore(shape, frequency=frequency, baud=baud, core=core)
        self._pll        = pll
        self._invert_led = invert_led
        super().__init__({"clk": In(1), "rx": In(1), "tx": Out(1), "led": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()

        m.domains.sync = ClockDomain()
        m.domains.power = ClockDomain(reset_less=True)
        if self._pll is None:
            m.d.comb += ClockSignal("sync").eq(self.clk)
            locked = Const(1)
        else:
            locked = self._pll.instance(m, self.clk)
        m.d.comb += ClockSignal("power").eq(ClockSignal("sync"))

        count = Signal(range(_RESET_CYCLES + 1))
        reset = Signal(init=1)
        m.d.comb += ResetSignal("sync").eq(reset)
        m.d.power += reset.eq((count != _RESET_CYCLES) | self._core.restart)
        with m.If(~locked):
            m.d.power += count.eq(0)
        with m.Elif(count != _RESET_CYCLES):
            m.d.power += count.eq(count + 1)

        m.submodules.core = self._core
        m.d.comb += [
            self._core.rx.eq(self.rx),
            self.tx.eq(self._core.tx),
            self.led.eq((self._core.lost | self._core.error) ^ self._invert_led),
        ]

        return m


class Harness(wiring.Component):
    """Surrounds a core by registers only, so that its own clock and size are what is measured.

    All inputs of the core, its reset too, come from a shift register that is fed by one pin, and
    all outputs go into registers that drive nothing and are kept. That is ``registers`` registers
    and no logic beyond the core's.

    Parameters
    ----------
    shape : CoreShape

    Members
    -------
    clk, rx : In(1)
        The clock, and the bits that are shifted in.
    """

    def __init__(self, shape: CoreShape) -> None:
        self._shape = shape
        super().__init__({"clk": In(1), "rx": In(1)})

    @property
    def registers(self) -> int:
        """Registers that the harness adds to the core's."""
        shape = self._shape
        return shape.input_width + 4 + shape.output_width + shape.winner_width + 4

    def elaborate(self, platform: object) -> Module:
        m = Module()

        m.domains.sync = ClockDomain(reset_less=True)
        m.d.comb += ClockSignal("sync").eq(self.clk)
        ports = core_ports(self._shape)
        ports["rst"] = Signal(name="rst")
        inputs = Cat(ports[name] for name in ("rst", "s_axis_tdata", "s_axis_tvalid",
                                              "s_axis_tlast", "m_axis_tready"))
        outputs = Cat(ports[name] for name in ("s_axis_tready", "m_axis_tdata", "m_axis_tvalid",
                                               "m_axis_tlast", "m_axis_tuser", "error"))
        shift = Signal(len(inputs))
        kept  = Signal(len(outputs), attrs={"keep": 1})
        m.submodules.core = self._shape.instance(ports)
        m.d.comb += inputs.eq(shift)
        m.d.sync += [shift.eq(Cat(self.rx, shift)), kept.eq(outputs)]

        return m
