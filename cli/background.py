"""A verb in a process of its own, so that two long jobs share the cores."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

from ternloom.cli.console import STAGE
from ternloom.cli.error import MISTAKEN, UserError
from ternloom.sim.process import started


__all__ = ["Background"]

#: Seconds between two looks at the process, and those that it gets to tidy up.
_LOOK, _TIDY = 0.5, 15.0


class Background:
    """A verb that runs beside this process, as a context that it does not outlive.

    Parameters
    ----------
    arguments : sequence of str
        The verb and its arguments; ``--json`` and ``--stages`` are added.
    """

    def __init__(self, arguments):
        self._command = [sys.executable, "-P", "-m", "ternloom.cli", *arguments, "--json",
                         "--stages"]
        self._stack = contextlib.ExitStack()
        self._out = self._err = self._process = None

    def __enter__(self):
        with self._stack as stack:
            # Files rather than pipes: nobody reads while the verb writes.
            self._out = stack.enter_context(tempfile.TemporaryFile("w+"))
            self._err = stack.enter_context(tempfile.TemporaryFile("w+"))
            self._process = stack.enter_context(started(
                self._command, death=signal.SIGTERM, stdout=self._out, stderr=self._err))
            stack.callback(self._interrupt)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        self._stack.close()

    def _interrupt(self):
        """Let the verb tidy up, if it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_TIDY)

    def result(self, report):
        """Wait for the verb, and return what it prints.

        Parameters
        ----------
        report : callable
            Called now and then with ``text``, the stage that the verb is in.

        Raises
        ------
        UserError
            The verb's own, in its words.
        """
        while True:
            try:
                status = self._process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                told = re.findall(rf"^{STAGE}(.*)\n", self._told(), re.MULTILINE)
                report(text=told[-1] if told else None)
        if status == MISTAKEN:
            last = self._told().strip().rpartition("\n")[2]
            raise UserError(last.removeprefix("ternloom: "))
        if status:
            raise RuntimeError(f"{self._command[4]} ended with status {status}:\n"
                               f"{self._told()}")
        self._out.seek(0)
        return json.load(self._out)

    def _told(self):
        """What the verb wrote on standard error; read where its own writing isn't disturbed."""
        size = os.fstat(self._err.fileno()).st_size
        return os.pread(self._err.fileno(), size, 0).decode()
