"""Files and folders that are written whole or not at all, and what a killed process leaves."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ternloom.files import durable
from ternloom.files.durable import LOCK, put, replacing, scratch, undisturbed


@pytest.fixture
def waiting():
    """A second thread, which takes signals that the first blocks."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    yield
    end.set()
    thread.join()


def test_undisturbed(waiting):
    """A signal to the process is held back whatever thread takes it, and comes afterwards."""
    done = []
    with pytest.raises(KeyboardInterrupt):
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(20):
                time.sleep(0.005)
            done.append("block")
        done.append("after")
    assert done == ["block"]


def test_undisturbed_nested():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with undisturbed():
            with undisturbed():
                signal.raise_signal(signal.SIGINT)
            done.append("outer")
    assert done == ["outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_undisturbed_in_a_thread():
    """There is nothing to hold back."""
    done = []

    def work():
        with undisturbed():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]


def test_inheritance():
    """What is started in the block hears signals."""
    with undisturbed():
        line = subprocess.run(["grep", "SigBlk", "/proc/self/status"], capture_output=True,
                              text=True, check=True).stdout
    assert int(line.split()[1], 16) == 0


def test_scratch(tmp_path):
    with scratch(tmp_path / "a" / "b.txt") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".b.txt.ternloom-")
        assert os.listdir(folder) == [LOCK]
        (folder / "c").mkdir()
        (folder / "c" / "d").write_text("")
    assert os.listdir(tmp_path) == []


def test_replacing(tmp_path):
    (tmp_path / "a").write_text("first")
    with replacing(tmp_path / "a") as path:
        path.write_text("second")
        assert (tmp_path / "a").read_text() == "first"
    assert (tmp_path / "a").read_text() == "second"
    with pytest.raises(ValueError), replacing(tmp_path / "a") as path:
        path.write_text("half")
        raise ValueError
    assert (tmp_path / "a").read_text() == "second"
    assert os.listdir(tmp_path) == ["a"]


def test_order(tmp_path, monkeypatch):
    """Everything is on the disk before it gets its name, and the name after that."""
    seen = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (
        seen.append(os.path.relpath(os.readlink(f"/proc/self/fd/{handle}"), tmp_path)),
        sync(handle)))
    monkeypatch.setattr(os, "replace", lambda new, place: (seen.append("rename"),
                                                           replace(new, place)))
    (tmp_path / "new" / "sub").mkdir(parents=True)
    (tmp_path / "new" / "one").write_text("1")
    (tmp_path / "new" / "sub" / "two").write_text("2")
    put(tmp_path / "new", tmp_path / "old")
    assert seen == ["new/one", "new", "new/sub/two", "new/sub", "rename", "."]
    assert (tmp_path / "old" / "sub" / "two").read_text() == "2"


HOLDER = """
import pathlib, sys, time
from ternloom.files.durable import scratch
with scratch(sys.argv[1] or None) as folder:
    (folder / "new").mkdir()
    (folder / "new" / "half").write_text("half")
    print(folder, flush=True)
    time.sleep(120)
"""


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """Starts processes that hold a scratch folder; the function returns both."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    started = []

    def start(place=""):
        process = subprocess.Popen([sys.executable, "-c", HOLDER, str(place)],
                                   stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, os.path.basename(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("place", ["", "a"])
def test_sweep(tmp_path, holder, place):
    """A killed process' folder goes with the next scratch folder, a living one's does not."""
    place = place and tmp_path / place
    dead, left = holder(place)
    living, kept = holder(place)
    dead.kill()
    dead.wait()
    assert sorted(os.listdir(tmp_path)) == sorted([left, kept])
    with scratch(place or None):
        pass
    assert os.listdir(tmp_path) == [kept]
    assert (tmp_path / kept / "new" / "half").read_text() == "half"
    assert living.poll() is None


def test_sweep_of_own(tmp_path):
    """One process may hold several."""
    with scratch(tmp_path / "a") as first, scratch(tmp_path / "a") as second:
        assert first != second and first.is_dir()


def test_sweep_of_others(tmp_path, monkeypatch):
    """What only looks like one is nobody's to remove."""
    names = [".a.ternloom-abcdefgh", "ternloom-abcdefgh", "ternloom-examples", "ternloom-abcdefg1"]
    for name in names[:2]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis").write_text("years of work")
    (tmp_path / "ternloom-examples").mkdir()
    (tmp_path / "ternloom-examples" / LOCK).write_text("")
    (tmp_path / "ternloom-abcdefg1").write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / LOCK).write_text("")
    (tmp_path / "ternloom-abcdefg2").symlink_to("elsewhere")
    before = sorted(os.listdir(tmp_path))
    with scratch(tmp_path / "b"):
        pass
    before.remove("ternloom-examples")  # It carries the lock, so it is a scratch folder.
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "elsewhere" / LOCK).exists()


def test_kill_between_two_renames(tmp_path):
    """What had the place before gets it back."""
    left = tmp_path / ".a.ternloom-abcdefgh"
    (left / durable.OLD).mkdir(parents=True)
    (left / durable.OLD / "result").write_text("first")
    (left / LOCK).write_text("")
    with scratch(tmp_path / "b"):
        pass
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a" / "result").read_text() == "first"


def test_no_locks(tmp_path, monkeypatch):
    """On a file system without locks no folder is marked, so that none is swept."""
    def flock(handle, mode):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(durable.fcntl, "flock", flock)
    with scratch(tmp_path / "a") as folder:
        assert os.listdir(folder) == []
        with scratch(tmp_path / "a"):
            assert folder.is_dir()
    assert os.listdir(tmp_path) == []


def test_full_disk(tmp_path, monkeypatch):
    """A lock that cannot be made leaves no folder."""
    def refuse(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable.pathlib.Path, "open", refuse)
    with pytest.raises(OSError, match="No space left on device"), scratch(tmp_path / "a"):
        pass
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []
