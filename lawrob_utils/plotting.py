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


def end_label(line: Line2D, text: str, *, dx: float = 5.0, dy: float = 0.0, **style: Any) -> Annotation:
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
    return axes.annotate(text, (x[-1], y[-1]), xytext=(dx, dy), textcoords="offset points", **{**defaults, **style})
