"""The network file: round trips, and a clear line for each thing that can be wrong with one."""

import dataclasses
import json
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest
import safetensors.numpy

from storing import forge, parts
from edit import edited, refed
from ternloom.files import dataset
from ternloom.files.network import load, save
from ternloom.model.alphabet import (ALPHABETS, BINARY, EXPONENTIAL, INTEGER, PLANES, QUATERNARY,
                                     TERNARY)
from ternloom.model.cell import CELLS, GRU_RESET_AFTER, GRU_RESET_BEFORE, LSTM
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Binary, Fixed, Planes, Ternary
from ternloom.model.matrix import Matrix
from ternloom.model.network import embedding_type


def arrays(network):
    """Every array of a network."""
    found = []
    for layer in network.layers:
        found += [layer.input.codes, layer.input.coefficients, layer.recurrent.codes,
                  layer.recurrent.coefficients, layer.bias]
        found += [] if layer.recurrent_bias is None else [layer.recurrent_bias]
    found += [] if network.embedding is None else [network.embedding]
    readout = network.readout
    if readout is None:
        return found
    return [*found, readout.weights.codes, readout.weights.coefficients, readout.bias]


def values(network):
    """Everything of a network that isn't an array."""
    layers = [(layer.cell, layer.units, layer.input_format, layer.state_format, layer.precision,
               layer.input.weight, layer.recurrent.weight, layer.shift) for layer in network.layers]
    readout = network.readout
    ends = None if readout is None else (readout.input_format, readout.weights.weight,
                                         readout.shift, readout.logits, readout.when)
    return network.name, layers, ends, network.labels, network.notes


def same(one, other):
    if values(one) != values(other) or len(arrays(one)) != len(arrays(other)):
        return False
    return all(a.dtype == b.dtype and np.array_equal(a, b)
               for a, b in zip(arrays(one), arrays(other), strict=True))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture
def small(path):
    """A ternary network, saved."""
    network = random_network(3, cell=GRU_RESET_AFTER, layers=1, units=4, inputs=3, classes=2,
                             input_format=Fixed(8, 5), state_format=Ternary(),
                             weight=TERNARY)
    save(network, path)
    return network


def refusal(path):
    """What the file is refused with, less its path: one line."""
    with pytest.raises(NetworkError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"network file {path} ") and "\n" not in message
    return message.removeprefix(f"network file {path} ")


