"""The sentence is compared word for word; nothing is printed where a claim holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lawrob_utils import expect
from lawrob_utils.bracket import Bracket, Estimate


@pytest.mark.parametrize("holds", [True, np.True_, [True, True], np.full((2, 3), True)])
def test_what_holds_is_not_mentioned(holds, capsys):
    assert expect(holds, "one is one", one=1) is None
    assert capsys.readouterr() == ("", "")


def test_a_failure_is_told_with_all_that_was_measured(capsys):
    values = {"share": 1 / 3, "n": 12345678, "gaps": np.array([0.12345, 2.0]), "who": "the net"}
    values |= {"K": Estimate(0.123456, 0.00789), "c": Bracket(1.0, 2.0, "a", "b", of="c")}
    expect(np.nan > 0, "a net is exact", **values)
    told = (
        "With these settings this does not hold: a net is exact (share = 0.3333, n = 1.235e+07, "
        "gaps = [0.1235 2.    ], who = the net, K = 0.1235 ± 0.0079, "
        "c = 1 ≤ c ≤ 2 (lower: a; upper: b)).\n"
    )
    assert capsys.readouterr().out == told


@given(hnp.arrays(bool, st.integers(2, 9)))
def test_of_several_comparisons_the_failed_ones_are_counted(holds):
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as out:
        expect(holds, "x is small")
    failed = int((~holds).sum())
    said = (
        f"With these settings this does not hold in {failed} of {len(holds)} cases: x is small.\n"
    )
    assert out.getvalue() == (said if failed else "")


@pytest.mark.parametrize("none", [[], np.zeros(0, dtype=bool)])
def test_no_case_is_no_success(none, capsys):
    expect(none, "x is small")
    assert (
        capsys.readouterr().out == "With these settings this has no case to look at: x is small.\n"
    )


@pytest.mark.parametrize("holds", [0.3, 1, np.nan, "yes", None, [0.1, True], np.ones(3)])
def test_what_is_no_comparison_is_refused(holds):
    with pytest.raises(ValueError, match="^holds = "):
        expect(holds, "x is small")


@pytest.mark.parametrize("claim", ["", "  ", None, 3])
def test_a_claim_needs_words(claim):
    with pytest.raises(ValueError, match="^claim = "):
        expect(False, claim)
