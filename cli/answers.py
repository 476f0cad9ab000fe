"""A picture of a network's answers beside what is right."""

import numpy as np

from ternloom.cli.recordings import drew_with
from ternloom.evaluate.errors import Errors
from ternloom.files.dataset import Numbers
from ternloom.model.node import When


__all__ = ["draw", "drew"]

#: What a picture of ours says that made it.
_SOFTWARE = "ternloom eval"
#: Sequences, and steps of each, that are drawn; numbers and inputs of one; points of a cloud.
_SEQUENCES, _STEPS, _LINES, _POINTS = 4, 600, 4, 5000


def draw(path, network, dataset, given, found):
    """Draw the confusion matrix, tags over time, or numbers.

    Parameters
    ----------
    path : path
        PNG file to write.
    network : Network
    dataset : Dataset
    given : Answers
    found : Decisions or Errors
    """
    # Loading matplotlib takes a second that the other verbs need not wait.
    import matplotlib
    from matplotlib.figure import Figure

    every, numbers = dataset.targets.when is When.EVERY, isinstance(found, Errors)
    height = 2.3 * min(len(given.logits), _SEQUENCES) + 1 if every else 6.5
    with matplotlib.rc_context({"font.size": 9, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(9 if every else 7, height), layout="constrained")
        if every:
            _over_time(figure, network, dataset, given)
        elif numbers:
            _cloud(figure, dataset.targets, found)
        else:
            _confusion(figure, dataset.targets.names, found.confusion)
        score = (f"error {found.rmse:.4f} deviations" if numbers
                 else f"{100 * found.fraction:.2f} % right")
        figure.suptitle(f"{network.name} on {dataset.name}: {score}", fontweight="bold")
        figure.savefig(path, dpi=110, format="png", metadata={"Software": _SOFTWARE})


def drew(path):
    """Whether a file is a picture that ``draw`` wrote."""
    return drew_with(path, _SOFTWARE)


def _confusion(figure, names, confusion):
    """Shares of each true class, with the counts."""
    axes = figure.subplots()
    shares = confusion / np.maximum(1, confusion.sum(axis=1, keepdims=True))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(len(confusion))
    labels = [*names, *map(str, range(len(names), len(confusion)))]
    axes.set_xticks(places, labels, rotation=90 if max(map(len, labels)) > 3 else 0)
    axes.set_yticks(places, labels)
    axes.set(xlabel="predicted class", ylabel="true class",
             title="counts; shades are shares of the true class")
    if len(confusion) > 20:
        return
    for (row, column), count in np.ndenumerate(confusion):
        if count:
            axes.text(column, row, f"{count:,}", ha="center", va="center",
                      color="white" if shares[row, column] > 0.5 else "black")


def _over_time(figure, network, dataset, given):
    """Some sequences: what is right and what is said at each step, for tags above the inputs."""
    shown = min(len(given.logits), _SEQUENCES)
    grid = np.atleast_1d(figure.subplots(shown, 1, squeeze=False)[:, 0])
    # Evenly over the data, since a file may be sorted.
    for place, axes in enumerate(grid):
        index = place * len(given.logits) // shown
        part = slice(0, _STEPS)
        truth, logits = dataset.targets.values[index][part], given.logits[index][part]
        axes.set_title(f"sequence {index}" + (f", its first {_STEPS} steps"
                                              if len(given.logits[index]) > _STEPS else ""))
        axes.margins(x=0.01)
        if isinstance(dataset.targets, Numbers):
            _numbers(axes, dataset.targets.names, truth, network.numbers(logits))
            continue
        values = dataset.format.real(dataset.sequences[index][part])
        axes.plot(values[:, :_LINES], linewidth=0.8, color="0.4")
        axes.set_ylabel("input, in deviations")
        _tags(axes, dataset.targets.names, truth, logits.argmax(axis=1))
    grid[-1].set_xlabel("time step")
    if isinstance(dataset.targets, Numbers):
        grid[0].legend(loc="upper right", fontsize=8)


def _numbers(axes, names, truth, said):
    for index, name in enumerate(names[:_LINES]):
        axes.plot(truth[:, index], color=f"C{index}", linewidth=1, label=f"{name}, true")
        axes.plot(said[:, index], color=f"C{index}", linewidth=1.2, linestyle="--",
                  label=f"{name}, network")
    axes.grid(color="0.92")


def _tags(axes, names, truth, said):
    """Two bands above the curves: the true classes, and those that the network gives."""
    from matplotlib.patches import Patch

    bands = axes.inset_axes((0, 1.06, 1, 0.16))
    shown = bands.imshow(np.stack([truth, said]), aspect="auto", interpolation="nearest",
                         cmap="tab10" if len(names) <= 10 else "viridis", vmin=-0.5,
                         vmax=max(10, len(names)) - 0.5)
    bands.set_yticks((0, 1), ("true", "network"))
    bands.set_xticks(())
    axes.set_title(axes.get_title("left"), loc="left", y=1.24)
    patches = [Patch(color=shown.cmap(shown.norm(index)), label=name)
               for index, name in enumerate(names[:10])]
    bands.legend(handles=patches, loc="lower right", bbox_to_anchor=(1.005, 0.95), frameon=False,
                 ncols=len(patches), fontsize=8, handlelength=1)


def _cloud(figure, targets, found):
    """A point for each sequence: what is right, and what is said."""
    from matplotlib.lines import Line2D

    axes = figure.subplots()
    truth = targets.flat[:_POINTS]
    for index, name in enumerate(targets.names[:_LINES]):
        axes.plot(truth[:, index], found.numbers[:_POINTS, index], ".", label=name)
    ends = truth.min(), truth.max()
    axes.add_line(Line2D(ends, ends, color="0.6", linewidth=1, zorder=0))
    axes.set(xlabel="true", ylabel="network")
    axes.grid(color="0.92")
    axes.legend()
