"""Answers to the book's exercises, judged with a message in words.

A reader calls `exercise(id, answer)`; who changes numbers of a page hands them on, such as
`exercise("law-1", P, n=1e5)`, and the truth follows.  All words stand in `exercises.txt`; the
modules beside it hold for each paragraph a function with the truth, found another way than in the
chapter, and the wrong answers that its lines recognise (see `row`).  None needs torch.
"""

import importlib
import itertools
import math
import pkgutil
import re
from bisect import bisect_left
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from inspect import getgeneratorlocals, isgeneratorfunction, signature
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import beta

__all__ = ["Verdict", "exercise", "known_exercises", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: `passed`, and in `message` what is right or wrong, in words."""

    passed: bool
    message: str


class NotYet(Exception):
    """Raised where an answer cannot be used; its text is a full sentence for the reader."""


class When(NamedTuple):
    """A line told whenever `applies`, with one `wrong` answer to which it does."""

    applies: bool
    wrong: Any


def read_words(text: str) -> dict[str, tuple[str, dict[str, tuple[str, str]]]]:
    """{id: (what is expected, {name of a line, or < or > or "": (+ or = or "", its words)})}."""
    found = {}
    for id, expects, lines in re.findall(r"^([\w-]+-\d+): (.*)\n((?:  .+\n)*)", text, re.M):
        parts = re.findall(r"^  (?:([<>]) |([+=]) (\w+): )?(.*)\n", lines, re.M)
        found[id] = expects, {name or side: (sign, line) for side, sign, name, line in parts}
    return found


WORDS = read_words(Path(__file__).with_name("exercises.txt").read_text("utf-8"))
EXERCISES: dict[str, "row"] = {}


def known_exercises() -> tuple[str, ...]:
    """The ids of all exercises, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(sorted(EXERCISES))


def verdict(id: str, answer: Any, **numbers: Any) -> Verdict:
    """Judge `answer` to the exercise `id`, whatever it is, without raising because of it.

    `numbers` replace those of the page.  None and `...` (an untouched hole) are "nothing there
    yet"; an answer of the wrong type, or that raises when it is tried, is told so.

    Raises `ValueError` for an unknown `id` or number, and for a number without an answer.
    """
    known = known_exercises()
    if id not in known:
        listed = ", ".join(known)
        raise ValueError(f"id = {id!r} is no exercise of this book; the exercises are {listed}")
    asked = EXERCISES[id]
    try:
        filled = _numbers(asked.numbers, numbers)
        rights = asked.rights(**filled)
    except Exception as problem:
        raise ValueError(f"{id} cannot be asked with {numbers}: {problem}") from None
    if answer is None or answer is Ellipsis:
        return Verdict(False, f"There is nothing there yet. The answer should be {asked.expects}.")
    try:
        words = asked.wrong(answer, filled, rights)
    except NotYet as refusal:
        words = str(refusal)
    except Exception as problem:
        tried = f"Trying the answer, which is {_kind(answer)}, ended in {type(problem).__name__}"
        words = f"{tried} ({problem}). The answer should be {asked.expects}."
    return Verdict(words is None, words or "correct.")


def exercise(id: str, answer: Any, **numbers: Any) -> None:
    """Print "✓ id: correct." or "id: not yet." and why; for the rest see `verdict`."""
    judged = verdict(id, answer, **numbers)
    print(f"✓ {id}: {judged.message}" if judged.passed else f"{id}: not yet. {judged.message}")


def _numbers(page: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        if name not in page:
            raise ValueError(f"{name} is none of its numbers ({', '.join(page) or 'it has none'})")
        whole = isinstance(page[name], int)
        good = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        if not good or value <= 0 or (whole and value % 1):
            raise ValueError(f"{name} = {value!r} is no positive {'whole ' * whole}number")
    return {name: type(value)(given.get(name, value)) for name, value in page.items()}


# How an exercise is written ---------------------------------------------------------------------


class row:
    """Registers a function as what knows about the exercise `id`, whose words are there already.

    Mostly the answer, a number or a function of `trials`, has one true value.  The function takes
    what was given, the arguments and, as defaults, the page's numbers.  It returns the truth, the
    wrong answer of each named line and, if the words need more, a dictionary.  The words are
    formats of the arguments, the numbers, `given`, `right` and that dictionary.  `trials` are
    arguments, or a function of a generator with this `seed`; those that the reader's function does
    not take are for the truth.  `what` names the number, `read` prepares it.

    Otherwise it takes the answer and yields pairs, a line's name and whether it applies.  The
    first that does is told, a format of the function's variables at that moment.
    """

    def __init__(
        self, id, trials=((),), seed=0, what="", read=lambda value: value, rel=1e-6, abs=1e-9
    ):
        self.id, (self.expects, self.lines), self.read = id, WORDS[id], read
        self.trials = list(trials(np.random.default_rng(seed)) if callable(trials) else trials)
        self.form = form = re.match(r"a function ((\w+)\((.*?)\))", self.expects)
        self.takes = len(form[3].split(", ")) if form else 0
        self.what = what or (f"{form[2]}({{shown}})" if form else "the answer")
        self.close = lambda a, b: np.all(np.abs(a - b) <= np.maximum(rel * np.abs(b), abs))
        self.rights = cache(self._rights)

    def __call__(self, source: Callable) -> Callable:
        known = signature(source).parameters.values()
        self.names = [p.name for p in known if p.default is p.empty][1:]
        self.numbers = {p.name: p.default for p in known if p.default is not p.empty}
        self.source, EXERCISES[self.id] = source, self
        return source

    def values(self, given: Any, case: tuple, numbers: dict) -> tuple[Any, dict, dict]:
        """Truth, wrong answers by name, and further words."""
        found = self.source(given, *case, **numbers)
        return (*found, {}, {})[:3] if isinstance(found, tuple) else (found, {}, {})

    def _rights(self, **numbers: Any) -> list:
        if isgeneratorfunction(self.source):
            return []
        rights = [self.values(math.nan, case, numbers)[0] for case in self.trials]
        if not all(np.isfinite(right).all() for right in rights):
            raise ValueError("no finite number is right")
        return rights

    def wrong(self, answer: Any, numbers: dict, rights: list) -> str | None:
        """What is wrong with the answer, in words, or None."""
        if self.form:
            answer = function(answer, self.form[1])
        if isgeneratorfunction(self.source):
            properties = self.source(answer, **numbers)
            told = next((name for name, applies in properties if applies), None)
            return told and self.lines[told][1].format(**getgeneratorlocals(properties))
        for case, right in zip(self.trials, rights, strict=True):
            taken = case[: self.takes]
            shown = ", ".join(str(getattr(a, "tolist", lambda a=a: a)()) for a in taken)
            words = dict(zip(self.names, case, strict=True), right=right, shown=shown, **numbers)
            what = self.what.format(**words)
            value = call(answer, *deepcopy(taken)) if self.form else answer
            many = isinstance(right, np.ndarray)
            given = array(self.read(value), right.shape, what) if many else number(value, what)
            if self.close(given, right):
                continue
            _, wrongs, more = self.values(given, case, numbers)
            told = self.lines["" if "" in self.lines else "<>"[int(given > right)]][1]
            for name, wrong in wrongs.items():
                if wrong.applies if isinstance(wrong, When) else self.close(given, wrong):
                    sign, line = self.lines[name]
                    told = f"{told} {line}" if sign == "+" else line
                    break
            return told.format(given=given, **words | more)
        return None


# Truths and helpers that several chapters use ---------------------------------------------------


def smallest(condition: Callable[[int], Any], start: int = 1) -> int:
    """The smallest whole number from which on `condition` holds; ValueError above 10^12."""
    found = start + bisect_left(range(start, 10**12), True, key=lambda n: bool(condition(n)))
    if found >= 10**12:
        raise ValueError("no whole number up to 10^12 is enough")
    return found


def signs(n: int) -> np.ndarray:
    """All vectors of n signs, one a row."""
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def cap(t: float, d: float) -> float:
    """Share of the sphere S^(d−1) above height t: (1 + x_1)/2 is Beta((d − 1)/2, (d − 1)/2)."""
    return beta.sf((1 + t) / 2, (d - 1) / 2, (d - 1) / 2)


def raised(n: int) -> str:
    """A whole number as an exponent."""
    return str(n).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


# What looks at an answer without ever failing on it ---------------------------------------------


def _kind(answer: Any) -> str:
    """An answer's type in words."""
    if isinstance(answer, np.ndarray):
        return f"an array of shape {answer.shape} and dtype {answer.dtype}"
    if isinstance(answer, (str, bytes)):
        return f"the text {answer[:40]!r}"
    if isinstance(answer, (bool, int, float, complex)):
        return f"the {type(answer).__name__} {answer!r}"
    name = type(answer).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def number(answer: Any, what: str = "the answer") -> float:
    """The answer as a float; `NotYet`, naming `what`, if it is not one finite real number."""
    if answer is None or answer is Ellipsis:
        raise NotYet(f"Nothing has been filled in for {what} yet; a number belongs there.")
    if isinstance(answer, np.ndarray) and answer.size == 1:
        answer = answer.reshape(())[()]
    if isinstance(answer, (bool, np.bool_)) or not isinstance(answer, Real):
        raise NotYet(f"I expected one number for {what}, but got {_kind(answer)}.")
    if not math.isfinite(value := float(answer)):
        raise NotYet(f"I expected a finite number for {what}, but got {value}.")
    return value


def array(answer: Any, shape: tuple[int, ...], what: str = "the answer") -> np.ndarray:
    """The answer as a float64 array; `NotYet` if it has not this shape or is not finite."""
    if answer is None or answer is Ellipsis:
        due = f"an array of shape {shape}"
        raise NotYet(f"Nothing has been filled in for {what} yet; {due} belongs there.")
    try:
        values = np.asarray(answer)
        if values.dtype.kind not in "iuf":
            raise TypeError
    except Exception:
        got = _kind(answer)
        raise NotYet(f"I expected an array of numbers for {what}, but got {got}.") from None
    values = values.astype(np.float64)
    if values.shape != shape:
        raise NotYet(f"I expected shape {shape} for {what}, but got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise NotYet(f"Some entries of {what} are not finite numbers.")
    return values


def function(answer: Any, signature: str) -> Callable[..., Any]:
    """The answer if it can be called, else `NotYet`, with the `signature` that is expected."""
    if not callable(answer) or isinstance(answer, type):
        raise NotYet(f"I expected a function {signature}, but got {_kind(answer)}.")
    return answer


def call(answer: Callable[..., Any], *arguments: Any) -> Any:
    """`answer(*arguments)`; `NotYet` if that raises or returns nothing."""
    try:
        value = answer(*arguments)
    except Exception as problem:
        kind = type(problem).__name__
        raise NotYet(f"Calling the function ended in {kind}: {problem}.") from None
    if value is None or value is Ellipsis:
        raise NotYet("The function returns nothing yet.")
    return value
