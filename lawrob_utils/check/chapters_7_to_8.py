"""Exercises of "The law with honest constants" and "Interpretation"."""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy import optimize

from ..law import bit_certificate, law_curve
from . import When, array, call, function, judge, number, row, smallest

# Chapter 7, "The law with honest constants" -----------------------------------------------------


@row(what="the number of bits", rel=0)
def bits_that_are_too_few(given, n=10_000, d=1000, L=3.0, delta=0.01):
    """certificate-1: a whole number of bits
    < {given:.0f} bits are too few for a fit, but so are {more:.0f}; the largest such number is asked for.
    > With {given:.0f} bits the certificate is still at most {L:g}, so that nothing is excluded.
    = B is a whole number of bits, at least 1, not {given:g}.
    + Did you forget ln(1/δ), or take d for d − 1?
    """
    # 2^B functions, each with probability at most exp(−n(d − 1)/(2L²)), together at most δ
    nats = n * (d - 1) / (2 * L**2) + math.log(delta)
    right = smallest(lambda B: B * math.log(2) >= nats) - 1
    near = When(0 < right - given < 0.81 * n / L**2 * 0.9**2, right - 1)
    return right, When(given % 1 or given < 1, right + 0.5), near, {"more": given + 1}


@row(trials=[(0.5,), (0.25,), (0.3,), (0.9,), (0.001,)], abs=1e-6)
def share_to_fit(given, p):
    """certificate-2: a function share_to_fit(p)
    For {ones} labels +1 among {n} your function gives {given:.4g}, but the sum with a perfect fit says otherwise.
    """
    ones, n = Fraction(p).limit_denominator(1000).as_integer_ratio()
    y = np.repeat([1.0, -1.0], [ones, n - ones])
    a = y - y.mean()
    return a @ y / math.sqrt(n * (a @ a)), {"ones": ones, "n": n}


