"""The judge of exercises says in words what is wrong, and nothing a reader hands it makes it fail."""

import math
import re
import subprocess
import sys
from inspect import isgeneratorfunction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lawrob_utils import check, isoperimetry, law
from lawrob_utils.check import EXERCISES, NotYet, Verdict, When
from lawrob_utils.memorizers import McShane

IDS = check.known_exercises()
JUDGES = [id for id in IDS if isgeneratorfunction(EXERCISES[id].source)]
HINTS = [
    (id, name)
    for id in IDS
    for name, (sign, _) in EXERCISES[id].lines.items()
    if sign and id not in JUDGES
]
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


@pytest.mark.parametrize("id", IDS)
def test_no_answer_of_a_wrong_kind_passes_or_makes_a_judge_fail(id):
    for answer in ANYTHING:
        verdict = check.verdict(id, answer)
        assert not verdict.passed and len(verdict.message) > 20, answer
    for hole in (None, ...):
        assert "nothing there yet" in check.verdict(id, hole).message


@pytest.fixture
def asked(monkeypatch):
    """A new exercise with these words, for a test."""

    def add(id, text, source):
        monkeypatch.setitem(check.WORDS, id, check.read_words(text)[id])
        monkeypatch.setitem(EXERCISES, id, None)
        check.row(id)(source)

    return add


def test_exercise_prints_its_verdict_in_one_line(capsys, asked):
    def look(answer):
        yield "no", check.number(answer) != 2

    asked("print-1", "print-1: the number 2\n  = no: It is even and prime.\n", look)
    for answer in (2, 3, "2"):
        check.exercise("print-1", answer)
    assert capsys.readouterr().out.splitlines() == [
        "✓ print-1: correct.",
        "print-1: not yet. It is even and prime.",
        "print-1: not yet. I expected one number for the answer, but got the text '2'.",
    ]


def test_unknown_exercise_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(ValueError, match="riemann-1") as refusal:
        check.verdict("riemann-1", 0)
    assert all(id in str(refusal.value) for id in IDS)


def test_every_paragraph_of_words_has_its_function():
    assert set(check.WORDS) == set(IDS)


def test_verdict_cannot_be_changed():
    with pytest.raises(AttributeError):
        Verdict(False, "no").passed = True


def test_a_judge_that_raises_says_so_instead(asked):
    def look(answer):
        yield "no", 1 / 0

    asked("raises-1", "raises-1: anything\n  = no: No.\n", look)
    verdict = check.verdict("raises-1", 1)
    assert not verdict.passed
    assert "ZeroDivisionError" in verdict.message and "should be anything" in verdict.message


def test_judging_answers_needs_no_torch():
    program = "import sys; from lawrob_utils import check; check.known_exercises(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


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


# Hints, each with the wrong answer that stands beside it ---------------------------------------------------


def answer_of(id, choose, **numbers):
    """The value, or the function of the trials, that `choose` takes from what a row returns."""
    row = EXERCISES[id]
    numbers = row.numbers | numbers
    if not row.form:
        return choose(*row.values(math.nan, (), numbers)[:2])

    def answer(*taken):
        for case in row.trials:  # a row may know more about a trial than the reader's function
            same = zip(taken, case, strict=False)
            if all(np.array_equal(a, b) for a, b in same):
                return choose(*row.values(math.nan, case, numbers)[:2])
        raise LookupError("no trial")

    return answer


def truth(id, **numbers):
    return answer_of(id, lambda right, wrongs: right, **numbers)


def pattern(line):
    return re.sub(r"\\\{.*?\\\}", ".*", re.escape(line))


@pytest.mark.parametrize("id", sorted(set(IDS) - set(JUDGES)))
def test_every_line_has_its_wrong_answer_in_the_same_order(id):
    row = EXERCISES[id]
    _, wrongs, _ = row.values(math.nan, row.trials[0], row.numbers)
    assert list(wrongs) == [name for other, name in HINTS if other == id]


