"""Judges of the exercises of the chapter "The law with honest constants".

Each takes its truth from elsewhere than the chapter's solution: whole numbers instead of a formula solved for B, sums over actual labels,
Kraft's inequality over all words, a limit of spheres, and a bisection.
"""

import itertools
import math

import numpy as np

from . import NotYet, array, call, checker, function, number


@checker("certificate-1", expects="a whole number of bits")
def _largest_number_of_bits_that_is_too_small(answer):
    B = number(answer, "the number of bits")

    def excluded(
        B,
    ):  # 2^B functions, each with probability at most exp(−n(d−1)/(2L²)), together at most δ
        return B * math.log(2) - 10_000 * 999 / (2 * 9) < math.log(0.01)

    if B != int(B) or B < 1:
        raise NotYet(f"B is a whole number of bits, at least 1, not {B:g}.")
    if not excluded(B):
        raise NotYet(
            f"With {B:.0f} bits the certificate is still at most 3, so that nothing is excluded."
        )
    if excluded(B + 1):
        hint = " Did you forget ln(1/δ), or take d for d − 1?" if abs(B - 800_689) < 900 else ""
        raise NotYet(
            f"{B:.0f} bits are too few for a fit, but so are {B + 1:.0f}; the largest such number is asked for.{hint}"
        )


@checker("certificate-2", expects="a function share_to_fit(p)")
def _fit_of_uneven_labels(answer):
    share_to_fit = function(answer, "share_to_fit(p)")
    for ones, n in ((1, 2), (1, 4), (3, 10), (9, 10), (1, 1000)):
        y = np.repeat([1.0, -1.0], [ones, n - ones])
        centred = y - y.mean()
        truth = float(centred @ y / math.sqrt(n * (centred @ centred)))
        got = number(call(share_to_fit, ones / n), f"share_to_fit({ones / n:g})")
        if abs(got - truth) > 1e-6:
            raise NotYet(
                f"For {ones} labels +1 among {n} your function gives {got:.4g}, but the sum with a perfect fit says otherwise."
            )


@checker("certificate-3", expects="a function word_length(w)")
def _code_for_sparse_vectors(answer):
    word_length = function(answer, "word_length(w)")
    for N in (1, 2, 3, 7, 10):
        total = 0.0
        for w in itertools.product((0, 1), repeat=N):
            bits = number(call(word_length, np.array(w)), f"the length of the word of {w}")
            if bits != int(bits) or bits < 0:
                raise NotYet(
                    f"A word has a whole number of bits, not {bits:g}, which you give to {w}."
                )
            total += 2.0**-bits
        if total > 1 + 1e-12:
            raise NotYet(
                f"For N = {N} the sum of 2 to the minus length over all vectors is {total:.3f}, above 1: no such prefix-free code."
            )
    w = np.zeros(64, dtype=int)
    for place in (0, 31, 63):
        w[:] = 0
        w[place] = 1
        bits = number(call(word_length, w.copy()), "the length of a word for 64 entries")
        if bits > 16:
            raise NotYet(
                f"A vector of 64 entries with a single 1, at place {place}, gets {bits:.0f} bits; at most 16 are allowed."
            )
    rng = np.random.default_rng(21)
    sample = np.mean(
        [
            2.0 ** (20 - number(call(word_length, rng.integers(0, 2, 20)), "a length"))
            for _ in range(2000)
        ]
    )
    if sample > 1.2:
        raise NotYet(
            f"For N = 20 the sum of 2 to the minus length over all vectors is about {sample:.2f}, by a sample: above 1."
        )


@checker("certificate-4", expects="a function gaussian_certificate(y, values, bits, d, delta)")
def _certificate_for_gaussian_points(answer):
    gaussian = function(answer, "gaussian_certificate(y, values, bits, d, delta)")
    from ..law import bit_certificate

    rng = np.random.default_rng(22)
    for n, d, bits, delta in ((50, 10, 30, 0.1), (200, 3, 500, 0.01)):
        y = rng.choice([-1.0, 1.0], n)
        values = y + rng.standard_normal(n)
        got = array(np.asarray(call(gaussian, y, values, bits, d, delta)), (), "the certificate")
        # N(0, I/d) is the limit of the first d coordinates of spheres of radius √(D/d) in dimension D: there (D − 1)/(D/d) → d
        D = 10**9
        truth = bit_certificate(y, values, bits, D, delta) / math.sqrt(D / d)
        sphere = bit_certificate(y, values, bits, d, delta)
        if abs(got / truth - 1) > 1e-6:
            hint = (
                " That is the one of the sphere; which number does log-Sobolev give for Gaussian points?"
                if abs(got / sphere - 1) < 1e-9
                else ""
            )
            raise NotYet(
                f"For n = {n}, d = {d}, B = {bits} your certificate is {float(got):.4g} and not the right one.{hint}"
            )
        shifted = call(gaussian, y, values + 7.0, bits, d, delta)
        if abs(shifted / truth - 1) > 1e-6:
            raise NotYet(
                "Adding a constant to f changes your certificate; the mean label should make it drop out."
            )


@checker("certificate-5", expects="a number, the radius")
def _radius_of_a_small_machine(answer):
    r = number(answer, "the radius")

    def impossible(r):
        return 800_000 * math.log(2) + math.log(100) < 0.8**2 * 60_000 * 783 * r**2 / 2

    if impossible(r * 0.995):
        raise NotYet(f"At r = {r:.4g} it is impossible, but also at somewhat smaller radii.")
    if not impossible(r * 1.005):
        hint = (
            " Did you leave out the points that need not be robust, or take bytes for bits?"
            if impossible(r * 3)
            else ""
        )
        raise NotYet(f"At r = {r:.4g}, and a little beyond, the theorem does not exclude it.{hint}")
