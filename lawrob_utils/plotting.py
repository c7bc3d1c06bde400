"""One style and one palette for every figure of the book.

The colours differ from each other for readers with normal sight, with red, green or blue blindness, and in greyscale
print (their lightness is spaced); a test measures this. Lines also differ by dash and marker, so that colour is never
the only clue.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from . import _validate as check
from .law import law_curve

INK = "#1a1a1a"
"""Text, axes, and the curve of the law."""
INDIGO = "#332299"
CRIMSON = "#ac104e"
TEAL = "#1b8078"
ORANGE = "#c48401"
PALETTE = (INDIGO, CRIMSON, TEAL, ORANGE)
"""Colours of curves, from dark to light."""
GREY = "#9a9a9a"
"""Guides and what is only context."""
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
"""Line styles, in step with PALETTE."""
MARKERS = ("o", "s", "^", "D")
"""Markers, in step with PALETTE."""


def use_style() -> None:
    """Set matplotlib's defaults for the book: white background, PALETTE with DASHES, small sober figures.

    Figures are 6.0 × 3.6 inches at 110 dots per inch, so that a stored PNG stays below 60 kB.
    """
    mpl.rcParams.update(
        {
            "figure.figsize": (6.0, 3.6),
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "figure.constrained_layout.use": True,
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.labelsize": 10,
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=DASHES),
            "image.cmap": "gray",
            "svg.hashsalt": "lawrob",
        }
    )


def end_label(
    line: Line2D, text: str, *, dx: float = 5.0, dy: float = 0.0, **style: Any
) -> Annotation:
    """Write `text` in the line's colour at its last point, dx and dy points (1/72 inch) away: a direct label.

    Parameters: line from `ax.plot`, on an Axes; style is passed to `Axes.annotate`.

    Raises ValueError if the line has no points or is on no Axes.
    """
    axes = line.axes
    if not isinstance(axes, Axes):
        raise ValueError(f"line = {line!r} is on no Axes; draw it with ax.plot first")
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    if len(x) == 0:
        raise ValueError("line has no points; there is no end to label")
    defaults = {"color": line.get_color(), "va": "center", "ha": "left", "annotation_clip": False}
    return axes.annotate(
        text, (x[-1], y[-1]), xytext=(dx, dy), textcoords="offset points", **{**defaults, **style}
    )


def lip_against_P(
    ax: Axes, n: int, d: int, floor: float, *, xlim: tuple[float, float], ylim: tuple[float, float]
) -> tuple[Line2D, Line2D]:
    """The frame of the book's main picture: Lipschitz constant against P, both logarithmic, for n points in R^d.

    Draws the scale of the law, √(nd/P), over xlim; the floor, a dashed horizontal line below which no perfect fit gets, for
    instance `data_lipschitz(X, y).value`; and dotted guides at P = n and P = nd. What fits the data is drawn into it.

    Parameters: ax; n, d ≥ 1; floor > 0; xlim, ylim the limits of the axes, positive and increasing.

    Returns the lines of the law and of the floor.

    Raises ValueError on arguments out of range.

    >>> import matplotlib.pyplot as plt
    >>> law, _ = lip_against_P(plt.figure().add_subplot(), 100, 400, 1.5, xlim=(10, 1e6), ylim=(0.1, 1e3))
    >>> law.get_ydata()[[0, -1]].round(6).tolist()
    [63.245553, 0.2]
    >>> plt.close()
    """
    n, d, floor = check.count(n, "n"), check.count(d, "d"), check.positive(floor, "floor")
    for name, (low, high) in (("xlim", xlim), ("ylim", ylim)):
        if not 0 < low < high:
            raise ValueError(
                f"{name} = {(low, high)}; two positive numbers, the smaller one first, are needed"
            )
    P = np.geomspace(*xlim, 300)
    (law,) = ax.plot(P, law_curve(n, d, P), color=INK, ls="-")
    line = ax.axhline(floor, color=GREY, lw=1.2, ls=(0, (5, 3)))
    for place, name in ((n, "$n$"), (n * d, "$nd$")):
        ax.axvline(place, color=GREY, lw=1, ls=":")
        ax.annotate(
            name,
            (place, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
        )
    ax.set(
        xscale="log",
        yscale="log",
        xlim=xlim,
        ylim=ylim,
        xlabel="parameters $P$",
        ylabel=r"Lipschitz constant$\,/\,\varepsilon$",
    )
    ax.minorticks_off()
    return law, line
