"""Processes that do not outlive the block that started them, nor this process."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess

from ternloom.files.durable import ending, undisturbed


__all__ = ["started"]


@contextlib.contextmanager
def started(command, *, death=signal.SIGKILL, **settings):
    """Start a process in a session of its own, and end it and all that it started with the block.

    Ctrl-C comes before the process is there or within the block, never in between.

    Parameters
    ----------
    command : sequence of str
    death : signal.Signals
        What the process gets when this one dies, on systems that can tell it.
    **settings
        Those of ``subprocess.Popen``.

    Yields
    ------
    subprocess.Popen
    """
    process = None

    def end():
        if process is None:
            return
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    with ending(end):
        with undisturbed():
            process = subprocess.Popen([*_mortal(death), *command], stdin=subprocess.DEVNULL,
                                       start_new_session=True, **settings)
        yield process


@functools.cache
def _mortal(death):
    """Words before a command that tie its life to that of this thread, if the system has them.

    A program of its own does it, since Python code between fork and exec may hang where there are
    other threads.
    """
    program = shutil.which("setpriv", path="/usr/bin:/bin")
    if program is None:
        return ()
    words = program, "--pdeathsig", death.name.removeprefix("SIG"), "--"
    tried = subprocess.run([*words, "true"], stdin=subprocess.DEVNULL, capture_output=True,
                           check=False)
    return () if tried.returncode else words
