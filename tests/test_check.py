"""The judge of exercises says in words what is wrong, and nothing a reader hands it makes it fail."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lawrob_utils import check, isoperimetry, law
from lawrob_utils.check import NotYet, Verdict
from lawrob_utils.memorizers import McShane

ANYTHING = [
    None,
    ...,
    True,
    0,
    -1.5,
    float("nan"),
    float("inf"),
    1j,
    "",
    "text",
    b"",
    [],
    [1, "a"],
    {},
    {1},
    object(),
    int,
    print,
    np.zeros((2, 3)),
    np.array("x"),
    np.array([None]),
    lambda *a: None,
    lambda *a: "no",
    lambda: 1,
    lambda *a: np.nan,
]


@pytest.mark.parametrize("id", check.known_exercises())
@pytest.mark.parametrize("answer", ANYTHING, ids=lambda a: type(a).__name__)
def test_no_answer_of_a_wrong_kind_passes_or_makes_a_checker_fail(id, answer):
    verdict = check.verdict(id, answer)
    assert not verdict.passed
    assert len(verdict.message) > 20


@pytest.mark.parametrize("id", check.known_exercises())
@pytest.mark.parametrize("answer", [None, ...])
def test_an_untouched_answer_is_told_that_nothing_is_there_yet(id, answer):
    assert "nothing there yet" in check.verdict(id, answer).message


def test_exercise_prints_its_verdict_in_one_line(capsys, monkeypatch):
    @check.checker("print-1", expects="the number 2")
    def judge(answer):
        if check.number(answer) != 2:
            raise NotYet("It is even and prime.")

    try:
        check.exercise("print-1", 2)
        check.exercise("print-1", 3)
        check.exercise("print-1", "2")
    finally:
        del check._checkers["print-1"]
    assert capsys.readouterr().out.splitlines() == [
        "✓ print-1: correct.",
        "print-1: not yet. It is even and prime.",
        "print-1: not yet. I expected one number for the answer, but got the text '2'.",
    ]


def test_unknown_exercise_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match="riemann-1") as refusal:
        check.verdict("riemann-1", 0)
    assert all(id in str(refusal.value) for id in check.known_exercises())


def test_an_exercise_has_only_one_checker():
    id = check.known_exercises()[0]
    with pytest.raises(ValueError, match="registered already"):
        check.checker(id, expects="anything")(lambda answer: None)


def test_verdict_cannot_be_changed():
    with pytest.raises(AttributeError):
        Verdict(False, "no").passed = True


def test_a_checker_that_raises_says_so_instead():
    @check.checker("raises-1", expects="anything")
    def judge(answer):
        raise ZeroDivisionError("division by zero")

    try:
        verdict = check.verdict("raises-1", 1)
    finally:
        del check._checkers["raises-1"]
    assert (
        not verdict.passed
        and "ZeroDivisionError" in verdict.message
        and "should be anything" in verdict.message
    )


def test_judging_answers_needs_no_torch():
    program = "import sys; from lawrob_utils import check; check.known_exercises(); print('torch' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        == "False\n"
    )


@given(
    st.one_of(
        st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False, width=32)
    )
)
def test_number_reads_numbers_of_python_and_numpy_alike(value):
    assert (
        check.number(value)
        == check.number(np.float64(value))
        == check.number(np.array([value]))
        == float(value)
    )


@pytest.mark.parametrize(
    "answer", [True, np.True_, "1", [1], 1j, np.zeros(2), None, ..., float("nan"), float("inf")]
)
def test_number_refuses_what_is_not_one_finite_number(answer):
    with pytest.raises(NotYet):
        check.number(answer)


@pytest.mark.parametrize(
    "answer",
    [None, ..., "ab", [1, None], [[1, 2], [3]], np.zeros(3), [1, np.inf], [True, False], 1.0],
)
def test_array_refuses_what_is_not_an_array_of_that_shape(answer):
    with pytest.raises(NotYet):
        check.array(answer, (2,))


def test_array_reads_lists_of_numbers():
    np.testing.assert_array_equal(check.array([1, 2], (2,)), np.array([1.0, 2.0]))


@pytest.mark.parametrize("answer", [3, int, "f", None])
def test_function_refuses_what_cannot_be_called(answer):
    with pytest.raises(NotYet):
        check.function(answer, "f(x)")


@pytest.mark.parametrize("answer", [lambda x: None, lambda x: ..., lambda: 1, lambda x: 1 / 0])
def test_call_says_what_went_wrong_in_the_readers_function(answer):
    with pytest.raises(NotYet, match=r"(nothing yet|Calling the function ended in)"):
        check.call(answer, 0)


# Wrong answers that a reader is likely to give; each chapter adds its own ----------------------------------


def _log_J(widths, W, entries):
    D = len(widths) - 1
    return 0.5 * np.log(2 * D) + (D - 1) * np.log(
        W * np.sqrt(max(entries(a, b) for a, b in zip(widths, widths[1:], strict=False)))
    )


WRONG = {
    "adversarial-1": [
        lambda w, b, x, y, eps, norm: y * (w @ x + b),
        lambda w, b, x, y, eps, norm: y * (w @ x + b) - eps * np.linalg.norm(w),
        lambda w, b, x, y, eps, norm: (
            y * (w @ x + b) - eps * np.linalg.norm(w, np.inf if norm == "linf" else 2)
        ),
        lambda w, b, x, y, eps, norm: w @ x + b - eps * np.linalg.norm(w, 2 if norm == "l2" else 1),
        lambda w, b, x, y, eps, norm: (
            y * (w @ x) - eps * np.linalg.norm(w, 2 if norm == "l2" else 1)
        ),
    ],
    "adversarial-2": [
        lambda delta, eps: np.clip(delta, -eps, eps),
        lambda delta, eps: (
            eps * delta / np.maximum(np.linalg.norm(delta, axis=1, keepdims=True), 1e-12)
        ),
        lambda delta, eps: delta * min(1, eps / np.linalg.norm(delta)),
        lambda delta, eps: np.clip(
            delta, -eps / np.sqrt(delta.shape[1]), eps / np.sqrt(delta.shape[1])
        ),
        lambda delta, eps: delta,
        lambda delta, eps: 0 * delta,
    ],
    "adversarial-3": [1, 28, 28 / 2.2414, 28 / 1.6449, 54.9, -14.3, 0],
    "adversarial-4": [
        lambda X, y: np.array(
            [
                min(np.linalg.norm(X[i] - X[j]) for j in range(len(X)) if y[j] != y[i])
                for i in range(len(X))
            ]
        ),
        lambda X, y: np.array(
            [
                min(np.linalg.norm(X[i] - X[j]) for j in range(len(X)) if j != i) / 2
                for i in range(len(X))
            ]
        ),
        lambda X, y: np.zeros(len(X)),
        lambda X, y: 0.1,
    ],
    "adversarial-5": [1000, 4000, 3321, 3323, 3321.93, 26122 * 64, 0],
    "memorization-1": [
        lambda g: 1 - g**2,
        lambda g: 1 - np.mean(g) ** 2,
        lambda g: np.sqrt(np.mean(1 - g**2)),
        lambda g: np.mean(g**2),
        lambda g: 1.0,
    ],
    "memorization-2": [16954, 16956, 16955.5, 14737, 1060, 4239, -1, 1e9],
    "memorization-3": [
        lambda g, z, eps: g,
        lambda g, z, eps: g + z,
        lambda g, z, eps: g + (eps / np.mean(z**2)) * z,
        lambda g, z, eps: g + np.sqrt(1 - eps / np.mean(z**2)) * z,
        lambda g, z, eps: (1 - np.sqrt(1 - eps / np.mean(z**2))) * z,
        lambda g, z, eps: g + z + np.sqrt(np.mean(z**2) - eps),
        lambda g, z, eps: np.zeros((2, len(g))),
    ],
    "memorization-4": [
        lambda X, sigma: np.mean(sigma**2) * (1 - X.shape[1] / X.shape[0]),
        lambda X, sigma: np.sum(sigma**2 * (1 - np.sum(np.linalg.qr(X)[0] ** 2, axis=1))),
        lambda X, sigma: np.mean(sigma * (1 - np.sum(np.linalg.qr(X)[0] ** 2, axis=1))),
        lambda X, sigma: sigma**2,
    ],
    "memorization-5": [30.6, 45.1, 46.1, 31.25, 180.3, 1000, 44.4, 43.6],
    "isoperimetry-1": [0.5, 0.341, 0.7071, 0.3989, 1.0, 0.6],
    "isoperimetry-2": [2384, 2382, 2903, 2260, 2383.5, 1, -5],
    "isoperimetry-3": [
        lambda c, k, d, Lam: Lam * c * d / k,
        lambda c, k, d, Lam: Lam**2 * c * k / d,
        lambda c, k, d, Lam: Lam**2 * c,
        lambda c, k, d, Lam: 2 * Lam**2 * c * d / k,
        lambda c, k, d, Lam: (c, k),
    ],
    "isoperimetry-4": [
        lambda d: 0.584 / np.sqrt(d),
        lambda d: np.sqrt(1 / 2 - 1 / (2 * np.pi)) / np.sqrt(d),
        lambda d: 0.678 * d**-0.25,
        lambda d: np.maximum(np.arange(-d, d + 1, 2), 0).std() / d,
        lambda d: 0.0,
    ],
    "isoperimetry-5": [
        lambda X: np.eye(X.shape[1])[0],
        lambda X: X.mean(axis=0) / np.linalg.norm(X.mean(axis=0)),
        lambda X: np.linalg.svd(X)[2][0],
        lambda X: 2 * np.linalg.svd(X - X.mean(axis=0))[2][0],
        lambda X: np.linalg.svd(X - X.mean(axis=0))[2][-1],
        lambda X: X,
    ],
    "rademacher-1": [
        lambda V: np.abs(V).max(),
        lambda V: (
            (2.0 * (np.arange(2 ** V.shape[1])[:, None] >> np.arange(V.shape[1]) & 1) - 1)
            .dot(V.T)
            .max(axis=1)
            .mean()
            / V.shape[1]
        ),
        lambda V: (
            np.abs(
                (2.0 * (np.arange(2 ** V.shape[1])[:, None] >> np.arange(V.shape[1]) & 1) - 1) @ V.T
            )
            .max(axis=1)
            .mean()
        ),
        lambda V: (
            np.abs(
                (2.0 * (np.arange(2 ** V.shape[1])[:, None] >> np.arange(V.shape[1]) & 1) - 1) @ V.T
            )
            .mean(axis=0)
            .max()
            / V.shape[1]
        ),
        lambda V: np.sqrt(2 * np.log(2 * len(V)) / V.shape[1]),
    ],
    "rademacher-2": [
        lambda s, Z: np.abs(s @ Z).max(),
        lambda s, Z: np.linalg.norm(s @ Z) / len(s),
        lambda s, Z: np.abs(s @ Z).sum() / len(s),
        lambda s, Z: (s @ Z).max() / len(s),
    ],
    "rademacher-3": [28.0, 27.9, 27.0, 27.3, 784, 0.4, -1],
    "rademacher-4": [
        (np.ones((1, 3)), np.abs),
        (np.zeros((1, 3)), lambda v: 2 * v + 1),
        (np.zeros((1, 3)), np.sin),
        (2 * np.ones((1, 3)), lambda v: v + 1),
        (np.zeros((1, 11)), lambda v: v + 1),
        (np.zeros(3), lambda v: v + 1),
        (np.zeros((1, 3)), 1.0),
        (..., ...),
    ],
    "rademacher-5": [
        lambda p, m, D, L: (min(p, m) * L * D + abs(p - m)) / (p + m),
        lambda p, m, D, L: min(p, m) * min(L * D, 2) / (p + m),
        lambda p, m, D, L: min(p, m) * min(L * D, 2) + abs(p - m),
        lambda p, m, D, L: min(L * D / 2, 1),
    ],
    "robust-1": [
        lambda f: (f, f.X[0], 2 * f.X[0]),
        lambda f: (lambda Z: 0 * Z[:, 0], f.X[0], 2 * f.X[0]),
        lambda f: (lambda Z: 2000 * f(Z), f.X[0], 2 * f.X[0]),
        lambda f: (f, f.X[0], f.X[0]),
        lambda f: f,
    ],
    "robust-2": [200, 202, 216, 200.5, 1, 1000],
    "robust-3": [
        lambda X, y, Z: np.zeros(len(Z)),
        lambda X, y, Z: McShane(X, y)(Z),
        lambda X, y, Z: McShane(X, y, side="lower")(Z),
        lambda X, y, Z: y[np.linalg.norm(Z[:, None] - X, axis=2).argmin(axis=1)],
        lambda X, y, Z: McShane(X, y, 2 * McShane(X, y).L)(Z),
        lambda X, y, Z: (3 * McShane(X, y)(Z) + McShane(X, y, side="lower")(Z)) / 4,
    ],
    "robust-4": [
        (np.eye(2), np.eye(2)),
        (np.zeros((2, 1)), np.eye(2)),
        (np.eye(3), np.zeros((3, 2))),
        (np.eye(3), np.eye(3)),
        (np.array([[0.0], [1.0], [2.0]]), np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])),
        (np.zeros((1, 2)), np.zeros((1, 2))),
        (..., ...),
    ],
    "robust-5": [99, 100, 55.86, 53.86, 90, 50, -1],
    "certificate-1": [800_690, 800_687, 800_695, 801_490, 554_995, 80, 800_689.5, -1],
    "certificate-2": [
        lambda p: 2 * p - 1,
        lambda p: np.sqrt(p * (1 - p)),
        lambda p: 4 * p * (1 - p),
        lambda p: 1.0,
        lambda p: 1 - abs(2 * p - 1),
    ],
    "certificate-3": [
        lambda w: len(w),
        lambda w: np.log2(len(w)) * np.sum(w),
        lambda w: int(np.sum(w)),
        lambda w: max(1, int(np.ceil(np.log2(len(w) + 1))) * int(np.sum(w))),
        lambda w: 1,
        lambda w: 16,
    ],
    "certificate-4": [
        lambda y, f, B, d, delta: law.bit_certificate(y, f, B, d, delta),
        lambda y, f, B, d, delta: law.bit_certificate(y, f, B, d, delta) * np.sqrt(d) / (d - 1),
        lambda y, f, B, d, delta: (
            y @ f / np.sqrt(y @ y) * np.sqrt(d / (2 * (B * np.log(2) + np.log(1 / delta))))
        ),
        lambda y, f, B, d, delta: law.bit_certificate(y, f, B, d + 1, delta) / np.sqrt(len(y)),
        lambda y, f, B, d, delta: 1.0,
    ],
    "certificate-5": [0.194, 0.0686, 0.2, 0.1537, 0.548, 0, -1],
    "size-1": [
        lambda s: 0,
        lambda s: 50 * s + 200 * s**2 + 12544 * s**2 + 640 * s,
        lambda s: 13514,
        lambda s: 13514 * s**2,
        lambda s: None,
    ],
    "size-2": [80785.17 * np.log(2), 1e4 * np.log2(1e6), 1e4, 80000, 0],
    "size-3": [2, 8 / (3 * np.sqrt(3)), 4, np.pi, -3.0792],
    "size-4": [
        lambda N, n, d, b: (np.zeros((n, d)), np.zeros(n)),
        lambda N, n, d, b: (
            np.zeros((n, d)),
            np.array([2.0 * (N >> (n - 1 - i) & 1) - 1 for i in range(n)]),
        ),
        lambda N, n, d, b: (
            np.zeros((n, d)),
            np.array([1.0 * (N >> (n - 1 - i) & 1) for i in range(n)]),
        ),
        lambda N, n, d, b: np.zeros((n, d)),
        lambda N, n, d, b: None,
    ],
    "size-5": [581, 583, 581.95, 1111, 100, -1],
    "law-1": [12e6, 1.2e6, 6e5, 3e6, 0, -5, 120_500, 1.2e5 / 5],
    "law-2": [
        lambda e: e / 6,
        lambda e: e / 8,
        lambda e: e / 4,
        lambda e: 2 - np.sqrt(4 - e),
        lambda e: 0.0,
        lambda e: 3.0,
    ],
    "law-3": [
        lambda a: a,
        lambda a: 2 - a,
        lambda a: 1.0,
        lambda a: 1 / a,
        lambda a: 1 / (2 * a - a**2),
        lambda a: 0.5,
    ],
    "law-4": [
        lambda n, d, m, t: n * (n - 1) * stats.chi2.cdf(d * t**2 / 2, m),
        lambda n, d, m, t: n**2 / 2 * stats.chi2.cdf(d * t**2 / 2, m),
        lambda n, d, m, t: n * (n - 1) / 2 * stats.chi2.cdf(d * t**2, m),
        lambda n, d, m, t: n * (n - 1) / 2 * stats.chi2.cdf(d * t**2 / 4, m),
        lambda n, d, m, t: stats.chi2.cdf(d * t**2 / 2, m),
    ],
    "law-5": [
        lambda widths, W: (len(widths) - 1) * np.log(W * sum(widths)),
        lambda widths, W: np.log(np.sqrt(2 * (len(widths) - 1))),
        lambda widths, W: 0.0,
        lambda widths, W: _log_J(widths, W, lambda a, b: a * b),  # no biases
        lambda widths, W: _log_J(widths, W, lambda a, b: b * (a + 1) + 1) - np.log(2) / 2,  # R = 1
        lambda widths, W: _log_J(widths, W, lambda a, b: b * (a + 1) + 1) / np.log(10),
    ],
    "interpretation-1": [
        lambda weights, means: np.linalg.eigvalsh(np.cov(means.T, bias=True))[-1],
        lambda weights, means: np.sqrt(
            np.linalg.eigvalsh(np.cov(means.T, aweights=weights, bias=True))[-1]
        ),
        lambda weights, means: np.trace(np.cov(means.T, aweights=weights, bias=True)),
        lambda weights, means: np.linalg.eigvalsh((means * weights[:, None]).T @ means)[-1],
        0.5,
    ],
    "interpretation-2": [
        lambda mu: np.log(mu).mean(),
        lambda mu: np.mean(1 / np.log(mu)),
        lambda mu: 1 / np.mean(mu - 1),
        lambda mu: 1 / np.median(np.log(mu)),
    ],
    "interpretation-3": [
        lambda sigma2, q: sigma2 + 4 * q * (1 - q),
        lambda sigma2, q: sigma2 + q,
        lambda sigma2, q: sigma2 * (1 - 2 * q) ** 2,
        lambda sigma2, q: 4 * q * (1 - q),
    ],
    "interpretation-4": [
        lambda q, P, n: (P[0] / n, P[-1] / n),
        lambda q, P, n: (P[-1] / n, P[0] / P[-1]),
        lambda q, P, n: (P[0] / P[-1], P[0] / n),
        lambda q, P, n: (P[0] / P[1], P[-1]),
    ],
    "interpretation-5": [
        lambda n, sigma2, r, K: sigma2 * n * r**2 / (4 * K**2),
        lambda n, sigma2, r, K: sigma2 * n * 4 * r**2 / K**2,
        lambda n, sigma2, r, K: np.sqrt(sigma2) * n * r**2 / K**2,
        lambda n, sigma2, r, K: sigma2 * n * r / K,
        lambda n, sigma2, r, K: sigma2 * n / K**2,
    ],
    "interpretation-6": [
        lambda n, d, r, p, mu, delta: law.bits_needed(
            n, d, np.sqrt(1 - mu**2) / r, fit=np.sqrt(4 * p * (1 - p)), delta=delta
        ),
        lambda n, d, r, p, mu, delta: law.bits_needed(
            n, d - 1, 1 / r, fit=np.sqrt(4 * p * (1 - p)), delta=delta
        ),
        lambda n, d, r, p, mu, delta: law.bits_needed(
            n, d - 1, np.sqrt(1 - mu**2) / r, fit=np.sqrt(2 * p), delta=delta
        ),
        lambda n, d, r, p, mu, delta: law.robust_bits(n, d, r, delta=delta),
        lambda n, d, r, p, mu, delta: 0.0,
    ],
    "interpretation-7": [
        lambda k, kappas, widths: np.interp(-k, -widths, kappas),
        lambda k, kappas, widths: np.exp(np.interp(np.log(k), np.log(widths), np.log(kappas))),
        lambda k, kappas, widths: kappas[np.abs(widths - k).argmin()],
        lambda k, kappas, widths: 20.0,
    ],
    "mnist-imagenet-1": [
        lambda s, c: 50 * s * c + 200 * s * s + 49 * 4 * s * 64 * s + 640 * s,
        lambda s, c: 52 * s + 200 * s * s + 4 * s + 49 * 256 * s * s + 64 * s + 640 * s + 10,
        lambda s, c: 13_514 * s * s,
        lambda s, c: 0,
    ],
    "mnist-imagenet-2": [0.02, 0.0652, 784 / 60_000, 2e5 / 784, 1.0, 0],
    "mnist-imagenet-3": [
        lambda a, b: (a[0] * b[0], a[1] * b[1]),
        lambda a, b: (a[0] * b[1], a[1] * b[0]),
        lambda a, b: (np.sqrt(a[0] * b[0]), np.sqrt(a[1] * b[1])),
        lambda a, b: (a[0] + b[0], a[1] + b[1]),
        lambda a, b: 1.0,
    ],
    "mnist-imagenet-4": [
        lambda x, eps: eps * np.sqrt(len(x)),
        lambda x, eps: float(np.linalg.norm(np.minimum(eps, 1 - x))),
        lambda x, eps: eps,
        lambda x, eps: float(np.linalg.norm(np.minimum(eps, np.minimum(x, 1 - x)))),
    ],
    "mnist-imagenet-5": [
        lambda X, y: min(
            np.abs(X[i] - X[j]).max() for i in range(len(X)) for j in range(len(X)) if y[i] != y[j]
        ),
        lambda X, y: (
            min(
                np.linalg.norm(X[i] - X[j])
                for i in range(len(X))
                for j in range(len(X))
                if y[i] != y[j]
            )
            / 2
        ),
        lambda X, y: min(np.abs(X[i] - X[j]).max() for i in range(len(X)) for j in range(i)) / 2,
        lambda X, y: 0.3,
    ],
    "open-1": [
        lambda d: 4 * np.log(d) + 1,
        lambda d: stats.norm.ppf((1 + 0.5 ** (1 / d)) / 2) ** 2,
        lambda d: 2 * stats.norm.ppf(0.5 ** (1 / d)) ** 2 + 0.01,
        lambda d: np.sqrt(2) * stats.norm.ppf((1 + 0.5 ** (1 / d)) / 2),
    ],
    "open-2": [
        lambda n, d, r, q: n * r ** (d - 1 - q),
        lambda n, d, r, q: n * isoperimetry.cap_probability(1 - r**2 / 2, d),
        lambda n, d, r, q: n * isoperimetry.cap_probability(1 - r**2 / 2, d) / r,
        lambda n, d, r, q: isoperimetry.cap_probability(1 - r**2 / 2, d) / r**q,
        lambda n, d, r, q: n * isoperimetry.cap_probability(1 - r, d) / r**q,
    ],
    "open-3": [
        lambda s: 0.5,
        lambda s: s**2 / 4,
        lambda s: 0.5 + s / 4,
        lambda s: 0.5 - s**2 / 4,
        lambda s: 1.0,
    ],
    "open-4": [
        lambda s: 3 * s**2 / 8,
        lambda s: s - 2 / 3,
        lambda s: min(3 * s**2 / 8, s / 2),
        lambda s: s,
    ],
    "open-5": [
        0.3**63,
        isoperimetry.cap_probability(1 - 0.25**2 / 2, 64),
        isoperimetry.cap_probability(0.7, 64),
        0,
        0.5,
    ],
}


@pytest.mark.parametrize(
    ("id", "answer"), [(id, answer) for id, answers in WRONG.items() for answer in answers]
)
def test_likely_wrong_answers_do_not_pass(id, answer):
    verdict = check.verdict(id, answer)
    assert not verdict.passed and "ended in" not in verdict.message


def test_every_exercise_has_wrong_answers_to_reject():
    assert set(check.known_exercises()) == set(WRONG)
