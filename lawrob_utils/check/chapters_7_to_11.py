"""Truths of the chapters from "The law with honest constants" to "Open directions"."""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, linprog, minimize_scalar
from scipy.spatial.distance import cdist, pdist
from scipy.special import erf, softmax
from scipy.stats import lognorm, norm

from ..law import bit_certificate, law_curve
from . import When, array, call, function, number, raised, row, signs, smallest
from .chapters_1_to_6 import layers


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


@row("mnist-imagenet-1", [(1, 1), (4, 1), (16, 1), (2, 3)], rel=0)
def count(given, s, channels, side=28, kernel=5, classes=10):
    counted, one = (layers(s, c, side, kernel, classes) for c in (channels, 1))
    return counted.sum(), dict(no_biases=counted[:, 0].sum(), one_channel=one.sum())


@row("mnist-imagenet-2", what="σ²", rel=5e-3)
def noise_that_explains_the_transition(given, P=2e5, n=60_000, d=784):
    right = brentq(lambda sigma2: sigma2 * n * d - P, 0, 1e9)
    digits, power = f"{P:e}".split("e+")
    due = f"{float(digits):g}·10{raised(int(power))}"
    return right, dict(sigma=math.sqrt(right)), dict(needed=given * n * d, due=due)


@row("mnist-imagenet-3")
def interval(f):
    pairs = ((1.0, 10.0), (1.0, 10.0)), ((2e5, 3e6), (0.1, 10.0)), ((3.0, 3.0), (2.0, 50.0))
    t = np.linspace(-8, 8, 4001)
    weight = norm.pdf(t) / norm.pdf(t).sum()
    for a, b in (*pairs, ((0.5, 8.0), (4.0, 5.0))):
        given = call(f, a, b)
        yield "two", not isinstance(given, (tuple, list, np.ndarray)) or len(given) != 2
        low, high = (number(v, "an end of the interval") for v in given)
        yield "order", min(low, high) <= 0 or low > high
        sd_a, sd_b = (math.log(v[1] / v[0]) / 2 / norm.isf(0.05) for v in (a, b))
        first = math.sqrt(a[0] * a[1]) * np.exp(sd_a * t)  # a fine grid of the first number
        for i, (word, end, wanted) in enumerate((("lower", low, 0.05), ("upper", high, 0.95))):
            found = weight @ lognorm.cdf(end / first, sd_b, scale=math.sqrt(b[0] * b[1]))
            name = "ends" if math.isclose(end, a[i] * b[i]) else "off"
            yield name, abs(found - wanted) > 0.004


def _pictures(rng):
    x = np.full(4, 0.5), np.array([0.0, 1.0, 0.0, 1.0]), rng.random(5), rng.random(6)
    return zip(x, (0.3, 0.3, 0.3, 0.8), strict=True)


@row("mnist-imagenet-4", _pictures, seed=94, what="longest(x, eps)")
def longest(given, x, eps):
    ends = zip(np.maximum(x - eps, 0), np.minimum(x + eps, 1), strict=True)
    right = max(np.linalg.norm(np.array(corner) - x) for corner in itertools.product(*ends))
    wrong = dict(unclipped=eps * math.sqrt(x.size), lighter=np.linalg.norm(np.minimum(eps, 1 - x)))
    return right, wrong, dict(rounded=np.round(x, 2).tolist())


def _images(rng):
    for n, d in ((2, 3), (12, 5), (40, 8)):
        X = rng.random((n, d))
        if n > 3:
            X[3] = X[0] + 1e-3  # the nearest pair has the same label
        yield X, np.arange(n) % 3


@row("mnist-imagenet-5", _images, seed=95, what="safe_radius(X, y)", rel=1e-9)
def safe_radius(given, X, y):
    gap = cdist(X, X, "chebyshev")[y[:, None] != y].min()
    far = When(given > gap / 2 and y.size > 2, gap / 2 * (1 if y.size == 2 else 1.5))
    same = When(given < gap / 2, pdist(X, "chebyshev").min() / 2)
    return gap / 2, dict(gap=gap, far=far, same_label=same)


def _classes(rng):
    yield (np.array([[1.0, 1.0]]),)
    yield from ((rng.uniform(-1, 1, shape),) for shape in ((3, 4), (1, 5)))
    yield (rng.choice([-1.0, 1.0], (6, 7)),)


@row("rademacher-1", _classes, seed=1, what="a class of shape {V.shape}", rel=1e-9)
def exact_complexity(given, V):
    n = V.shape[1]
    sums = signs(n) @ V.T / n
    right, late = np.abs(sums).max(axis=1).mean(), np.abs(sums).mean(axis=0).max()
    return right, dict(no_n=n * right, signed=sums.max(axis=1).mean(), late=late), dict(all=2**n)


def _signed_points(rng):
    for shape in ((4, 1), (6, 3), (15, 5)):
        Z = rng.standard_normal(shape)
        yield rng.choice([-1.0, 1.0], len(Z)), Z


