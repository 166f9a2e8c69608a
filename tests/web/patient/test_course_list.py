"""The list: every course once, searched, filtered, sorted, paged."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketapredict.cohort.read import cohort_from_frame
from ketapredict.web.patient.course_list import PER_PAGE, CourseRow, Selection, course_rows, select

LANDMARKS = ("pre", "24h")


@st.composite
def lists(draw):
    rows = []
    for number in range(draw(st.integers(0, 60))):
        probability = draw(st.none() | st.floats(0.01, 0.99))
        known = probability is not None
        rows.append(
            CourseRow(
                f"c{number:03d}",
                draw(st.sampled_from(["", "North", "South"])),
                draw(st.sampled_from(LANDMARKS)) if known else "",
                probability,
                None,
                None,
                draw(st.booleans()) if known else None,
                "" if known else "no estimate",
            )
        )
    return rows


# The first draw imports what lists are made with.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(lists(), st.sampled_from(["course", "probability", "probability-down", "landmark", "nonsense"]))
def test_the_pages_hold_every_course_once_in_the_order_asked_for(rows, sort):
    first = select(rows, Selection(sort=sort), LANDMARKS)
    shown = [
        row
        for page in range(1, first.pages + 1)
        for row in select(rows, Selection(sort=sort, page=page), LANDMARKS).rows
    ]
    assert sorted(row.course_id for row in shown) == [row.course_id for row in rows]
    assert first.found == len(rows)
    if sort.startswith("probability"):
        known = [row.probability for row in shown if row.probability is not None]
        assert known == sorted(known, reverse=sort.endswith("down"))
        assert all(row.probability is None for row in shown[len(known) :])


@given(
    lists(),
    st.sampled_from(["", "in", "out", "none"]),
    st.sampled_from(["", *LANDMARKS]),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_a_filter_keeps_what_matches_and_nothing_else(rows, scope, landmark, low, high):
    asked = Selection(scope=scope, landmark=landmark, lowest=low, highest=high)
    expected = [
        row
        for row in rows
        if (scope == "none" and row.probability is None and not landmark)
        or (
            row.probability is not None
            and scope != "none"
            and low <= row.probability <= high
            and (not landmark or row.landmark == landmark)
            and (not scope or row.in_scope == (scope == "in"))
        )
    ]
    found = select(rows, asked, LANDMARKS)
    assert found.found == len(expected)
    assert list(found.rows) == expected[:PER_PAGE]


@pytest.mark.parametrize("page", [-3, 0, 99])
def test_there_is_no_page_before_the_first_or_after_the_last(page):
    rows = [CourseRow(f"c{n}", "", "", None, None, None, None, "x") for n in range(30)]
    assert select(rows, Selection(page=page), LANDMARKS).page == (2 if page > 2 else 1)


def test_search_finds_course_and_site_in_any_case():
    rows = [
        CourseRow("AB-1", "North", "", None, None, None, None, ""),
        CourseRow("CD-2", "", "", None, None, None, None, ""),
    ]
    assert [row.course_id for row in select(rows, Selection(search=" nOrTh"), LANDMARKS).rows] == ["AB-1"]
    assert [row.course_id for row in select(rows, Selection(search="d-2"), LANDMARKS).rows] == ["CD-2"]


def test_a_patient_is_found_by_its_own_id(short_model, short_cohort):
    frame = short_cohort.table.astype(object).assign(patient_id=[f"P-{n:03d}" for n in range(len(short_cohort))])
    cohort = cohort_from_frame(frame, short_cohort.protocol)
    rows = course_rows(short_model.score(cohort), cohort)
    assert [row.patient_id for row in rows] == frame["patient_id"].tolist()
    assert [row.patient_id for row in select(rows, Selection(search="p-007"), LANDMARKS).rows] == ["P-007"]


def test_rows_are_what_the_model_predicts_and_say_why_where_it_does_not(short_model, short_cohort):
    rows = course_rows(short_model.score(short_cohort), short_cohort)
    predicted = short_model.predict(short_cohort)
    assert [row.course_id for row in rows] == list(predicted["course_id"])
    np.testing.assert_array_equal(
        [np.nan if r.probability is None else r.probability for r in rows], predicted["probability"]
    )
    for row in rows:
        assert (row.probability is None) == bool(row.refusal)
    assert any(row.refusal for row in rows)  # some have no score at any landmark
