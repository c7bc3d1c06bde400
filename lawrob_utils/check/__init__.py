"""Answers to the book's exercises, judged with a message in words.

A reader calls `exercise(id, answer)`; who changes numbers of a page hands them on, such as
`exercise("law-1", P, n=1e5)`, and the truth follows.  The exercises stand in the modules beside
this file.  Most are a `row`: what is expected, the truth found another way than in the chapter,
and hints with the wrong answers that they recognise.  The others have a `judge` of their own.
None needs torch, and nothing else in the package imports them.
"""

import importlib
import math
import pkgutil
import re
from bisect import bisect_left
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from inspect import cleandoc, signature
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Verdict", "exercise", "known_exercises", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: `passed`, and in `message` what is right or wrong, in words."""

    passed: bool
    message: str


class NotYet(Exception):
    """Raised where an answer cannot be used; its text is a full sentence for the reader."""


class When(NamedTuple):
    """A hint given whenever `applies`, with one `wrong` answer to which it does."""

    applies: bool
    wrong: Any


@dataclass(frozen=True)
class Exercise:
    """`judge(**numbers)` is a function of an answer: what is wrong with it, or None."""

    expects: str
    judge: Callable[..., Callable[[Any], str | None]]
    numbers: dict[str, Any]
    source: Callable
    hints: list[str] = field(default_factory=list)
    trials: list[tuple] | None = None


EXERCISES: dict[str, Exercise] = {}


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
        raise ValueError(
            f"id = {id!r} is no exercise of this book; the exercises are {', '.join(known)}"
        )
    asked = EXERCISES[id]
    try:
        judged = asked.judge(**_numbers(asked.numbers, numbers))
    except Exception as problem:
        raise ValueError(f"{id} cannot be asked with {numbers}: {problem}") from None
    if answer is None or answer is Ellipsis:
        return Verdict(False, f"There is nothing there yet. The answer should be {asked.expects}.")
    try:
        words = judged(answer)
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


def judge(head: str) -> Callable:
    """Register a function of an answer and numbers that returns what is wrong, or None."""

    def register(look: Callable) -> Callable:
        id, expects = head.split(": ", 1)
        _add(id, Exercise(expects, lambda **n: lambda a: look(a, **n), _page(look), look))
        return look

    return register


def row(trials=None, seed=0, what=None, read=None, rel=1e-6, abs=1e-9) -> Callable:
    """Register an exercise whose answer, a number or a function of `trials`, has one true value.

    The function takes what was given, the arguments and, as defaults, the page's numbers.  It
    returns the truth, the wrong answer of each hint and, if the texts need more, a dictionary.
    Its docstring has a line "id: what is expected", then the texts.  A value that is too small or
    too large is told the line with < or >, any other the one without a sign, followed (+) or
    replaced (=) by the first hint whose wrong answer it is.  Texts are formats of the arguments,
    the numbers, `given`, `right` and the dictionary.  `trials` are arguments, or a function of a
    generator with this `seed`; those that the reader's function does not take are for the truth.
    """

    def register(source: Callable) -> Callable:
        head, *texts = cleandoc(source.__doc__ or "").splitlines()
        id, expects = head.split(": ", 1)
        hints = [text for text in texts if text[0] in "+="]
        says = {t[0] if t[0] in "<>" else "": t.strip("<> ") for t in texts if t not in hints}
        form = re.search(r"(\w+)\((.*?)\)", expects) if trials else None
        takes = len(form[2].split(", ")) if form else 0
        names, page = list(signature(source).parameters)[1:], _page(source)
        cases = list(trials(np.random.default_rng(seed)) if callable(trials) else trials or [()])

        def answered(answer: Any, numbers: dict[str, Any], rights: list) -> str | None:
            f = function(answer, form[0]) if form else None
            for case, right in zip(cases, rights, strict=True):
                taken, words = case[:takes], dict(zip(names, case, strict=False)) | numbers
                shown = ", ".join(str(getattr(a, "tolist", lambda a=a: a)()) for a in taken)
                called = what.format(**words) if what else f"{form[1]}({shown})" if form else ""
                value = call(f, *deepcopy(taken)) if f else answer
                given = read(value, *taken) if read else number(value, called)
                if _close(given, right, rel, abs):
                    continue
                _, wrongs, more = values(source, given, case, numbers)
                told = says[""] if "" in says else says["<>"[int(given > right)]]
                for hint, wrong in zip(hints, wrongs, strict=True):
                    if wrong.applies if isinstance(wrong, When) else _close(given, wrong, rel, abs):
                        told = told + hint[1:] if hint[0] == "+" else hint[2:]
                        break
                return told.format(given=given, right=right, shown=shown, **words | more)
            return None

        def start(**numbers: Any) -> Callable[[Any], str | None]:
            rights = [values(source, math.nan, case, numbers)[0] for case in cases]
            return lambda answer: answered(answer, numbers, rights)

        _add(id, Exercise(expects, cache(start), page, source, hints, cases if form else None))
        return source

    return register


