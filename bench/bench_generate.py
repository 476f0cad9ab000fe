"""Seconds and memory to generate a large core, beside the floors."""

import json
import subprocess
import sys


__all__ = ["TITLE", "rows"]

TITLE = "Generating an LSTM of 1024 units on 1024 inputs, ternary/ternary, 64 elements of 32 lanes"

#: Most seconds and GiB that it may take.
_SECONDS, _MEMORY = 20.0, 4.0

#: Runs by itself, so that its memory is its own.
_CHILD = """\
import json, resource, time
from ternloom.model.alphabet import TERNARY
from ternloom.hw.verilog import generate
from ternloom.mapping.mapping import Mapping
from ternloom.model.format import Ternary
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network

network = random_network(1, cell=LSTM, layers=1, units=1024, inputs=1024, classes=10,
                         input_format=Ternary(), state_format=Ternary(), weight=TERNARY)
mapping = Mapping.uniform(network, pe=64, simd=32)
before = time.process_time(), time.perf_counter()
design = generate(mapping)
seconds = time.perf_counter() - before[1]
usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps({"seconds": seconds, "memory": max(each.ru_maxrss for each in usage) / 2**20,
                  "processor": time.process_time() - before[0] + usage[1].ru_utime
                               + usage[1].ru_stime,
                  "verilog": len(design.verilog) / 1e6}))
"""


def rows():
    """One row, as a dict."""
    answer = subprocess.run([sys.executable, "-c", _CHILD], check=True, capture_output=True,
                            text=True)
    found = json.loads(answer.stdout)
    return [{
        "seconds":           f"{found['seconds']:.1f}",
        "floor":             f"{_SECONDS:g}",
        "processor seconds": f"{found['processor']:.1f}",
        "peak GiB":          f"{found['memory']:.2f}",
        "floor GiB":         f"{_MEMORY:g}",
        "MB of Verilog":     f"{found['verilog']:.1f}",
    }]
