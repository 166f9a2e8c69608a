"""Conditions: three values, and no form but the declared ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.monitoring.conditions import Check, Combination, Moment, condition_from_plain

VALUES = {"t": 1.0, "f": 0.0}


def moment(values):
    return Moment(values, BUILT_IN["induction-course"], "pre")


leaves = st.sampled_from([Check("t", "is", "yes"), Check("f", "is", "yes"), Check("u", "is", "yes")])
conditions = st.recursive(
    leaves,
    lambda parts: st.builds(
        Combination, st.sampled_from(["all", "any"]), st.lists(parts, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


@given(conditions)
def test_unknown_means_that_the_missing_value_decides(condition):
    """Kleene's logic never claims what an answer could overturn, and names what to ask."""
    found = condition.judge(moment(VALUES))
    with_yes = condition.judge(moment(VALUES | {"u": 1.0}))
    with_no = condition.judge(moment(VALUES | {"u": 0.0}))
    assert with_yes is not None
    assert with_no is not None
    if found is not None:
        assert with_yes == with_no == found
        assert condition.unknown(moment(VALUES)) == ()
        # What settled it settles it alone: whatever else were unknown, it would stay so.
        settling = {name: VALUES[name] for name in condition.settled_by(moment(VALUES))}
        assert condition.judge(moment(settling)) == found
    else:
        assert condition.unknown(moment(VALUES)) == ("u",)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"all": []},
        {"column": "age_years"},
        {"column": "age_years", "above": 60, "at_least": 60},
        {"column": "age_years", "eval": "1"},
        {"column": "age_years", "below": 3},
        {"before": "inf3", "reached": "inf3"},
        {"any": [{"before": "inf3"}], "all": [{"before": "inf3"}]},
    ],
)
def test_other_forms_are_refused(plain):
    with pytest.raises(ValueError, match="not a condition"):
        condition_from_plain(plain)
