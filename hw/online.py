"""The online quantizer: samples of a layer's units become codes with coefficients of their own.

It sits between the pipelines and the state memories of a layer. Nothing else of the layer runs
meanwhile: the next recurrent block waits for the codes.
"""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from ternloom.hw.fixed import delayed, watch
from ternloom.hw.interface import Codes
from ternloom.hw.samples import Passes, SampleStore, cut_count, sum_bits
from ternloom.mapping.microcode import Operation, microcode


__all__ = ["OnlineQuantizer", "QuantizerUnit"]


#: Operations that give a product, or add to or subtract from the last.
_PRODUCTS = (Operation.MUL, Operation.MAC, Operation.MSC)


class QuantizerUnit(wiring.Component):
    """The arithmetic unit: runs the microcode once for each vector.

    Parameters
    ----------
    form : Online
    microcode : Microcode
    units : int
        Units.

    Members
    -------
    passes : Passes
        Over the sample store.
    o_beta
        Coefficients, of the vector whose codes come next; they change before its first code.
    """

    def __init__(self, form, microcode, *, units):
        self._form      = form
        self._microcode = microcode
        self._units     = units
        super().__init__({
            "passes": Out(Passes(form, units)),
            "o_beta": Out(data.ArrayLayout(form.coefficient_bits, form.planes)),
        })
        largest = 1 << (form.sample.width - 1)
        #: Bounds of a register, and of the second operand of a multiplication.
        self._bound  = max(32 * units * largest, units ** 3 * largest // 8)
        self._factor = max(4 * largest, units ** 2 * largest // 2)
        if form.planes == 2:
            self._bound = max(units, 2) * largest
        self._word = signed(self._bound.bit_length() + 1)

    def _layout(self):
        """Of an instruction; ``special`` counts cuts, then coefficients, then ``inner``."""
        registers = range(max(len(self._microcode.registers), 2))
        longest = max(one.wait for one in self._microcode.instructions)
        return data.StructLayout({
            "operation": 4, "x": registers, "y": registers, "target": registers,
            "gathered": 1, "source": range(max(2 * cut_count(self._form), 2)),
            "writes": 1, "special": 1, "index": 3, "wait": range(longest + 2),
        })

    def _encode(self, layout, one):
        """An instruction as an integer."""
        registers, cuts = self._microcode.registers, cut_count(self._form)
        fields = {"operation": int(one.operation), "y": registers.index(one.y), "wait": one.wait}
        if "." in one.x:
            kind, cut = one.x.split(".")
            fields |= {"gathered": 1, "source": int(cut) + cuts * (kind == "sum")}
        else:
            fields["x"] = registers.index(one.x)
        specials = [f"cut.{cut}" for cut in range(cuts)]
        specials += [f"beta.{plane}" for plane in range(self._form.planes)] + ["inner"]
        if one.target in specials:
            fields |= {"special": 1, "index": specials.index(one.target)}
        elif one.target != "zero":
            fields |= {"writes": 1, "target": registers.index(one.target)}
        return layout.const(fields).as_value().value

    def elaborate(self, platform):
        m = Module()
        layout = self._layout()
        words = [self._encode(layout, one) for one in self._microcode.instructions]
        m.submodules.microcode = rom = Memory(shape=unsigned(layout.size),
                                              depth=max(len(words), 2), init=words)
        port = rom.read_port()

        # The memory is read one instruction ahead: it is slow.
        instruction = Signal(layout)
        running, issue, ends = Signal(), Signal(), Signal()
        ahead = Signal(range(len(words) + 1), init=1)
        idle  = Signal.like(instruction.wait)
        m.d.comb += [
            issue.eq(running & (idle == 0)),
            ends.eq(issue & (instruction.operation == Operation.WRITE)),
            port.addr.eq(ahead + issue),
            self.passes.scan.eq(issue & (instruction.operation == Operation.PASS)),
            self.passes.write.eq(ends),
        ]
        m.d.sync += [
            ahead.eq(Mux(running, ahead + issue, 1)),
            idle.eq(Mux(issue, instruction.wait, Mux(idle == 0, 0, idle - 1))),
            running.eq((running | self.passes.complete) & ~ends),
        ]
        with m.If(~running):
            m.d.sync += instruction.eq(words[0])
        with m.Elif(issue):
            m.d.sync += instruction.eq(port.data)
        self._execute(m, instruction, issue)

        return m

    def _execute(self, m, instruction, issue):
        """Registers, operands, results."""
        m.submodules.registers = memory = Memory(
            shape=self._word, depth=len(self._microcode.registers), init=[])
        write, read_x, read_y = memory.write_port(), memory.read_port(), memory.read_port()
        m.d.comb += [read_x.addr.eq(instruction.x), read_y.addr.eq(instruction.y)]
        steps = [instruction]
        strobes = [issue]
        for stage in (1, 2, 3):
            step = Signal(instruction.shape(), name=f"instruction{stage}")
            strobe = Signal(name=f"issue{stage}")
            m.d.sync += [step.eq(steps[-1]), strobe.eq(strobes[-1])]
            steps.append(step)
            strobes.append(strobe)

        gathered = data.View(data.ArrayLayout(unsigned(sum_bits(self._form, self._units)),
                                              2 * cut_count(self._form)),
                             Signal(2 * cut_count(self._form)
                                    * sum_bits(self._form, self._units), name="gathered"))
        for cut in range(cut_count(self._form)):
            m.d.comb += [gathered[cut].eq(self.passes.counts[cut]),
                         gathered[cut + cut_count(self._form)].eq(self.passes.sums[cut])]
        x, y = Signal(self._word), Signal(self._word)
        m.d.sync += [
            x.eq(Mux(steps[1].gathered, gathered[steps[1].source], read_x.data)),
            y.eq(read_y.data),
        ]
        result = self._sum(m, steps[2].operation, x, y)
        if any(one.operation in _PRODUCTS for one in self._microcode.instructions):
            result = self._product(m, steps, strobes, x, y, result)
        divided, quotient, target = self._divide(m, steps[2], strobes[2], x, y)
        # Registers that hold constants are written in the two cycles after a reset, when all else
        # that would be written is zero: no memory needs initial contents.
        constants = Signal(2, init=1)
        m.d.sync += constants.eq(constants << 1)
        m.d.comb += [
            write.en.eq(constants.any() | divided | (strobes[3] & steps[3].writes
                                                     & (steps[3].operation != Operation.DIV))),
            write.addr.eq(Mux(divided, target, steps[3].target)
                          | Mux(constants[1], self._microcode.registers.index("units"), 0)),
            write.data.eq(Mux(divided, quotient, result) | Mux(constants[1], self._units, 0)),
        ]
        with m.If(strobes[3] & steps[3].special):
            with m.Switch(steps[3].index):
                inner = self.passes.inner
                for index, special in enumerate([*self.passes.cuts, *self.o_beta, inner]):
                    with m.Case(index):
                        negative = special is inner
                        m.d.sync += special.eq(result[-1] if negative else result)

    def _sum(self, m, operation, x, y):
        """Sum, difference, larger or smaller operand, or one with the sign of the other; a cycle
        later.
        """
        small = self._form.sample.width + 2
        invert, one, other = Signal(), Signal.like(x), Signal.like(y)
        pick, total = Signal(), Signal(signed(len(x) + 1))
        is_sign = operation == Operation.SIGN
        m.d.comb += [
            invert.eq((operation == Operation.SUB) | (is_sign & x[-1])),
            one.eq(Mux(is_sign, 0, x)),
            other.eq(y ^ invert.replicate(len(y))),
            # One adder: the carry completes a subtraction.
            total.eq((Cat(Const(1, 1), one).as_signed() + Cat(invert, other).as_signed()) >> 1),
            pick.eq((x[:small].as_signed() < y[:small].as_signed())
                    ^ (operation == Operation.MIN)),
        ]
        result = Signal.like(x, name="result")
        chooses = (operation == Operation.MAX) | (operation == Operation.MIN)
        m.d.sync += result.eq(Mux(chooses, Mux(pick, y, x), total))
        return result

    def _product(self, m, steps, strobes, x, y, result):
        """Products and their sums where the operation asks for them, else ``result``."""
        product = Signal(self._word)
        total   = Signal(self._word)
        held    = Signal(self._word)
        operation = steps[3].operation
        factor = y[:self._factor.bit_length() + 1].as_signed()
        m.d.sync += product.eq(x[:self._units.bit_length()] * factor)
        base = Mux(operation == Operation.MUL, 0, held)
        m.d.comb += total.eq(Mux(operation == Operation.MSC, base - product, base + product))
        chosen = Signal.like(result)
        multiplies = Signal()
        m.d.comb += [
            multiplies.eq(Cat(operation == kind for kind in _PRODUCTS).any()),
            chosen.eq(Mux(multiplies, total, result)),
        ]
        with m.If(strobes[3] & multiplies):
            m.d.sync += held.eq(total)
        return chosen

    def _divide(self, m, step, strobe, x, y):
        """A bit of the quotient a cycle; strobe, quotient rounded half up and register for it."""
        bits  = self._form.sample.width + 2
        width = max(2 * self._bound, self._units << (bits - 1)).bit_length() + 1
        rest, divisor, difference = Signal(width), Signal(width), Signal(width + 1)
        quotient, left = Signal(bits), Signal(range(bits + 1))
        kept, target, done = Signal(), Signal.like(step.target), Signal()
        m.d.comb += difference.eq(rest - divisor)
        with m.If(strobe & (step.operation == Operation.DIV)):
            m.d.sync += [
                rest.eq(Mux(x[-1], -x, x)[:width - 1] << 1),
                divisor.eq(y[:width] << (bits - 1)),
                left.eq(bits),
                kept.eq(y.any()),
                target.eq(step.target),
            ]
        with m.Elif(left != 0):
            m.d.sync += [
                left.eq(left - 1),
                divisor.eq(divisor >> 1),
                quotient.eq(Cat(~difference[-1], quotient)),
            ]
            with m.If(~difference[-1]):
                m.d.sync += rest.eq(difference)
        m.d.comb += done.eq((left == 0) & delayed(m, left == 1, 1) & kept)
        return done, (quotient + 1) >> 1, target


class OnlineQuantizer(wiring.Component):
    """Samples of all units in, codes of all units and their coefficients out.

    Parameters
    ----------
    form : Online
    geometry : Geometry
        Of the layer.

    Members
    -------
    i : Codes
        Samples of every chain.
    o : Codes
        Of every chain, one a cycle, with coefficients; the last comes ``microcode(...).cycles``
        after the last sample.
    """

    def __init__(self, form, geometry):
        self._form     = form
        self._geometry = geometry
        super().__init__({
            "i": In(Codes(geometry.chains * form.sample.width)),
            "o": Out(Codes(geometry.chains * form.planes, form.header_bits)),
        })

    def elaborate(self, platform):
        m = Module()
        form, geometry = self._form, self._geometry

        m.submodules.store = store = SampleStore(form, chains=geometry.chains,
                                                 depth=geometry.chain_units, units=geometry.units)
        m.submodules.unit = unit = QuantizerUnit(
            form, microcode(form, geometry.chain_units, geometry.chains), units=geometry.units)
        connect(m, flipped(self.i), store.i)
        connect(m, unit.passes, store.passes)
        m.d.comb += [
            self.o.valid.eq(store.o.valid),
            self.o.data.eq(store.o.data),
            self.o.beta.eq(unit.o_beta),
        ]
        for plane in range(form.planes):
            watch(m, f"beta{plane}", delayed(m, unit.passes.write, 3), unit.o_beta[plane])
        for chain in range(geometry.chains):
            watch(m, f"code{chain}", self.o.valid, self.o.data.word_select(chain, form.planes))

        return m
