"""What holds arrays cannot change, and is equal to what has the same content."""

import ast
import copy
import dataclasses
import importlib
import pathlib
import pickle
import re

import numpy as np
import pytest

from edit import edited
from ternloom.cli.calibration import Calibrating
from ternloom.cli.sequences import Stimulus
from ternloom.data.recordings import Recordings
from ternloom.evaluate.accuracy import Decisions
from ternloom.evaluate.answers import Answers
from ternloom.evaluate.errors import compare
from ternloom.files.dataset import Dataset, Labels, Numbers
from ternloom.hw.verilog import Design
from ternloom.mapping.folding import Folding
from ternloom.mapping.image import BlockImage, Image
from ternloom.mapping.mapping import Mapping
from ternloom.mapping.timing import Timing
from ternloom.model.alphabet import BINARY
from ternloom.model.cell import GRU_RESET_AFTER
from ternloom.model.draw import random_network, random_sequences
from ternloom.model.format import Fixed
from ternloom.model.frozen import Frozen, protected
from ternloom.model.golden import Result, run
from ternloom.model.matrix import Matrix
from ternloom.model.network import Layer, Network, Readout
from ternloom.model.scaling import Scaling
from ternloom.quantize.codes import Codes
from ternloom.quantize.floats import FloatLayer, FloatNetwork
from ternloom.quantize.forward import Forward
from ternloom.quantize.quantizer import MatrixQuantizer
from ternloom.quantize.weights import parse
from ternloom.sim.case import Case


ROOT = pathlib.Path(__file__).resolve().parents[2]
AREAS = ("model", "mapping", "quantize", "files", "data", "evaluate", "hw", "sim", "boards",
         "train", "cli")

NETWORK = dataclasses.replace(
    random_network(1, cell=GRU_RESET_AFTER, layers=2, units=4, inputs=3, classes=2,
                   input_format=Fixed(8, 5)),
    name="net", labels=["a", "b"], notes={"from": "here"},
    embedding=np.arange(6, dtype=np.int8).reshape(2, 3))
SEQUENCES = random_sequences(1, NETWORK, 2)
FLOATS = FloatLayer(GRU_RESET_AFTER, *(np.arange(size, dtype=np.float32).reshape(shape)
                                            for size, shape in ((18, (6, 3)), (12, (6, 2)),
                                                                (6, 6), (2, 2))))
FOLDING = Folding.uniform(NETWORK)
PROGRAM = Mapping(NETWORK, FOLDING).images[0]
RESULT = run(NETWORK, SEQUENCES, trace=True)
VALUES = np.arange(4.0).reshape(2, 2)
LABELS, ANSWERS = Labels(["a"], [0]), Answers([np.ones((1, 2), int)], 1, 0.5)

#: An instance of each public class that holds arrays.
INSTANCES = {type(each): each for each in (
    NETWORK, NETWORK.layers[0], NETWORK.layers[0].input, NETWORK.readout, FLOATS,
    FloatNetwork("floats", [FLOATS], np.ones((2, 2)), np.ones(2), np.ones((4, 3)), ["a", "b"]),
    Dataset("data", [np.ones((2, 3), np.int16)], LABELS, ["test"], Fixed(8, 5), {"by": "me"}),
    LABELS, Numbers(["a", "b"], VALUES, Scaling(np.zeros(2), np.ones(2))), ANSWERS,
    compare(dataclasses.replace(NETWORK, output_scaling=Scaling(np.zeros(2), np.ones(2))), ANSWERS,
            Numbers(["a", "b"], VALUES[:1], Scaling(np.zeros(2), np.ones(2)))),
    Codes(np.ones((1, 2, 2), np.int8), np.ones((1, 2)), BINARY),
    MatrixQuantizer((parse("twn"),), np.ones((1, 2))), Forward([VALUES], [VALUES]),
    Timing(np.arange(3), np.arange(2), VALUES), RESULT, RESULT.answers["readout"],
    PROGRAM, PROGRAM.blocks[0], Case(Mapping(NETWORK, FOLDING), SEQUENCES),
    Stimulus("s", SEQUENCES), Scaling(np.zeros(3), np.ones(3)), Recordings([VALUES], ["a"]),
    Calibrating("c", [VALUES], Fixed(8, 5)),
    Decisions(np.eye(2, dtype=int), 2, 3, 0.5, np.arange(2)))}


def classes():
    """Module, name, bases and decorators of every class of the package that holds arrays: of those
    that are made dataclasses, so not of one that says what others have.
    """
    for path in sorted(path for area in AREAS for path in (ROOT / area).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef) or not (node.bases or node.decorator_list):
                continue
            fields = [ast.unparse(each.annotation) for each in node.body
                      if isinstance(each, ast.AnnAssign)]
            told = re.search(r"^\w[\w, ]* : .*\barrays?\b", ast.get_docstring(node) or "", re.M)
            if fields and (told or any("ndarray" in field for field in fields)):
                dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield (f"ternloom.{dotted}", node.name,
                       [ast.unparse(base) for base in node.bases],
                       [ast.unparse(each) for each in node.decorator_list])


