"""Reads damaged files, under a limit of memory and time: ``python fuzz.py READER FIRST COUNT DIR``.

Prints one JSON object: how many files were read, accepted and refused, with how many of each under
a right digest, and every failure by its seed. Each file is the same for the same seed.
"""

import dataclasses
import functools
import json
import pathlib
import random
import resource
import signal
import sys
import types

import numpy as np
import safetensors.numpy

from corrupt import corrupt_bytes, corrupt_safetensors, corrupt_toml
from ternloom.files import dataset, floats, text
from ternloom.files import network as file
from ternloom.model.alphabet import INTEGER, TERNARY
from ternloom.model.cell import GRU_RESET_AFTER, LSTM
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.error import NetworkError
from ternloom.model.format import Fixed, Ternary
from ternloom.model.golden import run
from ternloom.model.network import Network
from ternloom.model.scaling import Scaling


#: Address space beyond what the modules take, and processor time of one file.
BYTES, SECONDS = 1 << 30, 10
RECIPES = ("digits-gru-ternary-ternary", "digits-lstm-mixed-gates", "ptb-lstm-hitnet",
           "ptb-gru-float", "digits-gru-online3")


@dataclasses.dataclass
class Reader:
    """A reader and what it may do.

    Parameters
    ----------
    bases : list of bytes
        Sound files.
    read : callable
        From a path to what it holds.
    errors : tuple of type
        What may be raised, with one line.
    corrupt : callable
        From a random generator and two sound files to a damaged one, and whether it has a right
        digest.
    write : callable or None
        Writes what was read to a path: an unsigned change must not change that.
    use : callable
        Of what was read.
    """

    bases: list
    read: object
    errors: tuple
    corrupt: object = corrupt_safetensors
    write: object = None
    use: object = id


def unsigned(corrupt):
    """A mutation of files without a digest."""
    return lambda *args: (corrupt(*args), False)


def written(folder, save, *objects):
    """The bytes of saved objects."""
    found = []
    for one in objects:
        save(one, folder / "base")
        found.append((folder / "base").read_bytes())
    return found


def use_network(network):
    if network.inputs * max(layer.units for layer in network.layers) < 1 << 16:
        try:
            run(network, random_sequences(1, network, 1, (2, 2)))
        except NetworkError as error:
            assert "2**62" in str(error)


def networks(folder):
    drawn = [random_network(1, layers=2, units=3, inputs=4), random_network(2, readout=False),
             random_network(3, layers=1, units=2, inputs=2, weight=INTEGER),
             random_network(4, cell=LSTM, layers=1, state_format="online", units=5)]
    base = random_network(5, layers=1, units=4, inputs=3, classes=6, input_format=Ternary(),
                          weight=TERNARY)
    words = np.array([[-1, 0, 1]] * 6, dtype=np.int8)
    drawn.append(Network.line("words", base.layers, base.readout, labels=tuple("abcdef"),
                         notes={"a": "b"}, embedding=words))
    return Reader(written(folder, file.save, *drawn), file.load, (NetworkError,), write=file.save,
                  use=use_network)


def small_data():
    rng = np.random.default_rng(1)
    sequences = [rng.integers(-8, 8, (steps, 3)).astype(np.int16) for steps in (1, 4, 2, 3, 2, 5)]
    split = np.array(["train", "train", "valid", "valid", "test", "test"])
    labels = dataset.Labels(("a", "b"), np.array([0, 1, 0, 1, 0, 1]))
    return dataset.Dataset("small", sequences, labels, split, Fixed(4, 3), {"source": "drawn"})


def small_tags():
    """A label of every step."""
    data = small_data()
    tags = [np.arange(len(each)) % 2 for each in data.sequences]
    return dataclasses.replace(data, targets=dataset.Labels(("a", "b"), tags))


