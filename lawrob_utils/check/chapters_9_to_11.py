"""Exercises of "MNIST and ImageNet", "The Rademacher view" and "Open directions"."""

import itertools
import math

import numpy as np
from scipy import optimize
from scipy.integrate import quad
from scipy.special import erf
from scipy.stats import lognorm

from . import When, array, call, function, judge, number, row

# Chapter 9, "MNIST and ImageNet" ----------------------------------------------------------------


@row(trials=[(1, 1), (4, 1), (16, 1), (2, 3)], rel=0)
def count(given, s, channels, side=28, kernel=5, classes=10):
    """mnist-imagenet-1: a function count(s, channels) that returns a whole number of parameters
    For s = {s} and {channels} input channel(s) there are {right} parameters, not {given:g}.
    + That is without the biases.
    + Each filter of the first layer sees all input channels.
    """

    def one_by_one(channels, bias):  # every kernel entry of every filter, every connection
        entries = sum(1 for _ in itertools.product(range(kernel), range(kernel)))
        pixels = sum(1 for _ in itertools.product(range(side // 4), range(side // 4)))
        first = sum(entries * channels + bias for _ in range(2 * s))
        second = sum(entries * 2 * s + bias for _ in range(4 * s))
        full = sum(pixels * 4 * s + bias for _ in range(64 * s))
        return first + second + full + sum(64 * s + bias for _ in range(classes))

    return one_by_one(channels, 1), one_by_one(channels, 0), one_by_one(1, 1)


@row(what="σ²", rel=5e-3)
def noise_that_explains_the_transition(given, P=2e5, n=60_000, d=784):
    """mnist-imagenet-2: a number between 0 and 1, the noise level σ²
    With σ² = {given:.4g} and d_eff = {d} the law asks for {needed:.3g} parameters, not for {due}.
    = That is σ; σ² is asked for.
    """
    right = optimize.brentq(lambda sigma2: sigma2 * n * d - P, 0, 1e9)
    digits, power = f"{P:e}".split("e+")
    due = f"{float(digits):g}·10{str(int(power)).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return right, math.sqrt(right), {"needed": given * n * d, "due": due}


@judge(
    "mnist-imagenet-3: a function interval(a, b) of two pairs (low, high) that returns a pair (low, high)"
)
def interval(answer):
    f = function(answer, "interval(a, b)")
    pairs = ((1.0, 10.0), (1.0, 10.0)), ((2e5, 3e6), (0.1, 10.0)), ((3.0, 3.0), (2.0, 50.0))
    for a, b in (*pairs, ((0.5, 8.0), (4.0, 5.0))):
        given = call(f, a, b)
        if not isinstance(given, (tuple, list, np.ndarray)) or len(given) != 2:
            return "Your function should return two numbers, the lower and the upper end."
        ends = [number(v, "an end of the interval") for v in given]
        if min(ends) <= 0 or ends[0] > ends[1]:
            return f"For {a} times {b} you return {ends[0]:.4g} to {ends[1]:.4g}; the ends should be positive and in order."
        for i, (wanted, word) in enumerate(((0.05, "lower"), (0.95, "upper"))):
            found = _probability_below(ends[i], a, b)
            if abs(found - wanted) > 0.004:
                both = math.isclose(ends[i], a[i] * b[i])
                hint = (
                    " Multiplying the ends assumes that both are extreme at once." if both else ""
                )
                return f"For {a} times {b} the product lies below your {word} end {ends[i]:.4g} with probability {found:.3f}, not {wanted}.{hint}"


def _probability_below(x, a, b):
    """P(product < x) for log-normal numbers, by a sum over a fine grid of the first."""
    t = np.linspace(-8, 8, 4001)
    weight = np.exp(-(t**2) / 2)
    sd_a, sd_b = (math.log(v[1] / v[0]) / 2 / 1.6448536269514722 for v in (a, b))
    first = math.sqrt(a[0] * a[1]) * np.exp(sd_a * t)
    return weight @ lognorm.cdf(x / first, sd_b, scale=math.sqrt(b[0] * b[1])) / weight.sum()


def _pictures(rng):
    x = np.full(4, 0.5), np.array([0.0, 1.0, 0.0, 1.0]), rng.random(5), rng.random(6)
    return zip(x, (0.3, 0.3, 0.3, 0.8), strict=True)


@row(trials=_pictures, seed=94, what="longest(x, eps)")
def longest(given, x, eps):
    """mnist-imagenet-4: a function longest(x, eps) that returns one number, a Euclidean length
    For x = {rounded}, eps = {eps} the longest allowed perturbation has length {right:.4g}, not {given:.4g}.
    + Pixels stay in [0, 1], and eps is too far for some of them.
    + A pixel may also become darker.
    """
    ends = zip(np.maximum(x - eps, 0), np.minimum(x + eps, 1), strict=True)
    right = max(np.linalg.norm(np.array(corner) - x) for corner in itertools.product(*ends))
    lighter = np.linalg.norm(np.minimum(eps, 1 - x))
    return right, eps * math.sqrt(len(x)), lighter, {"rounded": np.round(x, 2).tolist()}


def _images(rng):
    for n, d in ((2, 3), (12, 5), (40, 8)):
        X = rng.random((n, d))
        if n > 3:
            X[3] = X[0] + 1e-3  # the nearest pair has the same label
        yield X, np.arange(n) % 3


@row(trials=_images, seed=95, what="safe_radius(X, y)", rel=1e-9)
def safe_radius(given, X, y):
    """mnist-imagenet-5: a function safe_radius(X, y) that returns one number, a radius in ℓ∞
    For {n} points in {d} dimensions the right radius is {right:.4g}, not {given:.4g}.
    + At that radius two balls of different classes overlap; both have to fit.
    + Is the distance the largest difference of a pixel?
    + Only pairs with different labels matter.
    """
    n, d = X.shape
    pairs = [(i, j) for i in range(n) for j in range(i)]
    gap, anyone = (
        min(max(abs(X[i] - X[j])) for i, j in pairs if y[i] != y[j] or all) for all in (False, True)
    )
    far = When(given > gap / 2 and n > 2, gap / 2 * (1 if n == 2 else 1.5))
    return gap / 2, gap, far, When(given < gap / 2, anyone / 2), {"n": n, "d": d}


# Chapter 10, "Generalization: the Rademacher view" ----------------------------------------------


def _sums(V):
    """Over all sign vectors, one a row, for all functions."""
    return np.array(list(itertools.product((-1.0, 1.0), repeat=V.shape[1]))) @ V.T / V.shape[1]


def _complexity(V):
    return np.abs(_sums(V)).max(axis=1).mean()


def _classes(rng):
    yield (np.array([[1.0, 1.0]]),)
    yield from ((rng.uniform(-1, 1, shape),) for shape in ((3, 4), (1, 5)))
    yield (rng.choice([-1.0, 1.0], (6, 7)),)


@row(trials=_classes, seed=1, what="a class of shape {V.shape}", rel=1e-9)
def exact_complexity(given, V):
    """rademacher-1: a function exact_complexity(V) that takes the matrix of values f_j(x_i), one row a function, and returns one number
    For a class of {m} functions at {n} points the mean over all {all} sign vectors is {right:.4g}, but you return {given:.4g}.
    + The factor 1/n is missing.
    + The absolute value is missing: for each sign vector take the largest |Σ s_i f(x_i)|.
    + The largest value is taken for each sign vector, before the mean, not after it.
    """
    (m, n), right, sums = V.shape, _complexity(V), _sums(V)
    signed, late = sums.max(axis=1).mean(), np.abs(sums).mean(axis=0).max()
    return right, n * right, signed, late, {"m": m, "n": n, "all": 2**n}


def _signed_points(rng):
    for shape in ((4, 1), (6, 3), (15, 5)):
        Z = rng.standard_normal(shape)
        yield rng.choice([-1.0, 1.0], len(Z)), Z


@row(trials=_signed_points, seed=2, what="n = {Z.shape[0]}, P = {Z.shape[1]}", rel=1e-7)
def l1_supremum(given, s, Z):
    """rademacher-2: a function l1_supremum(s, Z) of the signs and the rows z_i that returns one number
    For n = {n} points and P = {P} a linear programme over the ball finds {right:.4g}, but you return {given:.4g}.
    + The factor 1/n is missing.
    + That is the supremum over the ball of the Euclidean norm.
    + That is the supremum over the cube max|w_j| ≤ 1.
    + w may have negative entries.
    """
    (n, P), g = Z.shape, s @ Z / len(s)
    # w = u − v with u, v ≥ 0 and Σ(u + v) ≤ 1 is the unit ball of the norm
    right = -optimize.linprog(np.concatenate([-g, g]), A_ub=np.ones((1, 2 * P)), b_ub=[1.0]).fun
    return right, n * right, np.linalg.norm(g), np.abs(g).sum(), g.max(), {"n": n, "P": P}


@row(what="L", rel=0, abs=0.06)
def where_smoothness_stops_to_help(given, weights=1000, bits=8, n=60_000, d=784, k=10):
    """rademacher-3: a Lipschitz constant L, to one decimal
    < At L = {given:g} the bound of the theorem is {smooth:.4f}. It is still the smaller one there.
    > At L = {given:g} the bound of the theorem is {smooth:.4f}. There Massart's bound is the smaller one already.
    = That is √(d/c), where the second term alone reaches Massart's bound; the clusters cost something too.
    """
    massart = math.sqrt(2 * (weights * bits + 1) * math.log(2) / n)

    def smooth(L):
        return math.sqrt(k / n) + L * massart / math.sqrt(d)

    right = optimize.brentq(lambda L: smooth(L) - massart, -1e6, 1e6)
    return right, math.sqrt(d), {"smooth": smooth(given)}


@judge(
    "rademacher-4: a pair (V, phi) of a matrix of values in [-1, 1] and a 1-Lipschitz function that acts on arrays"
)
def no_contraction(answer):
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        return "I expected two things, (V, phi)."
    V, phi = answer
    if V is None or V is Ellipsis or phi is None or phi is Ellipsis:
        return "Nothing has been filled in for V or phi yet."
    V = array(V, np.shape(V), "V")
    if V.ndim != 2 or 0 in V.shape or V.shape[1] > 10:
        return f"V has shape {V.shape}; give a matrix, one row a function, with at most 10 columns."
    if np.abs(V).max() > 1:
        return "All values in V should lie in [-1, 1]."
    grid = np.sort(np.concatenate([np.linspace(-1, 1, 2001), np.unique(V)]))
    values = array(call(function(phi, "phi(v)"), grid.copy()), grid.shape, "phi of an array")
    excess = np.abs(np.diff(values)) - np.diff(grid)
    if excess.max() > 1e-9:
        return f"phi is not 1-Lipschitz: it rises too fast near {grid[excess.argmax()]:.3f}."
    before, after = _complexity(V), _complexity(np.interp(V, grid, values))
    if after <= before + 1e-9:
        return f"The complexity was {before:.4g} and is {after:.4g} after phi, which is no larger. What does phi have to do at 0?"


_SIMPLICES = (2, 2, 1.4, 1.0), (1, 3, 1.0, 0.5), (3, 2, 1.4, 5.0), (4, 0, 1.0, 1.0)


@row(
    trials=[*_SIMPLICES, (0, 3, 2.0, 0.1), (2, 1, 1.0, 0.0)],
    what="{plus} and {minus} points",
    rel=1e-7,
    abs=1e-7,
)
def simplex_supremum(given, plus, minus, D, L):
    """rademacher-5: a function simplex_supremum(plus, minus, D, L) that returns one number
    With {plus} signs + and {minus} signs −, D = {D} and L = {L}, a linear programme finds {right:.4g}, but you return {given:.4g}.
    + The factor 1/n is missing.
    + |f| ≤ 1 limits the difference of two values to 2, however steep f may be.
    + Points left without a partner of the other sign still count.
    """
    n, s = plus + minus, np.repeat([1.0, -1.0], [plus, minus])
    pairs = itertools.permutations(range(n), 2)
    A = np.array([np.eye(n)[a] - np.eye(n)[b] for a, b in pairs])
    right = -optimize.linprog(-s, A_ub=A, b_ub=np.full(len(A), L * D), bounds=(-1, 1)).fun / n
    steep = (min(plus, minus) * L * D + abs(plus - minus)) / n
    partners = min(plus, minus) * min(L * D, 2) / n
    return right, n * right, When(L * D > 2, steep), When(plus != minus, partners)


# Chapter 11, "Open directions" ------------------------------------------------------------------


@row(trials=[(1,), (2,), (50,), (10_000,)], rel=1e-4)
def typical_reach(given, d):
    """open-1: a function typical_reach(d)
    For d = {d} a share {share:.3g} of all pairs is closer than your value, not one half.
    = d times a squared distance is positive, but typical_reach({d}) is {given:g}.
    + Did you forget that a difference of two points has twice the variance?
    """

    def share(v):  # |x_j − x'_j| ≤ t with probability erf(t√d/2), and v = d·t²
        return erf(math.sqrt(max(v, 0)) / 2) ** d

    right = optimize.brentq(lambda v: share(v) - 0.5, 0, 1000)
    return right, When(given <= 0, -1.0), right / 2, {"share": share(given)}


def _cap(chord, d):
    """Share of the sphere within this distance of a point, by integration over the angle."""
    part, whole = (
        quad(lambda t: math.sin(t) ** (d - 2), 0, end)[0]
        for end in (2 * math.asin(chord / 2), math.pi)
    )
    return part / whole


@row(trials=[(10, 3, 0.3, 1), (100, 5, 0.2, 2), (7, 12, 0.5, 3.5), (400, 30, 0.6, 2)], rel=1e-5)
def mean_slope(given, n, d, r, q):
    """open-2: a function mean_slope(n, d, r, q)
    For n = {n}, d = {d}, r = {r:g}, q = {q:g} your function gives {given:.4g}, and integration over the tents {right:.4g}.
    + There are n tents.
    + The slope inside a tent is 1/r.
    + The slope is raised to the power q.
    """
    cap = _cap(r, d)
    return n * cap / r**q, cap / r**q, n * cap, n * cap / r


@row(trials=[(0.0,), (1.0,), (-3.0,), (40.0,)], what="slope({s:g})", rel=1e-3, abs=1e-3)
def slope(given, s):
    """open-3: a function slope(s)
    At s = {s:g} the slope is about {right:.4g} by differences, but yours is {given:.4g}.
    + The attention weights change as well as the tokens.
    """

    def attention(x):
        weights = np.exp(np.array([x * x, x * s]) - max(x * x, x * s))
        return weights @ [x, s] / weights.sum()

    h = 1e-4 / (1 + abs(s))
    return (attention(h) - attention(-h)) / (2 * h), 0.5


@row(trials=[(0.1,), (1.0,), (4 / 3,), (2.0,), (10.0,)], what="exponent({s:g})")
def exponent(given, s):
    """open-4: a function exponent(s)
    < At s = {s:g} your exponent is {given:.4g}, but some λ between 0 and s gives {right:.4g}.
    > At s = {s:g} your exponent {given:.4g} exceeds what the lemma gives, {right:.4g}: it holds for λ up to s only.
    """
    lam = np.linspace(0, s, 20_001)
    return (lam - 2 / 3 * (lam / s) ** 2).max()


@row(what="the probability", rel=0.01, abs=0)
def what_a_spike_can_change(given, d=64, rho=0.05, r=0.25):
    """open-5: a number, a probability
    {given:.3g} is not the probability of the cap in question.
    = A probability strictly between 0 and 1 is asked for, not {given:g}.
    + A point at distance {near:g} from q can still reach the spike.
    + That is the upper bound; the cap can be computed exactly.
    """
    outside, near = When(not 0 < given < 1, 0), {"near": r + 0.4 * rho}
    return _cap(r + rho, d), outside, _cap(r, d), (r + rho) ** (d - 1), near
