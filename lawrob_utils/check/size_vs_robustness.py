"""Judges of the exercises of the chapter "Size against robustness".

Each takes its truth from elsewhere than the chapter's solution: shapes of arrays that are built and counted, exact
integers, a search on a grid, digits handled as text.
"""

import math
from fractions import Fraction

import numpy as np

from . import NotYet, array, call, checker, function, number


@checker("size-1", expects="a function n_parameters(s)")
def _parameters_of_a_convolutional_network(answer):
    count = function(answer, "n_parameters(s)")
    for s in (1, 2, 3, 8):
        given = number(call(count, s), f"n_parameters({s})")
        shapes = [
            (5, 5, 1, 2 * s),
            (2 * s,),
            (5, 5, 2 * s, 4 * s),
            (4 * s,),
            (7 * 7 * 4 * s, 64 * s),
            (64 * s,),
            (64 * s, 10),
            (10,),
        ]
        right = sum(np.empty(shape, dtype=np.uint8).size for shape in shapes)
        if given == right:
            continue
        hint = ""
        unshared = right + (28 * 28 - 1) * 52 * s + (14 * 14 - 1) * (25 * 2 * s + 1) * 4 * s
        if given == unshared:
            hint = " You counted a filter once for every place where it is used; it is shared, and counts once."
        elif given == sum(math.prod(shape) for shape in shapes if len(shape) > 1):
            hint = " The biases are missing."
        elif given > right and (given - right) % (64 * s * 4 * s) == 0:
            hint = " How large is the image after two poolings?"
        raise NotYet(
            f"At scale {s} you count {given:.0f} parameters, which is not the number.{hint}"
        )


@checker("size-2", expects="a number of bits")
def _bits_of_a_support(answer):
    bits = number(answer, "the number of bits")
    M, s = 10**6, 10**4
    exact = math.fsum(
        math.log2((M - s + k) / k) for k in range(1, s + 1)
    )  # (M choose s) as a product
    if abs(bits - exact * math.log(2)) < 5:
        raise NotYet("That is in units of the natural logarithm; bits are asked for.")
    if abs(bits - s * math.log2(M)) < 5:
        raise NotYet(
            "That names the weights one after another, in an order; which ones they are needs no order."
        )
    if abs(bits - exact) > 1.5:
        raise NotYet(
            f"{bits:.6g} bits is not it. How many sets of 10 000 out of 1 000 000 are there?"
        )


@checker("size-3", expects="a number c")
def _constant_of_smooth_bumps(answer):
    c = number(answer, "c")
    t = np.linspace(0, 1, 2_000_001)
    right = 2 * float(np.abs(np.diff((1 - t**2) ** 2)).max() / (t[1] - t[0]))
    if abs(c - 2) < 1e-3:
        raise NotYet(
            "c = 2 is the constant of cones; a smooth bump of the same height and width must be steeper somewhere."
        )
    if abs(c - right / 2) < 1e-3:
        raise NotYet(
            "That is the steepest slope of t -> (1 - t²)²; remember that t is the distance over δ/2."
        )
    if abs(c - right) > 1e-3:
        raise NotYet(f"c = {c:.4g} is not it. Where is the profile (1 - t²)² steepest?")


@checker("size-4", expects="a function decode(N, n, d, b) that returns centres and signs")
def _decode_one_number(answer):
    decode = function(answer, "decode(N, n, d, b)")
    rng = np.random.default_rng(14)
    for n, d, b in ((2, 1, 3), (3, 2, 4), (5, 4, 9)):
        steps, signs = rng.integers(0, 2**b, (n, d)), rng.integers(0, 2, n)
        steps[0, 0] = 0  # leading zeros are digits too
        text = "".join(f"{s:0{b}b}" for s in steps.ravel()) + "".join(map(str, signs))
        result = call(decode, int(text, 2), n, d, b)
        if not isinstance(result, tuple) or len(result) != 2:
            raise NotYet("decode should return two things: the centres (n, d) and the signs (n,).")
        centres, labels = (
            array(result[0], (n, d), "the centres"),
            array(result[1], (n,), "the signs"),
        )
        if np.array_equal(labels, signs):
            raise NotYet("Your labels are 0 and 1; the digit 0 stands for the label -1.")
        if not np.array_equal(labels, 2.0 * signs - 1):
            raise NotYet(
                f"For n, d, b = {n}, {d}, {b} the labels are wrong; they are the last n digits."
            )
        if np.abs(centres - (2 * steps / (2**b - 1) - 1)).max() > 1e-12:
            raise NotYet(
                f"For n, d, b = {n}, {d}, {b} the centres are wrong; the whole numbers 0 ... 2^b - 1 stand for -1 ... 1."
            )


@checker("size-5", expects="a whole number P")
def _coordinates_for_ten_per_cent(answer):
    P = number(answer, "P")
    n = 100

    def close_enough(P):  # sqrt(nd/(P-n-1)) <= 1.1 sqrt(nd/P), squared, in exact fractions
        return P > n + 1 and Fraction(P, P - n - 1) <= Fraction(11, 10) ** 2

    right = next(p for p in range(n + 2, 10_000) if close_enough(p))
    if P != int(P):
        raise NotYet(f"P = {P:g} is not a whole number of coordinates; round up.")
    if not close_enough(int(P)):
        raise NotYet(
            f"At P = {P:.0f} the linear fit is still more than 10 % above the law's scale."
        )
    if P > right:
        hint = (
            " Compare square roots, not squares."
            if P
            == next(p for p in range(n + 2, 10_000) if Fraction(p, p - n - 1) <= Fraction(11, 10))
            else ""
        )
        raise NotYet(f"P = {P:.0f} is enough, but a smaller one is too.{hint}")