@judge("certificate-3: a function word_length(w)")
def word_length(answer, entries=64, most=16):
    f = function(answer, "word_length(w)")
    for N in (1, 2, 3, 7, 10):
        total = 0.0
        for w in itertools.product((0, 1), repeat=N):
            bits = number(call(f, np.array(w)), f"the length of the word of {w}")
            if bits != int(bits) or bits < 0:
                return f"A word has a whole number of bits, not {bits:g}, which you give to {w}."
            total += 2.0**-bits
        if total > 1 + 1e-12:
            return f"For N = {N} the sum of 2 to the minus length over all vectors is {total:.3f}, above 1: no such prefix-free code."
    for place in (0, (entries - 1) // 2, entries - 1):
        w = np.eye(1, entries, place, dtype=int)[0]
        bits = number(call(f, w), f"the length of a word for {entries} entries")
        if bits > most:
            return f"A vector of {entries} entries with a single 1, at place {place}, gets {bits:.0f} bits; at most {most} are allowed."
    rng = np.random.default_rng(21)
    words = (number(call(f, rng.integers(0, 2, 20)), "a length") for _ in range(2000))
    if (sample := np.mean([2.0 ** (20 - bits) for bits in words])) > 1.2:
        return f"For N = 20 the sum of 2 to the minus length over all vectors is about {sample:.2f}, by a sample: above 1."


def _fits(rng):
    for n, d, bits, delta in ((50, 10, 30, 0.1), (200, 3, 500, 0.01)):
        y = rng.choice([-1.0, 1.0], n)
        values = y + rng.standard_normal(n)
        yield from ((y, values + shift, bits, d, delta) for shift in (0.0, 7.0))


@row(trials=_fits, seed=22, read=lambda v, *_: array(np.asarray(v), (), "the certificate"))
def gaussian_certificate(given, y, values, bits, d, delta):
    """certificate-4: a function gaussian_certificate(y, values, bits, d, delta)
    For n = {n}, d = {d}, B = {bits} your certificate is {given:.4g} and not the right one.
    = Adding a constant to f changes your certificate; the mean label should make it drop out.
    + That is the one of the sphere; which number does log-Sobolev give for Gaussian points?
    """
    # N(0, I/d) is the limit of d coordinates of spheres of radius √(D/d) in dimension D
    right = bit_certificate(y, values, bits, D := 10**9, delta) / math.sqrt(D / d)
    shifted = When(values.mean() > 5, right * (2 if values.mean() > 5 else 1))
    return right, shifted, bit_certificate(y, values, bits, d, delta), {"n": len(y)}


@row(what="the radius", rel=5e-3)
def radius_of_a_small_machine(given, n=60_000, d=784, bits=800_000, percent=90, delta=0.01):
    """certificate-5: a number, the radius
    < At r = {given:.4g}, and a little beyond, the theorem does not exclude it.
    > At r = {given:.4g} it is impossible, but also at somewhat smaller radii.
    + Did you leave out the points that need not be robust, or take bytes for bits?
    """
    share = 2 * percent / 100 - 1  # of the points that are robust less those that are not

    def room(r, bits):
        return share**2 * n * (d - 1) * r**2 / 2 - bits * math.log(2) - math.log(1 / delta)

    right, bytes = (optimize.brentq(room, 0, 1e6, args=b) for b in (bits, bits / 8))
    return right, When(right / 3 < given < right, bytes)


# Chapter 8, "Interpretation" --------------------------------------------------------------------


def _mixtures(rng):
    for k in (2, 3, 6):
        yield rng.dirichlet(np.ones(k)), rng.standard_normal((k, 2)) * [3, 1] + 5


@row(trials=_mixtures, seed=81, what="the bound", rel=1e-4)
def mixture_floor(given, weights, means):
    """interpretation-1: a function mixture_floor(weights, means)
    For {k} means in the plane a scan over all directions finds the variance {right:.4g}, your function says {given:.4g}.
    + Did you forget the weights?
    + That is the root of it.
    """
    angle = np.linspace(0, np.pi, 20_001)
    along = means @ np.stack([np.cos(angle), np.sin(angle)])
    right = (weights @ along**2 - (weights @ along) ** 2).max()
    return right, along.var(axis=0).max(), math.sqrt(right), {"k": len(means)}


def _ratios(rng):
    return [(rng.random(n) ** (-1 / m),) for m, n in ((1.0, 50), (6.5, 200), (30.0, 1000))]


@row(trials=_ratios, seed=82, what="the dimension", rel=1e-4)
def dimension_by_likelihood(given, mu):
    """interpretation-2: a function dimension_by_likelihood(mu)
    For {mu.size} ratios the likelihood is largest at m = {right:.4f}, and you give {given:.4f}.
    + That is its inverse.
    + Averaging the estimates 1/log μ of single points gives something else.
    """
    setting = {"bounds": (0.01, 200), "method": "bounded", "options": {"xatol": 1e-9}}
    log = np.log(mu)
    right = optimize.minimize_scalar(lambda a: np.sum((a + 1) * log - np.log(a)), **setting).x
    return right, 1 / right, When(given > 1.5 * right, np.mean(1 / log))


def _populations(rng):
    for q in (0.0, 0.05, 0.3, 0.5):  # five kinds of x, P(y = 1 | x) for each
        share, plus = rng.dirichlet(np.ones(5)), rng.random(5)
        yield share @ (4 * plus * (1 - plus)), q, share, plus


@row(trials=_populations, seed=83, what="the noise", rel=0)
def noise_after_flips(given, sigma2, q, share, plus):
    """interpretation-3: a function noise_after_flips(sigma2, q)
    A population with σ² = {sigma2:.4f} has {right:.4f} after flips with q = {q:g}; you give {given:.4f}.
    + The flips act on noisy labels, too: the two do not just add up.
    """
    flipped = plus * (1 - q) + (1 - plus) * q
    return share @ (4 * flipped * (1 - flipped)), sigma2 + 4 * q * (1 - q)


def _worlds(rng):
    for sigma2, d_eff, n in ((0.02, 784.0, 60_000), (0.2, 78.4, 60_000), (0.0, 5.0, 1000)):
        q = np.array([0.0, 0.02, 0.1, 0.25, 0.5])
        yield q, n * d_eff * (1 - (1 - sigma2) * (1 - 2 * q) ** 2), n, sigma2, d_eff


@row(trials=_worlds, read=lambda v, *_: array(v, (2,), "the pair (sigma2, d_eff)"), abs=1e-6)
def two_unknowns(given, q, P, n, sigma2, d_eff):
    """interpretation-4: a function two_unknowns(q, P, n) that returns (sigma2, d_eff)
    For data made with σ² = {right[0]:g} and d_eff = {right[1]:g} you find {given[0]:.4g} and {given[1]:.4g}.
    + Is it the other way round?
    """
    return np.array([sigma2, d_eff]), np.array([d_eff, sigma2])


def _radii(rng):
    for n, d, sigma2, r in ((60_000, 784, 0.02, 0.5), (1000, 50, 1.0, 0.1)):
        yield from ((n, sigma2, unit * r, unit / math.sqrt(d), d, unit) for unit in (1, 255))


@row(trials=_radii, what="the number of parameters")
def parameters_for_radius(given, n, sigma2, r, K, d, unit):
    """interpretation-5: a function parameters_for_radius(n, sigma2, r, K)
    On the sphere in dimension {d}, with n = {n}, σ² = {sigma2:g}, r = {r:g} the law has P = {right:.4g}; you give {given:.4g}.
    = With pixels from 0 to 255 both r and K are 255 times larger, and nothing else may change; your number does.
    + A fit of ±1 at distance r from the boundary has slope 1/r, not 2/r.
    """
    sigma, slope = math.sqrt(sigma2), unit / r  # on the unit sphere K² = 1/d
    right = optimize.brentq(lambda P: law_curve(n, d, P, sigma=sigma) - slope, 1e-3, 1e15)
    return right, When(unit > 1, right * unit), right / 4


_FLIPS = (2000, 160, 0.14, 0.1, 0.5, 0.01), (2000, 160, 0.14, 0.5, 0.5, 0.01)
_FEWER = (400, 20, 0.05, 0.25, 0.9, 0.1), (400, 20, 0.05, 0.0, 0.9, 0.1)


@row(trials=[*_FLIPS, *_FEWER], what="the number of bits", rel=1e-3, abs=1e-3)
def bits_for_flips(given, n, d, r, p, mu, delta):
    """interpretation-6: a function bits_for_flips(n, d, r, p, mu, delta)
    For n = {n}, d = {d}, r = {r}, p = {p}, μ = {mu}, δ = {delta} the theorem asks for {right:.5g} bits, not {given:.5g}.
    + A number of bits is not negative.
    """
    s, flips = np.repeat([1.0, -1.0], n // 2), round(p * n / 2)
    y = s.copy()
    y[np.r_[:flips, n // 2 : n // 2 + flips]] *= -1
    total = sum(((y[s == side] - y[s == side].mean()) ** 2).sum() for side in (1, -1))
    # One function has such a sum with probability exp(−e) at most; 2^B of them must reach δ.
    e = total * (d - 2) * r**2 / (2 * (1 - mu**2))
    bits = optimize.brentq(lambda B: B * math.log(2) - e - math.log(delta), -1e9, 1e9)
    return max(bits, 0.0), When(given < 0, bits)


def _costs(rng):
    kappas, bent = np.array([8.0, 12.0, 20.0, 32.0, 64.0]), np.array([90.0, 40.0, 30.0, 28.0, 10.0])
    for slope, level in ((0.7, 100.0), (1.5, 900.0)):  # interpolation is exact on a power law
        for truth in (8.0, 10.0, 27.0, 63.0):
            yield level * truth**-slope, kappas, level * kappas**-slope, truth, slope, level
    yield 29.0, kappas, bent, 20 * 1.6 ** (math.log(30 / 29) / math.log(30 / 28)), 0, 0


@row(trials=_costs, what="the dimension")
def equal_cost(given, k, kappas, widths, truth, slope, level):
    """interpretation-7: a function equal_cost(k, kappas, widths)
    Where k = {level:g}·κ^(−{slope:g}), the width {k:.4g} belongs to κ = {right:g}; your function says {given:.4g}.
    = Between κ = 20 with width 30 and κ = 32 with width 28, width 29 belongs to κ = {right:.2f}; your function says {given:.4g}.
    + numpy.interp wants its second argument to increase.
    + Interpolate between logarithms, of both.
    """
    line = math.exp(np.polyval(np.polyfit(np.log(widths), np.log(kappas), 1), math.log(k)))
    ends = When(given in (kappas[0], kappas[-1]), np.interp(k, widths, kappas))
    near = When(abs(given / truth - 1) < 0.25, np.interp(-k, -widths, kappas))
    return truth, When(not slope, line), ends, near
