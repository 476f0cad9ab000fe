"""Data files: round trips, parts, and a clear line for each thing that can be wrong with one."""

import re

import numpy as np
import pytest
import safetensors.numpy

from storing import forge, parts
from edit import edited
from ternloom.files import network as file
from ternloom.files.dataset import Dataset, DatasetError, Labels, load, save
from ternloom.model.draw import random_network
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.rounding import Rounding


KIND = Fixed(8, 5)


def make(form=KIND, count=12, inputs=3, **fields):
    """A data set of random codes."""
    rng = np.random.default_rng(count)
    low, high = ((form.low, form.high) if isinstance(form, Fixed)
                 else (min(form.levels), max(form.levels)))
    sequences = [rng.integers(low, high + 1, (1 + index % 5, inputs)).astype(np.int16)
                 for index in range(count)]
    if isinstance(form, Binary):
        sequences = [np.where(sequence < 0, -1, 1).astype(np.int16) for sequence in sequences]
    values = {"name": "made", "sequences": sequences,
              "targets": Labels(("even", "odd"), np.arange(count) % 2),
              "split": np.array(["train", "valid", "test", "train"])[np.arange(count) % 4],
              "format": form, "notes": {"source": "none"}}
    return Dataset(**values | fields)


def labels(names):
    return Labels(tuple(names), np.zeros(12, dtype=int))


