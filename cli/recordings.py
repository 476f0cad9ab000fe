"""A picture of recordings: what is right, and the range that the codes cover."""

import math

import numpy as np

from ternloom.files.dataset import Labels, Numbers
from ternloom.model.node import When


__all__ = ["draw", "drew", "drew_with"]

#: What a picture of ours says that made it.
_SOFTWARE = "ternloom data"
#: Classes, and inputs of each, that are drawn; more could not be told apart.
_CLASSES, _INPUTS = 12, 10
#: Sequences that are drawn where they have no classes.
_SEQUENCES = 6


def draw(path, dataset, recordings):
    """Draw the first training sequence of each class in deviations from the mean.

    Where steps have labels or there are numbers, it is the first training sequences, with what is
    right.

    Parameters
    ----------
    path : path
        PNG file to write.
    dataset : Dataset
        Made of the recordings, with its scaling.
    recordings : Recordings
    """
    # Loading matplotlib takes a second that the other verbs need not wait.
    import matplotlib
    from matplotlib.figure import Figure

    shown, title = _chosen(dataset)
    columns = min(3, math.ceil(math.sqrt(len(shown))))
    rows = -(-len(shown) // columns)
    with matplotlib.rc_context({"font.size": 9, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(3.6 * columns + 1, 2.2 * rows + 0.8), layout="constrained")
        grid = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
        for (index, name), axes in zip(shown, grid):
            lines = _sequence(axes, dataset, index, name)
        for axes in grid[len(shown):]:
            axes.set_axis_off()
        figure.supxlabel("time step", fontsize=9)
        figure.supylabel("deviations from the mean", fontsize=9)
        names = recordings.columns or [f"input {each}" for each in range(dataset.inputs)]
        names = [*names[:_INPUTS], *(f"{name}, to be told" for name in recordings.names)]
        figure.legend(lines, names, loc="outside right upper", frameon=False)
        if dataset.inputs > _INPUTS:
            title += f"; {_INPUTS} of {dataset.inputs} inputs"
        figure.suptitle(f"{dataset.name}: {title}; grey: what the codes cannot reach", fontsize=9)
        figure.savefig(path, dpi=110, format="png", metadata={"Software": _SOFTWARE})


def _chosen(dataset):
    """Sequences to draw, by index and title, and what they are."""
    targets, training = dataset.targets, np.flatnonzero(dataset.split == "train")
    if isinstance(targets, Labels) and targets.when is When.LAST:
        shown = []
        for index, name in enumerate(targets.names[:_CLASSES]):
            places = np.flatnonzero(targets.values == index)
            first = np.intersect1d(places, training)
            found = first if len(first) else places
            shown.append((int(found[0]) if len(found) else None,
                          f"{name} ({len(places):,} sequences)"))
        left_out = len(targets.names) > _CLASSES
        return shown, "a sequence of each class" + (
            f", {_CLASSES} of {len(targets.names)}" if left_out else "")
    places = training if len(training) else np.arange(len(dataset.sequences))
    return [(int(each), f"sequence {each}") for each in places[:_SEQUENCES]], (
        "the first training sequences" if len(training) else "the first sequences")


def _sequence(axes, dataset, index, title):
    """Curves of a sequence, with what is right where that is of its steps, or a number."""
    low, high = (code * 2.0**-dataset.format.frac for code in dataset.format.code_range)
    for start, stop in ((low - 1, low), (high, high + 1)):
        axes.axhspan(start, stop, color="0.9", zorder=0)
    axes.set(title=title, ylim=(low - 1, high + 1))
    axes.grid(color="0.92")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if index is None:
        return []
    values = dataset.format.real(dataset.sequences[index])
    steps, targets = np.arange(len(values)), dataset.targets.values[index]
    marker = "." if len(values) < 30 else None
    lines = axes.plot(steps, values[:, :_INPUTS], linewidth=1, marker=marker)
    if isinstance(dataset.targets, Numbers):
        numbers = dataset.targets.scaling.scaled(np.atleast_2d(targets))
        where = steps if dataset.targets.when is When.EVERY else steps[-1:]
        lines += axes.plot(where, numbers, linewidth=1, linestyle="--",
                           marker="x" if len(where) == 1 else marker, color="black")
    elif dataset.targets.when is When.EVERY:
        _tags(axes, targets, dataset.targets.names)
    return lines


def _tags(axes, labels, names):
    """Name each stretch of steps of one class, and shade every other."""
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(labels)]):
        label = int(labels[start])
        axes.axvspan(start - 0.5, stop - 0.5, color=f"C{label % 10}", alpha=0.12, zorder=0)
        if stop - start > len(labels) // 40:
            axes.annotate(names[label], ((start + stop - 1) / 2, 1), (0, -10), fontsize=7,
                          xycoords=("data", "axes fraction"), textcoords="offset points",
                          ha="center", color=f"C{label % 10}")


def drew(path):
    """Whether a file is a picture that ``draw`` wrote."""
    return drew_with(path, _SOFTWARE)


def drew_with(path, software):
    """Whether a file is a picture that says that this software made it."""
    try:
        with open(path, "rb") as file:
            return f"Software\0{software}".encode() in file.read(256)
    except OSError:
        return False
