"""NPZ and CSV files, sound ones and all kinds of others."""

import numpy as np
import pytest

from ternloom.data import npz, table
from ternloom.data.recordings import RecordingsError


X = np.arange(24.0).reshape(4, 3, 2)


def stored(tmp_path, **arrays):
    path = tmp_path / "some.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("values, labels, lengths", [
    ("X", "y", "len"), ("inputs", "labels", "lengths"), ("x", "target", "len"),
])
def test_names(tmp_path, values, labels, lengths):
    path = stored(tmp_path, **{values: X, labels: np.array(["a", "b", "a", "b"]),
                               lengths: np.array([3, 2, 1, 3])})
    found, classes = npz.read(path)
    assert classes == () and found.labels == ("a", "b", "a", "b") and found.split is None
    assert [len(each) for each in found.sequences] == [3, 2, 1, 3]
    assert np.array_equal(found.sequences[1], X[1, :2])


def test_parts(tmp_path):
    """A file that is already split, with classes by index, of one input."""
    found, classes = npz.read(stored(
        tmp_path, X_train=X[:3, :, 0].astype(np.float32), y_train=np.uint8([1, 0, 1]),
        X_test=X[3:, :, 0].astype(np.float32), y_test=np.uint8([0]),
        classes=np.array(["no", "yes"])))
    assert (classes, found.labels) == (("no", "yes"), ("yes", "no", "yes", "no"))
    assert found.split == ("train", "train", "train", "test") and found.inputs == 1


@pytest.mark.parametrize("arrays, told", [
    ({"y": [1]}, "there are no values: an array X, x or inputs, or X_train and X_test; the arrays "
                 "are y"),
    ({"X": X}, "there are no labels: an array y, labels, target with one class per sequence"),
    ({"X": X, "y": [1, 2]}, r"y must have 4 entries, one per sequence, not the shape \(2,\)"),
    ({"X": X[0, 0], "y": [1]}, r"X must hold numbers \(sequences, steps, inputs\), not float64 "
                               r"\(2,\)"),
    ({"X": X, "y": [0, 1, 2, 0], "classes": ["a", "b"]},
     "y must be from 0 to 1, indices into classes, not 2 of sequence 2"),
    ({"X": X, "y": [0.5] * 4}, "y must hold integers or names, not float64"),
    ({"X": X, "y": [0] * 4, "len": [1, 2, 3, 4]},
     "len must be from 1 to 3, the steps of X, not 4 of sequence 3"),
    ({"X": X * np.nan, "y": [0] * 4}, "sequence 0, step 0, input 0 is nan, not a number; fill or "
                                      "drop it first"),
])
def test_unsound_npz(tmp_path, arrays, told):
    path = stored(tmp_path, **arrays)
    with pytest.raises(RecordingsError, match=f"^{path}: {told}$"):
        npz.read(path)


def test_pickles_and_damage(tmp_path):
    path = stored(tmp_path, X=np.array([{}], dtype=object))
    with pytest.raises(RecordingsError, match="cannot be read as NPZ: it holds Python objects$"):
        npz.read(path)
    whole = stored(tmp_path, X=X, y=[0, 1, 0, 1]).read_bytes()
    random = np.random.default_rng(3)
    refused = 0
    for _ in range(200):
        damaged = bytearray(whole[:int(random.integers(len(whole) // 2, len(whole) + 1))])
        for place in random.integers(len(damaged), size=3):
            damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        try:
            npz.read(path)
        except RecordingsError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100
    with pytest.raises(RecordingsError, match="cannot be read: No such file or directory$"):
        npz.read(tmp_path / "none.npz")


CSV = """person, clip,part,time,x,y,label
ann,1,train,0,1.5,2,up
ann,1,train,1,1e3,-2,up
bob,2,test,0,0.25,4,down

bob,2,test,1,0.5,5,down
"""
COLUMNS = table.Columns("label", "clip", "person", "part", ("time",))


def written(tmp_path, text):
    path = tmp_path / "some.csv"
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_csv(tmp_path):
    found = table.read(written(tmp_path, CSV), COLUMNS)
    assert found.columns == ("x", "y") and found.labels == ("up", "down")
    assert found.groups == ("ann", "bob") and found.split == ("train", "test")
    assert [each.tolist() for each in found.sequences] \
        == [[[1.5, 2], [1000, -2]], [[0.25, 4], [0.5, 5]]]


def test_csv_windows(tmp_path):
    """One long sequence whose class changes: a piece has that of its last row."""
    rows = "".join(f"{step},{'high' if step > 4 else 'low'}\n" for step in range(9))
    path = written(tmp_path, "x,label\n" + rows)
    found = table.read(path, table.Columns("label"), window=3, stride=2)
    assert [each[:, 0].tolist() for each in found.sequences] \
        == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8]]
    assert found.labels == ("low", "low", "high", "high")
    with pytest.raises(RecordingsError, match="row 7 has the class 'high', but its sequence began "
                                              "with 'low' in row 2; name the column that tells "
                                              "sequences apart, or cut them into windows$"):
        table.read(path, table.Columns("label"))
    with pytest.raises(RecordingsError, match="no sequence has a window of 10 steps; the longest "
                                              "has 9$"):
        table.read(path, table.Columns("label"), window=10)


@pytest.mark.parametrize("old, new, told", [
    ("1e3", "", "row 3, column x: the cell is empty"),
    ("1e3", "oops", "row 3, column x: 'oops' is not a number"),
    ("1e3", "nan", "row 3, column x: 'nan' is not a finite number; fill or drop it first"),
    ("0.25,4", "0.25", "row 4 has 6 cells, but the heading 7"),
    ("2,up", "2,", "row 2, column label is empty"),
    ("1,train,1", "1,test,1", "row 3 has 'test' in the column part, but its sequence '1' began "
                              "with 'train'"),
    ("x,y", "x,x", "the heading has two columns 'x'"),
    ("label", "class", "there is no column 'label'; the columns are person, clip, part, time, x, "
                       "y, class"),
])
def test_unsound_csv(tmp_path, old, new, told):
    path = written(tmp_path, CSV.replace(old, new, 1))
    with pytest.raises(RecordingsError, match=f"^{path}: {told}$"):
        table.read(path, COLUMNS)


def test_other_files(tmp_path):
    path = tmp_path / "some.csv"
    path.write_bytes(b"\xff\xfe\x00x")
    with pytest.raises(RecordingsError, match="is not a CSV file: it is not text$"):
        table.read(path, COLUMNS)
    with pytest.raises(RecordingsError, match="there is no column 'label'; the columns are none$"):
        table.read(written(tmp_path, ""), COLUMNS)
    with pytest.raises(RecordingsError, match="there are no rows below the heading$"):
        table.read(written(tmp_path, CSV.partition("\n")[0] + "\n"), COLUMNS)
