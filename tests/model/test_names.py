"""Names that act on whose terminal shows them are refused, and shown escaped."""

import dataclasses
import re

import numpy as np
import pytest

from storing import forge, parts
from ternloom.files import dataset, floats
from ternloom.files import network as file
from ternloom.files.dataset import Dataset, DatasetError, Labels
from ternloom.model.cell import LSTM
from ternloom.model.draw import random_network
from ternloom.model.error import NetworkError
from ternloom.model.format import Ternary
from ternloom.model.names import check_names
from ternloom.quantize.floats import FloatLayer, FloatNetwork


def network(**fields):
    made = random_network(1, layers=1, units=2, inputs=2, classes=2)
    return dataclasses.replace(made, **fields)


def float_network(name="made", labels=(), notes=()):
    layer = FloatLayer(LSTM, *(np.ones(shape, np.float32) for shape in ((4, 2), (4, 1), 4)))
    return FloatNetwork(name, (layer,), np.ones((2, 1), np.float32), np.ones(2, np.float32), None,
                        labels, dict(notes))


def data(name="made", labels=("a", "b"), notes=()):
    return Dataset(name, [np.zeros((1, 1), np.int16)], Labels(labels, [0]), ["test"], Ternary(),
                   dict(notes))


KINDS = {"network": (network, NetworkError, file, "labels"),
         "float network": (float_network, NetworkError, floats, "labels"),
         "data set": (data, DatasetError, dataset, "classes")}

BAD = [
    ({"name": "a\x1b[2Jb"}, r"name must not contain control characters, as 'a\x1b[2Jb' does"),
    ({"name": "a\x00"}, r"name must not contain control characters, as 'a\x00' does"),
    ({"labels": ("a", "b\nc")}, r"labels must not contain control characters, as 'b\nc' does"),
    ({"labels": ("\x9b31m", "b")},
     r"labels must not contain control characters, as '\x9b31m' does"),
    ({"notes": {"\x07": ""}},
     r"names of notes must not contain control characters, as '\x07' does"),
    ({"notes": {"by": "me\n\x1b]0;x\x07"}},
     r"notes must not contain control characters, as 'me\n\x1b]0;x\x07' does"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields, message", BAD, ids=ascii)
def test_constructor(kind, fields, message):
    make, error, _, labels = KINDS[kind]
    message = message.replace("labels", labels)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make(**fields)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields, message", BAD, ids=ascii)
def test_file(tmp_path, kind, fields, message):
    make, error, area, labels = KINDS[kind]
    path = tmp_path / "made"
    area.save(make(), path)
    document, tensors = parts(path)
    named = {labels if name == "labels" else name: value for name, value in fields.items()}
    forge(path, document | named, tensors)
    with pytest.raises(error) as caught:
        area.load(path)
    message = message.replace("labels", labels)
    assert str(caught.value) == f"{kind} file {path} is invalid: {message}"


@pytest.mark.parametrize("kind", KINDS)
def test_allowed(tmp_path, kind):
    """Any script, and notes of several lines."""
    make, _, area, labels = KINDS[kind]
    made = make(name="réseau 网络", labels=("ja", "nö\u200d"), notes={"ü": "two\n\tlines"})
    area.save(made, tmp_path / "made")
    assert area.load(tmp_path / "made") == made


@pytest.mark.parametrize("fields, message", [
    ({"name": 3}, "name must be text, not 3"), ({"labels": ("a", None)},
                                                "labels must be text, not None"),
    ({"notes": {"accuracy": 0.98}}, "notes must be text, not 0.98"),
    ({"notes": {1: "a"}}, "names of notes must be text, not 1")])
def test_other_types(fields, message):
    with pytest.raises(NetworkError, match=f"^{message}$"):
        network(**fields)


def test_long_name():
    """Only what is around the character is shown."""
    with pytest.raises(ValueError, match=r"^word must not contain control characters, "
                                         r"as 'a{30}\\x7fb{30}' does$"):
        check_names("word", ["a" * 99 + "\x7f" + "b" * 99], ValueError)


@pytest.mark.parametrize("name", ["\x85", "\u2028", "\u2029", "\ud800"], ids=ascii)
def test_separators(name):
    with pytest.raises(ValueError, match="^word must not contain control characters, as "):
        check_names("word", [name], ValueError)