@pytest.mark.parametrize(("id", "name"), HINTS)
def test_hint_recognises_its_wrong_answer(id, name):
    def wrong(right, wrongs):
        return wrongs[name].wrong if isinstance(wrongs[name], When) else wrongs[name]

    verdict = check.verdict(id, answer_of(id, wrong))
    line = EXERCISES[id].lines[name][1]
    assert not verdict.passed and re.search(pattern(line), verdict.message), verdict.message


# Other numbers -------------------------------------------------------------------------------------------

OTHER = {
    "adversarial-3": {"d": 100, "percent": 10},
    "adversarial-5": {"images": 50, "classes": 3},
    "memorization-2": {"t": 0.1, "delta": 0.05},
    "memorization-5": {"n": 500, "eps": 0.8},
    "robust-2": {"points": 1000, "distance": 0.8, "level": 0.5},
    "robust-5": {"signs": 60, "hits": 55},
    "size-1": {"side": 32, "kernel": 3, "classes": 7},
    "size-2": {"weights": 5000, "left": 70},
    "size-3": {"power": 3},
    "size-5": {"n": 30, "percent": 25},
    "isoperimetry-2": {"size": 0.2, "level": 1e-3},
    "law-1": {"n": 1e4, "d": 50, "sigma": 0.5, "L": 2},
    "certificate-1": {"n": 500, "d": 80, "L": 2, "delta": 0.1},
    "certificate-5": {"n": 1000, "d": 100, "bits": 5000, "percent": 80, "delta": 0.1},
    "mnist-imagenet-1": {"side": 32, "kernel": 3, "classes": 7},
    "mnist-imagenet-2": {"P": 3e5, "n": 50_000, "d": 1000},
    "rademacher-3": {"weights": 500, "bits": 4, "n": 10_000, "d": 100, "k": 3},
    "open-4": {"square": 0.5},
    "open-5": {"d": 20, "rho": 0.1, "r": 0.3},
    # Judges: an answer that passes with the page's number, and a number with which it does not
    "robust-1": {"slope": 5000},
    "robust-4": {"factor": 1.42},
    "certificate-3": {"entries": 64, "most": 8},
    "rademacher-4": {"points": 3},
}


ANSWERS = {
    "rademacher-4": (np.zeros((1, 4)), np.cos),
    "robust-1": lambda f: (
        lambda Z: f(Z) + (1000 + f.L) * np.maximum(0, np.linalg.norm(Z, axis=1) - 1),
        f.X[0],
        2 * f.X[0],
    ),
    "robust-4": (np.arange(3.0)[:, None], np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])),
    "certificate-3": lambda w: max(
        1, math.ceil(math.log2(len(w) + 1)) + math.ceil(math.log2(len(w))) * int(sum(w))
    ),
}


def test_every_exercise_with_numbers_is_asked_with_others():
    assert {id: set(EXERCISES[id].numbers) for id in IDS if EXERCISES[id].numbers} == {
        id: set(numbers) for id, numbers in OTHER.items()
    }


@pytest.mark.parametrize("id", OTHER)
def test_with_other_numbers_the_truth_is_another(id):
    if id in ANSWERS:
        assert check.verdict(id, ANSWERS[id]).passed
        assert not check.verdict(id, ANSWERS[id], **OTHER[id]).passed
        return
    assert check.verdict(id, truth(id)).passed
    assert check.verdict(id, truth(id, **OTHER[id]), **OTHER[id]).passed
    assert not check.verdict(id, truth(id), **OTHER[id]).passed


