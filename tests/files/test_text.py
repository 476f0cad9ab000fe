"""Text as tokens."""

import re

import numpy as np
import pytest

from ternloom.files.text import EOS, UNKNOWN, TextError, build, encode, read


def test_tokens(tmp_path):
    path = tmp_path / "text"
    path.write_text(" the cat  sat \n\n the\tdog\n")
    assert read(path) == ["the", "cat", "sat", EOS, EOS, "the", "dog", EOS]


def test_text_without_newline(tmp_path):
    path = tmp_path / "text"
    path.write_text("a b")
    assert read(path) == ["a", "b", EOS]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_text_without_words(tmp_path, text):
    path = tmp_path / "text"
    path.write_text(text)
    with pytest.raises(TextError, match=f"^Text {re.escape(str(path))} has no words$"):
        read(path)


def test_binary_file(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"ab \xff")
    with pytest.raises(TextError, match=f"^Text {re.escape(str(path))} is not valid UTF-8 "
                                        r"\(byte 3\)$"):
        read(path)


def test_vocabulary_order():
    tokens = "b c a c Z c b a <eos>".split()
    assert build(tokens) == ("c", "a", "b", "<eos>", "Z")
    assert build(tokens, 2) == ("c", "a")
    assert build(reversed(tokens)) == build(tokens)


def test_codes():
    vocabulary = ("the", UNKNOWN, "cat")
    codes = encode(["cat", "the", "mouse"], vocabulary)
    np.testing.assert_array_equal(codes, [2, 0, 1])
    assert codes.dtype == np.int64


def test_unknown_word():
    with pytest.raises(TextError, match="^Word 'mouse' is not in the vocabulary of 2 words, which "
                                        "has no <unk> to replace it$"):
        encode(["mouse"], ("the", "cat"))
