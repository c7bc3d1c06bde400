"""Our PGD against foolbox's, recorded once from its own environment
(tests/oracles/make_foolbox_parity.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from lawrob_utils.attacks import pgd, robust_accuracy  # noqa: E402
from lawrob_utils.networks import MLP  # noqa: E402

ORACLES = Path(__file__).parent / "oracles"
STORED = json.loads((ORACLES / "foolbox-parity.json").read_text())["results"]
ARRAYS = dict(np.load(ORACLES / "foolbox-parity.npz"))
NET = MLP(((ARRAYS["0_weight"], ARRAYS["0_bias"]), (ARRAYS["2_weight"], ARRAYS["2_bias"])))
X, Y = ARRAYS["X"], ARRAYS["y"]
cases = pytest.mark.parametrize("stored", STORED, ids=lambda r: f"{r['norm']}-{r['eps']}")


@cases
def test_with_foolbox_settings_robust_accuracy_agrees_within_half_a_percent(stored):
    ours = robust_accuracy(
        NET, X, Y, stored["eps"], stored["norm"], step_size=2.5 * stored["eps"] / 40, clip=(0, 1)
    )
    assert abs(ours - stored["robust_accuracy"]) <= 0.005 + 1e-9


@cases
def test_default_steps_with_restarts_are_as_strong_as_foolbox_with_restarts(stored):
    ours = robust_accuracy(
        NET,
        X,
        Y,
        stored["eps"],
        stored["norm"],
        restarts=5,
        rng=np.random.default_rng(0),
        clip=(0, 1),
    )
    assert ours <= stored["robust_accuracy_5_random_starts"] + 0.005 + 1e-9


@pytest.mark.parametrize(("norm", "eps"), [("l2", 0.4), ("linf", 0.08)])
def test_three_steps_reach_the_points_that_foolbox_reaches(norm, eps):
    theirs = ARRAYS[f"short_{norm}"]
    ours = pgd(
        NET, X[:40], Y[:40], eps, norm, steps=3, step_size=0.1 * eps, clip=(0, 1), active_set=False
    ).X
    # Beyond a margin of about 12, float32 cross-entropy loses the true class's part of the gradient
    # (1 − p_y rounds to 0) and foolbox turns aside; our loss has the same direction without that
    # loss of digits. Below, the points must be the same.
    clear = pgd(NET, X[:40], Y[:40], 0.0).margin < 10
    assert clear.sum() >= 25
    np.testing.assert_allclose(ours[clear], theirs[clear], rtol=0, atol=1e-5)
