"""A picture of one sequence on its way through a network."""

import dataclasses

import numpy as np

from ternloom.model import golden
from ternloom.model.network import When


__all__ = ["draw"]


def draw(path, network, sequence, label=None):
    """Draw a sequence's steps, the last layer's state over time, and the logits over time.

    Everything comes from the golden model, so it is what the hardware computes.

    Parameters
    ----------
    path : path
        PNG file to write.
    network : Network
    sequence : int array (steps, inputs)
    label : int or None
        True class.
    """
    # Loading matplotlib takes a second that the other verbs need not wait.
    import matplotlib
    from matplotlib.figure import Figure

    # The readout gives logits at every step, so that the decision can be watched as it forms.
    end = network.outputs[0].name
    watched = network.edited(**{end: dataclasses.replace(network.readout, when=When.EVERY)})
    result = golden.run(watched, [sequence], trace=True)
    state = result.trace[f"{network.nodes[-2].name}.h"][0]
    names = network.labels or tuple(str(each) for each in range(network.readout.classes))
    with matplotlib.rc_context({"font.size": 9, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(8, 8.5), layout="constrained")
        axes = figure.subplots(3, 1, sharex=True, height_ratios=(2, 3, 3))
        _frames(figure, axes[0], np.asarray(sequence))
        _state(figure, axes[1], network, state)
        _logits(axes[2], result.logits[0], result.winners[0], names)
        axes[2].set_xlabel("time step")
        said = names[int(result.winners[0][-1])]
        truth = "" if label is None else f" in a recording of {names[label]!r}"
        figure.suptitle(f"{network.name} hears {said!r}{truth}", fontweight="bold")
        figure.savefig(path, dpi=110, format="png", metadata={"Software": None})


def _frames(figure, axes, sequence):
    image = axes.imshow(sequence.T, aspect="auto", origin="lower", cmap="viridis",
                        interpolation="nearest")
    axes.set(title=f"input codes, {sequence.shape[1]} per step", ylabel="input")
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, ax=axes, pad=0.01)


def _state(figure, axes, network, state):
    """Heat map of what the state codes stand for."""
    values = network.nodes[-2].body.form.value(state)
    limit = max(1, int(np.abs(values).max()))
    image = axes.imshow(values.T, aspect="auto", origin="lower", cmap="RdBu_r", vmin=-limit,
                        vmax=limit, interpolation="nearest")
    axes.set(title=f"recurrent state, {values.shape[1]} units", ylabel="unit")
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, ax=axes, pad=0.01)


def _logits(axes, logits, winners, names):
    """Curves of all classes; the winner and those that led at some step stand out."""
    steps = np.arange(len(logits))
    final = int(winners[-1])
    for index, name in enumerate(names):
        led = index in winners
        curve, = axes.plot(steps, logits[:, index], zorder=2 + led, color=None if led else "0.8",
                           linewidth=2.5 if index == final else 1.2 if led else 0.8)
        if led:
            axes.annotate(name, (steps[-1], logits[-1, index]), xytext=(5, 0), va="center",
                          textcoords="offset points", color=curve.get_color(),
                          fontweight="bold" if index == final else "normal", annotation_clip=False)
    for start in np.flatnonzero(np.diff(winners, prepend=-1)):
        axes.annotate(names[int(winners[start])], (start, 1), xycoords=("data", "axes fraction"),
                      xytext=(0, -12), textcoords="offset points", fontweight="bold", ha="center")
        axes.axvline(start, color="0.9", linewidth=0.8, zorder=0)
    axes.set(title="logits; at the top, each class at the step where it takes the lead",
             ylabel="logit")
    axes.margins(x=0.01, y=0.15)
