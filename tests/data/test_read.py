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
    ({"X": X}, "there is nothing to learn: an array y, labels or target with labels or numbers"),
    ({"X": X, "y": [1, 2]}, r"y must have 4 entries, one per sequence, or the shape \(4, 3\), "
                            r"one per step, not \(2,\)"),
    ({"X": X, "y": [[0, 1]] * 4}, r"y must have 4 entries, one per sequence, or the shape "
                                  r"\(4, 3\), one per step, not \(4, 2\)"),
    ({"X": X, "y": [0.5] * 3}, r"y must have 4 entries, one per sequence, or the shape "
                               r"\(4, 3, numbers\), one per step, not \(3, 1\)"),
    ({"X": X[None], "y": [1]}, r"X must hold numbers \(sequences, steps, inputs\), not float64 "
                               r"\(1, 4, 3, 2\)"),
    ({"X": X, "y": [0, 1, 2, 0], "classes": ["a", "b"]},
     "y must be from 0 to 1, indices into classes, not 2 of sequence 2"),
    ({"X": X, "y": [0.5j] * 4}, "y must hold integers, names or numbers, not complex128"),
    ({"X": X, "y": [0.5, 1, np.inf, 2]},
     "numbers of sequence 2 must be finite; fill or drop what is missing first"),
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
    assert found.columns == ("x", "y") and found.whole().labels == ("up", "down")
    assert found.per_step and [each.tolist() for each in found.labels] \
        == [["up", "up"], ["down", "down"]]
    assert found.groups == ("ann", "bob") and found.split == ("train", "test")
    assert [each.tolist() for each in found.sequences] \
        == [[[1.5, 2], [1000, -2]], [[0.25, 4], [0.5, 5]]]


def test_csv_windows(tmp_path):
    """One long sequence whose class changes: a piece has that of its last row."""
    rows = "".join(f"{step},{'high' if step > 4 else 'low'}\n" for step in range(9))
    path = written(tmp_path, "x,label\n" + rows)
    found = table.read(path, table.Columns("label"))
    pieces = found.windows(3, 2)
    assert [each[:, 0].tolist() for each in pieces.sequences] \
        == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8]]
    assert pieces.at_last().labels == ("low", "low", "high", "high")
    assert pieces.labels[1].tolist() == ["low", "low", "low"]
    with pytest.raises(RecordingsError, match="^sequence 0 has the label 'low' at first and 'high' "
                                              "at step 5; name the column that tells sequences "
                                              "apart, cut them into windows, or keep the labels of "
                                              "every step$"):
        found.whole()


def test_csv_numbers(tmp_path):
    """Numbers beside the inputs, and those that are the inputs some steps later."""
    rows = "".join(f"{step},{2 * step},{-step}\n" for step in range(6))
    path = written(tmp_path, "time,x,y\n" + rows)
    found = table.read(path, table.Columns(None, dropped=("time",), numbers=("y",)))
    assert (found.columns, found.names, found.labels) == (("x",), ("y",), ())
    assert found.numbers[0][:, 0].tolist() == [0, -1, -2, -3, -4, -5]
    ahead = table.read(path, table.Columns(None, numbers=("x", "y"), dropped=("time",), ahead=2))
    assert ahead.columns == ("x", "y") and len(ahead.sequences[0]) == 4
    assert ahead.sequences[0][0].tolist() == [0, 0] and ahead.numbers[0][0].tolist() == [4, -2]
    assert ahead.windows(2).at_last().numbers[1].tolist() == [10, -5]
    with pytest.raises(RecordingsError, match="no sequence has a step 6 steps ahead; the longest "
                                              "has 6$"):
        table.read(path, table.Columns(None, numbers=("x",), ahead=6))
    with pytest.raises(RecordingsError, match="row 2, column y: the cell is empty$"):
        table.read(written(tmp_path, "x,y\n1,\n"), table.Columns(None, numbers=("y",)))
    with pytest.raises(RecordingsError, match="^every step has a number of its own; keep "):
        found.whole()


@pytest.mark.parametrize("arrays, labels, numbers", [
    ({"y": [[0, 1, 1]] * 4, "classes": ["a", "b"]}, ["a", "b", "b"], None),
    ({"label": [["u", "v", "u"]] * 4}, ["u", "v", "u"], None),
    ({"y": [1.5] * 4}, None, [1.5]),
    ({"y": [[1.5, 2.0]] * 4}, None, [1.5, 2.0]),
    ({"y": [[1.5, 2.0, 3.0]] * 4}, None, [[1.5], [2.0], [3.0]]),
    ({"y": [[[1.5, 2.0]] * 3] * 4}, None, [[1.5, 2.0]] * 3),
])
def test_targets_in_npz(tmp_path, arrays, labels, numbers):
    found, _ = npz.read(stored(tmp_path, X=X, **arrays))
    if labels is not None:
        assert found.per_step and found.labels[3].tolist() == labels and not found.numbers
    else:
        assert found.numbers[3].tolist() == numbers and not found.labels
        assert found.per_step == (np.ndim(numbers) == 2)
        assert found.names == tuple(f"y{each}" for each in range(np.shape(numbers)[-1]))


def test_one_long_sequence(tmp_path):
    found, _ = npz.read(stored(tmp_path, x=np.arange(5.0), label=np.int8([0, 0, 1, 1, 0])))
    assert found.sequences[0].tolist() == [[0], [1], [2], [3], [4]]
    assert found.labels[0].tolist() == ["0", "0", "1", "1", "0"]


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
