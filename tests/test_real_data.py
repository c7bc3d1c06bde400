"""The arithmetic of chapter 9: guesses are log-normal, products of them obey the closed form, the talk's numbers come out."""

import numpy as np
import pytest
from scipy.stats import lognorm

from lawrob_utils.law import (
    Guess,
    effective_dimension,
    law_curve,
    log_shares,
    parameters_needed,
    transferred_parameters,
)


def test_a_guess_is_the_log_normal_law_with_its_ends_as_5_and_95_percent_quantiles():
    guess = Guess(2e5, 3e6)
    law = lognorm(s=guess.log_sd, scale=guess.median)
    assert law.ppf([0.05, 0.5, 0.95]) == pytest.approx([2e5, np.sqrt(2e5 * 3e6), 3e6])
    assert [guess.quantile(q) for q in (0.05, 0.2, 0.9)] == pytest.approx(law.ppf([0.05, 0.2, 0.9]))
    draws = guess.draw(100_000, np.random.default_rng(0))
    assert np.mean(draws < 2e5) == pytest.approx(0.05, abs=0.004)
    assert np.mean(draws > 3e6) == pytest.approx(0.05, abs=0.004)


def test_an_exact_guess_has_no_spread():
    guess = Guess(784)
    assert guess.median == guess.quantile(0.01) == 784 and guess.log_sd == 0
    assert (guess.draw(5, np.random.default_rng(0)) == 784).all()


def test_sampled_product_has_the_quantiles_of_the_closed_form():
    inputs = {"a": Guess(1, 10), "b": Guess(3, 40), "c": Guess(7)}
    rng = np.random.default_rng(1)
    sampled = np.prod([g.draw(400_000, rng) for g in inputs.values()], axis=0)
    closed = lognorm(
        s=np.sqrt(sum(g.log_sd**2 for g in inputs.values())),
        scale=np.prod([g.median for g in inputs.values()]),
    )
    assert np.quantile(sampled, [0.05, 0.5, 0.95]) == pytest.approx(
        closed.ppf([0.05, 0.5, 0.95]), rel=0.02
    )
    share = log_shares(inputs)
    total = np.var(np.log(sampled))
    for name, guess in inputs.items():
        assert share[name] == pytest.approx(guess.log_sd**2 / total, abs=0.01)


def test_the_talks_and_the_papers_numbers():
    assert effective_dimension(1e6, 1e5) == 10
    assert transferred_parameters(1e6, 1e5, 1e3, 1e7, 1e5) == pytest.approx(1e10)
    assert effective_dimension(np.array([9e5, 9e6]), 6e4) == pytest.approx([15, 150])


def test_noise_of_two_percent_explains_a_million_parameters_without_any_effective_dimension():
    assert parameters_needed(60_000, 784, 1.0, sigma=np.sqrt(0.02)) == pytest.approx(940_800)
    assert effective_dimension(940_800, 60_000, sigma2=0.02) == pytest.approx(784)
    assert effective_dimension(940_800, 60_000) == pytest.approx(15.68)


def test_effective_dimension_inverts_the_law():
    n, d, P, sigma = 5000, 37, 40_000, 0.3
    L = law_curve(n, d, P, sigma=sigma)
    assert effective_dimension(P, n, sigma2=sigma**2, L=L) == pytest.approx(d)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Guess(0, 1), "low"),
        (lambda: Guess(2, 1), "above high"),
        (lambda: Guess(1, np.inf), "high"),
        (lambda: Guess(1, 2).quantile(1), "q = 1"),
        (lambda: Guess(1, 2).draw(0, np.random.default_rng(0)), "size"),
        (lambda: Guess(1, 2).draw(3, 0), "rng"),
        (lambda: effective_dimension(-1, 2), "P"),
        (lambda: effective_dimension(1, 2, sigma2=2), "sigma2 = 2"),
        (lambda: transferred_parameters(1, 2, 3, 4, np.nan), "d_new"),
        (lambda: log_shares({"a": Guess(1)}), "exact"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
