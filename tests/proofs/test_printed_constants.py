"""The constants that version 1 of the paper prints, against what the book's theorems give."""

import numpy as np


def test_theorem_2_holds_with_788_in_the_place_of_8_to_the_4():
    """Theorem 2: failure ≤ 4k·exp(−nε²/(8³k)) + 2·exp(log N − ε²nd/(8⁴cL²)), tail form.

    The law for mixtures has 2κ·16c = 128c and κ = 4; s, t are chosen so that the exceptions fit.
    """
    k = np.unique(np.r_[np.arange(1, 10**5), np.geomspace(1e5, 1e12, 1000)])
    for eps in (0.01, 0.3, 1.0):
        n = 512 * k * np.log(4 * k) / eps**2  # for fewer points the printed bound exceeds 1
        s, t = eps / (16 * np.sqrt(k)), eps / (32 * np.sqrt(k))
        means = np.where(k == 1, 0, np.sqrt(k / n))
        exceptions = np.exp(-2 * n * t**2) + np.where(k == 1, 2, 1) * np.exp(-n * s**2 / 2)
        assert (exceptions <= 4 * k * np.exp(-n * eps**2 / (512 * k)) * (1 + 1e-9)).all()
        constant = 128 * eps**2 / (eps / 2 - s - t - means) ** 2
        assert 787.5 < constant.max() < 788 and np.argmax(constant) == 1
