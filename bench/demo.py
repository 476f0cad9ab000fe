"""Run the demo and put what it prints into the README.

    make bench
    .venv/bin/python bench/demo.py      # this alone, a few minutes
"""

import os
import pathlib
import subprocess
import sys


__all__ = ["block", "main"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent

#: Between these the README has what the demo prints.
_MARKS = "<!-- demo -->\n", "<!-- /demo -->"


def block(printed, cores):
    """What the README shows of the demo.

    Parameters
    ----------
    printed : str
        Standard output of ``ternloom demo``.
    cores : int
        Of the machine that it ran on.

    Returns
    -------
    str
    """
    lines = (f"    {line}".rstrip() for line in printed.splitlines())
    return f"On a machine of {cores} cores:\n\n" + "\n".join(lines) + "\n"


def main():
    """Run the demo where ``make demo`` does, and write the README."""
    printed = subprocess.run([pathlib.Path(sys.executable).parent / "ternloom", "demo",
                              "--output", "demo"], check=True, cwd=_ROOT, text=True,
                             stdout=subprocess.PIPE).stdout
    readme = _ROOT / "README.md"
    before, start, rest = readme.read_text().partition(_MARKS[0])
    _, end, after = rest.partition(_MARKS[1])
    cores = len(os.sched_getaffinity(0))
    readme.write_text(before + start + block(printed, cores) + end + after)
    print(printed, end="")


if __name__ == "__main__":
    main()