def test_with_other_numbers_the_chapters_formulas_are_right_as_well():
    def passes(id, answer, **numbers):
        return check.verdict(id, answer, **numbers).passed

    assert passes("adversarial-3", 10 / 1.2816, d=100, percent=10)
    assert passes("memorization-2", math.ceil(8 * math.log(2 / 0.05) / 0.1**2), t=0.1, delta=0.05)
    assert passes("size-5", math.ceil(31 * 1.25**2 / (1.25**2 - 1)), n=30, percent=25)
    assert passes("law-1", 0.5**2 * 1e4 * 50 / 2**2, n=1e4, d=50, sigma=0.5, L=2)
    assert passes("mnist-imagenet-2", 3e5 / 5e7, P=3e5, n=50_000, d=1000)
    assert passes("open-5", isoperimetry.cap_probability(1 - 0.4**2 / 2, 20), d=20, rho=0.1, r=0.3)


@pytest.mark.parametrize(
    "numbers", [{"m": 3}, {"d": 0}, {"d": 2.5}, {"d": "x"}, {"d": True}, {"L": math.inf}, {"L": -1}]
)
def test_a_number_that_an_exercise_cannot_have_is_refused_by_name(numbers):
    with pytest.raises(ValueError, match=f"{next(iter(numbers))}"):
        check.verdict("law-1", 1.0, **numbers)


def test_numbers_that_leave_no_answer_are_refused():
    with pytest.raises(ValueError, match="robust-5 cannot be asked with .*hits.*200"):
        check.verdict("robust-5", 1.0, hits=200)
    with pytest.raises(ValueError, match="adversarial-3 cannot be asked with .*60.*no finite"):
        check.verdict("adversarial-3", 1.0, percent=60)


# Wrong answers that no hint recognises ------------------------------------------------------------------

