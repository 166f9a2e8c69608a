"""A judgement: a number from 0 to 100 and a reason, nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.web.patient.judgement import LONGEST_REASON, read_judgement


@given(st.floats(0, 100), st.text(min_size=1).filter(lambda text: text.split()))
def test_what_is_valid_is_kept_as_it_was_said(percent, reason):
    judged, form = read_judgement({"own_percent": f"{percent:.3f}", "reason": reason})
    assert not form.is_wrong or len(reason) > LONGEST_REASON or not judged
    if judged:
        assert judged.probability == pytest.approx(percent / 100, abs=1e-5)
        assert "\x00" not in judged.reason
        assert "\n" not in judged.reason


@pytest.mark.parametrize("percent", ["", "101", "-1", "many", "nan", "1e1", "7 0", ",5", "5,"])
def test_a_number_that_is_none_is_told_and_kept(percent):
    judged, form = read_judgement({"own_percent": percent, "reason": "because"})
    assert judged is None
    assert form.percent_error == "Expected a number from 0 to 100."
    assert form.percent == percent
    assert not form.reason_error


@pytest.mark.parametrize("reason", ["", "  \n", "x" * (LONGEST_REASON + 1)])
def test_a_reason_is_needed_and_short(reason):
    judged, form = read_judgement({"own_percent": "70.5 %", "reason": reason})
    assert judged is None
    assert form.reason_error
    assert not form.percent_error
