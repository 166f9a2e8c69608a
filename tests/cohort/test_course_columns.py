"""Columns of courses: what they hold is what the data frame holds, of all courses and of some."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.cohort.course_columns import CourseColumns

TABLE = pd.DataFrame(
    {
        "course_id": pd.array(["a", "b", "c", "d"], dtype="str"),
        "site": pd.array([None, "x", None, "y"], dtype="str"),
        "arm": pd.Categorical(["control", "ketamine", None, "ketamine"], categories=["control", "ketamine"]),
        "score_24h": [1.0, np.nan, 3.0, 4.0],
    }
)


def test_a_table_becomes_columns_and_a_table_again():
    courses = CourseColumns.of_table(TABLE)
    pd.testing.assert_frame_equal(courses.table, TABLE)
    assert courses.active.tolist() == [False, True, True, True]  # an absent arm is active
    assert courses.levels("arm") == ("control", "ketamine")
    assert "arm" in courses
    assert "age_years" not in courses


@given(st.lists(st.integers(0, 3), max_size=6), st.data())
def test_some_of_some_are_those_rows(places, data):
    first = np.array(places, dtype=np.intp)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(first), max_size=len(first))), dtype=bool)
    courses = CourseColumns.of_table(TABLE).some(first).some(keep)
    expected = TABLE.iloc[first[keep]].reset_index(drop=True)
    assert len(courses) == len(expected)
    pd.testing.assert_frame_equal(courses.table, expected)
    for name in TABLE:
        assert courses.missing(name).tolist() == expected[name].isna().tolist()
    for row, record in zip(courses.plain_rows(), expected.to_dict("records"), strict=True):
        assert {n: v for n, v in row.items() if not pd.isna(v)} == {n: v for n, v in record.items() if not pd.isna(v)}
        assert all(type(value) in (str, float, type(None)) for value in row.values())
