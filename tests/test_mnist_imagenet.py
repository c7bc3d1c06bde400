"""Chapter 9: the recorded networks are what the chapter says they are, and its prediction follows from its inputs."""

import numpy as np
import pytest
from scipy.stats import lognorm

from lawrob_utils.experiments import mnist_capacity
from lawrob_utils.law import Guess, transferred_parameters
from lawrob_utils.sweep import points

COUNTS = {1: 13_514, 2: 52_506, 4: 206_954, 8: 821_706, 16: 3_274_634}


@pytest.fixture(scope="module")
def table():
    return mnist_capacity.load()


def test_the_record_holds_the_rows_of_the_full_grid_with_exact_parameter_counts(table):
    grid = points(mnist_capacity.EXPERIMENT.grid("full"))
    assert [{name: row[name] for name in grid[0]} for row in table] == grid
    assert all(row["parameters"] == COUNTS[row["scale"]] for row in table)


def test_recorded_shares_are_shares_and_an_attack_never_helps(table):
    for row in table:
        assert 0 <= row["robust_test"] <= row["natural_test"] <= 1
        assert 0 <= row["robust_train"] <= row["natural_train"] <= 1
        assert row["twice_after"] <= row["twice_before"]
        assert (row["robust_test"] * 10_000) == pytest.approx(round(row["robust_test"] * 10_000))
        assert row["collapsed"] == (row["largest_class"] > 0.99)


def test_predicted_quantiles_follow_from_the_closed_form():
    inputs = [Guess(2e5, 3e6), Guess(1.5e5, 2e5), Guess(0.1, 10)]
    spread = np.sqrt(sum(g.log_sd**2 for g in inputs))
    for n, wanted in ((1.4e7, ("3e+09", "4e+10", "6e+11")), (1.28e6, ("3e+08", "4e+09", "5e+10"))):
        P, pixels, keep = (g.median for g in inputs)
        middle = transferred_parameters(P, 60_000, 784, n, pixels, keep=keep)
        ends = lognorm(s=spread, scale=middle).ppf([0.05, 0.5, 0.95])
        assert tuple(f"{v:.0e}" for v in ends) == wanted
