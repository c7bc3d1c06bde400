"""`expect`: what a chapter expects of the numbers that it has just computed, in words."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike


def expect(holds: ArrayLike, claim: str, **values: object) -> None:
    """Print nothing where `holds`; else a sentence that says which claim fails, and by how much.

    Whoever changes a chapter's parameters may leave the range in which its claims are true, and
    should read that and not a traceback. The sentence differs from the stored output, so that a
    test sees it too.

    Parameters: holds, True or False, or an array or list of them, which must all be True (a number
    is a ValueError); claim, a statement in the present tense without a full stop; values, what was
    measured, by name: numbers (printed with four digits), arrays, brackets, estimates.

    >>> expect([0.1 < 0.2, 0.3 < 0.2], "the gap is small", gap=0.2)
    With these settings this does not hold in 1 of 2 cases: the gap is small (gap = 0.2).
    """
    all_of = np.asarray(holds)
    if all_of.dtype != bool and all_of.size:
        raise ValueError(f"holds = {holds!r:.60}; a comparison, True or False, is needed")
    if not isinstance(claim, str) or not claim.strip():
        raise ValueError(f"claim = {claim!r:.60}; a statement in words is needed")
    failed, cases = int((~all_of.astype(bool)).sum()), all_of.size
    if failed or not cases:
        often = f" in {failed} of {cases} cases" if cases > 1 else ""
        fails = f"does not hold{often}" if cases else "has no case to look at"
        measured = ", ".join(f"{name} = {_text(value)}" for name, value in values.items())
        print(f"With these settings this {fails}: {claim}{f' ({measured})' if measured else ''}.")


def _text(value: object) -> str:
    if isinstance(value, Real):
        return f"{float(value):.4g}"
    if isinstance(value, (np.ndarray, list, tuple)):
        return np.array2string(np.asarray(value), precision=4, threshold=8, max_line_width=1000)
    return str(value)
