"""Simulation of generated cores, compared with the golden model and the timing model."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import time

from ternloom.files.durable import scratch
from ternloom.hw import verilog
from ternloom.sim import build
from ternloom.sim.case import Case
from ternloom.sim.compare import Mismatch, checked, first_mismatch, first_probe_mismatch
from ternloom.sim.tools import version
from ternloom.sim.wrapper import bench_top, renamed


__all__ = ["Report", "simulate", "simulate_many"]


#: Cycles that a core gets beyond those predicted before it counts as silent.
_PATIENCE = 1000


@dataclasses.dataclass(frozen=True)
class Report:
    """What became of a simulation.

    Parameters
    ----------
    simulator : str
        With its version.
    cycles : int
        Clock cycles simulated, resets included.
    transfers : int
        Transfers compared, in and out.
    mismatch : Mismatch or None
        First difference, as deep in the core as probes can tell.
    symptom : Mismatch or None
        First difference at the ports.
    seconds : float
        From Verilog to judgement; of all cases together where several ran in one simulation.
    waves : str or None
        Path of the wave file.
    """

    simulator: str
    cycles: int
    transfers: int
    mismatch: Mismatch | None
    symptom: Mismatch | None
    seconds: float
    waves: str | None = None

    @property
    def exact(self):
        """Whether everything agreed."""
        return self.mismatch is None


def simulate(mapping, sequences, *, simulator="verilator", design=None, offers=None, ready=None,
             resets=(), waves=None, work_dir=None, progress=None):
    """Simulate one core and compare every transfer with the models, without tolerance.

    Parameters
    ----------
    mapping : Mapping
    sequences : list of integer array (steps, inputs)
        Input codes.
    simulator : str
        "verilator" or "icarus".
    design, offers, ready, resets
        As of ``Case``.
    waves : path, optional
        Wave file to write: .vcd, or with Icarus .fst.
    work_dir : path, optional
        Folder, made if need be, that keeps the sources and the build; by default a temporary one.
    progress : callable, optional
        Called with sequences done and sequences in all.

    Returns
    -------
    Report

    Raises
    ------
    ToolNotFound, SimulationError, ValueError
    """
    case = Case(mapping, tuple(sequences), design, _tuple(offers), _tuple(ready), tuple(resets))
    return simulate_many([case], simulator=simulator, waves=waves, work_dir=work_dir,
                         progress=progress)[0]


def _tuple(values):
    return None if values is None else tuple(int(value) for value in values)


def simulate_many(cases, *, simulator="verilator", waves=None, work_dir=None, progress=None):
    """Simulate several cores at once, in one build and one run.

    Takes and raises what ``simulate`` does.

    Parameters
    ----------
    cases : list of Case

    Returns
    -------
    list of Report
        One a case.
    """
    cases = list(cases)
    build.check_tools(simulator)
    build.check_waves(simulator, waves)
    began = time.monotonic()
    with _folder(work_dir) as folder:
        setup = _Setup(cases, simulator, folder)
        records, cycles = setup.run("bench", waves=waves, progress=progress)
        symptoms = [first_mismatch(case, record)
                    for case, record in zip(cases, records, strict=True)]
        mismatches = list(symptoms)
        for index, symptom in enumerate(symptoms):
            if symptom is not None:
                mismatches[index] = setup.explain(index) or symptom
    seconds = time.monotonic() - began
    return [Report(version(simulator), cycles, checked(record), mismatch, symptom, seconds,
                   None if waves is None else os.fspath(waves))
            for record, mismatch, symptom in zip(records, mismatches, symptoms, strict=True)]


@contextlib.contextmanager
def _folder(path):
    if path is None:
        with scratch() as folder:
            yield folder
    else:
        path = pathlib.Path(path)
        path.mkdir(parents=True, exist_ok=True)
        yield path


class _Setup:
    """Cases with their designs, under a simulator, in a folder."""

    def __init__(self, cases, simulator, folder):
        self._cases = cases
        self._simulator = simulator
        self._folder = folder
        self._designs = [case.design if case.design is not None
                         else verilog.generate(case.mapping) for case in cases]

    def explain(self, index):
        """Run a failing case again with probes; the first wrong intermediate, or None."""
        probes = list(getattr(self._designs[index], "probes", ()))
        if not probes:
            return None
        alone = _Setup([dataclasses.replace(self._cases[index], design=self._designs[index])],
                       self._simulator, self._folder)
        records, _ = alone.run(f"probe{index}", probes=probes)
        return first_probe_mismatch(self._cases[index], records[0], probes)

    def run(self, name, *, waves=None, progress=None, probes=()):
        """Build and run; returns a record for each case, and the cycles of the whole."""
        folder = self._folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        sources = self._write_sources(folder)
        job = folder / "job.json"
        tasks = [_job(case, probes) for case in self._cases]
        job.write_text(json.dumps({"cases": tasks}))
        part = None if waves is None else folder / f"waves{pathlib.Path(waves).suffix}"
        build.build(self._simulator, folder, sources, waves=part, public=bool(probes),
                    cycles=max(task["limit"] for task in tasks))
        total = sum(len(case.sequences) for case in self._cases)
        build.execute(self._simulator, folder, job, waves=part,
                      on_line=_Meter(progress, total))
        if waves is not None:
            shutil.move(part, waves)
        results = json.loads(pathlib.Path(f"{job}.result").read_text())
        return results["cases"], results["cycles"]

    def _write_sources(self, folder):
        modules, names = [], []
        for index, design in enumerate(self._designs):
            modules.append(f"{design.name}_{index}")
            names.append(f"core{index}.v")
            (folder / names[-1]).write_text(renamed(design.verilog, design.name, modules[-1]))
            for number, text in enumerate(getattr(design, "sources", ())):
                names.append(f"core{index}_{number}.v")
                (folder / names[-1]).write_text(text)
        (folder / "bench_top.v").write_text(bench_top(self._cases, modules))
        return [*names, "bench_top.v"]


class _Meter:
    """Turns the lines that a bench prints into calls of ``progress``."""

    def __init__(self, progress, total):
        self._progress = progress
        self._total = total

    def __call__(self, line):
        if self._progress is not None and line.startswith("ternloom-bench "):
            self._progress(int(line.split()[1]), self._total)


def _job(case, probes):
    """What the bench is told of a case."""
    beats, ends = case.beats
    inputs, outputs = case.cycles()
    drain = min(outputs[0], 4096) + 64
    limit = outputs[-1] + _PATIENCE + drain
    if case.ready is not None:
        limit = (limit + len(case.transfers)) * -(-len(case.ready) // sum(case.ready)) * 2
    return {"beats": beats, "ends": ends, "first_beats": case.first_beats, "offers": case.offers,
            "ready": case.ready, "resets": case.resets, "limit": limit, "drain": drain,
            "first_transfers": case.first_transfers,
            "transfers": [[t.data, t.user, t.last] for t in case.transfers],
            "input_cycles": inputs if case.ready is None else None,
            "output_cycles": outputs if case.ready is None else None,
            "probes": [{"valid": p.valid, "data": p.data, "signed": p.signed} for p in probes]}
