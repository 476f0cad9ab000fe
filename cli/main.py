"""The command line's tree: verbs, and how a run of one ends."""

import argparse
import contextlib
import importlib
import importlib.metadata
import os
import signal
import sys
import tempfile
import textwrap
import threading
import time
import warnings

from ternloom.cli.error import INTERRUPTED, MISTAKEN, UserError, message
from ternloom.cli.plain import plain
from ternloom.files.durable import scratch


__all__ = ["VERBS", "main", "parser"]

#: Verbs in the order of the work, each in the module of its name, and their line of help.
VERBS = {
    "demo":     "run the complete flow on a shipped example: accuracy, Verilog, simulation, "
                "bitstream",
    "data":     "make a data file of raw values: codes, parts, scaling, a picture",
    "train":    "train a quantized network from a recipe",
    "convert":  "quantize a float network without training, by any method",
    "info":     "describe a network: layers, memory, cycles; or list the shipped ones",
    "eval":     "measure a network's accuracy on the golden model",
    "compare":  "compare networks: size, error, accuracy and hardware, with a picture",
    "generate": "write a network's Verilog, with test vectors and a report",
    "simulate": "check the Verilog against the golden model, bit for bit and cycle for cycle",
    "synth":    "build a bitstream: utilization, clock and files",
}

#: What an interrupt says that doesn't say more.
_NOTHING = "nothing was left behind"

#: Seconds within which a second Ctrl-C belongs to the first, so that it does not disturb tidying.
_GRACE = 5.0

#: Seconds until an interrupt that was lost is tried again.
_AGAIN = 0.05


#: How argparse begins the message on arguments that are missing.
_MISSING = "the following arguments are required: "


class _Parser(argparse.ArgumentParser):
    """Reports a mistake as one line, as every other mistake is."""

    def error(self, message):
        if message.startswith(_MISSING):
            first = message.removeprefix(_MISSING).split(", ")[0]
            message = f"{first} is missing: {self._help_of(first)}"
        raise UserError(f"{message}; see {self.prog} --help")

    def _help_of(self, name):
        """Line of help of an argument, by what argparse calls it."""
        return next(action.help for action in self._actions
                    if name in ("/".join(action.option_strings), action.metavar))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps names such as ``tang-nano-9k`` in one piece."""

    def _split_lines(self, text, width):
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


def parser(verb=None):
    """The argument parser.

    Parameters
    ----------
    verb : str or None
        The verb to fill in; the others get their line of help alone, so that nothing that they
        need has to be loaded.

    Returns
    -------
    argparse.ArgumentParser
    """
    root = _Parser(prog="ternloom", formatter_class=_Formatter,
                   description="Turn a quantized recurrent network into an FPGA core.",
                   epilog="start with:\n  ternloom demo\n\n"
                          "help on a verb:\n  ternloom VERB --help")
    root.add_argument("--version", action="version",
                      version=f"ternloom {importlib.metadata.version('ternloom')}")
    verbs = root.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    for name, help_line in VERBS.items():
        module = importlib.import_module(f"ternloom.cli.{name}") if name == verb else None
        sub = verbs.add_parser(name, help=help_line, add_help=module is not None,
                               formatter_class=_Formatter,
                               description=module.__doc__ if module else None,
                               epilog=f"example:\n  {module.EXAMPLE}" if module else None)
        if module:
            sub.set_defaults(run=module.run)
            sub.add_argument("--json", action="store_true",
                             help="print the result as JSON, and nothing else")
            # What a verb that runs another one asks for, to tell how far it is.
            sub.add_argument("--stages", action="store_true", help=argparse.SUPPRESS)
            module.arguments(sub)
    return root


def main(arguments=None):
    """Run a verb.

    Parameters
    ----------
    arguments : sequence of str or None
        Those of the process where None.

    Returns
    -------
    int
        0; 1 where the answer is bad, such as a mismatch; 2 after a mistake of the user, told in
        one line; 130 after Ctrl-C.
    """
    try:
        with _interruptible():
            return _run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt as interrupt:
        left = str(interrupt) or _NOTHING
        return _end(f"interrupted, {left}", INTERRUPTED)
    except BrokenPipeError:
        _silence()
        return 1
    except Exception as error:
        line = message(error)
        if line is None:
            raise
        if isinstance(error, OSError):
            _silence()
        return _end(line, MISTAKEN)


def _silence():
    """Let what Python flushes at its end go nowhere, where standard output takes no more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(line, status):
    """Say why it ends, as the last and only word: Amaranth would warn of what wasn't elaborated."""
    warnings.simplefilter("ignore")
    print(f"ternloom: {plain(line)}", file=sys.stderr)
    return status


def _run(arguments):
    if not arguments:
        parser().print_help(sys.stderr)
        return MISTAKEN
    verb = next((word for word in arguments if not word.startswith("-")), None)
    chosen = parser(verb if verb in VERBS else None).parse_args(arguments)
    from ternloom.cli.console import Console
    console = Console(machine=chosen.json, stages=chosen.stages)
    with _temporary():
        outcome = chosen.run(chosen, console)
    console.show(outcome)
    sys.stdout.flush()
    return outcome.status


@contextlib.contextmanager
def _temporary():
    """Collect the temporary files of this process and its children, and remove them at the end.

    A compiler that is killed leaves its own behind.
    """
    before = os.environ.get("TMPDIR"), tempfile.tempdir
    with scratch() as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        try:
            yield
        finally:
            os.environ.pop("TMPDIR")
            os.environ.update({"TMPDIR": before[0]} if before[0] else {})
            tempfile.tempdir = before[1]


@contextlib.contextmanager
def _interruptible():
    """Make the first SIGINT, SIGTERM or SIGHUP a ``KeyboardInterrupt``, and let it tidy up."""
    last = None

    def interrupt(number, frame):
        nonlocal last
        now = time.monotonic()
        if last is None or now - last > _GRACE:
            last = now
            raise KeyboardInterrupt

    def unraisable(lost):
        # Python drops what is raised in a destructor or a lock's callback: interrupt once more.
        nonlocal last
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)
            return
        last = None
        again = threading.Timer(_AGAIN, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()

    hook, sys.unraisablehook = sys.unraisablehook, unraisable
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
