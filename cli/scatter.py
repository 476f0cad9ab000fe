"""The picture of a comparison: accuracy, or perplexity, against size."""

import itertools


__all__ = ["draw", "places"]

#: Colours and markers by alphabet; those of colour-blind readers' palettes (Okabe and Ito).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Distances and directions at which a number may stand from its point, in points.
_DISTANCES = (9, 14, 20, 28, 38)
_DIRECTIONS = ((1, 0), (0, 1), (-1, 0), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7),
               (-0.7, -0.7))
#: From a number to a point that is far.
_LINE = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkA": 4, "shrinkB": 3}
#: Half the width and height of a number with its margin, and of a marker, in points.
_TEXT, _MARKER = (8, 6.5), (5, 5)


def places(points):
    """Where the number of each point stands, so that none covers another or a point.

    Parameters
    ----------
    points : list of (float, float)
        On the page, in points.

    Returns
    -------
    list of (float, float)
        Offsets from the points.
    """
    taken = [(x, y, *_MARKER) for x, y in points]
    offsets = []
    for x, y in points:
        choices = [(distance * dx, distance * dy)
                   for distance, (dx, dy) in itertools.product(_DISTANCES, _DIRECTIONS)]
        free = [(dx, dy) for dx, dy in choices
                if not any(_cover((x + dx, y + dy), other) for other in taken)]
        offsets.append((free or choices)[0])
        taken.append((x + offsets[-1][0], y + offsets[-1][1], *_TEXT))
    return offsets


def _cover(centre, other):
    """Whether a number at ``centre`` would cover another box."""
    x, y, width, height = other
    return (abs(centre[0] - x) < _TEXT[0] + width and abs(centre[1] - y) < _TEXT[1] + height)


def draw(path, result):
    """Draw every network of a comparison as a numbered point, with a list of names.

    Parameters
    ----------
    path : path
        PNG file to write.
    result : dict
        What ``ternloom compare`` measured, with accuracies or perplexities.
    """
    # Loading matplotlib takes a second that the other verbs need not wait.
    import matplotlib
    from matplotlib.figure import Figure

    networks = result["networks"]
    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(9, max(4.5, 2.2 + 0.19 * len(networks))), layout="constrained")
        axes = figure.subplots()
        handles = _points(axes, networks)
        _frame(axes, result)
        figure.draw_without_rendering()
        _numbers(figure, axes, networks)
        names = [f"{number}  {each['name']}" for number, each in enumerate(networks, 1)]
        figure.legend(handles, names, loc="outside right upper", frameon=False, fontsize=8,
                      handletextpad=0.3)
        figure.savefig(path, dpi=120, format="png", metadata={"Software": None})


def _points(axes, networks):
    """One marker a network, of its alphabets' colour and shape."""
    kinds = list(dict.fromkeys(_kind(each) for each in networks))
    styles = {kind: (_COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)])
              for index, kind in enumerate(kinds)}
    handles = []
    for each in networks:
        colour, marker = styles[_kind(each)]
        handles += axes.plot(*_place(each), marker, color=colour, markersize=6, zorder=3)
    return handles


def _score(each):
    """What stands on the axis upwards: percent, or a perplexity."""
    return each["perplexity"] if "perplexity" in each else 100 * each["accuracy"]


def _place(each):
    return each["bytes"] / 1000, _score(each)


def _kind(each):
    """Alphabets of a network's recurrent matrices."""
    return " and ".join(dict.fromkeys(matrix["weights"] for matrix in each["matrices"]
                                      if matrix["name"].startswith("layer")))


def _frame(axes, result):
    from matplotlib.ticker import LogFormatter

    reference = result["float"]
    title, words = result["data"], "perplexity" in result["networks"][0]
    if reference:
        axes.axhline(_score(reference), color="0.5", linestyle="--", linewidth=1)
        title += (f"; dashed: {reference['name']}, {_score(reference):.2f}{'' if words else ' %'}, "
                  f"{reference['bytes'] / 1000:,.1f} kB")
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xscale("log")
    for axis in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        axis(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 1)))
    axes.tick_params(axis="x", which="both", length=4, pad=4)
    axes.set(xlabel=f"size of weights, scales{', biases and embedding' if words else ' and biases'}"
                    ", kB", ylabel="perplexity per word" if words else "accuracy, %")
    axes.margins(x=0.12, y=0.12)
    axes.grid(color="0.92", zorder=0)


def _numbers(figure, axes, networks):
    """The numbers beside the points, with a line where one had to go far."""
    scale = 72 / figure.dpi
    points = [tuple(scale * axes.transData.transform(_place(each))) for each in networks]
    for number, (each, offset) in enumerate(zip(networks, places(points), strict=True), 1):
        far = abs(offset[0]) + abs(offset[1]) > 2 * _DISTANCES[0]
        axes.annotate(str(number), _place(each), xytext=offset, textcoords="offset points",
                      ha="center", va="center", fontsize=8, arrowprops=_LINE if far else None,
                      bbox={"boxstyle": "square,pad=0.1", "facecolor": "white",
                            "edgecolor": "none"}, zorder=2)
