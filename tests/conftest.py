"""Options of the whole suite."""

import gc
import os
import signal

import pytest


__all__ = ["patient", "pytest_addoption", "pytest_collection_finish", "pytest_configure",
           "pytest_ignore_collect", "pytest_sessionfinish"]


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Keep quiet how far a verb is, of which a busy machine would tell among a test's messages."""
    monkeypatch.setattr("ternloom.cli.console._PATIENCE", 3600.0)


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true",
                     help="fail if a test was skipped or expected to fail, or if none ran")


def pytest_configure(config):
    """Hear Ctrl-C also where a shell's background job ignores it, as programs under test inherit.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Kernels for a GPU run without one; it must be known before Triton is imported.
    os.environ.setdefault("TRITON_INTERPRET", "1")


def pytest_ignore_collect(collection_path, config):
    """Leave out the modules that import PyTorch where no training test is wanted."""
    if "not train" in config.getoption("markexpr") and collection_path.match("train/test_*.py"):
        return "\npytestmark = pytest.mark.train\n" in collection_path.read_text() or None
    return None


def pytest_collection_finish():
    """Spare the garbage collector all that lives as long as the session."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session):
    """Turn a skip into a failure, also in the process that collects from xdist's workers."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--no-skips") or reporter is None:
        return
    excused = sum(len(reporter.stats.get(kind, ())) for kind in ("skipped", "xfailed", "xpassed"))
    if excused:
        reporter.write_line(f"{excused} tests were skipped or expected to fail, which --no-skips "
                            "forbids", red=True)
        session.exitstatus = 1
