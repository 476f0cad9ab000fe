"""Set-up on a machine that lacks packages: what is installed, or what the user is told to do."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest


SCRIPT = pathlib.Path(__file__).resolve().parent.parent / ".ci" / "system"


@pytest.fixture
def machine(tmp_path):
    """A folder of programs that is all of PATH: a shell's own, and a Python."""
    for program in ("sh", "cat", "env", "mktemp", "rm"):
        (tmp_path / program).symlink_to(shutil.which(program))
    wrapper(tmp_path / "python3", f'exec {sys.executable} "$@"')
    return tmp_path


def wrapper(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def setup(machine):
    """Run the script; returns its status, output and errors."""
    done = subprocess.run([SCRIPT], env={"PATH": str(machine)}, capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def programs(machine, *names):
    for name in names:
        wrapper(machine / name, "exit 0")


def user(machine, number):
    wrapper(machine / "id", f"echo {number}")


def package_manager(machine):
    wrapper(machine / "apt-get", f'echo "$0 $*" >> {machine}/asked')


def asked(machine):
    """What the package manager was asked for, without its path."""
    return (machine / "asked").read_text().replace(f"{machine}/", "").splitlines()


def test_complete_machine(machine):
    programs(machine, "iverilog", "g++", "make", "perl")
    package_manager(machine)
    user(machine, 0)
    assert setup(machine) == (0, "", "")
    assert not os.path.exists(machine / "asked")


def test_root(machine):
    programs(machine, "make", "perl")
    package_manager(machine)
    user(machine, 0)
    status, out, _ = setup(machine)
    assert status == 0
    assert "ternloom: Icarus Verilog is missing\n" in out
    assert asked(machine) == [
        "apt-get update -qq",
        "apt-get install -qq -y --no-upgrade --no-install-recommends iverilog g++"]
    assert out.endswith("ternloom: installing iverilog g++ with apt-get, a minute or two\n")


def test_sudo(machine):
    programs(machine, "g++", "make", "perl")
    package_manager(machine)
    user(machine, 1000)
    wrapper(machine / "sudo", f'echo "sudo $*" >> {machine}/asked')
    assert setup(machine)[0] == 0
    assert asked(machine) == ["sudo apt-get update -qq",
                              "sudo apt-get install -qq -y --no-upgrade --no-install-recommends "
                              "iverilog"]


def test_failure(machine):
    """What the package manager says is seen where it fails, and only there."""
    programs(machine, "g++", "make", "perl")
    user(machine, 0)
    wrapper(machine / "apt-get", "echo 'Unpacking'; echo 'E: no network' >&2; exit 100")
    status, out, err = setup(machine)
    assert (status, err) == (1, "Unpacking\nE: no network\n")
    assert out.endswith("ternloom: installing iverilog with apt-get, a minute or two\n")
    wrapper(machine / "apt-get", "echo 'Unpacking'; echo 'debconf: delaying' >&2")
    status, out, err = setup(machine)
    assert (status, err) == (0, "") and "Unpacking" not in out


def test_neither(machine):
    programs(machine, "g++", "make", "perl")
    package_manager(machine)
    user(machine, 1000)
    status, _, err = setup(machine)
    assert status == 1
    assert err == "ternloom: run this as root, then make again:\n" \
                  "    apt-get update && apt-get install -y --no-install-recommends iverilog\n"
    assert not os.path.exists(machine / "asked")


def test_other_system(machine):
    programs(machine, "g++", "make", "perl")
    user(machine, 0)
    status, _, err = setup(machine)
    assert status == 1
    assert err.startswith("ternloom: install what is missing with your system's package manager")


def test_old_python(machine):
    wrapper(machine / "python3", "exit 1")
    status, _, err = setup(machine)
    assert status == 1
    assert err == "ternloom: Python must be 3.11 or newer, python3 is not; " \
                  "try make PYTHON=python3.11\n"


PIP = """
echo "Obtaining file:///home/me/ternloom"
echo "Collecting numpy>=2 (from ternloom==0.1.0)"
echo "  Downloading numpy-2.3.5-cp311.whl (16.6 MB)"
echo "Collecting rich"
echo "$@" >&2
exit {}
"""


@pytest.mark.parametrize("status", [0, 3])
def test_packages(machine, status):
    """Python packages are named as they come, and a failure of pip is one of the whole."""
    wrapper(machine / "python3", PIP.format(status))
    done = subprocess.run([SCRIPT.with_name("packages"), machine / "python3", "--editable", "."],
                          capture_output=True, text=True, check=False)
    assert done.stdout == "ternloom: installing Python packages, a GB or more, which takes " \
                          "minutes: numpy rich\n"
    assert done.stderr == "-m pip install --disable-pip-version-check --progress-bar off " \
                          "--editable .\n"
    assert done.returncode == status


def test_no_python(machine):
    os.unlink(machine / "python3")
    assert setup(machine) == (1, "", "ternloom: python3 is missing, see PYTHON=\n")
