"""The bench that runs inside the simulator: it drives cores and writes down every transfer.

What is expected is known here only in order to stop at the first difference; it is judged by
``ternloom.sim.compare``, outside. A sample is taken at a rising clock edge and sees what the
flip-flops see; what the bench drives changes after it. Nothing here runs every cycle: a source
wakes up for each beat, a sink for each transfer, and cycles are counted from simulation time.
"""

import json
import os

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.simtime import get_sim_time
from cocotb.triggers import Event, First, RisingEdge, Timer


__all__ = ["bench"]


#: Clock period in simulator steps of 1 ps.
_PERIOD = 10000
#: Cycles for which the reset is held: a core needs one.
_RESET = 1


def _number(handle):
    """Value of a port as an integer, or as text where bits are unknown."""
    value = handle.value
    try:
        return int(value)
    except ValueError:
        return str(value)


class _Segment:
    """What happens between two resets of a core."""

    def __init__(self, start):
        #: First sequence that the source sends.
        self.start = start
        self.inputs = []
        self.outputs = []
        #: Cycle and value of ``error`` at first, and each time that it has changed.
        self.error = []
        self.faults = []
        self.probes = {}
        self.end = None
        #: "reset", "stop" or "limit".
        self.why = None

    def record(self):
        return {"start": self.start, "inputs": self.inputs, "outputs": self.outputs,
                "error": self.error, "faults": self.faults, "probes": self.probes,
                "end": self.end, "why": self.why}


