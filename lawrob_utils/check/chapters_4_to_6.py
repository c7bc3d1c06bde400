"""Exercises of "Size against robustness", "Isoperimetry" and "The law of robustness"."""

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy import optimize, stats
from scipy.integrate import quad

from .. import data
from ..law import law_curve
from . import When, array, call, function, judge, row, smallest

# Chapter 4, "Size against robustness" -----------------------------------------------------------


@row(trials=[(1,), (2,), (3,), (8,)], rel=0)
def n_parameters(given, s, side=28, kernel=5, classes=10):
    """size-1: a function n_parameters(s)
    At scale {s} you count {given:.0f} parameters, which is not the number.
    + You counted a filter once for every place where it is used; it is shared, and counts once.
    + The biases are missing.
    + How large is the image after two poolings?
    """
    pixels, hidden, square = (side // 4) ** 2, 64 * s, (kernel, kernel)
    filters = [(*square, 1, 2 * s), (2 * s,)], [(*square, 2 * s, 4 * s), (4 * s,)]
    shapes = [
        *filters[0],
        *filters[1],
        (pixels * 4 * s, hidden),
        (hidden,),
        (hidden, classes),
        (classes,),
    ]
    right, first, second, biases = (
        sum(np.empty(shape, np.uint8).size for shape in some)
        for some in (shapes, *filters, shapes[1::2])
    )
    unshared = right + (side**2 - 1) * first + ((side // 2) ** 2 - 1) * second
    unpooled = (given - right) % (4 * s * hidden) == 0 and given > right
    return right, unshared, right - biases, When(unpooled, right + 3 * pixels * 4 * s * hidden)


@row(what="the number of bits", rel=0, abs=1.5)
def bits_of_a_support(given, weights=10**6, left=10**4):
    """size-2: a number of bits
    {given:.6g} bits is not it. How many sets of {few} out of {all} are there?
    = That is in units of the natural logarithm; bits are asked for.
    = That names the weights one after another, in an order; which ones they are needs no order.
    """
    right = math.fsum(math.log2((weights - left + k) / k) for k in range(1, left + 1))
    few, many = (f"{n:,}".replace(",", " ") for n in (left, weights))
    return right, right * math.log(2), left * math.log2(weights), {"few": few, "all": many}


@row(what="c", rel=0, abs=1e-3)
def constant_of_smooth_bumps(given):
    """size-3: a number c
    c = {given:.4g} is not it. Where is the profile (1 - t²)² steepest?
    = c = 2 is the constant of cones; a smooth bump of the same height and width must be steeper somewhere.
    = That is the steepest slope of t -> (1 - t²)²; remember that t is the distance over δ/2.
    """
    t = np.linspace(0, 1, 2_000_001)
    steepest = np.abs(np.diff((1 - t**2) ** 2)).max() / t[1]
    return 2 * steepest, 2, steepest


@judge("size-4: a function decode(N, n, d, b) that returns centres and signs")
def decode(answer):
    f, rng = function(answer, "decode(N, n, d, b)"), np.random.default_rng(14)
    for n, d, b in ((2, 1, 3), (3, 2, 4), (5, 4, 9)):
        steps, signs = rng.integers(0, 2**b, (n, d)), rng.integers(0, 2, n)
        steps[0, 0] = 0  # leading zeros are digits too
        text = "".join(f"{s:0{b}b}" for s in steps.ravel()) + "".join(map(str, signs))
        result = call(f, int(text, 2), n, d, b)
        if not isinstance(result, tuple) or len(result) != 2:
            return "decode should return two things: the centres (n, d) and the signs (n,)."
        centres, labels = (
            array(result[0], (n, d), "the centres"),
            array(result[1], (n,), "the signs"),
        )
        if np.array_equal(labels, signs):
            return "Your labels are 0 and 1; the digit 0 stands for the label -1."
        if not np.array_equal(labels, 2.0 * signs - 1):
            return f"For n, d, b = {n}, {d}, {b} the labels are wrong; they are the last n digits."
        if np.abs(centres - (2 * steps / (2**b - 1) - 1)).max() > 1e-12:
            return f"For n, d, b = {n}, {d}, {b} the centres are wrong; the whole numbers 0 ... 2^b - 1 stand for -1 ... 1."


@row(what="P", rel=0)
def coordinates_close_to_the_law(given, n=100, percent=10):
    """size-5: a whole number P
    < At P = {given:.0f} the linear fit is still more than {percent:g} % above the law's scale.
    > P = {given:.0f} is enough, but a smaller one is too.
    = P = {given:g} is not a whole number of coordinates; round up.
    + Compare square roots, not squares.
    """
    most = 1 + Fraction(str(percent)) / 100
    right, of_squares = (  # √(nd/(P − n − 1)) ≤ most·√(nd/P), squared
        smallest(lambda P, a=a: Fraction(P, P - n - 1) <= a, n + 2) for a in (most**2, most)
    )
    return right, When(given % 1, right - 0.05), of_squares


# Chapter 5, "Isoperimetry" ----------------------------------------------------------------------


@row(what="√d·std(f)", rel=0, abs=2e-4)
def half_a_coordinate(given):
    """isoperimetry-1: a number, √d·std(f)
    {given:.4g} is not it. You need the mean of max(0, g) and of its square for a standard normal g.
    = {given:.4g} is not it: that is the root of the mean of f²; the squared mean of f has to be taken off first.
    = {given:.4g} is not it: that is the variance; the standard deviation is its root.
    = {given:.4g} is not it: that is the mean of f, not its spread.
    = {given:.4g} is not it: that is the whole coordinate; f is 0 on half of the space.
    """
    mean, square = (quad(lambda x, k=k: x**k * stats.norm.pdf(x), 0, 12)[0] for k in (1, 2))
    right = math.sqrt(square - mean**2)
    return right, math.sqrt(square), right**2, mean, 1


@row(what="the dimension", rel=0)
def dimension_for_a_small_coordinate(given, size=0.1, level=1e-6):
    """isoperimetry-2: a whole number, the dimension
    < In dimension {given:.0f} the probability is still {still:.3g}.
    > Dimension {given:.0f} is enough, but so is {less:.0f}; the smallest one is asked for.
    = A dimension is a whole number of at least 2, not {given:g}.
    + Did you count only one side? |x_1| has two.
    + You seem to have used the bound.
    """

    def outside(d):  # (1 + x_1)/2 has the law Beta((d − 1)/2, (d − 1)/2)
        return 2 * stats.beta.sf((1 + size) / 2, (d - 1) / 2, (d - 1) / 2)

    right, one_side = (smallest(lambda d, p=p: outside(d) <= p, 2) for p in (level, 2 * level))
    bound = smallest(lambda d: 2 * math.exp(-d * size**2 / 2) <= level)
    odd = When(given % 1 or given < 2, right - 0.5)
    one, used = When(one_side <= given < right, one_side), When(bound <= given < bound + 2, bound)
    return right, odd, one, used, {"still": outside(given), "less": given - 1}


@row(trials=[(1.0, 3, 12, 1.0), (0.5, 4, 10, 3.0), (2.0, 5, 5, 0.5)])
def constant_of_pictures(given, c, k, d, Lam):
    """isoperimetry-3: a function constant_of_pictures(c, k, d, Lam) that returns one number
    < For c = {c}, k = {k}, d = {d}, Λ = {Lam} a linear map already needs {right:.4g}, but you return {given:.4g}.
    > For c = {c}, k = {k}, d = {d}, Λ = {Lam} you return {given:.4g}; a smaller constant holds for every map.
    + The map's constant enters squared.
    """
    # d times the variance of a linear picture of Gaussian v, in its worst direction
    T = Lam * np.linalg.qr(np.random.default_rng(d).standard_normal((d, k)))[0]
    right = d * np.linalg.eigvalsh(T @ (c / k * np.eye(k)) @ T.T)[-1]
    return right, right / Lam


@row(trials=[(1,), (2,), (5,), (10,)])
def half_space_spread(given, d):
    """isoperimetry-4: a function half_space_spread(d) that returns one number
    Over all {all} corners in dimension {d} the standard deviation is {right:.4g}, but you return {given:.4g}.
    + That is the distance to the corners in the half space; the half space itself is nearer.
    + You return √d times the spread.
    """
    sums = np.array(list(itertools.product((-1.0, 1.0), repeat=d))).sum(axis=1)
    right = np.maximum(sums / d, 0).std()
    to_corners = (2 * np.sqrt(np.maximum(np.ceil(sums / 2), 0) / d)).std()
    corners = When(d != 2 and math.isclose(given, to_corners), to_corners)  # at d = 2 both are one
    return right, corners, math.sqrt(d) * right, {"all": 2**d}


@judge("isoperimetry-5: a function best_direction(X) that returns a unit vector")
def best_direction(answer):
    f, rng = function(answer, "best_direction(X)"), np.random.default_rng(15)
    centres = 0.8 * np.linalg.qr(rng.standard_normal((30, 1)))[0].T * np.array([[1.0], [-1.0]])
    clusters = data.gaussian_mixture(400, centres + 0.5, rng).X
    inside = data.sphere_in_subspace(300, data.random_subspace(20, 3, rng), rng)
    stretched = data.gaussian(500, 8, rng) * np.arange(1, 9) + 5
    for name, X, hint in (
        ("two clusters", clusters, " Have the points been centred?"),
        ("a 3-sphere in a subspace", inside, ""),
        ("a stretched Gaussian, shifted", stretched, " Have the points been centred?"),
    ):
        u = array(call(f, X.copy()), X.shape[1:], f"the direction for {name}")
        length, given = np.linalg.norm(u), (X @ u).std()
        if abs(length - 1) > 1e-6:
            return f"For {name} your vector has length {length:.4g}; a unit vector is asked for."
        best = np.linalg.eigvalsh(np.cov(X.T, bias=True))[-1] ** 0.5
        if given < best * (1 - 1e-6):
            return f"For {name} the spread along your vector is {given:.4g}, but another direction has {best:.4g}.{hint}"


# Chapter 6, "The law of robustness" -------------------------------------------------------------


@row(what="the number of parameters", rel=1e-3)
def parameters_for_a_slope(given, n=1e6, d=300, sigma=0.1, L=5.0):
    """law-1: a number of parameters
    At P = {given:.6g} the scale of the law is {scale:.4g}, not {L:g}.
    = A number of parameters is positive, not {given:g}.
    + That forgets the noise level, which is {sigma:g} and not 1.
    + The noise level enters as a square.
    + The Lipschitz constant enters as a square.
    + That is where the scale comes down to 1.
    + Solve σ√(nd/P) = {L:g} for P.
    """

    def P(L, sigma):
        return optimize.brentq(lambda P: law_curve(n, d, P, sigma=sigma) - L, 1e-9, 1e30)

    known = P(L, 1), P(L, math.sqrt(sigma)), P(math.sqrt(L), sigma), P(1, sigma)
    scale = law_curve(n, d, given if given > 0 else 1, sigma=sigma)
    return P(L, sigma), When(given <= 0, -5), *known, When(True, 120_500), {"scale": scale}


@row(trials=[(0.05,), (0.3,), (1.0,)])
def radius(given, eps):
    """law-2: a function radius(eps) that returns one number
    < For ε = {eps} the radius {given:.4g} is allowed, but not the largest one.
    > For ε = {eps} functions that differ by {given:.4g} can have squared errors that differ by {worst:.4g} > {half:g}.
    = radius({eps}) is {given:.4g}; a number between 0 and 2 is needed.
    + That is the radius of the submission.
    + That is right in the limit of small ε.
    """
    y, a = np.meshgrid(np.linspace(-1, 1, 201), np.linspace(-1, 1, 201))

    def worst(eta):  # |(y − f)² − (y − f')²| is largest at the ends, or where f' leaves [−1, 1]
        b = np.clip(np.stack([a - eta, a + eta]), -1, 1)
        return np.abs((y - a) ** 2 - (y - b) ** 2).max()

    right = optimize.brentq(lambda eta: worst(eta) - eps / 2, 0, 2)
    outside = When(not 0 < given < 2, 3.0)
    return right, outside, eps / 6, eps / 8, {"worst": worst(given), "half": eps / 2}


@row(trials=[(1.0,), (0.6,), (0.2,), (0.01,)])
def saved(given, alpha):
    """law-3: a function saved(alpha) that returns one number
    For a fit of 60 labels shrunk by α = {alpha} the ratio is {right:.4f} times what it was, but you return {given:.4f}.
    + The Lipschitz constant shrinks by α, but ε shrinks too.
    + That is the inverse.
    """
    rng = np.random.default_rng(63)
    X, y = data.sphere(60, 10, rng), 0.4 * data.random_signs(60, rng)
    w = np.linalg.lstsq(X, y, rcond=None)[0]
    once, shrunk = (np.mean(y**2) - np.mean((a * X @ w - y) ** 2) for a in (1, alpha))
    return alpha * once / shrunk, alpha, shrunk / once / alpha


@row(trials=[(100, 50, 3, 0.1), (40, 40, 40, 1.2), (1000, 200, 8, 0.15)], rel=1e-5)
def close_pairs(given, n, d, m, t):
    """law-4: a function close_pairs(n, d, m, t) that returns one number
    For n = {n}, d = {d}, m = {m}, t = {t} there are {right:.5g} pairs on average, but you return {given:.5g}.
    + You count every pair twice.
    + A point makes no pair with itself.
    + The difference of two points has twice the variance of one.
    """
    length = stats.chi(m, scale=math.sqrt(2 / d))  # of an N(0, (2/d)·I_m) vector
    right, half = (n * (n - 1) / 2 * quad(length.pdf, 0, r)[0] for r in (t, t / math.sqrt(2)))
    return right, 2 * right, right * n / (n - 1), When(given < right, half)


@row(trials=[((3, 4, 1), 1.0), ((10, 7, 9, 1), 2.5), ((5, 20, 4, 6, 2, 1), 1.0)], rel=1e-9)
def log_J(given, widths, W):
    """law-5: a function log_J(widths, W) that returns one number
    For widths {widths} and W = {W:g} log J is {right:.5f}, but you return {given:.5f}.
    + The natural logarithm is asked for.
    + One of the D matrices is left out of the product.
    + R is the length of (x, 1), not of x.
    + Count weights, biases and the entry that carries the 1 along.
    """
    free = [np.ones((b, a + 1)) for a, b in itertools.pairwise(widths)]  # not fixed at 0
    carried = [np.vstack([V, np.eye(1, V.shape[1])]) for V in free[:-1]] + free[-1:]
    D, E = len(free), max(np.count_nonzero(V) for V in carried)
    right, all_D = (math.log(math.sqrt(2 * D) * math.sqrt(W * W * E) ** k) for k in (D - 1, D))
    base = When(min(abs(given * math.log(b) - right) for b in (2, 10)) < 1e-6, right / math.log(10))
    return right, base, all_D, right - math.log(2) / 2, When(given < right, 0.0)