def same(one, other):
    return (one.name == other.name and one.targets == other.targets and one.format == other.format
            and one.notes == other.notes
            and np.array_equal(one.split, other.split)
            and len(one.sequences) == len(other.sequences)
            and all(a.dtype == b.dtype == np.int16 and np.array_equal(a, b)
                    for a, b in zip(one.sequences, other.sequences, strict=True)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.safetensors"


def refusal(path):
    """What the file is refused with, less its path: one line."""
    with pytest.raises(DatasetError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"data set file {path} ") and "\n" not in message
    return message.removeprefix(f"data set file {path} ")


@pytest.mark.parametrize("form, stored", [
    (KIND, np.int8), (Fixed(8, 8, signed=False), np.int16), (Fixed(16, 2), np.int16),
    (Fixed(9, 0), np.int16), (Binary(), np.int8), (Ternary(), np.int8),
    (Planes((2, 1), 1), np.int8),
])
def test_round_trip(path, form, stored):
    data = make(form)
    save(data, path)
    assert same(load(path), data)
    assert parts(path)[1]["codes"].dtype == stored


def test_parts():
    data = make()
    train, valid, test = (data.part(name) for name in ("train", "valid", "test"))
    assert [len(part.sequences) for part in (train, valid, test)] == [6, 3, 3]
    assert set(valid.split) == {"valid"}
    np.testing.assert_array_equal(test.sequences[1], data.sequences[6])
    np.testing.assert_array_equal(test.targets.values, data.targets.values[[2, 6, 10]])
    assert test.name == "made" and test.format == KIND
    with pytest.raises(DatasetError, match="^part must be one of train, valid, test, not 'all'$"):
        data.part("all")


def test_selection():
    taken = make().take([5, 2])
    np.testing.assert_array_equal(taken.sequences[0], make().sequences[5])
    assert taken.targets == Labels(("even", "odd"), [1, 0])


def test_empty_part(path):
    data = make(count=2)
    empty = data.part("test")
    assert (empty.sequences, empty.inputs) == ((), 0)
    with pytest.raises(DatasetError, match="^data set 'made' has no sequences$"):
        save(empty, path)
    assert not path.exists()


@pytest.mark.parametrize("fields, message", [
    ({"targets": Labels(("a",), np.zeros(3, dtype=int))},
     "^labels must have 12 entries, one per sequence, not 3$"),
    ({"targets": Labels(("a",), [np.zeros(1 + index % 4, dtype=int) for index in range(12)])},
     "^labels of sequence 4 must have 5 entries, one per step, not 1$"),
    ({"targets": np.arange(12)}, "^targets must be Labels or Numbers, not array"),
    ({"split": np.array(["test"])},
     r"^split must have the shape \(12,\), one per sequence, not \(1,\)$"),
    ({"split": np.array(["dev"] * 12)}, "^split must be one of train, valid, test, not 'dev'$"),
    ({"sequences": [np.zeros((2, 3 + index // 11), dtype=np.int16) for index in range(12)]},
     r"^sequence 11 must have the shape \(steps, 3\), not \(2, 4\)$"),
    ({"sequences": [np.zeros((index, 3), dtype=np.int16) for index in range(12)]},
     r"^sequence 0 must have the shape \(steps, 3\), not \(0, 3\)$"),
    ({"sequences": [np.full((1, 3), 100 + 10 * index, dtype=np.int16) for index in range(12)]},
     r"^sequence 3 must hold int16 codes of Fixed\(width=8, .*\), not int16 from 130 to 130$"),
    ({"sequences": [np.zeros((1, 3))] * 12},
     r"^sequence 0 must hold int16 codes of Fixed\(width=8, .*\), not float64 from 0.0 to 0.0$"),
])
def test_bad_fields(fields, message):
    with pytest.raises(DatasetError, match=message):
        make(**fields)


def test_match():
    network = random_network(1, inputs=3, classes=2, input_format=Fixed(8, 5), name="net")
    make().match(network)
    make(Fixed(8, 5, rounding=Rounding.HALF_EVEN)).match(network)
    make(targets=labels("a")).match(network)
    make(targets=labels("abc")).match(edited(network, readout=None))
    taken = "but network net expects Fixed(width=8, frac=5)"
    for data, message in (
            (make(inputs=4), "Data made has 4 inputs per step, but network net expects 3"),
            (make(Fixed(8, 4)), f"Data made has codes of Fixed(width=8, frac=4), {taken}"),
            (make(Fixed(7, 5, signed=False)),
             f"Data made has codes of Fixed(width=7, frac=5, signed=False), {taken}"),
            (make(Binary()), f"Data made has codes of Binary(), {taken}"),
            (make(targets=labels("abc")), "Data made has 3 classes, but network net has 2")):
        with pytest.raises(DatasetError, match=f"^{re.escape(message)}$"):
            data.match(network)


@pytest.mark.parametrize("held, taken", [
    (Planes((2, 1), 1), Planes((2, 1), 2)), (Ternary(1, 1), Ternary(1, 4))])
def test_match_of_formats(held, taken):
    """Formats that a few words don't tell apart."""
    network = random_network(1, inputs=3, classes=2, input_format=taken, name="net")
    make(taken).match(network)
    message = f"Data made has codes of {held!r}, but network net expects {taken!r}"
    with pytest.raises(DatasetError, match=f"^{re.escape(message)}$"):
        make(held).match(network)


def test_wide_format(path):
    codes = [np.zeros((1, 3), dtype=np.int16)] * 12
    with pytest.raises(DatasetError, match=r"^data set 'made' has the format Fixed\(width=20, "
                                           r".*\), whose codes do not fit 16 signed bits$"):
        save(make(Fixed(20, 0), sequences=codes), path)


def test_missing_file(path):
    assert refusal(path) == "cannot be read: No such file or directory"


def test_foreign_file(path):
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert refusal(path) == "is not a safetensors file"
    path.write_bytes(safetensors.numpy.save({"x": np.zeros(3)}))
    assert refusal(path) == "was not written by Ternloom: it has no metadata 'ternloom'"


def test_network_file(path):
    file.save(random_network(1), path)
    assert refusal(path) == "holds a network, not a data set"


def test_newer_version(path):
    save(make(), path)
    document, tensors = parts(path)
    forge(path, document | {"version": 7}, tensors)
    assert refusal(path) == ("was written by a newer Ternloom: it has version 7, and this one "
                             "reads up to 1")


def test_every_truncation(path):
    save(make(), path)
    data = path.read_bytes()
    for length in range(9, len(data)):
        path.write_bytes(data[:length])
        assert refusal(path).startswith("is truncated")


@pytest.mark.parametrize("field, value, message", [
    ("colour", 1, "has an invalid description: unknown key 'colour'; the known ones are "
                  "kind, version, digest, name, classes, numbers, every_step, format, notes, "
                  "inputs, sequences, steps, scaling, output_scaling"),
    ("inputs", 4, "has codes as I8 of shape (33, 3); it must be I8 of shape (33, 4)"),
    ("inputs", 0, "has an invalid description: inputs must be a whole number from 1 to "
                  "1048576, not 0"),
    ("sequences", 13, "has offsets as I32 of shape (13,); it must be I32 of shape (14,)"),
    ("sequences", 0, "has no sequences"),
    ("steps", 1 << 26, "has codes as I8 of shape (33, 3); it must be I8 of shape (67108864, 3)"),
    ("classes", ["one"], "is invalid: labels must be from 0 to 0, not 0 to 1"),
    ("name", "other", "is damaged or was edited: its digest does not match its content"),
])
def test_bad_description(path, field, value, message):
    save(make(), path)
    document, tensors = parts(path)
    forge(path, document | {field: value}, tensors, not message.startswith("is damaged"))
    assert refusal(path) == message


def test_too_many_codes(path):
    save(make(), path)
    document, tensors = parts(path)
    forge(path, document | {"steps": 1 << 20, "inputs": 1 << 20}, tensors)
    assert refusal(path) == "has 1099511627776 codes, and at most 1073741824 are allowed"


@pytest.mark.parametrize("name, change, message", [
    ("offsets", lambda offsets: offsets + 1, "is invalid: offsets must rise from 0 to 33"),
    ("offsets", lambda offsets: np.where(offsets == 3, 1, offsets).astype(np.int32),
     "is invalid: offsets must rise from 0 to 33"),
    ("split", lambda split: split + 1, "is invalid: split must be from 0 to 2, not 3"),
    ("labels", lambda labels: labels - 1, "is invalid: labels must be from 0 to 1, not -1 to 0"),
    ("codes", lambda codes: codes ^ 1,
     "is damaged or was edited: its digest does not match its content"),
    ("codes", lambda codes: codes.astype(np.int16),
     "has codes as I16 of shape (33, 3); it must be I8 of shape (33, 3)"),
])
def test_bad_tensor(path, name, change, message):
    save(make(), path)
    document, tensors = parts(path)
    forge(path, document, tensors | {name: change(tensors[name])},
          not message.startswith("is damaged"))
    assert refusal(path) == message


def test_codes_out_of_format(path):
    save(make(Ternary()), path)
    document, tensors = parts(path)
    tensors["codes"][0, 0] = 2
    forge(path, document, tensors)
    assert refusal(path).startswith("is invalid: sequence 0 must hold int16 codes of Ternary(")


@pytest.mark.parametrize("seed", range(3))
def test_damage(path, seed):
    """Flipped bits: the same data or a refusal."""
    rng, original = np.random.default_rng(seed), make()
    save(original, path)
    data, refused = path.read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(data)
        damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert same(load(path), original)
        except DatasetError:
            refused += 1
    assert refused > 280