@pytest.mark.parametrize("seed", range(30))
def test_round_trip(seed, path):
    drawn = random_network(seed)
    labels = tuple(f"class {index}" for index in range(drawn.readout.classes))
    network = edited(drawn, name="name", labels=labels, notes={"recipe": "none", "ü": "\n"})
    save(network, path)
    assert same(load(path), network)
    first = path.read_bytes()
    save(load(path), path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("weight", ALPHABETS.values())
def test_packing(weight, path):
    """Numbers of codes that do and don't fill their last byte."""
    for inputs in range(1, 11):
        network = random_network(inputs, layers=1, units=3, inputs=inputs, weight=weight)
        save(network, path)
        assert same(load(path), network)


def with_codes(weight, codes):
    """A network whose input codes are given, one row of a gate."""
    network = random_network(1, layers=1, units=1, inputs=len(codes), cell=GRU_RESET_BEFORE)
    matrix = Matrix(weight, np.array([[codes] * 3], dtype=np.int8), np.ones((1, 3), np.int32))
    layer = refed(network.layers[0], matrix=matrix)
    return edited(network, layers=(layer,))


@pytest.mark.parametrize("weight, codes, bits", [
    (QUATERNARY, (-2, -1, 1, 2, 1), 2), (QUATERNARY, (-1, 1), 2),
    (EXPONENTIAL, (1, -1), 1), (EXPONENTIAL, (2, -1, 1), 2),
    (EXPONENTIAL, (-16, 16, 5, -1, 9), 5), (EXPONENTIAL, (-8, 7), 4),
    (INTEGER, (0, 1, -2), 2), (INTEGER, (-128, 127, 0, -1, 64), 8),
    (INTEGER, (3, -4, 2), 3), (INTEGER, (0, 0), 2),
])
def test_codes_of_several_bits(weight, codes, bits, path):
    """Every code comes back, from as many bits as those in use take."""
    network = with_codes(weight, codes)
    save(network, path)
    assert same(load(path), network)
    document, tensors = parts(path)
    assert tensors["layer0.input.codes"].nbytes == -(-3 * len(codes) * bits // 8)
    stored = document["nodes"][0]["operands"][0]["matrix"]["bits"]
    assert stored == (None if weight == QUATERNARY else bits)


@pytest.mark.parametrize("weight, bits", [("ternary", 2), ("integer", None), ("binary", 1)])
def test_bits_of_alphabet(weight, bits, path, small):
    document, tensors = parts(path)
    document = changed(document, "nodes.0.operands.0.matrix.weight", weight)
    forge(path, changed(document, "nodes.0.operands.0.matrix.bits", bits), tensors)
    assert refusal(path) == (f"must have bits for exponential and integer codes only, not {bits} "
                             f"for {weight} ones")


def test_size(path):
    """Ternary codes take 1.6 bits, others one a plane."""
    for weight, bits in ((TERNARY, 1.6), (BINARY, 1)):
        save(random_network(1, cell=LSTM, layers=1, units=50, inputs=50, weight=weight), path)
        _, tensors = parts(path)
        assert tensors["layer0.input.codes"].nbytes == 4 * 50 * 50 * bits / 8


@pytest.mark.parametrize("form", [
    Binary(), Ternary(), Planes((5, 2), 3), Planes((4, 2, 1), 3), Fixed(8, 5), Fixed(5, 2),
    Fixed(16, 9), Fixed(8, 0, signed=False)])
def test_embedding(form, path):
    """Every code of a format, in numbers that do and don't fill the last byte."""
    codes = (np.arange(form.low, form.high + 1) if isinstance(form, Fixed)
             else np.array(form.levels))
    for inputs in (1, 3, 8):
        drawn = random_network(inputs, layers=1, units=3, inputs=inputs, input_format=form,
                               readout=False)
        embedding = np.resize(codes, (max(5, -(-len(codes) // inputs)), inputs))
        network = dataclasses.replace(drawn, embedding=embedding.astype(embedding_type(form)))
        save(network, path)
        assert same(load(path), network)
        assert parts(path)[1]["embedding"].nbytes == -(-embedding.size * form.width // 8)


def test_unsound_embedding(path):
    drawn = random_network(1, layers=1, units=3, inputs=3, input_format=Ternary(), readout=False)
    save(dataclasses.replace(drawn, embedding=np.ones((5, 3), dtype=np.int8)), path)
    document, tensors = parts(path)
    for place, flipped, message in (
            (0, 0b11, "is invalid: embedding must hold codes of Ternary(threshold=1, "
                      "threshold_frac=1), and word 0 does not"),
            (3, 0x40, "is invalid: embedding must be padded with zeros after its 30 bits")):
        packed = tensors["embedding"].copy()
        packed[place] ^= flipped
        forge(path, document, tensors | {"embedding": packed})
        assert refusal(path) == message


def test_no_readout(path):
    drawn = random_network(1, layers=2, readout=False)
    save(drawn, path)
    assert same(load(path), drawn)
    assert load(path).readout is None
    assert "readout.bias" not in parts(path)[1]


def test_overwriting(path, small):
    other = random_network(4)
    save(other, path)
    assert same(load(path), other)
    assert os.listdir(path.parent) == [path.name]


def test_failed_writing(tmp_path, small):
    with pytest.raises(NetworkError, match=r"^network file .*/none/net cannot be written: No such "
                                           "file or directory$"):
        save(small, tmp_path / "none" / "net")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NetworkError, match="^network file .*/folder cannot be written: Is a "
                                           "directory$"):
        save(small, tmp_path / "folder")
    assert sorted(os.listdir(tmp_path)) == ["folder", "net.safetensors"]


def test_missing_file(path):
    assert refusal(path) == "cannot be read: No such file or directory"


def test_folder(tmp_path):
    assert refusal(tmp_path) == "cannot be read: Is a directory"


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"PK\x03\x04" + bytes(100), b"x" * 500])
def test_no_safetensors(path, content):
    path.write_bytes(content)
    assert refusal(path) == "is not a safetensors file"


def test_every_truncation(path, small):
    data = path.read_bytes()
    for length in range(9, len(data)):
        path.write_bytes(data[:length])
        assert refusal(path).startswith("is truncated")


def test_long_header(path):
    path.write_bytes(((1 << 24) + 1).to_bytes(8, "little") + b"{}")
    assert refusal(path) == "has a header of 16777217 bytes, and at most 16777216 are allowed"


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_other_tool(path, metadata):
    path.write_bytes(safetensors.numpy.save({"weight": np.zeros(3)}, metadata=metadata))
    assert refusal(path) == "was not written by Ternloom: it has no metadata 'ternloom'"


def test_data_file(path):
    data = dataset.Dataset("d", [np.zeros((1, 1), dtype=np.int16)], dataset.Labels(("a",), [0]),
                           np.array(["test"]), Ternary())
    dataset.save(data, path)
    assert refusal(path) == "holds a data set, not a network"


@pytest.mark.parametrize("version, message", [
    (4, "was written by a newer Ternloom: it has version 4, and this one reads up to 3"),
    (0, "must have version 1 or higher, not 0"),
])
def test_version(path, small, version, message):
    document, tensors = parts(path)
    forge(path, document | {"version": version, "unheard": 1}, tensors)
    assert refusal(path) == message


NOT_SOUND = "has an invalid description: "


@pytest.mark.parametrize("text, message", [
    ("{", "Input data was truncated"),
    ("[" * 100000, "maximum recursion depth exceeded while deserializing an object"),
    ("[]", "it must be a table, not an empty array"),
    ('{"kind": "network"}', "version is missing; it must be a whole number"),
])
def test_no_description(path, small, text, message):
    forge(path, text, parts(path)[1])
    assert refusal(path) == NOT_SOUND + message


def changed(document, place, value):
    """A description with the value at a dotted place replaced, or removed if it is ``...``."""
    *outer, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    inner = document
    for key in outer:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return document


@pytest.mark.parametrize("place, value, message", [
    ("colour", 1, "unknown key 'colour'; the known ones are kind, version, digest, name, nodes, "
                  "words, labels, notes, scaling, output_scaling"),
    ("nodes.0.operands.0.matrix.stride", 1,
     "unknown key 'stride' in nodes[0].operands[0].matrix; the known ones are weight, planes, "
     "rows, columns, bits"),
    ("nodes.0.state_format.width", 2, "unknown key 'width' in nodes[0].state_format; the known "
                                       "ones are threshold, threshold_frac, type"),
    ("nodes.1.logits.overflow", "wrap",
     "nodes[1].logits.overflow must be one of saturate, not 'wrap'"),
    ("nodes.0.cell", "elman", f"nodes[0].cell must be one of {', '.join(CELLS)}, not 'elman'"),
    ("nodes.0.units", ...,
     "nodes[0].units is missing; it must be a whole number from 1 to 1048576"),
    ("nodes.0.units", 0, "nodes[0].units must be a whole number from 1 to 1048576, not 0"),
    ("nodes.0.units", "4", "nodes[0].units must be a whole number from 1 to 1048576, not "
                            "the text '4'"),
    ("nodes.0.shift", 41, "nodes[0].shift must be a whole number from 0 to 40, not 41"),
    ("nodes.0.operands.0.matrix.planes", 5,
     "nodes[0].operands[0].matrix.planes must be a whole number from 1 to 4, not 5"),
    ("nodes.0.type", "reverse", "nodes[0].type must be one of layer, readout, not 'reverse'"),
    ("nodes.0.inputs", ["input", "input"],
     "nodes[0].inputs must have 1 entries, one per operand, not 2"),
    ("nodes.0.inputs", ["layer1"], "no node takes the input"),
    ("nodes.0.operands", [], "nodes[0].operands must be an array of 1 to 16 entries, not an empty "
                             "array"),
    ("nodes", [], "nodes must be an array of 1 to 128 entries, not an empty array"),
    ("nodes.0.state_format.type", "posit",
     "nodes[0].state_format.type must be one of fixed, binary, ternary, planes, online, not "
     "'posit'"),
    ("nodes.0.precision.gate_frac", 1,
     "nodes[0].precision: Gate fraction bits must be 0 (comparators) or from 2 to 15, not 1"),
    ("notes.age", 3, "notes.age must be text, not 3"),
])
def test_bad_description(path, small, place, value, message):
    document, tensors = parts(path)
    forge(path, changed(document, place, value), tensors)
    assert refusal(path) == NOT_SOUND + message


@pytest.mark.parametrize("place, value, message", [
    ("nodes.0.operands.0.matrix.columns", 1 << 20,
     "has layer0.input.codes as U8 of shape (8,); it must be U8 of shape (2516583,)"),
    ("nodes.0.units", 5, "has layer0.bias as I32 of shape (12,); it must be I32 of shape (15,)"),
    ("nodes.0.cell", "lstm",
     "has a tensor that is not in its description: 'layer0.recurrent_bias'"),
    ("nodes.0.operands.0.matrix.weight", "binary",
     "has layer0.input.codes as U8 of shape (8,); it must be U8 of shape (5,)"),
])
def test_description_of_other_tensors(path, small, place, value, message):
    document, tensors = parts(path)
    forge(path, changed(document, place, value), tensors)
    assert refusal(path) == message


def test_too_many_codes(path, small):
    document, tensors = parts(path)
    changed(document, "nodes.0.operands.0.matrix.rows", 1 << 20)
    forge(path, changed(document, "nodes.0.operands.0.matrix.columns", 1 << 20), tensors)
    assert refusal(path) == "has 1099511627832 codes, and at most 268435456 are allowed"


@pytest.mark.parametrize("name, change, message", [
    ("layer0.bias", None, "has no tensor layer0.bias"),
    ("extra", lambda _: np.zeros(1, dtype=np.int32),
     "has a tensor that is not in its description: 'extra'"),
    ("layer0.bias", lambda bias: bias.astype(np.float32),
     "has layer0.bias as F32 of shape (12,); it must be I32 of shape (12,)"),
    ("readout.bias", lambda bias: bias[:1],
     "has readout.bias as I32 of shape (1,); it must be I32 of shape (2,)"),
    ("layer0.input.codes", lambda codes: codes | 0xf3,
     "is invalid: layer0.input.codes must be bytes below 243, of five ternary codes each, "
     "not {most}"),
    ("layer0.input.codes", lambda codes: codes * 0 + 242,
     "is invalid: layer0.input.codes must be padded with zero bits after 36 codes"),
    ("layer0.recurrent.coefficients", lambda coefficients: coefficients | 1 << 25,
     "is invalid: layer0.recurrent.coefficients must be from -16777215 to 16777215"),
    ("layer0.bias", lambda bias: bias | 1 << 30,
     "is invalid: layer0.bias must be less than 2**30 in magnitude"),
    ("layer0.bias", lambda bias: bias ^ 1,
     "is damaged or was edited: its digest does not match its content"),
])
def test_bad_tensor(path, small, name, change, message):
    document, tensors = parts(path)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors.get(name))
    forge(path, document, tensors, signed=not message.startswith("is damaged"))
    assert refusal(path) == message.format(most=tensors[name].max() if change else None)


@pytest.mark.parametrize("place, value, message", [
    ("labels", ["one"], "is invalid: labels must have 2 entries, one per class, not 1"),
    ("nodes.1.operands.0.format.threshold", 3,
     "is invalid: readout.operands[0].format must be that of layer0, "
     "Ternary(threshold=1, threshold_frac=1), not Ternary(threshold=3, threshold_frac=1)"),
    ("nodes.1.inputs", ["layer9"],
     "is invalid: readout must take the input or a node before it, not 'layer9'"),
    ("name", "other", "is damaged or was edited: its digest does not match its content"),
    ("digest", ..., "is damaged or was edited: its digest does not match its content"),
])
def test_inconsistent_description(path, small, place, value, message):
    document, tensors = parts(path)
    forge(path, changed(document, place, value), tensors, not message.startswith("is damaged"))
    assert refusal(path) == message


def test_plane_weights_of_one_alphabet(path):
    """A file may not mix a weight's name and the number of its planes."""
    network = random_network(5, layers=1, weight=PLANES, state_format=Planes((2, 1), 1))
    planes = 4
    while network.layers[0].input.planes != planes:
        network = random_network(network.layers[0].units + planes, layers=1, weight=PLANES)
        planes -= 1
    save(network, path)
    document, tensors = parts(path)
    forge(path, changed(document, "nodes.0.operands.0.matrix.weight", "binary"), tensors)
    rows, columns = network.layers[0].rows, network.inputs
    assert refusal(path) == ("is invalid: layer0.input.codes must have the shape (planes, "
                             "rows, columns) with 1 to 1 planes, not "
                             f"({network.layers[0].input.planes}, {rows}, {columns})")


@pytest.mark.parametrize("seed", range(8))
def test_damage(path, small, seed):
    """Flipped bits, overwritten and missing bytes: the same network or a refusal."""
    rng = np.random.default_rng(seed)
    data = path.read_bytes()
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(int(rng.integers(1, 4))):
            place = int(rng.integers(len(damaged)))
            kind = rng.integers(4)
            if kind == 0:
                damaged[place] = int(rng.integers(256))
            elif kind == 1:
                del damaged[place:place + int(rng.integers(1, 9))]
            else:
                damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert same(load(path), small)
        except NetworkError as failure:
            assert "\n" not in str(failure)
            refused += 1
    assert refused > 380


def test_older_description(path, small):
    """A file of version 1, from before embeddings and the sloping factor: its digest is that of
    what it says.
    """
    document, tensors = parts(path)
    del document["words"]
    document["version"] = 1
    layer, readout = document.pop("nodes")
    for node, matrix in ((layer, "input"), (readout, "weights")):
        operand, = node.pop("operands")
        node |= {"input_format": operand["format"], matrix: operand["matrix"]}
        for name in ("type", "name", "inputs"):
            del node[name]
    for name in ("slope", "slope_frac"):
        del layer["precision"][name]
    forge(path, document | {"layers": [layer], "readout": readout}, tensors)
    assert same(load(path), small)


def test_description_spacing(path, small):
    """White space in the JSON is no damage."""
    document, tensors = parts(path)
    forge(path, msgspec.json.format(json.dumps(document), indent=2), tensors)
    assert same(load(path), small)


def limited(path, memory):
    """Load a file in a process that may take so many bytes more than it has after the imports."""
    program = (
        "import resource, sys\n"
        "import ternloom.files.network as file\n"
        "pages = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (pages + {memory},) * 2)\n"
        "try:\n"
        "    network = file.load(sys.argv[1])\n"
        "    print(network.layers[0].input.codes.shape)\n"
        "except file.NetworkError as error:\n"
        "    print(error)\n")
    return subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True,
                          check=True).stdout.strip()


@pytest.mark.parametrize("weight, bits, per_byte", [
    (BINARY, None, 8), (TERNARY, None, 5), (EXPONENTIAL, 5, 1.6)])
def test_memory(weight, bits, per_byte, path, small):
    """Loading takes a byte a code, besides the packed ones."""
    rows, columns = 12, 1 << 20
    count = rows * columns
    packed = np.zeros(-(-count // per_byte) if weight == TERNARY
                      else -(-count * (bits or 1) // 8), dtype=np.uint8)
    document, tensors = parts(path)
    document["nodes"][0]["operands"][0]["matrix"] |= {"weight": weight.name, "bits": bits,
                                                      "columns": columns}
    forge(path, document, tensors | {"layer0.input.codes": packed})
    assert limited(path, count + 2 * packed.nbytes + (24 << 20)) == f"(1, {rows}, {columns})"


def test_memory_of_damaged_file(path, small):
    """The digest comes before anything is unpacked."""
    document, tensors = parts(path)
    columns = 1 << 20
    document["nodes"][0]["operands"][0]["matrix"] |= {"weight": "binary", "columns": columns}
    packed = np.zeros(12 * columns // 8, dtype=np.uint8)
    forge(path, document, tensors | {"layer0.input.codes": packed}, signed=False)
    assert limited(path, 12 * columns // 2) == (
        f"network file {path} is damaged or was edited: its digest does not match its content")


def test_codes_of_all_matrices(path, small):
    """The limit is one of all matrices together."""
    document, tensors = parts(path)
    half = 1 << 27
    for matrix in (document["nodes"][0]["operands"][0]["matrix"],
                   document["nodes"][0]["recurrent"]):
        matrix |= {"rows": 1 << 10, "columns": half >> 10}
    forge(path, document, tensors)
    assert refusal(path) == f"has {2 * half + 8} codes, and at most {2 * half} are allowed"
