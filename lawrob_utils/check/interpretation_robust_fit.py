"""Judges of the exercises on robust fits in the chapter "Interpretation".

The truth is taken from elsewhere than the chapter's solutions: sums over actual labels and a bisection over bits; straight lines between powers.
"""

import math

import numpy as np

from . import NotYet, call, checker, function, number


@checker("interpretation-6", expects="a function bits_for_flips(n, d, r, p, mu, delta)")
def _only_the_noise_is_charged(answer):
    bits_for_flips = function(answer, "bits_for_flips(n, d, r, p, mu, delta)")
    cases = [
        (2000, 160, 0.14, 0.1, 0.5, 0.01),
        (2000, 160, 0.14, 0.5, 0.5, 0.01),
        (400, 20, 0.05, 0.25, 0.9, 0.1),
        (400, 20, 0.05, 0.0, 0.9, 0.1),
    ]
    for n, d, r, p, mu, delta in cases:
        s = np.repeat([1.0, -1.0], n // 2)
        y, flips = s.copy(), round(p * n / 2)
        y[:flips] *= -1
        y[n // 2 : n // 2 + flips] *= -1
        total = sum(((y[s == side] - y[s == side].mean()) ** 2).sum() for side in (1, -1))
        # One function has such a sum with probability exp(−exponent) at most; 2^B of them together must reach δ.
        exponent = total**2 * (d - 2) * r**2 / (2 * (1 - mu**2) * total) if total else 0.0
        low, high = 0.0, 1e9
        while high - low > 1e-7 * (1 + high):
            middle = (low + high) / 2
            low, high = (
                (low, middle)
                if middle * math.log(2) - exponent >= math.log(delta)
                else (middle, high)
            )
        got = number(call(bits_for_flips, n, d, r, p, mu, delta), "the number of bits")
        if abs(got - high) > 1e-3 * (1 + high):
            hint = " A number of bits is not negative." if got < 0 else ""
            raise NotYet(
                f"For n = {n}, d = {d}, r = {r}, p = {p}, μ = {mu}, δ = {delta} the theorem asks for {high:.5g} bits, not {got:.5g}.{hint}"
            )


@checker("interpretation-7", expects="a function equal_cost(k, kappas, widths)")
def _dimension_of_equal_cost(answer):
    equal_cost = function(answer, "equal_cost(k, kappas, widths)")
    kappas = np.array([8.0, 12.0, 20.0, 32.0, 64.0])
    for slope, level in ((0.7, 100.0), (1.5, 900.0)):
        widths = level * kappas**-slope  # on a power law the interpolation of logarithms is exact
        for truth in (8.0, 10.0, 27.0, 63.0):
            got = number(
                call(equal_cost, level * truth**-slope, kappas.copy(), widths.copy()),
                "the dimension",
            )
            if abs(got / truth - 1) > 1e-6:
                hint = (
                    " Interpolate between logarithms, of both."
                    if abs(got / truth - 1) < 0.25
                    else ""
                )
                hint = (
                    " numpy.interp wants its second argument to increase."
                    if got in (kappas[0], kappas[-1])
                    else hint
                )
                where = f"Where k = {level:g}·κ^(−{slope:g}), the width {level * truth**-slope:.4g} belongs to κ = {truth:g}"
                raise NotYet(f"{where}; your function says {got:.4g}.{hint}")
    bent = np.array([90.0, 40.0, 30.0, 28.0, 10.0])
    got = number(call(equal_cost, 29.0, kappas.copy(), bent.copy()), "the dimension")
    truth = 20 * (32 / 20) ** (math.log(30 / 29) / math.log(30 / 28))
    if abs(got / truth - 1) > 1e-6:
        raise NotYet(
            f"Between κ = 20 with width 30 and κ = 32 with width 28, width 29 belongs to κ = {truth:.2f}; your function says {got:.4g}."
        )
