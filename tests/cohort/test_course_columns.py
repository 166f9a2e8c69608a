"""Columns of courses: what they hold is what the data frame holds, of all courses and of some."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ketapredict.cohort.course_columns import FEWEST_TOLD_APART, CourseColumns

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


NUMBERS = st.one_of(
    st.none(),
    st.integers(0, 60).map(float),
    st.integers(-300, 300).map(lambda tenths: tenths / 10),
    st.floats(allow_nan=False),
    st.sampled_from([0.0, -0.0, np.inf, 1e300, 0.1 + 0.2, 5e-324]),
)


@given(
    st.lists(NUMBERS, min_size=1, max_size=6),
    st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=4),
    st.booleans(),
)
@example([0.0, -0.0], ["a"], True)
@example([-5.0, -0.0], ["a"], True)
@example([-5.0, 1e-17, 3.0], ["a"], True)
@example([-5.0, float(np.nextafter(1.0, 0.0))], ["a"], False)
@example([0.3, 0.1 + 0.2], ["a"], False)
@example([None], [None], True)
def test_cells_that_are_told_apart_are_those_of_the_courses_to_the_bit(numbers, levels, some):
    count = 50 * FEWEST_TOLD_APART
    table = pd.DataFrame(
        {
            "score": np.resize(np.array(numbers, dtype=float), count),
            "arm": pd.Categorical(np.resize(np.array(levels, dtype=object), count), categories=["a", "b"]),
        }
    )
    courses = CourseColumns.of_table(table)
    if some:
        courses = courses.some(np.random.default_rng(0).permutation(count)[: count - 9])
    expected = courses.number("score").view(np.int64), courses.codes("arm"), courses.missing("score")
    for names in (["score"], ["arm"], ["score", "arm"], ["arm", "score"]):
        if (found := courses.different(names)) is None:
            assert names != ["arm"]
            continue
        different, places = found
        if "score" in names:
            # One kind of missing number is as good as another.
            own = different.number("score")[places]
            np.testing.assert_array_equal(np.isnan(own), expected[2])
            np.testing.assert_array_equal(own.view(np.int64)[~expected[2]], expected[0][~expected[2]])
        if "arm" in names:
            np.testing.assert_array_equal(different.codes("arm")[places], expected[1])
    fresh = CourseColumns.of_table(courses.table)
    for name in table:
        np.testing.assert_array_equal(courses.missing(name), fresh.missing(name))


@pytest.mark.parametrize("cells", [np.arange(61.0), np.arange(400) / 10, np.full(5, 7.0)])
def test_whole_numbers_and_tenths_are_told_apart(cells):
    table = pd.DataFrame({"score": np.resize(np.append(cells, np.nan), 20_000)})
    different, places = CourseColumns.of_table(table).different(["score"])
    assert len(different) <= len(cells) + 2
    np.testing.assert_array_equal(different.number("score")[places], table["score"])


def test_a_column_of_many_levels_is_not_told_apart():
    # One code more than 16 bits have.
    table = pd.DataFrame({"site": pd.Categorical.from_codes(np.arange(65_537), [f"{n}" for n in range(65_537)])})
    courses = CourseColumns.of_table(table)
    assert courses.different(["site"]) is None
    assert not courses.missing("site").any()


def test_few_courses_or_many_combinations_are_not_told_apart():
    table = pd.DataFrame({"score": np.arange(4000.0) % 100, "age": np.arange(4000.0) % 99})
    courses = CourseColumns.of_table(table)
    assert courses.different(["score"]) is not None
    assert courses.different(["score", "age"]) is None
    assert courses.some(np.arange(FEWEST_TOLD_APART - 1)).different(["score"]) is None
