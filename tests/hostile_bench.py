"""A hostile bench: what docs/design.md promises of a core's ports, and nothing that it does not.

It knows nothing of ``ternloom.sim.bench``. The clock is driven by hand: inputs change while it is
low, everything is looked at just before it rises. Whatever a core must not look at is unknown where
the simulator has unknown values, and random where it hasn't: data and ``tlast`` while ``tvalid`` is
low, slots beyond the vector, everything but the reset while that is high.
"""

import json
import os
import random

import cocotb
from cocotb.triggers import Timer
from cocotb.types import Logic, LogicArray


__all__ = ["hostile"]


#: Cycles without a transfer after which a core counts as silent.
_PATIENCE = 30000


class _Wrong(Exception):
    """What a core did against its contract."""


class _Bench:
    def __init__(self, top, job):
        self._top = top
        self._job = job
        self._random = random.Random(job["seed"])
        self._cycle = 0

    def _rubbish(self, width):
        """Bits that a core must not look at, highest first."""
        draw = self._random
        if self._job["unknown"] and draw.random() < 0.8:
            return "X" * width
        return "".join(draw.choice("01X" if self._job["unknown"] else "01") for _ in range(width))

    def _set(self, port, bits):
        getattr(self._top, port).value = Logic(bits) if len(bits) == 1 and port not in (
            "s_axis_tdata",) else LogicArray(bits)

    def _see(self, port):
        """Value of an output, which must be known."""
        bits = str(getattr(self._top, port).value)
        if set(bits) - {"0", "1"}:
            raise _Wrong(f"cycle {self._cycle}: {port} is {bits}")
        return int(bits, 2)

    def _need(self, port, expected):
        value = self._see(port)
        if value != expected:
            raise _Wrong(f"cycle {self._cycle}: {port} must be {expected}, not {value}")

    async def _edge(self, look):
        """Let a clock cycle pass; ``look`` sees the ports just before the rising edge."""
        top = self._top
        top.clk.value = 0
        await Timer(5, "ns")
        look()
        top.clk.value = 1
        await Timer(5, "ns")
        self._cycle += 1

    async def run(self):
        for episode in self._job["episodes"]:
            await self._reset(episode["reset"])
            await self._play(episode)

    async def _reset(self, cycles):
        def look():
            self._need("s_axis_tready", 0)
            self._need("m_axis_tvalid", 0)
        for _ in range(cycles):
            self._set("rst", "1")
            for port in ("s_axis_tvalid", "s_axis_tlast", "m_axis_tready"):
                self._set(port, self._rubbish(1))
            self._set("s_axis_tdata", self._rubbish(self._job["width"]))
            await self._edge(look)
        self._set("rst", "0")

    def _word(self, beat):
        """A beat's bits: its codes, rubbish in slots beyond the vector, then zeros."""
        width, job = self._job["code_width"], self._job
        codes = "".join(f"{code:0{width}b}" for code in reversed(beat["codes"]))
        spare = self._rubbish(job["slots"] * width - len(codes))
        return "0" * (job["width"] - job["slots"] * width) + spare + codes

    async def _play(self, episode):
        """Send beats and take transfers, until the episode's end or all are through."""
        draw, beats, due = self._random, episode["beats"], episode["transfers"]
        sent = taken = quiet = error = 0
        offering, waiting = False, None
        for _ in range(episode["cycles"]):
            if not offering:
                offering = sent < len(beats) and draw.random() < episode["send"]
                word = self._word(beats[sent]) if offering else self._rubbish(self._job["width"])
                self._set("s_axis_tdata", word)
                self._set("s_axis_tlast",
                          str(beats[sent]["last"]) if offering else self._rubbish(1))
            self._set("s_axis_tvalid", str(int(offering)))
            willing = draw.random() < episode["take"]
            self._set("m_axis_tready", str(int(willing)))
            seen = {}

            def look():
                seen["ready"] = self._see("s_axis_tready")
                seen["valid"] = self._see("m_axis_tvalid")
                self._need("error", error)
                if seen["valid"]:
                    seen["offer"] = [self._see(f"m_axis_{port}")
                                     for port in ("tdata", "tuser", "tlast")]
            await self._edge(look)
            offer = seen.get("offer")
            if waiting is not None and offer != waiting:
                raise _Wrong(f"cycle {self._cycle}: {waiting} was taken back for {offer}")
            waiting = None if willing else offer
            quiet += 1
            if offering and seen["ready"]:
                error |= beats[sent]["short"]
                sent, offering, quiet = sent + 1, False, 0
            if offer is not None and willing:
                expected = due[taken] if taken < len(due) else "nothing"
                if offer != expected:
                    raise _Wrong(f"cycle {self._cycle}: transfer {taken} must be {expected}, "
                                 f"not {offer}")
                taken, quiet = taken + 1, 0
            if sent == len(beats) and taken == len(due) and quiet > 300:
                return
            if quiet > _PATIENCE:
                raise _Wrong(f"cycle {self._cycle}: silent after {sent} beats of {len(beats)} and "
                             f"{taken} transfers of {len(due)}")
        if episode["whole"]:
            raise _Wrong(f"cycle {self._cycle}: too long")


@cocotb.test()
async def hostile(top):
    """Run the job that the environment names; its result is what was wrong, if anything."""
    path = os.environ["TERNLOOM_BENCH"]
    with open(path) as file:
        bench = _Bench(top, json.load(file))
    result = ""
    try:
        await bench.run()
    except _Wrong as wrong:
        result = str(wrong)
    with open(f"{path}.result", "w") as file:
        file.write(result)
