"""Every reader on damaged files: an error of one line or a sound object, and nothing else.

A file of ours is never silently another one. What is behind its digest is reached by signing the
damaged description anew.
"""

import json
import pathlib
import subprocess
import sys

import pytest


FUZZ = pathlib.Path(__file__).with_name("fuzz.py")
READERS = ("network", "data", "float", "state_dict", "recipe", "text", "calibration", "npz",
           "csv",
           pytest.param("checkpoint", marks=pytest.mark.train))
SIGNED = {"network", "data", "float", "calibration"}
#: Files of a reader in ``make test``, and those that ``make test-all`` adds.
FAST, SLOW = 300, 5000


def fuzz(reader, first, count, folder):
    program = [sys.executable, "-W", "error", FUZZ, reader, str(first), str(count), folder]
    done = subprocess.run(program, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert found["files"] == count
    kinds = ["accepted", "refused"]
    kinds += ["signed accepted", "signed refused"] if reader in SIGNED else []
    assert all(found[kind] > 0 for kind in kinds)


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files(reader, tmp_path):
    fuzz(reader, 0, FAST, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_more_damaged_files(reader, tmp_path):
    fuzz(reader, FAST, SLOW, tmp_path)
