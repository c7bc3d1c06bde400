"""One style and one palette for every figure of the book, and its few helpers.

The colours differ for readers with normal sight, with red, green or blue blindness, and in
greyscale print; a test measures this. Lines also differ by dash and marker, so that colour is never
the only clue.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from . import _validate as check
from .law import law_curve

INK = "#1a1a1a"
"""Text, axes, and the curve of the law."""
INDIGO, CRIMSON, TEAL, ORANGE = PALETTE = ("#332299", "#ac104e", "#1b8078", "#c48401")
"""Colours of curves, from dark to light."""
GREY = "#9a9a9a"
"""Guides and what is only context."""
GREY_TEXT, ORANGE_TEXT = "#6b6b6b", "#8a5c00"
"""GREY and ORANGE for text: contrast 4.5 with white, at least."""
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
"""Line styles, in step with PALETTE."""
MARKERS = ("o", "s", "^", "D")
"""Markers, in step with PALETTE."""


def use_style() -> None:
    """Set matplotlib's defaults for the book: white paper, PALETTE with DASHES, small figures.

    Figures are 6.0 × 3.6 inches at 110 dots per inch, so that a stored PNG stays below 60 kB.
    """
    mpl.rc("figure", figsize=(6.0, 3.6), dpi=110, facecolor="white")
    mpl.rc("figure.constrained_layout", use=True)
    mpl.rc("savefig", dpi=110, facecolor="white")
    mpl.rc("axes", facecolor="white", edgecolor=INK, labelcolor=INK, grid=False)
    mpl.rc("axes", titlesize=10, labelsize=10)
    mpl.rc("axes", prop_cycle=cycler(color=PALETTE) + cycler(linestyle=DASHES))
    mpl.rc("axes.spines", top=False, right=False)
    mpl.rc("font", family="DejaVu Sans", size=10)
    mpl.rc(("text", "xtick", "ytick"), color=INK)
    mpl.rc("legend", frameon=False)
    mpl.rc("lines", linewidth=1.8, markersize=5)
    mpl.rc("image", cmap="gray")
    mpl.rc("svg", hashsalt="lawrob")


def ticks(
    ax: Axes,
    x: ArrayLike | Mapping[float, str] | None = None,
    y: ArrayLike | Mapping[float, str] | None = None,
) -> None:
    """Ticks at the given values of x and y and nowhere else, written as plain numbers.

    Powers of ten from 10⁴ on, and below 10⁻³, are written as such; a mapping {0.25: "¼"} gives its
    own texts. Set the scale of the axes before.

    Raises ValueError if the values are no finite numbers.

    >>> ax = plt.figure().add_subplot()
    >>> ticks(ax, x=[-0.5, 1, 1000, 1e5], y={0: "none", 1: "all"})
    >>> [t.get_text() for t in ax.get_xticklabels()]
    ['−0.5', '1', '1000', '$10^{5}$']
    >>> plt.close()
    """
    for name, axis, at in (("x", ax.xaxis, x), ("y", ax.yaxis, y)):
        if at is not None:
            values = check.vector(list(at) if isinstance(at, Mapping) else at, name)
            axis.set_minor_locator(NullLocator())
            texts = at.values() if isinstance(at, Mapping) else map(_plain, values)
            axis.set_ticks(values, list(texts))


def _plain(value: float) -> str:
    power = round(np.log10(value)) if value >= 1e4 or 0 < value < 1e-3 else 0
    plain = f"{value:.15g}".replace("-", "−")
    return f"$10^{{{power}}}$" if power and value == float(f"1e{power}") else plain


def end_label(
    line: Line2D | ErrorbarContainer,
    text: str,
    *,
    at: int = -1,
    dx: float = 5.0,
    dy: float = 0.0,
    **style: Any,
) -> Annotation:
    """Write `text` in the line's colour beside a point of it, by default the last.

    Parameters: line from `ax.plot`, `ax.axhline` or `ax.errorbar`; at, the index of the point among
    those that are finite; dx, dy the shift of the text in points of 1/72 inch, to the left of the
    point where dx < 0; style for `Axes.annotate`.

    Raises ValueError if the line is on no Axes or has no such point.
    """
    line = line[0] if isinstance(line, ErrorbarContainer) else line
    if not isinstance(line, Line2D) or not isinstance(line.axes, Axes):
        raise ValueError(f"line = {line!r} is on no Axes; draw it with ax.plot first")
    points = np.asarray(line.get_xydata(), dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    if not -len(points) <= at < len(points):
        raise ValueError(f"line has {len(points)} points; there is no point {at} to label")
    colour: Any = line.get_color()
    colour = {GREY: GREY_TEXT, ORANGE: ORANGE_TEXT}.get(to_hex(colour), colour)
    style = {"color": colour, "va": "center", "ha": "right" if dx < 0 else "left", **style}
    shift: dict[str, Any] = {"xytext": (dx, dy), "textcoords": "offset points"}
    place = line.get_transform()
    return line.axes.annotate(
        text, points[at], xycoords=place, annotation_clip=False, **shift, **style
    )


def show(name: str) -> None:
    """`plt.show()` that also writes NAME.svg, always the same bytes, to $LAWROB_FIGURES if set.

    Raises ValueError if name is not made of letters, digits and hyphens.
    """
    if not isinstance(name, str) or not name.replace("-", "").isalnum():
        raise ValueError(f"name = {name!r:.60}; letters, digits and hyphens are needed")
    if folder := os.environ.get("LAWROB_FIGURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        plt.savefig(Path(folder) / f"{name}.svg", metadata={"Date": None})
    plt.show()


def lip_against_P(
    ax: Axes, n: int, d: int, floor: float, *, xlim: tuple[float, float], ylim: tuple[float, float]
) -> None:
    """The frame of the book's main picture: Lipschitz constant against P, for n points in R^d.

    Both axes are logarithmic, with limits xlim and ylim. Draws √(nd/P), the scale of the law; the
    floor, a dashed line below which no perfect fit gets; and dotted guides at P = n and P = nd.

    Raises ValueError if n or d < 1, floor ≤ 0, or limits are not positive and increasing.
    """
    n, d, floor = check.count(n, "n"), check.count(d, "d"), check.positive(floor, "floor")
    for name, (low, high) in (("xlim", xlim), ("ylim", ylim)):
        if not 0 < low < high:
            raise ValueError(f"{name} = {(low, high)}; two positive numbers, in order, are needed")
    P = np.geomspace(*xlim, 300)
    ax.plot(P, law_curve(n, d, P), color=INK, ls="-")
    ax.axhline(floor, color=GREY, lw=1.2, ls=(0, (5, 3)))
    for place, name in ((n, "$n$"), (n * d, "$nd$")):
        guide = ax.axvline(place, color=GREY, lw=1, ls=":")
        end_label(guide, name, dx=0, dy=2, ha="center", va="baseline", color=INK)
    ax.set(xscale="log", yscale="log", xlim=xlim, ylim=ylim)
    ax.set(xlabel="parameters $P$", ylabel=r"Lipschitz constant$\,/\,\varepsilon$")
    ax.minorticks_off()
