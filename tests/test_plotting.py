"""The palette is measured: simulated colour blindness (Machado et al. 2009), greyscale, contrast with white paper."""

import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lawrob_utils import plotting

# Machado, Oliveira, Fernandes (2009), severity 1, for linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
COLOURS = (plotting.INK, *plotting.PALETTE)


def linear_rgb(colour):
    c = np.array(mpl.colors.to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(rgb, 0, 1)
    t = xyz / np.array([0.95047, 1.0, 1.08883])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_stay_apart_for_every_kind_of_sight(sight):
    seen = [lab(np.array(SIGHT[sight]) @ linear_rgb(c)) for c in COLOURS]
    nearest = min(np.linalg.norm(p - q) for p, q in itertools.combinations(seen, 2))
    assert nearest >= 20  # CIE 1976 units; about 2.3 is the smallest difference one notices


def test_colours_stay_apart_in_greyscale_print():
    lightness = sorted(lab(linear_rgb(c))[0] for c in COLOURS)
    assert np.diff(lightness).min() >= 10


def test_colours_have_contrast_3_with_white_paper():  # WCAG 2.1, 1.4.11, for graphical objects
    luminance = [np.dot([0.2126, 0.7152, 0.0722], linear_rgb(c)) for c in COLOURS]
    assert min(1.05 / (y + 0.05) for y in luminance) >= 3


def test_text_ink_has_contrast_7_with_white_paper():
    assert 1.05 / (np.dot([0.2126, 0.7152, 0.0722], linear_rgb(plotting.INK)) + 0.05) >= 7


def test_each_colour_has_its_own_dash_and_marker():
    assert (
        len(set(map(str, plotting.DASHES))) == len(set(plotting.MARKERS)) == len(plotting.PALETTE)
    )


def test_style_gives_opaque_white_figures_below_60_kB(tmp_path):
    with mpl.rc_context():
        plotting.use_style()
        figure, axes = plt.subplots()
        for k in range(4):
            axes.plot(np.linspace(0, 1, 200), np.linspace(0, 1, 200) ** (k + 1), label=str(k))
        figure.savefig(tmp_path / "f.png")
        plt.close(figure)
    assert (tmp_path / "f.png").stat().st_size <= 60_000
    assert tuple(plt.imread(tmp_path / "f.png")[0, 0]) == (1, 1, 1, 1)


def test_end_label_sits_at_the_last_point_in_the_line_colour():
    figure, axes = plt.subplots()
    (line,) = axes.plot([0, 1], [2, 3], color=plotting.TEAL)
    label = plotting.end_label(line, "here")
    plt.close(figure)
    assert label.xy == (1, 3) and label.get_color() == plotting.TEAL and label.get_text() == "here"


def test_end_label_refuses_a_line_without_axes_or_points():
    from matplotlib.lines import Line2D

    with pytest.raises(ValueError, match="on no Axes"):
        plotting.end_label(Line2D([0], [0]), "x")
    figure, axes = plt.subplots()
    (line,) = axes.plot([], [])
    plt.close(figure)
    with pytest.raises(ValueError, match="no points"):
        plotting.end_label(line, "x")


def test_frame_of_the_main_picture_has_the_law_the_floor_and_guides_where_they_belong():
    figure, axes = plt.subplots()
    law, floor = plotting.lip_against_P(axes, 200, 1000, 1.5, xlim=(5, 1e6), ylim=(0.1, 1e3))
    P, height = law.get_data()
    guides = [line.get_xdata()[0] for line in axes.lines if line not in (law, floor)]
    plt.close(figure)
    assert np.allclose(height * np.sqrt(P), np.sqrt(200 * 1000)) and (P[0], P[-1]) == pytest.approx(
        (5, 1e6)
    )
    assert set(floor.get_ydata()) == {1.5} and guides == [200, 200_000]
    assert axes.get_xscale() == axes.get_yscale() == "log"


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"d": 1.5}, {"floor": 0.0}, {"xlim": (10, 1)}, {"ylim": (0, 1)}]
)
def test_frame_of_the_main_picture_names_a_wrong_argument(wrong):
    figure, axes = plt.subplots()
    arguments = {"n": 10, "d": 10, "floor": 1.0, "xlim": (1, 100), "ylim": (0.1, 10)} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))):
        plotting.lip_against_P(axes, **arguments)
    plt.close(figure)
