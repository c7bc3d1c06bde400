"""Truths for "The law with honest constants" and "Interpretation"."""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from ..law import bit_certificate, law_curve
from . import When, call, number, row, smallest

# Chapter 7, "The law with honest constants" -----------------------------------------------------


@row("certificate-1", what="the number of bits", rel=0)
def bits_that_are_too_few(given, n=10_000, d=1000, L=3.0, delta=0.01):
    # 2^B functions, each with probability at most exp(−n(d − 1)/(2L²)), together at most δ
    nats = n * (d - 1) / (2 * L**2) + math.log(delta)
    right = smallest(lambda B: B * math.log(2) >= nats) - 1
    part = When(given % 1 or given < 1, right + 0.5)
    near = When(0 < right - given < 0.81 * n / L**2 * 0.9**2, right - 1)
    return right, dict(part=part, near=near), dict(more=given + 1)


@row("certificate-2", [(0.5,), (0.25,), (0.3,), (0.9,), (0.001,)], abs=1e-6)
def share_to_fit(given, p):
    ones, n = Fraction(p).limit_denominator(1000).as_integer_ratio()
    y = np.repeat([1.0, -1.0], [ones, n - ones])
    a = y - y.mean()
    return a @ y / math.sqrt(n * (a @ a)), {}, dict(ones=ones, n=n)


