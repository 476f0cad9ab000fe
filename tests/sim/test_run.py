"""Whole simulations: what they report, write, refuse and leave behind."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from ternloom.hw import verilog
from ternloom.mapping.folding import Folding
from ternloom.mapping.mapping import Mapping
from ternloom.model.draw import random_network, random_sequences
from ternloom.sim.run import simulate
from ternloom.sim.tools import SimulationError, find


SEED = 4


@pytest.fixture(scope="module")
def small():
    """Network, folding, sequences and design of a core that simulates in a second."""
    network = random_network(SEED, layers=1, units=3, inputs=3, classes=2)
    folding = Folding.uniform(network, pe=1, simd=2)
    sequences = random_sequences(SEED, network, 3, (1, 3))
    return network, folding, sequences, verilog.generate(Mapping(network, folding))


def _spoiled(design, verilog):
    return dataclasses.replace(design, verilog=verilog, probes=())


def test_report(small):
    network, folding, sequences, design = small
    done = []
    report = simulate(Mapping(network, folding), sequences, simulator="icarus", design=design,
                      progress=lambda *count: done.append(count))
    assert report.exact
    assert report.symptom is None
    assert report.simulator.startswith("icarus ")
    steps = sum(map(len, sequences))
    beats = steps * -(-network.inputs // folding.input_slots)
    assert report.transfers >= beats + 2 * len(sequences)
    assert report.cycles > report.transfers
    assert report.seconds > 0
    assert report.waves is None
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_default_design(small):
    network, folding, sequences, _ = small
    assert simulate(Mapping(network, folding), sequences[:1], simulator="icarus").exact


@pytest.mark.parametrize("simulator, suffix, start", [("icarus", ".fst", b"\x00"),
                                                      ("icarus", ".vcd", b"$date"),
                                                      ("verilator", ".vcd", b"$version")])
def test_waves(small, tmp_path, simulator, suffix, start):
    network, folding, sequences, design = small
    waves = tmp_path / f"out{suffix}"
    report = simulate(Mapping(network, folding), sequences[:1], simulator=simulator, design=design,
                      waves=waves)
    assert report.exact
    assert report.waves == str(waves)
    content = waves.read_bytes()
    assert content.startswith(start)
    assert len(content) > 1000
    if suffix == ".vcd":
        assert b" gate_z_seen " in content
        assert b"scope module layer0 " in content
    assert os.listdir(tmp_path) == [waves.name]


def test_work_dir(small, tmp_path):
    network, folding, sequences, design = small
    folder = tmp_path / "a" / "b"
    for _ in range(2):
        assert simulate(Mapping(network, folding), sequences[:1], simulator="icarus", design=design,
                        work_dir=folder).exact
    assert "module bench_top" in (folder / "bench" / "bench_top.v").read_text()


@pytest.mark.parametrize("generation", ["-g2001", "-g2005", "-g2009", "-g2012"])
def test_language_generation(small, tmp_path, monkeypatch, generation):
    """The Verilog means the same in each generation of the language."""
    network, folding, sequences, design = small
    script = tmp_path / "iverilog"
    script.write_text(f'#!/bin/sh\nexec {find("iverilog")} {generation} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr("ternloom.sim.build.find",
                        lambda tool: str(script) if tool == "iverilog" else find(tool))
    assert simulate(Mapping(network, folding), sequences, simulator="icarus", design=design).exact


@pytest.mark.parametrize("simulator, tool", [("icarus", "iverilog"), ("verilator", "verilator")])
def test_refused_verilog(small, simulator, tool):
    network, folding, sequences, design = small
    broken = _spoiled(design, f"module {design.name}(input clk); oops endmodule")
    with pytest.raises(SimulationError, match=f"^{tool} could not compile the Verilog:"):
        simulate(Mapping(network, folding), sequences, simulator=simulator, design=broken)


def test_silent_core(small):
    """A core that does nothing is a difference, not a bench that waits."""
    network, folding, sequences, design = small
    head, tail = design.verilog.split("\nendmodule", 1)
    ports = head[head.index("module " + design.name):]
    silent = "\n".join(line for line in ports.splitlines()
                       if line.lstrip().startswith(("module", "input", "output")))
    report = simulate(Mapping(network, folding), sequences, simulator="icarus",
                      design=_spoiled(design, silent + "\nendmodule\n"))
    assert report.mismatch.signal == "s_axis_tready"
    assert report.mismatch.cycle == 0


def test_ended_simulator(small):
    """A simulator that ends before the bench does leaves no report."""
    network, folding, sequences, design = small
    ending = design.verilog.replace("\nendmodule", "\n  initial #100 $finish;\nendmodule", 1)
    with pytest.raises(SimulationError, match="^icarus exited with status 0 and no results:"):
        simulate(Mapping(network, folding), sequences, simulator="icarus",
                 design=_spoiled(design, ending))


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_interrupt(tmp_path, simulator):
    """Ctrl-C ends a simulation, and leaves neither processes nor files."""
    program = (
        "import sys; from ternloom.model.draw import *; from ternloom.sim.run import simulate;"
        "from ternloom.mapping.mapping import Mapping; from ternloom.sim import build;"
        # However long it would be, the compiler need not make it fast.
        "build._LONG = 1 << 62;"
        f"n = random_network({SEED}, layers=1, units=8, inputs=8, classes=2);"
        f"s = random_sequences({SEED}, n, 300, (30, 40));"
        "simulate(Mapping.uniform(n, pe=1, simd=1), s, waves='waves.vcd',"
        f"         simulator={simulator!r}, progress=lambda *count: print(count, flush=True))")
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, text=True,
                               env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == "(1, 300)\n"
    running = _processes(tmp_path)
    assert running
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    assert os.listdir(tmp_path) == []
    for _ in range(100):
        if not _processes(tmp_path):
            break
        time.sleep(0.1)
    assert not _processes(tmp_path)


def _processes(folder):
    """Processes that work below a folder, other than those in the folder itself."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cwd"):
        try:
            place = os.readlink(path)
        except OSError:
            continue
        if place.startswith(f"{folder}{os.sep}"):
            found.append(path.parent.name)
    return found


def test_no_temporary_folder(small, tmp_path, monkeypatch):
    network, folding, sequences, design = small
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    simulate(Mapping(network, folding), sequences[:1], simulator="icarus", design=design)
    assert os.listdir(tmp_path) == []