CLASSES = list(classes())


@pytest.mark.parametrize("module, name, bases, decorators", CLASSES, ids=lambda value: str(value))
def test_base(module, name, bases, decorators):
    """Every dataclass with an array among its fields is a ``Frozen`` one."""
    assert bases in (["Frozen"], ["Body", "Frozen"], ["Targets"]) and not decorators


def test_instances():
    """No class is forgotten below; those of training have tests that have PyTorch."""
    found = {getattr(importlib.import_module(module), name) for module, name, *_ in CLASSES
             if not module.startswith("ternloom.train.") and not name.startswith("_")}
    assert {Layer, Matrix, Network, Readout, Result, BlockImage, Image} <= found
    assert found == set(INSTANCES)


def arrays(value):
    """Every array in a value."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, Frozen):
        yield from arrays(tuple(getattr(value, each.name) for each in dataclasses.fields(value)))
    else:
        assert not isinstance(value, (list, dict))
        if isinstance(value, tuple):
            for each in value:
                yield from arrays(each)
        elif hasattr(value, "values") and hasattr(value, "keys"):
            yield from arrays(tuple(value.values()))


each_class = pytest.mark.parametrize("kind", INSTANCES, ids=lambda kind: kind.__name__)


@each_class
def test_protection(kind):
    one = INSTANCES[kind]
    found = list(arrays(one))
    assert found
    for array in found:
        with pytest.raises(ValueError, match="^assignment destination is read-only$"):
            array[...] = 0
    for each in dataclasses.fields(one):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, each.name, None)


@each_class
def test_equality(kind):
    one = INSTANCES[kind]
    for other in (copy.deepcopy(one), pickle.loads(pickle.dumps(one)), dataclasses.replace(one)):
        assert other is not one and other == one and hash(other) == hash(one)
        assert other.digest == one.digest
        assert not any(each.flags.writeable for each in arrays(other))
    assert one != 1 and {one: 1}[copy.copy(one)] == 1


@each_class
def test_difference(kind):
    """One bit of one array."""
    one = INSTANCES[kind]
    held = [each.name for each in dataclasses.fields(one)
            if isinstance(getattr(one, each.name), np.ndarray)]
    for name in held:
        changed = getattr(one, name).copy()
        changed.view(np.uint8).reshape(-1)[0] ^= 1
        other = copy.copy(one)
        object.__setattr__(other, name, changed)
        assert other != one and hash(other) != hash(one) and other.digest != one.digest


@each_class
def test_copies(kind):
    """Whoever made the arrays cannot change what was made of them."""
    one = INSTANCES[kind]
    for each in dataclasses.fields(one):
        if isinstance(getattr(one, each.name), np.ndarray):
            given = getattr(one, each.name).copy()
            other = dataclasses.replace(one, **{each.name: given})
            given.view(np.uint8)[...] ^= 1
            assert other == one


@each_class
def test_text(kind):
    text = repr(INSTANCES[kind])
    assert text.startswith(f"{kind.__name__}(") and "\n" not in text and len(text) < 1000


def test_taken_over():
    """What nobody can write to is not copied: a view counts with what it is a view of."""
    array = np.arange(6)
    view = array.view()
    view.flags.writeable = False
    assert protected(view) is not view
    array.flags.writeable = False
    view = array.reshape(2, 3)
    assert protected(view) is view and protected([array])[0] is array
    frozen = np.frombuffer(b"abcd", dtype=np.uint8)
    assert protected(frozen) is frozen


def test_types_differ():
    array = np.arange(3)
    assert Forward([array], []) != Forward([array.astype(np.int32)], [])
    assert Forward([array], []) != Forward([], [array])
    assert Forward([array], []) != Forward([array[None]], [])


def test_names_of_sizes():
    assert repr(NETWORK) == ("Network('net', gru-reset-after, 3-4-4-2, 2 words, "
                             f"digest {NETWORK.digest[:12]})")
    bare = edited(NETWORK, readout=None, embedding=None, labels=())
    assert repr(bare) == f"Network('net', gru-reset-after, 3-4-4, digest {bare.digest[:12]})"
    floats, data = INSTANCES[FloatNetwork], INSTANCES[Dataset]
    assert repr(floats) == ("FloatNetwork('floats', gru-reset-after, 3-2-2, 4 words, "
                            f"digest {floats.digest[:12]})")
    assert repr(data) == ("Dataset('data', 1 sequences of 3 inputs, 1 classes, "
                          f"digest {data.digest[:12]})")


def test_design():
    """What is long or follows from the rest isn't shown."""
    design = Design("top", "module top;\n" * 10000, Mapping(NETWORK, FOLDING), {"arrays": []}, ())
    assert repr(design) == f"Design(name='top', mapping={Mapping(NETWORK, FOLDING)!r})"
    assert hash(design) == hash(dataclasses.replace(design, report={}))
