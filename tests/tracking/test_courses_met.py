"""Single courses are recognised, whatever they are called or was added; what is kept of them tells nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.simulate import simulate_cohort
from ketapredict.tracking.courses_met import FOLDER, KEY_FILE, courses_met, remember_courses

from .conftest import PROTOCOL


@pytest.fixture(scope="module")
def cohort(frame):
    return cohort_from_frame(frame, PROTOCOL)


@pytest.fixture
def known(tmp_path, cohort):
    """The first 80 of 120 courses are remembered."""
    first = cohort.subset(np.arange(len(cohort)) < 80)
    remember_courses(tmp_path, first.sha256, first)
    return first


def test_courses_of_a_later_extract_are_told_from_new_ones(tmp_path, cohort, known):
    met = courses_met(tmp_path, cohort, [known.sha256])
    np.testing.assert_array_equal(met, np.arange(len(cohort)) < 80)


def test_a_course_is_known_by_other_ids_in_another_order_and_with_scores_that_came_later(tmp_path, cohort, known):
    table = cohort.table.iloc[::-1].reset_index(drop=True)
    renamed = replace(
        cohort, courses=CourseColumns.of_table(table.assign(course_id=[f"other-{k}" for k in range(len(table))]))
    )
    expected = np.arange(len(table)) >= len(table) - 80
    np.testing.assert_array_equal(courses_met(tmp_path, renamed, [known.sha256]), expected)
    later = replace(cohort, courses=CourseColumns.of_table(cohort.table.assign(score_7d=11.0, bmi_kg_m2=30.0)))
    np.testing.assert_array_equal(courses_met(tmp_path, later, [known.sha256]), np.arange(len(cohort)) < 80)


def test_another_clinic_with_the_same_numbers_is_another(tmp_path, known):
    other = cohort_from_frame(simulate_cohort(120, 99, PROTOCOL), PROTOCOL)
    assert set(other.table["course_id"]) & set(known.table["course_id"])
    assert not courses_met(tmp_path, other, [known.sha256]).any()


def test_what_cannot_be_told_is_not_guessed(tmp_path, cohort, known):
    assert courses_met(tmp_path, cohort, [known.sha256, "0" * 64]) is None
    assert courses_met(tmp_path / "elsewhere", cohort, [known.sha256]) is None
    (tmp_path / FOLDER / KEY_FILE).write_text("11" * 32)
    assert courses_met(tmp_path, cohort, [known.sha256]) is None


def test_another_arm_of_the_same_cohort_is_added(tmp_path, cohort, known):
    remember_courses(tmp_path, known.sha256, cohort.subset(np.arange(len(cohort)) >= 100))
    met = courses_met(tmp_path, cohort, [known.sha256])
    np.testing.assert_array_equal(met, (np.arange(len(cohort)) < 80) | (np.arange(len(cohort)) >= 100))


def test_nothing_of_a_course_can_be_read_or_tried_without_the_key(tmp_path, cohort, known, tmp_path_factory):
    files = sorted((tmp_path / FOLDER).iterdir())
    assert {file.name for file in files} == {KEY_FILE, f"{known.sha256}.json"}
    for file in files:
        assert file.stat().st_mode & 0o077 == 0
        assert not any(name in file.read_text() for name in known.table["course_id"])
    kept = (
        json.loads(files[0].read_text())["courses"] if files[0].suffix else json.loads(files[1].read_text())["courses"]
    )
    assert kept == sorted(kept)
    # Another key, other digests: they say nothing to whoever has the courses but not the key.
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    remember_courses(elsewhere, known.sha256, known)
    others = json.loads((elsewhere / FOLDER / f"{known.sha256}.json").read_text())["courses"]
    assert not set(kept) & set(others)
