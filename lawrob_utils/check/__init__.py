"""Answers to the book's exercises, judged with a message in words.

Read in this order: `Verdict` and `exercise` (what a reader calls), `checker` (how a chapter registers
its exercises), then `number`, `array`, `function` and `call` (what a checker uses to look at an answer
without ever failing on it).  The checkers themselves are in one module per chapter beside this file;
they are imported when the first answer is judged, and none of them needs torch.  Every chapter uses this.
"""

import importlib
import math
import numbers
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "NotYet",
    "Verdict",
    "array",
    "call",
    "checker",
    "exercise",
    "function",
    "known_exercises",
    "number",
    "verdict",
]


@dataclass(frozen=True)
class Verdict:
    """What became of an answer: `passed`, and in `message` what is right or wrong with it, in words."""

    passed: bool
    message: str


class NotYet(Exception):
    """Raised by a checker when an answer is not right; its text is a full sentence for the reader."""


@dataclass(frozen=True)
class _Checker:
    judge: Callable[[Any], None]
    expects: str


_checkers: dict[str, _Checker] = {}


def checker(id: str, *, expects: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register the decorated function as the judge of exercise `id`.

    The function takes the answer; it returns when the answer is right and raises `NotYet` when it is not.
    `expects` completes the sentence "The answer should be ...".

    Raises `ValueError` when `id` is registered twice.
    """

    def register(judge: Callable[[Any], None]) -> Callable[[Any], None]:
        if id in _checkers:
            raise ValueError(
                f"id = {id!r} is registered already; every exercise has exactly one checker"
            )
        _checkers[id] = _Checker(judge, expects)
        return judge

    return register


def known_exercises() -> tuple[str, ...]:
    """The ids of all exercises that have a checker, sorted."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return tuple(sorted(_checkers))


def verdict(id: str, answer: Any) -> Verdict:
    """Judge `answer` to the exercise `id`, whatever it is, without raising because of it.

    None and `...` (what an untouched hole holds) are "nothing there yet"; an answer of the wrong type is told
    what it is and what is expected; an answer that raises when it is tried is told what it raised.

    Raises `ValueError` when there is no exercise `id`; the known ones are listed.
    """
    known = known_exercises()
    if id not in known:
        raise ValueError(
            f"id = {id!r} is no exercise of this book; the exercises are {', '.join(known)}"
        )
    if answer is None or answer is Ellipsis:
        return Verdict(
            False, f"There is nothing there yet. The answer should be {_checkers[id].expects}."
        )
    try:
        _checkers[id].judge(answer)
    except NotYet as words:
        return Verdict(False, str(words))
    except Exception as problem:
        return Verdict(
            False,
            f"Trying the answer, which is {_kind(answer)}, ended in {type(problem).__name__} ({problem}). "
            f"The answer should be {_checkers[id].expects}.",
        )
    return Verdict(True, "correct.")


def exercise(id: str, answer: Any) -> None:
    """Print whether `answer` solves the exercise `id`: "✓ id: correct." or "id: not yet." and why.

    Raises `ValueError` when there is no exercise `id`.
    """
    judged = verdict(id, answer)
    print(f"✓ {id}: {judged.message}" if judged.passed else f"{id}: not yet. {judged.message}")


# What checkers use to look at an answer -----------------------------------------------------------------


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
    if isinstance(answer, (bool, np.bool_)) or not isinstance(answer, numbers.Real):
        raise NotYet(f"I expected one number for {what}, but got {_kind(answer)}.")
    value = float(answer)
    if not math.isfinite(value):
        raise NotYet(f"I expected a finite number for {what}, but got {value}.")
    return value


def array(answer: Any, shape: tuple[int, ...], what: str = "the answer") -> np.ndarray:
    """The answer as a float64 array of the given shape; `NotYet` if it is none or has non-finite entries."""
    if answer is None or answer is Ellipsis:
        raise NotYet(
            f"Nothing has been filled in for {what} yet; an array of shape {shape} belongs there."
        )
    try:
        values = np.asarray(answer)
        if values.dtype.kind not in "iuf":
            raise TypeError
        values = values.astype(np.float64)
    except Exception:
        raise NotYet(
            f"I expected an array of numbers for {what}, but got {_kind(answer)}."
        ) from None
    if values.shape != shape:
        raise NotYet(f"I expected shape {shape} for {what}, but got shape {values.shape}.")
    if not np.isfinite(values).all():
        raise NotYet(f"Some entries of {what} are not finite numbers.")
    return values


def function(answer: Any, signature: str) -> Callable[..., Any]:
    """The answer if it can be called, else `NotYet`; `signature` is how it should look, such as "f(X, y)"."""
    if not callable(answer) or isinstance(answer, type):
        raise NotYet(f"I expected a function {signature}, but got {_kind(answer)}.")
    return answer


def call(answer: Callable[..., Any], *arguments: Any) -> Any:
    """`answer(*arguments)`; `NotYet` if that raises or returns nothing."""
    try:
        value = answer(*arguments)
    except NotYet:
        raise
    except Exception as problem:
        raise NotYet(
            f"Calling the function ended in {type(problem).__name__}: {problem}."
        ) from None
    if value is None or value is Ellipsis:
        raise NotYet("The function returns nothing yet.")
    return value
