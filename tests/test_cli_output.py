"""Output folders and files, written whole or not at all."""

import json
import os

import pytest

from ternloom.cli import output
from ternloom.cli.error import UserError


def write(path, text):
    with output.folder(path, verb="test") as place:
        (place / "text").write_text(text)


def test_new_folder(tmp_path):
    write(tmp_path / "a" / "b", "first")
    assert (tmp_path / "a" / "b" / "text").read_text() == "first"
    assert json.loads((tmp_path / "a" / "b" / output.MARKER).read_text()) == {"verb": "test"}
    assert os.listdir(tmp_path / "a") == ["b"]


def test_own_folder(tmp_path):
    write(tmp_path / "a", "first")
    (tmp_path / "a" / "more").write_text("")
    write(tmp_path / "a", "second")
    assert (tmp_path / "a" / "text").read_text() == "second"
    assert os.listdir(tmp_path) == ["a"]
    assert not (tmp_path / "a" / "more").exists()


def test_empty_folder(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", "first")
    assert (tmp_path / "a" / "text").read_text() == "first"


def test_foreign_folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis").write_text("years of work")
    with pytest.raises(UserError) as caught:
        write(tmp_path / "a", "first")
    assert str(caught.value) == f"Output folder {tmp_path}/a exists and was not written by " \
                                "ternloom; choose another with --output, or remove it"
    assert os.listdir(tmp_path / "a") == ["thesis"]
    assert os.listdir(tmp_path) == ["a"]


def test_file_in_place_of_folder(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(UserError, match=r"^Output folder .*/a exists and is not a folder$"):
        write(tmp_path / "a", "first")


def test_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (".", ".."):
        with pytest.raises(UserError) as caught:
            write(path, "first")
        assert str(caught.value) == "Output folder must not be the current one or above it, " \
                                    f"not {path}"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", ["none", "own"])
def test_failure(tmp_path, error, before):
    if before == "own":
        write(tmp_path / "a", "first")
    with pytest.raises(error), output.folder(tmp_path / "a") as place:
        (place / "text").write_text("half")
        raise error
    assert os.listdir(tmp_path) == (["a"] if before == "own" else [])
    if before == "own":
        assert (tmp_path / "a" / "text").read_text() == "first"


def test_file(tmp_path):
    for text in ("first", "second"):
        with output.file(tmp_path / "a" / "b.txt") as path:
            path.write_text(text)
        assert (tmp_path / "a" / "b.txt").read_text() == text
        assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_file_with_companion(tmp_path):
    with output.file(tmp_path / "b.txt") as path:
        path.write_text("one")
        path.with_suffix(".csv").write_text("two")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"b.txt": "one",
                                                                            "b.csv": "two"}


def test_file_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt), output.file(tmp_path / "b.txt") as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_file_in_place_of_a_folder(tmp_path):
    with pytest.raises(UserError) as caught, output.file(tmp_path):
        pass
    assert str(caught.value) == f"Output file {tmp_path} must not be a folder"