class _Core:
    """Source, sink and reset of one core."""

    def __init__(self, top, index, job, report):
        self._job = job
        self._report = report
        self._clk = top.clk
        self._port = {port: getattr(top, f"core{index}_{port}") for port in
                      ("rst", "s_axis_tdata", "s_axis_tvalid", "s_axis_tready", "s_axis_tlast",
                       "m_axis_tdata", "m_axis_tvalid", "m_axis_tready", "m_axis_tlast",
                       "m_axis_tuser", "error")}
        self._enable = getattr(top, f"core{index}_enable")
        self._probes = [(probe["valid"], _descend(top, f"core{index}.{probe['valid']}"),
                         _descend(top, f"core{index}.{probe['data']}"), probe["signed"])
                        for probe in job["probes"]]
        self._edge = RisingEdge(self._clk)
        self._origin = 0
        self._segment = None
        self._stop = Event()

    def cycle(self):
        """Cycle of the clock edge that is now, since the release of the reset."""
        return (get_sim_time("step") - self._origin) // _PERIOD

    async def run(self):
        """Run all segments, and return what was seen in each."""
        segments, start = [], 0
        self._enable.value = 1
        for reset in [*self._job["resets"], None]:
            self._segment = _Segment(start)
            await self._hold_reset()
            cycles = self._job["limit"] if reset is None else reset
            tasks = [cocotb.start_soon(part) for part in self._parts(start)]
            await First(Timer(cycles * _PERIOD, "step"), self._stop.wait())
            self._segment.end = self.cycle() + 1
            self._segment.why = ("stop" if self._stop.is_set() else
                                 "limit" if reset is None else "reset")
            for task in tasks:
                task.cancel()
            segments.append(self._segment.record())
            if self._stop.is_set():
                break
            start = self._next_sequence(start)
            if start == len(self._job["first_beats"]) - 1:
                break
        self._enable.value = 0
        return segments

    def _parts(self, start):
        yield self._source(start)
        yield self._paced_sink(start) if self._job["ready"] else self._sink(start)
        yield self._watch_error()
        for probe in self._probes:
            yield self._watch(*probe)

    async def _hold_reset(self):
        """Reset the core from one falling edge to another, and set the origin of cycles."""
        port = self._port
        port["rst"].value = 1
        port["s_axis_tvalid"].value = 0
        port["m_axis_tready"].value = 0 if self._job["ready"] else 1
        await Timer(_RESET * _PERIOD, "step")
        port["rst"].value = 0
        self._origin = get_sim_time("step") + _PERIOD // 2

    def _next_sequence(self, start):
        """First sequence of which no beat was accepted."""
        sent = self._job["first_beats"][start] + len(self._segment.inputs)
        return next(i for i, first in enumerate(self._job["first_beats"]) if first >= sent)

    async def _source(self, start):
        job, accepted, edge = self._job, self._segment.inputs, self._edge
        valid, ready = self._port["s_axis_tvalid"], self._port["s_axis_tready"]
        data, last = self._port["s_axis_tdata"], self._port["s_axis_tlast"]
        ready_rises, first = RisingEdge(ready), job["first_beats"][start]
        offers, ends = job["offers"], set(job["ends"])
        base = offers[first] if offers and start else 0
        for beat in range(first, len(job["beats"])):
            if offers and offers[beat] - base > (accepted[-1] + 1 if accepted else 0):
                valid.value = 0
                await self._before(offers[beat] - base)
            data.value, last.value, valid.value = job["beats"][beat], int(beat in ends), 1
            await edge
            while ready.value != 1:
                await ready_rises
                await edge
            accepted.append(self.cycle())
            self._judge_input(first)
        valid.value = 0

    async def _before(self, cycle):
        """Wait until just after the clock edge before the one of ``cycle``."""
        waits = (cycle - 1) * _PERIOD + self._origin - _PERIOD // 2 - get_sim_time("step")
        if waits > 0:
            await Timer(waits, "step")
        await self._edge

    def _judge_input(self, first):
        cycles, accepted = self._job["input_cycles"], self._segment.inputs
        if cycles and not self._segment.start and cycles[len(accepted) - 1] != accepted[-1]:
            self._stop.set()

    async def _sink(self, start):
        """Take transfers as they come, with ``m_axis_tready`` always high."""
        valid, edge = self._port["m_axis_tvalid"], self._edge
        valid_rises = RisingEdge(valid)
        while True:
            await edge
            while valid.value != 1:
                await valid_rises
                await edge
            self._take(start, self._offer())

    async def _paced_sink(self, start):
        """Take transfers as the pattern of ``m_axis_tready`` allows, looking at every cycle."""
        pattern, edge = self._job["ready"], self._edge
        valid, ready = self._port["m_axis_tvalid"], self._port["m_axis_tready"]
        cycle, waiting = 0, None
        while True:
            willing = pattern[cycle % len(pattern)]
            ready.value = willing
            await edge
            offer = self._offer() if valid.value == 1 else None
            if waiting is not None and offer != waiting:
                self._segment.faults.append([cycle, waiting, offer])
                self._stop.set()
            waiting = None if willing else offer
            if offer is not None and willing:
                self._take(start, offer)
            cycle += 1

    def _offer(self):
        return [_number(self._port[port])
                for port in ("m_axis_tdata", "m_axis_tuser", "m_axis_tlast")]

    def _take(self, start, offer):
        """Write a transfer down; stop the core if it is wrong, or soon if it is the last."""
        job, outputs = self._job, self._segment.outputs
        cycle = self.cycle()
        place = job["first_transfers"][start] + len(outputs)
        outputs.append([cycle, *offer])
        expected = job["transfers"][place] if place < len(job["transfers"]) else None
        late = job["output_cycles"] and not start and expected is not None \
            and job["output_cycles"][place] != cycle
        if offer != expected or late:
            self._stop.set()
        elif place == len(job["transfers"]) - 1:
            cocotb.start_soon(self._stop_later())
        if offer[2]:
            self._report()

    async def _stop_later(self):
        """Leave time for a transfer too many."""
        await Timer(self._job["drain"] * _PERIOD, "step")
        self._stop.set()

    async def _watch_error(self):
        """Write ``error`` down at each edge before which it has changed."""
        error, edge = self._port["error"], self._edge
        while True:
            await edge
            self._segment.error.append([self.cycle(), _number(error)])
            await error.value_change

    async def _watch(self, name, valid, data, signed):
        """Write down an internal value each time that it is valid."""
        values = self._segment.probes[name] = []
        edge, valid_rises = self._edge, RisingEdge(valid)
        while True:
            await edge
            while valid.value != 1:
                await valid_rises
                await edge
            values.append([self.cycle(), _signed(data) if signed else _number(data)])


def _signed(handle):
    value = handle.value
    try:
        return value.to_signed() if hasattr(value, "to_signed") else -int(value)
    except ValueError:
        return str(value)


def _descend(handle, path):
    for name in path.split("."):
        handle = handle[name]
    return handle


class _Progress:
    """Tells the process outside how many sequences have come out."""

    def __init__(self):
        self._done = 0

    def __call__(self):
        self._done += 1
        print(f"ternloom-bench {self._done}", flush=True)


@cocotb.test()
async def bench(top):
    """Run the job that the environment names, and leave the results beside it."""
    path = os.environ["TERNLOOM_BENCH"]
    with open(path) as file:
        jobs = json.load(file)["cases"]
    top.clk.value = 0
    Clock(top.clk, _PERIOD, "step", impl="gpi", set_action=Immediate).start(start_high=False)
    report = _Progress()
    tasks = [cocotb.start_soon(_Core(top, index, job, report).run())
             for index, job in enumerate(jobs)]
    results = [await task for task in tasks]
    with open(f"{path}.part", "w") as file:
        json.dump({"cases": results, "cycles": get_sim_time("step") // _PERIOD}, file)
    os.replace(f"{path}.part", f"{path}.result")
