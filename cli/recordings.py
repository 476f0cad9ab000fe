"""A picture of recordings: one of each class, and the range that the codes cover."""

import math

import numpy as np


__all__ = ["draw", "drew"]

#: What a picture of ours says that made it.
_SOFTWARE = "ternloom data"
#: Classes, and inputs of each, that are drawn; more could not be told apart.
_CLASSES, _INPUTS = 12, 10


def draw(path, dataset, recordings):
    """Draw the first training sequence of each class in deviations from the mean.

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

    shown = range(min(len(dataset.classes), _CLASSES))
    columns = min(3, math.ceil(math.sqrt(len(shown))))
    rows = -(-len(shown) // columns)
    with matplotlib.rc_context({"font.size": 9, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(3.6 * columns + 1, 2.2 * rows + 0.8), layout="constrained")
        grid = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
        for index, axes in zip(shown, grid):
            lines = _class(axes, dataset, index)
        for axes in grid[len(shown):]:
            axes.set_axis_off()
        figure.supxlabel("time step", fontsize=9)
        figure.supylabel("deviations from the mean", fontsize=9)
        names = recordings.columns or [f"input {each}" for each in range(dataset.inputs)]
        figure.legend(lines, names[:_INPUTS], loc="outside right upper", frameon=False)
        left_out = (f"; {_INPUTS} of {dataset.inputs} inputs" if dataset.inputs > _INPUTS else "") \
            + (f"; {_CLASSES} of {len(dataset.classes)} classes"
               if len(dataset.classes) > _CLASSES else "")
        figure.suptitle(f"{dataset.name}: a sequence of each class; grey: what the codes cannot "
                        f"reach{left_out}", fontsize=9)
        figure.savefig(path, dpi=110, format="png", metadata={"Software": _SOFTWARE})


def _class(axes, dataset, index):
    """Curves of the first training sequence of a class, else of its first."""
    places = np.flatnonzero(dataset.labels == index)
    training = places[dataset.split[places] == "train"]
    low, high = (code * 2.0**-dataset.format.frac for code in dataset.format.code_range)
    for start, stop in ((low - 1, low), (high, high + 1)):
        axes.axhspan(start, stop, color="0.9", zorder=0)
    axes.set(title=f"{dataset.classes[index]} ({len(places):,} sequences)",
             ylim=(low - 1, high + 1))
    axes.grid(color="0.92")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if not len(places):
        return []
    values = dataset.format.real(dataset.sequences[(training if len(training) else places)[0]])
    marker = "." if len(values) < 30 else None
    return axes.plot(values[:, :_INPUTS], linewidth=1, marker=marker)


def drew(path):
    """Whether a file is a picture that ``draw`` wrote."""
    try:
        with open(path, "rb") as file:
            return f"Software\0{_SOFTWARE}".encode() in file.read(256)
    except OSError:
        return False
