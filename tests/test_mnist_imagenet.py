"""Chapter 9: the recorded networks are what it says they are; its guesses are log-normal and its
arithmetic follows from them.

The chapter's own cells are what is tested here, against SciPy's log-normal law and closed forms.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import lognorm

from lawrob_utils.law import law_curve
from lawrob_utils.recorded import mnist_capacity
from lawrob_utils.records import points

CHAPTER = Path(__file__).resolve().parents[1] / "notebooks/09-mnist-imagenet.ipynb"
COUNTS = {1: 13_514, 2: 52_506, 4: 206_954, 8: 821_706, 16: 3_274_634}


@pytest.fixture(scope="module")
def table():
    return mnist_capacity.load()


@pytest.fixture(scope="module")
def chapter():
    """What the cells of the arithmetic define."""
    cells = {c["id"]: "".join(c["source"]) for c in json.loads(CHAPTER.read_text("utf-8"))["cells"]}
    space = {"np": np, "pd": pd, "stats": stats}
    for name in ("transfer", "guess", "calculator-cell"):
        exec(cells[f"mnist-imagenet-{name}"], space)
    return SimpleNamespace(**space)


def test_the_record_holds_the_rows_of_the_full_grid_with_exact_parameter_counts(table):
    grid = points(mnist_capacity.RECORD.grid("full"))
    assert [{name: row[name] for name in grid[0]} for row in table] == grid
    assert all(row["parameters"] == COUNTS[row["scale"]] for row in table)


def test_recorded_shares_are_shares_and_an_attack_never_helps(table):
    for row in table:
        assert 0 <= row["robust_test"] <= row["natural_test"] <= 1
        assert 0 <= row["robust_train"] <= row["natural_train"] <= 1
        assert row["twice_after"] <= row["twice_before"]
        assert (row["robust_test"] * 10_000) == pytest.approx(round(row["robust_test"] * 10_000))
        assert row["collapsed"] == (row["largest_class"] > 0.99)


def test_a_guess_is_the_log_normal_law_with_its_ends_as_5_and_95_percent_quantiles(chapter):
    guess = chapter.Guess(2e5, 3e6)
    law = lognorm(s=guess.log_sd, scale=guess.median)
    assert law.ppf([0.05, 0.5, 0.95]) == pytest.approx([2e5, np.sqrt(2e5 * 3e6), 3e6])
    draws = guess.draw(100_000, np.random.default_rng(0))
    assert stats.kstest(draws, law.cdf).pvalue > 0.001


def test_an_exact_guess_has_no_spread(chapter):
    guess = chapter.Guess(784)
    assert guess.median == 784 and guess.log_sd == 0
    assert (guess.draw(5, np.random.default_rng(0)) == 784).all()


@pytest.mark.parametrize("ends", [(0, 1), (2, 1), (1, np.inf), (np.nan,), (-3,)])
def test_a_guess_that_is_no_range_of_positive_numbers_is_refused(chapter, ends):
    with pytest.raises(ValueError, match="low <= high"):
        chapter.Guess(*ends)


def test_the_talks_and_the_papers_numbers(chapter):
    assert chapter.dimension_of_parameters(1e6, 1e5) == 10
    assert chapter.transferred(1e6, 1e5, 1e3, 1e7, 1e5) == pytest.approx(1e10)
    assert chapter.dimension_of_parameters(9e5, 6e4) == pytest.approx(15)


def test_noise_of_two_percent_explains_a_million_parameters_without_any_effective_dimension(
    chapter,
):
    assert law_curve(60_000, 784, 940_800, sigma=np.sqrt(0.02)) == pytest.approx(1)
    assert chapter.dimension_of_parameters(940_800, 60_000, sigma2=0.02) == pytest.approx(784)
    assert chapter.dimension_of_parameters(940_800, 60_000) == pytest.approx(15.68)


@pytest.mark.parametrize(
    ("n", "wanted"), [(1.4e7, ("3e+09", "4e+10", "6e+11")), (1.28e6, ("3e+08", "4e+09", "5e+10"))]
)
def test_predicted_quantiles_follow_from_the_closed_form(chapter, n, wanted):
    inputs = [chapter.Guess(2e5, 3e6), chapter.Guess(1.5e5, 2e5), chapter.Guess(0.1, 10)]
    P, pixels, keep = (g.median for g in inputs)
    closed = lognorm(
        s=np.sqrt(sum(g.log_sd**2 for g in inputs)), scale=P * pixels * keep * n / (60_000 * 784)
    ).ppf([0.05, 0.5, 0.95])
    sampled = np.quantile(chapter.predicted(n_new=n), [0.05, 0.5, 0.95])
    assert sampled == pytest.approx(closed, rel=0.03)
    assert tuple(f"{v:.0e}" for v in closed) == wanted
