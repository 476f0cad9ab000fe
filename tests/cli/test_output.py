"""Output folders and files, written whole or not at all."""

import hashlib
import json
import os

import pytest

from ternloom.cli import output
from ternloom.cli.error import UserError


def write(path, text, **rules):
    with output.folder(path, **({"verb": "test"} | rules)) as place:
        (place / "text").write_text(text)


def test_new_folder(tmp_path):
    write(tmp_path / "a" / "b", "first")
    assert (tmp_path / "a" / "b" / "text").read_text() == "first"
    digest = hashlib.sha256(b"first").hexdigest()
    assert json.loads((tmp_path / "a" / "b" / output.MARKER).read_text()) == \
        {"verb": "test", "files": {"text": digest}}
    assert os.listdir(tmp_path / "a") == ["b"]


def test_own_folder(tmp_path):
    write(tmp_path / "a", "first")
    write(tmp_path / "a", "second")
    assert (tmp_path / "a" / "text").read_text() == "second"
    assert os.listdir(tmp_path) == ["a"]


def refused(path, **rules):
    """The line by which a folder is refused."""
    with pytest.raises(UserError) as caught:
        write(path, "second", **rules)
    return str(caught.value)


@pytest.mark.parametrize("name", ["more", "sub/more", "text"])
def test_own_folder_with_more(tmp_path, name):
    """What the user has put into it, or has changed, goes by --force only."""
    write(tmp_path / "a", "first")
    (tmp_path / "a" / "sub").mkdir()
    (tmp_path / "a" / name).write_text("years of work")
    assert refused(tmp_path / "a") == (
        f"Output folder {tmp_path}/a contains {name}, which is not as ternloom wrote it; choose "
        "another with --output, or replace everything with --force")
    assert (tmp_path / "a" / name).read_text() == "years of work"
    write(tmp_path / "a", "second", force=True)
    assert sorted(os.listdir(tmp_path / "a")) == [output.MARKER, "text"]


@pytest.mark.parametrize("marker", ["", "[]", "{}", '{"verb": "test"}',
                                    '{"verb": "test", "files": 1}', "[" * 100_000])
def test_damaged_marker(tmp_path, marker):
    write(tmp_path / "a", "first")
    (tmp_path / "a" / output.MARKER).write_text(marker)
    assert refused(tmp_path / "a").startswith(f"Output folder {tmp_path}/a ")
    assert (tmp_path / "a" / "text").read_text() == "first"


def test_folder_of_another_verb(tmp_path):
    write(tmp_path / "a", "first")
    assert refused(tmp_path / "a", verb="other") == (
        f"Output folder {tmp_path}/a exists and was not written by ternloom other; choose another "
        "with --output, or replace it with --force")
    write(tmp_path / "a", "second", verb="other", force=True)
    assert (tmp_path / "a" / "text").read_text() == "second"


@pytest.mark.parametrize("force", [False, True])
def test_input_in_folder(tmp_path, force):
    write(tmp_path / "a", "first")
    (tmp_path / "a" / "sub").mkdir()
    (tmp_path / "a" / "sub" / "net").write_text("read")
    os.symlink("a/sub/net", tmp_path / "net")
    for name in ("a/sub/net", "net"):
        assert refused(tmp_path / "a", inputs=[tmp_path / name], force=force) == (
            f"Output folder {tmp_path}/a contains {tmp_path}/{name}, which this command "
            "reads; choose another with --output")
    assert (tmp_path / "a" / "sub" / "net").read_text() == "read"


def test_change_during_the_work(tmp_path):
    """What appears in the meantime is not replaced either."""
    write(tmp_path / "a", "first")
    with pytest.raises(UserError, match="contains more, which is not as ternloom wrote it"):
        with output.folder(tmp_path / "a", verb="test") as place:
            (place / "text").write_text("second")
            (tmp_path / "a" / "more").write_text("years of work")
    assert (tmp_path / "a" / "text").read_text() == "first"
    assert sorted(os.listdir(tmp_path / "a")) == [output.MARKER, "more", "text"]
    assert os.listdir(tmp_path) == ["a"]


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
    with pytest.raises(UserError):
        write(tmp_path / "a", "first", force=True)
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
        assert str(caught.value) == f"Output folder {path} must not be the current folder " \
                                    "or contain it"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", ["none", "own"])