WRONG = {
    "adversarial-1": [
        lambda w, b, x, y, eps, norm: (
            y * (w @ x + b) - eps * np.linalg.norm(w, np.inf if norm == "linf" else 2)
        ),
        lambda w, b, x, y, eps, norm: w @ x + b - eps * np.linalg.norm(w, 2 if norm == "l2" else 1),
        lambda w, b, x, y, eps, norm: (
            y * (w @ x) - eps * np.linalg.norm(w, 2 if norm == "l2" else 1)
        ),
    ],
    "adversarial-3": [28 / 1.6449, 54.9, -14.3, 0],
    "adversarial-4": [lambda X, y: 0.1],
    "adversarial-5": [3321, 3323, 26122 * 64, 0],
    "memorization-1": [lambda g: 1 - g**2, lambda g: np.mean(g**2), lambda g: 1.0],
    "memorization-2": [16954, 16956, -1, 1e9],
    "memorization-4": [
        lambda X, sigma: np.mean(sigma * (1 - np.sum(np.linalg.qr(X)[0] ** 2, axis=1))),
        lambda X, sigma: sigma**2,
    ],
    "memorization-5": [46.1, 31.25, 180.3, 1000, 44.4, 43.6],
    "isoperimetry-1": [0.5, 0.6],
    "isoperimetry-2": [2384],
    "isoperimetry-3": [
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
    "rademacher-1": [lambda V: np.sqrt(2 * np.log(2 * len(V)) / V.shape[1])],
    "rademacher-3": [27.9, 27.0, 27.3, 784, 0.4, -1],
    "robust-2": [200, 202, 1000],
    "robust-5": [100, 53.86, 90, 50, -1],
    "certificate-1": [800_690, 800_695, 801_490, 554_995, 80],
    "certificate-2": [
        lambda p: 2 * p - 1,
        lambda p: np.sqrt(p * (1 - p)),
        lambda p: 4 * p * (1 - p),
        lambda p: 1.0,
        lambda p: 1 - abs(2 * p - 1),
    ],
    "certificate-4": [
        lambda y, f, B, d, delta: law.bit_certificate(y, f, B, d, delta) * np.sqrt(d) / (d - 1),
        lambda y, f, B, d, delta: (
            y @ f / np.sqrt(y @ y) * np.sqrt(d / (2 * (B * np.log(2) + np.log(1 / delta))))
        ),
        lambda y, f, B, d, delta: law.bit_certificate(y, f, B, d + 1, delta) / np.sqrt(len(y)),
        lambda y, f, B, d, delta: 1.0,
    ],
    "certificate-5": [0.194, 0.2, 0.548, 0, -1],
    "size-1": [lambda s: 0, lambda s: 13514, lambda s: 13514 * s**2, lambda s: None],
    "size-2": [1e4, 80000, 0],
    "size-3": [4, np.pi, -3.0792],
    "size-5": [581, 583, 100, -1],
    "law-2": [lambda e: e / 4, lambda e: 2 - np.sqrt(4 - e)],
    "law-3": [lambda a: 1.0, lambda a: 1 / a, lambda a: 1 / (2 * a - a**2), lambda a: 0.5],
    "law-4": [lambda n, d, m, t: n * (n - 1) / 2 * stats.chi2.cdf(d * t**2, m)],
    "law-5": [lambda widths, W: (len(widths) - 1) * np.log(W * sum(widths))],
    "interpretation-1": [
        lambda weights, means: np.trace(np.cov(means.T, aweights=weights, bias=True)),
        lambda weights, means: np.linalg.eigvalsh((means * weights[:, None]).T @ means)[-1],
        0.5,
    ],
    "interpretation-2": [lambda mu: 1 / np.mean(mu - 1), lambda mu: 1 / np.median(np.log(mu))],
    "interpretation-3": [
        lambda sigma2, q: sigma2 + q,
        lambda sigma2, q: sigma2 * (1 - 2 * q) ** 2,
        lambda sigma2, q: 4 * q * (1 - q),
    ],
    "interpretation-4": [
        lambda q, P, n: (P[0] / n, P[-1] / n),
        lambda q, P, n: (P[0] / P[-1], P[0] / n),
        lambda q, P, n: (P[0] / P[1], P[-1]),
    ],
    "interpretation-5": [
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
        lambda k, kappas, widths: np.exp(np.interp(np.log(k), np.log(widths), np.log(kappas))),
        lambda k, kappas, widths: 20.0,
    ],
    "mnist-imagenet-1": [lambda s, c: 13_514 * s * s, lambda s, c: 0],
    "mnist-imagenet-2": [0.02, 784 / 60_000, 2e5 / 784, 1.0, 0],
    "mnist-imagenet-4": [
        lambda x, eps: eps,
        lambda x, eps: float(np.linalg.norm(np.minimum(eps, np.minimum(x, 1 - x)))),
    ],
    "mnist-imagenet-5": [
        lambda X, y: (
            min(
                np.linalg.norm(X[i] - X[j])
                for i in range(len(X))
                for j in range(len(X))
                if y[i] != y[j]
            )
            / 2
        ),
        lambda X, y: 0.3,
    ],
    "open-1": [
        lambda d: 4 * np.log(d) + 1,
        lambda d: 2 * stats.norm.ppf(0.5 ** (1 / d)) ** 2 + 0.01,
        lambda d: np.sqrt(2) * stats.norm.ppf((1 + 0.5 ** (1 / d)) / 2),
    ],
    "open-2": [
        lambda n, d, r, q: n * r ** (d - 1 - q),
        lambda n, d, r, q: n * isoperimetry.cap_probability(1 - r, d) / r**q,
    ],
    "open-3": [lambda s: s**2 / 4, lambda s: 0.5 + s / 4, lambda s: 0.5 - s**2 / 4, lambda s: 1.0],
    "open-4": [
        lambda s: 3 * s**2 / 8,
        lambda s: s - 2 / 3,
        lambda s: min(3 * s**2 / 8, s / 2),
        lambda s: s,
    ],
    "open-5": [isoperimetry.cap_probability(0.7, 64), 0.5],
}


@pytest.mark.parametrize("id", WRONG)
def test_other_wrong_answers_do_not_pass(id):
    for answer in WRONG[id]:
        verdict = check.verdict(id, answer)
        assert not verdict.passed and "ended in" not in verdict.message


# Judges of their own: words, and the answer that is told them ------------------------------------------


def steps_and_labels(labels):
    return lambda N, n, d, b: (
        np.zeros((n, d)),
        labels(np.array([N >> i & 1 for i in range(n)][::-1])),
    )


def spread(X):
    return np.linalg.svd(X - X.mean(axis=0))[2]


JUDGED = {
    "adversarial-2": [
        ("length 1.118, outside", lambda delta, eps: np.clip(delta, -eps, eps)),
        ("length 3.575, outside", lambda delta, eps: delta),
        ("in the ball already", lambda delta, eps: 0 * delta),
        ("in the ball already", lambda delta, eps: delta * min(1, eps / np.linalg.norm(delta))),
        (
            "in the ball already",
            lambda delta, eps: np.clip(delta, *[x * eps / 5**0.5 for x in (-1, 1)]),
        ),
        (
            "in the ball already",
            lambda delta, eps: (
                eps * delta / np.maximum(np.linalg.norm(delta, axis=1, keepdims=True), 1e-12)
            ),
        ),
        (
            "not at its nearest point",
            lambda delta, eps: delta * (np.linalg.norm(delta, axis=1) <= eps)[:, None],
        ),
        ("changes the array", lambda delta, eps: np.multiply(delta, 0, out=delta)),
        (
            "zero vector",
            lambda delta, eps: np.where(
                np.linalg.norm(delta, axis=1)[:, None] > eps, 0, delta + 0.01
            ),
        ),
    ],
    "memorization-3": [
        ("squared error must be", lambda g, z, eps: g),
        ("squared error must be", lambda g, z, eps: g + z),
        ("squared error must be", lambda g, z, eps: g + (eps / np.mean(z**2)) * z),
        ("squared error must be", lambda g, z, eps: g + np.sqrt(1 - eps / np.mean(z**2)) * z),
        ("squared error must be", lambda g, z, eps: (1 - np.sqrt(1 - eps / np.mean(z**2))) * z),
        ("can be as small as", lambda g, z, eps: g + z + np.sqrt(np.mean(z**2) - eps)),
        ("expected shape", lambda g, z, eps: np.zeros((2, len(g)))),
    ],
    "robust-1": [
        ("the slope of g is 10.17", lambda f: (f, f.X[0], 2 * f.X[0])),
        ("differ by", lambda f: (lambda Z: 0 * Z[:, 0], f.X[0], 2 * f.X[0])),
        ("differ by", lambda f: (lambda Z: 2000 * f(Z), f.X[0], 2 * f.X[0])),
        ("the same point", lambda f: (f, f.X[0], f.X[0])),
        ("three things", lambda f: f),
    ],
    "robust-3": [
        ("does not fit", lambda X, y, Z: np.zeros(len(Z))),
        ("one of the two extreme fits", lambda X, y, Z: McShane.fit(X, y)(Z)),
        ("one of the two extreme fits", lambda X, y, Z: McShane.fit(X, y, side="lower")(Z)),
        ("not the mean", lambda X, y, Z: y[np.linalg.norm(Z[:, None] - X, axis=2).argmin(axis=1)]),
        ("leaves the room", lambda X, y, Z: McShane.fit(X, y, 2 * McShane.fit(X, y).L)(Z)),
        (
            "label of the nearest",
            lambda X, y, Z: (3 * McShane.fit(X, y)(Z) + McShane.fit(X, y, side="lower")(Z)) / 4,
        ),
    ],
    "robust-4": [
        ("is 1.000 times", (np.eye(2), np.eye(2))),
        ("is 1.000 times", (np.arange(3.0)[:, None], np.arange(3.0)[:, None] * [1, 1])),
        ("coincide", (np.zeros((2, 1)), np.eye(2))),
        ("All labels are equal", (np.eye(3), np.zeros((3, 2)))),
        ("I got shapes", (np.eye(3), np.eye(3))),
        ("the pair (X, Y)", np.eye(3)),
        ("no slopes", (np.zeros((1, 2)), np.zeros((1, 2)))),
        ("not filled in yet", (..., ...)),
    ],
    "size-4": [
        ("the labels are wrong", lambda N, n, d, b: (np.zeros((n, d)), np.zeros(n))),
        ("the centres are wrong", steps_and_labels(lambda bits: 2.0 * bits - 1)),
        ("labels are 0 and 1", steps_and_labels(lambda bits: 1.0 * bits)),
        ("two things", lambda N, n, d, b: np.zeros((n, d))),
        ("returns nothing", lambda N, n, d, b: None),
    ],
    "isoperimetry-5": [
        ("another direction has", lambda X: np.eye(X.shape[1])[0]),
        ("been centred", lambda X: X.mean(axis=0) / np.linalg.norm(X.mean(axis=0))),
        ("been centred", lambda X: np.linalg.svd(X)[2][0]),
        ("has length 2", lambda X: 2 * spread(X)[0]),
        ("another direction has", lambda X: spread(X)[-1]),
        ("a subspace the spread", lambda X: spread(X)[-1 if X.shape[1] == 20 else 0]),
        ("expected shape", lambda X: X),
    ],
    "certificate-3": [
        ("gets 64 bits", lambda w: len(w)),
        ("is 2.000, above 1", lambda w: np.log2(len(w)) * np.sum(w)),
        ("is 1.500, above 1", lambda w: int(np.sum(w))),
        ("is 1.062, above 1", lambda w: max(1, math.ceil(math.log2(len(w) + 1)) * int(np.sum(w)))),
        ("is 2.000, above 1", lambda w: 1),
        ("by a sample", lambda w: 16),
        ("a whole number of bits, not 1.5", lambda w: 1.5),
    ],
    "rademacher-4": [
        ("no larger", (np.ones((1, 3)), np.abs)),
        ("too fast near -0.939", (np.zeros((1, 3)), lambda v: 2 * v + 1)),
        ("no larger", (np.zeros((1, 3)), np.sin)),
        ("should lie in", (2 * np.ones((1, 3)), lambda v: v + 1)),
        ("at most 10 columns", (np.zeros((1, 11)), lambda v: v + 1)),
        ("one row a function", (np.zeros(3), lambda v: v + 1)),
        ("a function phi(v)", (np.zeros((1, 3)), 1.0)),
        ("Nothing has been filled in", (..., ...)),
        ("two things", 1.0),
    ],
    "mnist-imagenet-3": [
        ("both are extreme at once", lambda a, b: (a[0] * b[0], a[1] * b[1])),
        ("end 10 with probability 0.500", lambda a, b: (a[0] * b[1], a[1] * b[0])),
        ("with probability 0.010", lambda a, b: (np.sqrt(a[0] * b[0]), np.sqrt(a[1] * b[1]))),
        ("upper end 20 with", lambda a, b: (a[0] + b[0], a[1] + b[1])),
        ("two numbers", lambda a, b: 1.0),
        ("positive and in order", lambda a, b: (2.0, 1.0)),
    ],
}


@pytest.mark.parametrize("id", JUDGED)
def test_judge_of_its_own_says_what_is_wrong_and_each_of_its_lines_is_told(id):
    told = []
    for words, answer in JUDGED[id]:
        verdict = check.verdict(id, answer)
        assert not verdict.passed and words in verdict.message, verdict.message
        told.append(verdict.message)
    for _, line in EXERCISES[id].lines.values():
        assert any(re.fullmatch(pattern(line), message) for message in told), line


def test_every_exercise_has_wrong_answers_to_reject():
    assert set(IDS) == {id for id, _ in HINTS} | set(WRONG) | set(JUDGED)
    assert set(JUDGED) == set(JUDGES)
