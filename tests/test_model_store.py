"""Strict decoding, apart from the files that use it."""

import msgspec
import pytest

from ternloom.model.store import convert


class Leaf(msgspec.Struct, frozen=True, tag="leaf", forbid_unknown_fields=True):
    size: int = 1


class Other(msgspec.Struct, frozen=True, tag="other", forbid_unknown_fields=True):
    name: str = ""


class Tree(msgspec.Struct, forbid_unknown_fields=True):
    leaves: tuple[Leaf | Other, ...] = ()
    first: Leaf = Leaf()


def test_decoding():
    document = {"leaves": [{"type": "other", "name": "a"}], "first": {"type": "leaf", "size": 3}}
    assert convert(Tree, document) == Tree((Other("a"),), Leaf(3))


@pytest.mark.parametrize("document, message", [
    ({"size": 1}, "^unknown field 'size', the known ones are leaves, first$"),
    ({"first": {"type": "leaf", "name": ""}},
     "^unknown field 'name' of first, the known ones are size, type$"),
    ({"leaves": [{"type": "leaf"}, {"type": "other", "size": 1}]},
     r"^unknown field 'size' of leaves\[1\], the known ones are name, type$"),
    ({"leaves": [{"type": "root", "size": 1}]},
     r"^Invalid value 'root' - at `\$\.leaves\[0\]\.type`$"),
    ({"leaves": [3]}, r"^Expected `object`, got `int` - at `\$\.leaves\[0\]`$"),
    ({"first": {"size": "3"}}, r"^Expected `int`, got `str` - at `\$\.first\.size`$"),
    ([], r"^Expected `object`, got `array`$"),
])
def test_errors(document, message):
    with pytest.raises(ValueError, match=message):
        convert(Tree, document)