def test_failure(tmp_path, error, before):
    if before == "own":
        write(tmp_path / "a", "first")
    with pytest.raises(error), output.folder(tmp_path / "a", verb="test") as place:
        (place / "text").write_text("half")
        raise error
    assert os.listdir(tmp_path) == (["a"] if before == "own" else [])
    if before == "own":
        assert (tmp_path / "a" / "text").read_text() == "first"


def mine(path):
    """Whether a file is taken for the command's own."""
    return path.read_text().startswith("mine")


def test_file(tmp_path):
    for text in ("mine, first", "mine, second"):
        with output.file(tmp_path / "a" / "b.txt", own=mine) as path:
            path.write_text(text)
        assert (tmp_path / "a" / "b.txt").read_text() == text
        assert os.listdir(tmp_path / "a") == ["b.txt"]


def test_file_with_companion(tmp_path):
    with output.file(tmp_path / "b.txt", own=mine, beside=(".csv",)) as path:
        path.write_text("one")
        path.with_suffix(".csv").write_text("two")
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"b.txt": "one",
                                                                            "b.csv": "two"}


def test_file_failure(tmp_path):
    with pytest.raises(KeyboardInterrupt), output.file(tmp_path / "b.txt", own=mine) as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_file_in_place_of_a_folder(tmp_path):
    with pytest.raises(UserError) as caught, output.file(tmp_path, own=mine):
        pass
    assert str(caught.value) == f"Output file {tmp_path} is a folder"


@pytest.mark.parametrize("taken", ["b.txt", "b.csv"])
def test_foreign_file(tmp_path, taken):
    """Neither the file nor one beside it is written over; the refusal comes before the work."""
    (tmp_path / taken).write_text("years of work")
    with pytest.raises(UserError) as caught:
        with output.file(tmp_path / "b.txt", own=mine, beside=(".csv",)):
            raise AssertionError("the work has begun")
    assert str(caught.value) == (
        f"Output {tmp_path}/{taken} exists and was not written by this command; choose another "
        "with --output, or replace it with --force")
    with output.file(tmp_path / "b.txt", own=mine, beside=(".csv",), force=True) as path:
        path.write_text("one")
        path.with_suffix(".csv").write_text("two")
    assert (tmp_path / taken).read_text() in ("one", "two")


def test_foreign_file_during_the_work(tmp_path):
    with pytest.raises(UserError, match="b.csv exists and was not written by this command"):
        with output.file(tmp_path / "b.txt", own=mine) as path:
            path.write_text("one")
            path.with_suffix(".csv").write_text("two")
            (tmp_path / "b.csv").write_text("years of work")
    assert os.listdir(tmp_path) == ["b.csv"]
    assert (tmp_path / "b.csv").read_text() == "years of work"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_input_file(tmp_path, force, link):
    """By whatever name, and even where it looks like the command's own."""
    (tmp_path / "data").write_text("mine")
    link(tmp_path / "data", tmp_path / "b.csv")
    with pytest.raises(UserError) as caught:
        with output.file(tmp_path / "b.txt", own=mine, beside=(".csv",), force=force,
                         inputs=[tmp_path / "missing", tmp_path / "data"]):
            raise AssertionError("the work has begun")
    assert str(caught.value) == (f"Output {tmp_path}/b.csv is a file that this command reads; "
                                 "choose another with --output")


def test_same_file_twice(tmp_path):
    with pytest.raises(UserError) as caught:
        with output.file(tmp_path / "b.csv", own=mine, beside=(".csv",)):
            pass
    assert str(caught.value) == (f"Output {tmp_path}/b.csv must not end in .csv, like a file "
                                 "written beside it")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "../a", ".a", "a\0b", "a\nb",
                                  "a\x1b[2J"])
def test_default_of_a_hostile_name(name):
    with pytest.raises(UserError) as caught:
        output.default(name, ".safetensors")
    assert str(caught.value) == (f"{name!r} cannot be used as the name of the output file; choose "
                                 "another with --output")


def test_default():
    assert output.default("motions v1.2", ".safetensors").name == "motions v1.2.safetensors"