def values(source: Callable, given: Any, case: tuple, numbers: dict) -> tuple[Any, list, dict]:
    """Truth, wrong answers and further words of a row."""
    found = source(given, *case, **numbers)
    right, *wrong = found if isinstance(found, tuple) else (found,)
    more = wrong.pop() if wrong and isinstance(wrong[-1], dict) else {}
    return right, wrong, more


def smallest(condition: Callable[[int], Any], start: int = 1) -> int:
    """The smallest whole number from which on `condition` holds; ValueError above 10^12."""
    found = start + bisect_left(range(start, 10**12), True, key=lambda n: bool(condition(n)))
    if found >= 10**12:
        raise ValueError("no whole number up to 10^12 is enough")
    return found


def _add(id: str, exercise: Exercise) -> None:
    if id in EXERCISES:
        raise ValueError(f"id = {id!r} is registered already; every exercise has one judge")
    EXERCISES[id] = exercise


def _page(source: Callable) -> dict[str, Any]:
    known = signature(source).parameters.values()
    return {p.name: p.default for p in known if p.default is not p.empty}


def _close(given: Any, value: Any, rel: float, abs: float) -> bool:
    return bool(np.all(np.abs(given - value) <= np.maximum(rel * np.abs(value), abs)))


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


def _filled(answer: Any, what: str, due: str) -> None:
    if answer is None or answer is Ellipsis:
        raise NotYet(f"Nothing has been filled in for {what} yet; {due} belongs there.")


def number(answer: Any, what: str = "the answer") -> float:
    """The answer as a float; `NotYet`, naming `what`, if it is not one finite real number."""
    _filled(answer, what, "a number")
    if isinstance(answer, np.ndarray) and answer.size == 1:
        answer = answer.reshape(())[()]
    if isinstance(answer, (bool, np.bool_)) or not isinstance(answer, Real):
        raise NotYet(f"I expected one number for {what}, but got {_kind(answer)}.")
    if not math.isfinite(value := float(answer)):
        raise NotYet(f"I expected a finite number for {what}, but got {value}.")
    return value


def array(answer: Any, shape: tuple[int, ...], what: str = "the answer") -> np.ndarray:
    """The answer as a float64 array; `NotYet` if it has not this shape or is not finite."""
    _filled(answer, what, f"an array of shape {shape}")
    try:
        values = np.asarray(answer)
        if values.dtype.kind not in "iuf":
            raise TypeError
    except Exception:
        refusal = f"I expected an array of numbers for {what}, but got {_kind(answer)}."
        raise NotYet(refusal) from None
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
        raise NotYet(
            f"Calling the function ended in {type(problem).__name__}: {problem}."
        ) from None
    if value is None or value is Ellipsis:
        raise NotYet("The function returns nothing yet.")
    return value
