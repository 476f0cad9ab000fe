"""Components in Amaranth's simulator, as functions from stimulus to response."""

import itertools
import operator

import numpy as np
from amaranth import *
from amaranth.sim import Simulator


__all__ = ["Bare", "converse", "drive", "events", "pack", "play", "unpack"]


class Bare(Elaboratable):
    """A module made by a function, which has inputs and results as attributes.

    Parameters
    ----------
    build : function of a module
        Returns a dict of name to value.
    """

    def __init__(self, build):
        self._module = Module()
        vars(self).update(build(self._module))

    def elaborate(self, platform):
        return self._module


def _plain(value):
    """Values of structured ports as an integer of their bits."""
    return value if isinstance(value, int) else value.as_bits()


def _port(dut, path):
    return operator.attrgetter(path)(dut)


def play(dut, drive, watch):
    """Drive a component cycle by cycle, from reset, and see what it answers.

    Parameters
    ----------
    dut : Elaboratable
    drive : dict of str to sequence
        For each input the value in each cycle; all of one length.
    watch : iterable of str, or dict of str to value
        Ports, those of an interface by their paths, or anything else by a name of one's own.

    Returns
    -------
    dict of str to int64 or object array (cycles,)
        What each watched value is just before the clock edge that ends the cycle.
    """
    length, = {len(values) for values in drive.values()}
    return converse(dut, lambda cycle, get: {name: values[cycle]
                                             for name, values in drive.items()}, watch, length)


def converse(dut, act, watch, cycles):
    """Drive a component by what it answers, for a number of cycles.

    Parameters
    ----------
    dut : Elaboratable
    act : function of a cycle and of a function from a port's name to its value
        Returns a dict of input to value. Sees ports as the last edge left them, so it may look at
        registered outputs only.
    watch, return
        As in ``play``.
    """
    watched = watch if isinstance(watch, dict) else {name: _port(dut, name)
                                                         for name in watch}
    seen, held = {name: [] for name in watched}, {}

    async def testbench(ctx):
        for cycle in range(cycles):
            for name, value in act(cycle, lambda port: ctx.get(_port(dut, port))).items():
                value = value if isinstance(value, dict) else int(value)
                if value != held.get(name):
                    ctx.set(_port(dut, name), value)
                    held[name] = value
            for name, value in watched.items():
                seen[name].append(_plain(ctx.get(value)))
            await ctx.tick()

    top = Module()
    top.domains.sync = ClockDomain()
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return {name: np.array(values, dtype=object if max(map(abs, values)) >> 62 else np.int64)
            for name, values in seen.items()}


def events(strobe, *values):
    """Cycles in which a strobe is up, each with what else is there then."""
    return [(int(cycle), *(int(value[cycle]) for value in values))
            for cycle in np.flatnonzero(strobe)]


def pack(bits, width):
    """Word of unsigned fields, the first in the low bits."""
    return sum(int(value) << (index * width) for index, value in enumerate(bits))


def unpack(word, width, count, *, signed=False):
    """Fields of a word."""
    values = [(int(word) >> (index * width)) & ((1 << width) - 1) for index in range(count)]
    if signed:
        values = [value - ((value >> (width - 1)) << width) for value in values]
    return values


def drive(component, payloads, count, patience):
    """Pass payloads through until ``count`` came out, with ``patience`` cycles between them."""
    taken = []
    simulator = Simulator(component)
    simulator.add_clock(1e-6)

    async def source(ctx):
        for payload, wait in zip(payloads, itertools.cycle(patience)):
            if wait:
                await ctx.tick().repeat(wait)
            ctx.set(component.i.payload, payload)
            ctx.set(component.i.valid, 1)
            await ctx.tick().until(component.i.ready)
            ctx.set(component.i.valid, 0)

    async def sink(ctx):
        for wait in itertools.islice(itertools.cycle(patience[::-1]), count):
            if wait:
                await ctx.tick().repeat(wait)
            ctx.set(component.o.ready, 1)
            payload, = await ctx.tick().sample(component.o.payload).until(component.o.valid)
            taken.append(payload)
            ctx.set(component.o.ready, 0)

    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return taken
