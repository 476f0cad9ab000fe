"""The console script: answers Ctrl-C from the first moment on, while the rest is being loaded."""

import os
import signal


__all__ = ["main"]


def main():
    """Run the command line; returns the exit status."""
    signal.signal(signal.SIGINT, _leave)
    from ternloom.cli.main import main as run

    status = run()
    # All is done: while Python takes itself down, Ctrl-C would only spoil the exit status.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def _leave(number, frame):
    """End at once: before the verbs begin there is nothing to tidy."""
    os.write(2, b"ternloom: interrupted, nothing was left behind\n")
    os._exit(130)
