"""Speed of the golden model beside PyTorch's float layer of the same size, on one thread."""

import importlib.util
import time

from ternloom.cli import source
from ternloom.model import golden
from ternloom.model.cell import LSTM


__all__ = ["TITLE", "rows"]

TITLE = "Golden model: time steps a second on one thread, test part of the digits"

#: Runs, of which the fastest counts.
_RUNS = 3


def rows():
    """One row a shipped network of the digits, as dicts."""
    sequences = source.data("digits", "test").sequences
    steps = sum(len(sequence) for sequence in sequences)
    torch = importlib.util.find_spec("torch") is not None
    made = []
    for name in source.shipped("network"):
        network = source.network(name)
        if network.notes.get("data") != "digits":
            continue
        ours = steps / _fastest(lambda: golden.run(network, sequences))
        row = {"network": name, "golden steps/s": f"{ours:,.0f}"}
        theirs = steps / _fastest(_float_run(network, sequences)) if torch else None
        row["PyTorch float steps/s"] = f"{theirs:,.0f}" if torch else "not installed"
        row["ratio"] = f"{ours / theirs:.2f}" if torch else ""
        made.append(row)
    return made


def _fastest(run):
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _float_run(network, sequences):
    """A function that runs a float layer of the same cell and sizes over the sequences."""
    import torch

    torch.set_num_threads(1)
    kind = torch.nn.LSTM if network.layers[0].cell is LSTM else torch.nn.GRU
    units = network.layers[0].units
    layer = kind(network.inputs, units, num_layers=len(network.layers), batch_first=True)
    readout = torch.nn.Linear(units, network.readout.classes)
    batch = torch.nn.utils.rnn.pack_sequence(
        [torch.tensor(sequence, dtype=torch.float32) for sequence in sequences],
        enforce_sorted=False)

    def run():
        with torch.no_grad():
            _, state = layer(batch)
            return readout((state[0] if isinstance(state, tuple) else state)[-1])

    return run