def small_numbers():
    data = small_data()
    numbers = [np.arange(2.0 * len(each)).reshape(-1, 2) for each in data.sequences]
    scaling = Scaling(np.array([1.0, 2.0]), np.array([0.5, 3.0]))
    return dataclasses.replace(data, targets=dataset.Numbers(("x", "y"), numbers, scaling))


def data(folder):
    return Reader(written(folder, dataset.save, small_data(), small_tags(), small_numbers()),
                  dataset.load,
                  (dataset.DatasetError,), write=dataset.save, use=lambda data: data.part("test"))


def small_floats():
    rng = np.random.default_rng(2)
    for cell, gates in ((LSTM, 4), (GRU_RESET_AFTER, 3)):
        def draw(*shape):
            return rng.normal(size=shape).astype(np.float32)
        extra = draw(3) if cell is GRU_RESET_AFTER else None
        layer = floats.FloatLayer(cell, draw(gates * 3, 3), draw(gates * 3, 3), draw(gates * 3),
                                  extra)
        yield floats.FloatNetwork("small", (layer,), draw(2, 3), draw(2), labels=("a", "b"))


def float_networks(folder):
    return Reader(written(folder, floats.save, *small_floats()), floats.load, (NetworkError,),
                  write=floats.save)


def state_dicts(folder):
    found = []
    for network in small_floats():
        layer = network.layers[0]
        rows = len(layer.bias)
        found.append(safetensors.numpy.save({
            "rnn.weight_ih_l0": layer.input_weight, "rnn.weight_hh_l0": layer.recurrent_weight,
            "rnn.bias_ih_l0": layer.bias, "rnn.bias_hh_l0": np.zeros(rows, np.float32),
            "out.weight": network.readout_weight, "out.bias": network.readout_bias,
            "encoder.weight": np.ones((5, 3), np.float32)}))
    return Reader(found, floats.load, (NetworkError,))


def recipes(folder):
    from ternloom.train.recipe import RecipeError, load_recipe

    examples = pathlib.Path(__file__).resolve().parent.parent / "examples"
    found = [(examples / f"{name}.toml").read_bytes() for name in RECIPES]
    return Reader(found, load_recipe, (RecipeError,), unsigned(corrupt_toml),
                  use=lambda loaded: (loaded.data_path, loaded.start_path))


SPOKEN = " the cat sat on the mat \n\n ünï cödé <unk> wörds \u2028 line\r\nend\n".encode() * 3


def read_text(path):
    tokens = text.read(path)
    return text.encode(tokens, text.build(text.read(path), 1000)), \
        text.encode(tokens, ("the", text.UNKNOWN))


def texts(folder):
    return Reader([SPOKEN, b"a b c\n" * 20], read_text, (text.TextError,), unsigned(corrupt_bytes))


def arguments(**given):
    return types.SimpleNamespace(part="train", sequences=2, vocabulary=None, **given)


def calibrations(folder):
    """Data and texts as the argument of ``convert --calibration`` and ``eval``."""
    from ternloom.cli import calibration, source
    from ternloom.cli.error import UserError

    reference = next(small_floats())
    words = dataclasses.replace(reference, labels=(), embedding=np.ones((4, 3), np.float32))

    def read(path):
        if path.read_bytes()[:1].isascii() and b"__metadata__" not in path.read_bytes()[:100]:
            return calibration.load(words, arguments(calibration=str(path)))
        source.data(str(path), "test")
        return calibration.load(reference, arguments(calibration=str(path)))

    return Reader([*written(folder, dataset.save, small_data()), b"a b <unk>\n" * 5], read,
                  (UserError, dataset.DatasetError, text.TextError, NetworkError),
                  lambda rng, data, other: corrupt_safetensors(rng, data, other)
                  if b"__metadata__" in data else (corrupt_bytes(rng, data, other), False))