@row("rademacher-2", _signed_points, seed=2, what="n = {Z.shape[0]}, P = {Z.shape[1]}", rel=1e-7)
def l1_supremum(given, s, Z):
    g = s @ Z / s.size
    # w = u − v with u, v ≥ 0 and Σ(u + v) ≤ 1 is the unit ball of the norm
    right = -linprog(np.concatenate([-g, g]), A_ub=np.ones((1, 2 * g.size)), b_ub=[1.0]).fun
    cube, ball = np.abs(g).sum(), np.linalg.norm(g)
    return right, dict(no_n=s.size * right, ball=ball, cube=cube, positive=g.max())


@row("rademacher-3", what="L", rel=0, abs=0.06)
def where_smoothness_stops_to_help(given, weights=1000, bits=8, n=60_000, d=784, k=10):
    clusters, massart = math.sqrt(k / n), math.sqrt(2 * (weights * bits + 1) * math.log(2) / n)
    right = brentq(lambda L: clusters + L * massart / math.sqrt(d) - massart, -1e6, 1e6)
    smooth = clusters + given * massart / math.sqrt(d)
    return right, dict(no_clusters=math.sqrt(d)), dict(smooth=smooth)


@row("rademacher-4")
def no_contraction(answer, points=10):
    yield "no_pair", not isinstance(answer, (tuple, list)) or len(answer) != 2
    V, phi = answer
    yield "hole", V is None or V is Ellipsis or phi is None or phi is Ellipsis
    V = array(V, np.shape(V), "V")
    yield "shape", V.ndim != 2 or 0 in V.shape or V.shape[1] > points
    yield "large", np.abs(V).max() > 1
    grid = np.sort(np.concatenate([np.linspace(-1, 1, 2001), np.unique(V)]))
    values = array(call(function(phi, "phi(v)"), grid.copy()), grid.shape, "phi of an array")
    excess = np.abs(np.diff(values)) - np.diff(grid)
    near = grid[excess.argmax()]
    yield "steep", excess.max() > 1e-9
    before, after = exact_complexity(0, V)[0], exact_complexity(0, np.interp(V, grid, values))[0]
    yield "smaller", after <= before + 1e-9


_SIMPLICES = (2, 2, 1.4, 1.0), (1, 3, 1.0, 0.5), (3, 2, 1.4, 5.0), (4, 0, 1.0, 1.0)
_FLAT = (0, 3, 2.0, 0.1), (2, 1, 1.0, 0.0)


@row("rademacher-5", [*_SIMPLICES, *_FLAT], what="{plus} and {minus} points", rel=1e-7, abs=1e-7)
def simplex_supremum(given, plus, minus, D, L):
    n, s = plus + minus, np.repeat([1.0, -1.0], [plus, minus])
    A = np.array([np.eye(n)[a] - np.eye(n)[b] for a, b in itertools.permutations(range(n), 2)])
    right = -linprog(-s, A_ub=A, b_ub=np.full(len(A), L * D), bounds=(-1, 1)).fun / n
    steep = (min(plus, minus) * L * D + abs(plus - minus)) / n
    partners = When(plus != minus, min(plus, minus) * min(L * D, 2) / n)
    return right, dict(no_n=n * right, steep=When(L * D > 2, steep), partners=partners)


@row("open-1", [(1,), (2,), (50,), (10_000,)], rel=1e-4)
def typical_reach(given, d):
    def below(v):  # |x_j − x'_j| ≤ t with probability erf(t√d/2), and v = d·t²
        return erf(math.sqrt(max(v, 0)) / 2) ** d

    right = brentq(lambda v: below(v) - 0.5, 0, 1000)
    wrong = dict(negative=When(given <= 0, -1.0), variance=right / 2)
    return right, wrong, dict(below=below(given))


def _cap(chord, d):
    """Share of the sphere within this distance of a point, by integration over the angle."""
    near, whole = (
        quad(lambda t: math.sin(t) ** (d - 2), 0, end)[0]
        for end in (2 * math.asin(chord / 2), math.pi)
    )
    return near / whole


@row("open-2", [(10, 3, 0.3, 1), (100, 5, 0.2, 2), (7, 12, 0.5, 3.5), (400, 30, 0.6, 2)], rel=1e-5)
def mean_slope(given, n, d, r, q):
    cap = _cap(r, d)
    return n * cap / r**q, dict(one_tent=cap / r**q, no_slope=n * cap, no_power=n * cap / r)


@row("open-3", [(0.0,), (1.0,), (-3.0,), (40.0,)], what="slope({s:g})", rel=1e-3, abs=1e-3)
def slope(given, s):
    def attention(x):
        return softmax([x * x, x * s]) @ [x, s]

    h = 1e-4 / (1 + abs(s))
    return (attention(h) - attention(-h)) / (2 * h), dict(tokens_only=0.5)


@row("open-4", [(0.1,), (1.0,), (4 / 3,), (2.0,), (10.0,)], what="exponent({s:g})")
def exponent(given, s, square=2 / 3):
    lam = np.linspace(0, s, 20_001)
    return (lam - square * (lam / s) ** 2).max()


@row("open-5", what="the probability", rel=0.01, abs=0)
def what_a_spike_can_change(given, d=64, rho=0.05, r=0.25):
    outside, bound = When(not 0 < given < 1, 0), (r + rho) ** (d - 1)
    wrong = dict(outside=outside, edge=_cap(r, d), bound=bound)
    return _cap(r + rho, d), wrong, dict(near=r + 0.4 * rho)
