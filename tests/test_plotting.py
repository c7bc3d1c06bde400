"""The palette is measured: simulated colour blindness, greyscale, contrast with white paper."""

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


def test_text_has_contrast_4_and_a_half_with_white_paper_and_ink_7():  # WCAG 2.1, 1.4.3 and 1.4.6
    texts = [plotting.GREY_TEXT, plotting.ORANGE_TEXT, *plotting.PALETTE[:3]]
    for least, colours in ((4.5, texts), (7, [plotting.INK])):
        for colour in colours:
            luminance = np.dot([0.2126, 0.7152, 0.0722], linear_rgb(colour))
            assert 1.05 / (luminance + 0.05) >= least, colour


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


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_end_label_sits_at_the_last_finite_point_in_the_line_colour(axes):
    (line,) = axes.plot([0, 1, 2], [2, 3, np.nan], color=plotting.TEAL)
    label = plotting.end_label(line, "here")
    assert tuple(label.xy) == (1, 3) and label.get_text() == "here"
    assert (label.get_color(), label.get_ha()) == (plotting.TEAL, "left")


def test_end_label_to_the_left_of_the_first_point(axes):
    label = plotting.end_label(axes.plot([0, 1], [2, 3])[0], "here", at=0, dx=-3)
    assert tuple(label.xy) == (0, 2) and label.get_ha() == "right"


@pytest.mark.parametrize("pale", ["GREY", "ORANGE"])
def test_labels_of_pale_lines_take_the_legible_shade(axes, pale):
    (line,) = axes.plot([0, 1], color=getattr(plotting, pale))
    assert plotting.end_label(line, "here").get_color() == getattr(plotting, f"{pale}_TEXT")


def test_labels_of_error_bars_and_of_lines_across_the_axes_are_where_these_end(axes):
    axes.set(xscale="log", yscale="log", xlim=(1, 100), ylim=(0.1, 10))
    bars = axes.errorbar([2, 20], [1, 3], [0.1, 0.2], fmt="o")
    across = plotting.end_label(axes.axhline(5), "floor", dx=0)
    at_bar = plotting.end_label(bars, "measured", dx=0)
    axes.figure.canvas.draw()
    for label, point in ((across, (100, 5)), (at_bar, (20, 3))):
        place = label.get_transform().transform((0, 0))
        assert place == pytest.approx(axes.transData.transform(point), abs=0.01)


@pytest.mark.parametrize("at", [2, -3])
def test_end_label_refuses_what_has_no_such_point(axes, at):
    with pytest.raises(ValueError, match="on no Axes"):
        plotting.end_label(mpl.lines.Line2D([0], [0]), "x")
    with pytest.raises(ValueError, match="on no Axes"):
        plotting.end_label("line", "x")
    with pytest.raises(ValueError, match=f"2 points; there is no point {at}"):
        plotting.end_label(axes.plot([0, 1])[0], "x", at=at)
    with pytest.raises(ValueError, match="0 points"):
        plotting.end_label(axes.plot([], [])[0], "x")


def shown(axis):
    return [t.get_text() for t in axis.get_ticklabels()]


def test_ticks_are_the_given_values_in_plain_numbers(axes):
    axes.set(xscale="log", yscale="log")
    plotting.ticks(axes, x=[1e-4, 0.001, 0.3, 1, 2000, 1e4, 20_000, 1e6])
    plain = ["0.001", "0.3", "1", "2000"]
    assert shown(axes.xaxis) == ["$10^{-4}$", *plain, "$10^{4}$", "20000", "$10^{6}$"]
    assert len(axes.get_xticks(minor=True)) == 0 < len(axes.get_yticks(minor=True))
    plotting.ticks(axes, y={-np.pi: "−π", 0: "0", np.pi: "π"})
    assert shown(axes.yaxis) == ["−π", "0", "π"]
    assert axes.get_yticks() == pytest.approx([-np.pi, 0, np.pi])


@pytest.mark.parametrize("bad", [["a"], [np.nan], 3.0, [[1.0]], {"a": "b"}])
def test_ticks_that_are_no_numbers_are_named(axes, bad):
    with pytest.raises(ValueError, match="^y"):
        plotting.ticks(axes, y=bad)


def test_a_figure_is_kept_under_its_name_if_a_folder_is_asked_for(axes, tmp_path, monkeypatch):
    axes.plot([0, 1])
    monkeypatch.delenv("LAWROB_FIGURES", raising=False)
    plotting.show("fig-nowhere")
    monkeypatch.setenv("LAWROB_FIGURES", str(tmp_path / "new"))
    with mpl.rc_context({"svg.hashsalt": "lawrob"}):
        plotting.show("fig-1")
        first = (tmp_path / "new" / "fig-1.svg").read_bytes()
        plotting.show("fig-1")
    assert b"<svg" in first and (tmp_path / "new" / "fig-1.svg").read_bytes() == first
    assert [p.name for p in tmp_path.rglob("*.svg")] == ["fig-1.svg"]


@pytest.mark.parametrize("bad", ["", "../fig", "a b", None, "fig.svg"])
def test_a_name_that_is_no_file_name_is_refused(bad):
    with pytest.raises(ValueError, match="^name = "):
        plotting.show(bad)


def test_frame_of_the_main_picture_has_the_law_the_floor_and_guides_where_they_belong():
    figure, axes = plt.subplots()
    plotting.lip_against_P(axes, 200, 1000, 1.5, xlim=(5, 1e6), ylim=(0.1, 1e3))
    law, floor, *guides = axes.lines
    P, height = law.get_data()
    guides = [line.get_xdata()[0] for line in guides]
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