def recordings(folder):
    """NPZ files, plain and compressed, whose members lie at any place of the file."""
    from ternloom.data import npz
    from ternloom.data.recordings import RecordingsError

    rng, found = np.random.default_rng(4), []
    arrays = {"X": rng.normal(size=(6, 4, 3)), "y": np.array(list("ababab")),
              "len": np.array([4, 1, 2, 3, 4, 4]),
              "split": np.array(["train", "valid", "test"] * 2)}
    for save, chosen in ((np.savez, arrays), (np.savez_compressed, arrays),
                         (np.savez, {"x_train": arrays["X"], "y_train": np.arange(6) % 2,
                                     "classes": np.array(["no", "yes"])})):
        save(folder / "base.npz", **chosen)
        found.append((folder / "base.npz").read_bytes())
    return Reader(found, npz.read, (RecordingsError,), unsigned(corrupt_bytes))


ROWS = "clip,who,x,y,label\n" + "".join(
    f"{step // 4},{step // 8},{step * 0.37:.2f},{-step},{'ab'[step // 4 % 2]}\n"
    for step in range(24))


def tables(folder):
    from ternloom.data import table
    from ternloom.data.recordings import RecordingsError

    columns = table.Columns("label", "clip", "who")
    return Reader([ROWS.encode()], lambda path: table.read(path, columns), (RecordingsError,),
                  unsigned(corrupt_bytes))


def checkpoints(folder):
    import torch
    from ternloom.train import checkpoint
    from ternloom.train.recipe import RecipeError

    tensors = {"model": {"a": torch.ones(3, 2), "b.c": torch.zeros(4, dtype=torch.int64)},
               "best": {"a": torch.ones(1)}}
    facts = {"epoch": 3, "curve": [[1, 0.5], [2, 0.25]], "best": None}
    checkpoint.save(folder / "base", tensors, facts)
    return Reader([(folder / "base").read_bytes()], checkpoint.load, (RecipeError,),
                  write=lambda held, path: checkpoint.save(path, *held))


READERS = {"network": networks, "data": data, "float": float_networks, "state_dict": state_dicts,
           "recipe": recipes, "text": texts, "calibration": calibrations, "npz": recordings,
           "csv": tables, "checkpoint": checkpoints}


class TooSlow(BaseException):
    """A file that takes more than its time."""


def expire(number, frame):
    raise TooSlow


def limit():
    """Leave ``BYTES`` beyond what is in use."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    signal.signal(signal.SIGPROF, expire)


def attempt(reader, path, expected, signed):
    """Read a file; returns whether it was accepted, and what went wrong or None."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        held = reader.read(path)
        reader.use(held)
        if reader.write is not None and not signed:
            reader.write(held, path)
            if path.read_bytes() not in expected:
                return True, "silently changed"
        return True, None
    except reader.errors as error:
        return False, f"not one line: {error}" if "\n" in str(error) else None
    except (Exception, TooSlow) as error:
        return False, f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def fuzz(name, first, count, folder):
    """Read damaged files; returns the counts and failures."""
    reader = READERS[name](folder)
    path = folder / "file"
    for base in reader.bases:
        path.write_bytes(base)
        assert attempt(reader, path, reader.bases, False) == (True, None)
    found = {"files": 0, "accepted": 0, "refused": 0, "signed accepted": 0, "signed refused": 0,
             "failures": []}
    for seed in range(first, first + count):
        rng = random.Random(f"{name} {seed}")
        base, other = rng.choice(reader.bases), rng.choice(reader.bases)
        damaged, signed = reader.corrupt(rng, base, other)
        path.write_bytes(damaged)
        accepted, failure = attempt(reader, path, reader.bases, signed)
        found["files"] += 1
        found["signed " * signed + ("accepted" if accepted else "refused")] += 1
        if failure is not None:
            found["failures"].append([seed, failure])
    return found


if __name__ == "__main__":
    warm = functools.partial(fuzz, sys.argv[1])
    warm(0, 3, pathlib.Path(sys.argv[4]))
    limit()
    print(json.dumps(warm(*map(int, sys.argv[2:4]), pathlib.Path(sys.argv[4]))))
