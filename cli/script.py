"""The console script: answers Ctrl-C from the first moment on, while the rest is being loaded."""

import os
import signal


__all__ = ["main"]


def main():
    """Run the command line; returns the exit status."""
    signal.signal(signal.SIGINT, _leave)
    from ternloom.cli.main import main as run

    return run()


def _leave(number, frame):
    """End at once: before the verbs begin and after they have ended there is nothing to tidy."""
    os.write(2, b"ternloom: interrupted, nothing was left behind\n")
    os._exit(130)
