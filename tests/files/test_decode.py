"""Strict decoding, apart from the files that use it, and its plain words."""

import msgspec
import pytest

from ternloom.files.decode import convert


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
    ({"size": 1}, "^unknown key 'size'; did you mean 'first.size'[?]$"),
    ({"first": {"type": "leaf", "name": ""}},
     "^unknown key 'name' in first; the known ones are size, type$"),
    ({"leaves": [{"type": "leaf"}, {"type": "other", "size": 1}]},
     r"^unknown key 'size' in leaves\[1\]; the known ones are name, type$"),
    ({"leaves": [{"type": "root", "size": 1}]},
     r"^leaves\[0\]\.type must be one of leaf, other, not 'root'$"),
    ({"leaves": [3]}, r"^leaves\[0\] must be a table, not 3$"),
    ({"first": {"size": "3"}}, r"^first.size must be a whole number, not the text '3'$"),
    ([], r"^it must be a table, not an empty array$"),
])
def test_errors(document, message):
    with pytest.raises(ValueError, match=message):
        convert(Tree, document)