@row("certificate-3")
def word_length(f, entries=64, most=16):
    for N in (1, 2, 3, 7, 10):
        total = 0.0
        for w in itertools.product((0, 1), repeat=N):
            bits = number(call(f, np.array(w)), f"the length of the word of {w}")
            yield "part", bits != int(bits) or bits < 0
            total += 2.0**-bits
        yield "kraft", total > 1 + 1e-12
    for place in (0, (entries - 1) // 2, entries - 1):
        single = np.eye(1, entries, place, dtype=int)[0]
        bits = number(call(f, single), f"the length of a word for {entries} entries")
        yield "long", bits > most
    rng = np.random.default_rng(21)
    words = (number(call(f, rng.integers(0, 2, 20)), "a length") for _ in range(2000))
    mean = np.mean([2.0 ** (20 - bits) for bits in words])
    yield "sample", mean > 1.2


def _fits(rng):
    for n, d, bits, delta in ((50, 10, 30, 0.1), (200, 3, 500, 0.01)):
        y = rng.choice([-1.0, 1.0], n)
        values = y + rng.standard_normal(n)
        yield from ((y, values + shift, bits, d, delta) for shift in (0.0, 7.0))


@row("certificate-4", _fits, seed=22, what="the certificate", read=np.asarray)
def gaussian_certificate(given, y, values, bits, d, delta):
    # N(0, I/d) is the limit of d coordinates of spheres of radius √(D/d) in dimension D
    right = bit_certificate(y, values, bits, D := 10**9, delta) / math.sqrt(D / d)
    shifted = When(values.mean() > 5, right * (1 + (values.mean() > 5)))
    return np.array(right), dict(shifted=shifted, sphere=bit_certificate(y, values, bits, d, delta))


@row("certificate-5", what="the radius", rel=5e-3)
def radius_of_a_small_machine(given, n=60_000, d=784, bits=800_000, percent=90, delta=0.01):
    share = 2 * percent / 100 - 1  # of the points that are robust less those that are not

    def room(r, bits):
        return share**2 * n * (d - 1) * r**2 / 2 - bits * math.log(2) - math.log(1 / delta)

    right, bytes = (brentq(room, 0, 1e6, args=b) for b in (bits, bits / 8))
    return right, dict(near=When(right / 3 < given < right, bytes))


# Chapter 8, "Interpretation" --------------------------------------------------------------------


def _mixtures(rng):
    for k in (2, 3, 6):
        yield rng.dirichlet(np.ones(k)), rng.standard_normal((k, 2)) * [3, 1] + 5


@row("interpretation-1", _mixtures, seed=81, what="the bound", rel=1e-4)
def mixture_floor(given, weights, means):
    angle = np.linspace(0, np.pi, 20_001)
    along = means @ np.stack([np.cos(angle), np.sin(angle)])
    right = (weights @ along**2 - (weights @ along) ** 2).max()
    return right, dict(unweighted=along.var(axis=0).max(), root=math.sqrt(right))


def _ratios(rng):
    return [(rng.random(n) ** (-1 / m),) for m, n in ((1.0, 50), (6.5, 200), (30.0, 1000))]


@row("interpretation-2", _ratios, seed=82, what="the dimension", rel=1e-4)
def dimension_by_likelihood(given, mu):
    setting = {"bounds": (0.01, 200), "method": "bounded", "options": {"xatol": 1e-9}}
    log = np.log(mu)
    right = minimize_scalar(lambda a: np.sum((a + 1) * log - np.log(a)), **setting).x
    return right, dict(inverse=1 / right, single=When(given > 1.5 * right, np.mean(1 / log)))


def _populations(rng):
    for q in (0.0, 0.05, 0.3, 0.5):  # five kinds of x, P(y = 1 | x) for each
        share, plus = rng.dirichlet(np.ones(5)), rng.random(5)
        yield share @ (4 * plus * (1 - plus)), q, share, plus


@row("interpretation-3", _populations, seed=83, what="the noise", rel=0)
def noise_after_flips(given, sigma2, q, share, plus):
    flipped = plus * (1 - q) + (1 - plus) * q
    return share @ (4 * flipped * (1 - flipped)), dict(sum=sigma2 + 4 * q * (1 - q))


def _worlds(rng):
    for sigma2, d_eff, n in ((0.02, 784.0, 60_000), (0.2, 78.4, 60_000), (0.0, 5.0, 1000)):
        q = np.array([0.0, 0.02, 0.1, 0.25, 0.5])
        yield q, n * d_eff * (1 - (1 - sigma2) * (1 - 2 * q) ** 2), n, sigma2, d_eff


@row("interpretation-4", _worlds, what="the pair (sigma2, d_eff)", abs=1e-6)
def two_unknowns(given, q, P, n, sigma2, d_eff):
    return np.array([sigma2, d_eff]), dict(swapped=np.array([d_eff, sigma2]))


def _radii(rng):
    for n, d, sigma2, r in ((60_000, 784, 0.02, 0.5), (1000, 50, 1.0, 0.1)):
        yield from ((n, sigma2, unit * r, unit / math.sqrt(d), d, unit) for unit in (1, 255))


@row("interpretation-5", _radii, what="the number of parameters")
def parameters_for_radius(given, n, sigma2, r, K, d, unit):
    sigma, slope = math.sqrt(sigma2), unit / r  # on the unit sphere K² = 1/d
    right = brentq(lambda P: law_curve(n, d, P, sigma=sigma) - slope, 1e-3, 1e15)
    return right, dict(unit=When(unit > 1, right * unit), slope=right / 4)


_FLIPS = (2000, 160, 0.14, 0.1, 0.5, 0.01), (2000, 160, 0.14, 0.5, 0.5, 0.01)
_FEWER = (400, 20, 0.05, 0.25, 0.9, 0.1), (400, 20, 0.05, 0.0, 0.9, 0.1)


@row("interpretation-6", [*_FLIPS, *_FEWER], what="the number of bits", rel=1e-3, abs=1e-3)
def bits_for_flips(given, n, d, r, p, mu, delta):
    flips = round(p * n / 2)
    total = n * np.repeat([1.0, -1.0], [n // 2 - flips, flips]).var()  # about each cluster's mean
    # one function has such a sum with probability exp(−e) at most; 2^B of them must reach δ
    e = total * (d - 2) * r**2 / (2 * (1 - mu**2))
    bits = brentq(lambda B: B * math.log(2) - e - math.log(delta), -1e9, 1e9)
    return max(bits, 0.0), dict(negative=When(given < 0, bits))


def _costs(rng):
    kappas, bent = np.array([8.0, 12.0, 20.0, 32.0, 64.0]), np.array([90.0, 40.0, 30.0, 28.0, 10.0])
    for slope, level in ((0.7, 100.0), (1.5, 900.0)):  # interpolation is exact on a power law
        for truth in (8.0, 10.0, 27.0, 63.0):
            yield level * truth**-slope, kappas, level * kappas**-slope, truth, slope, level
    yield 29.0, kappas, bent, 20 * 1.6 ** (math.log(30 / 29) / math.log(30 / 28)), 0, 0


@row("interpretation-7", _costs, what="the dimension")
def equal_cost(given, k, kappas, widths, truth, slope, level):
    line = math.exp(np.polyval(np.polyfit(np.log(widths), np.log(kappas), 1), math.log(k)))
    ends = When(given in (kappas[0], kappas[-1]), np.interp(k, widths, kappas))
    near = When(abs(given / truth - 1) < 0.25, np.interp(-k, -widths, kappas))
    return truth, dict(line=When(not slope, line), ends=ends, no_logarithms=near)
