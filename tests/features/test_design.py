from dataclasses import replace

import numpy as np
import pytest

from ketapredict.cohort.columns import Column
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.errors import LeakageError
from ketapredict.features.design import design_frame, feature_columns, features_at, threshold_feature
from ketapredict.features.guard import known_by, refuse_leakage
from ketapredict.features.landmarks import latest_landmarks

COURSE = BUILT_IN["induction-course"]


@pytest.mark.parametrize("landmark", COURSE.landmarks)
def test_no_feature_reads_a_column_that_is_not_known_by_the_landmark(landmark):
    later = COURSE.names[COURSE.position(landmark) :]
    read = {column for feature in features_at(landmark, COURSE) for column in feature.columns}
    assert not read & {f"score_{name}" for name in later}
    assert ("cadss_40min" in read) == (COURSE.position(landmark) >= 1)


def test_the_outcome_cannot_be_a_landmark_or_a_feature():
    with pytest.raises(LeakageError, match="score_end"):
        features_at("end", COURSE)
    leak = Column("leak", "number", "leak", "leak", known_at="end")
    assert not known_by(leak, COURSE, "inf4")
    with pytest.raises(LeakageError, match="leak \\(known at end\\)"):
        refuse_leakage([leak], COURSE, "inf3")


def test_extra_covariates_enter_only_from_when_they_are_known():
    extra = Column("crp_24h", "number", "CRP at 24 h", "inflammation", known_at="24h")
    names = {landmark: [f.name for f in features_at(landmark, COURSE, (extra,))] for landmark in COURSE.landmarks}
    assert [landmark for landmark in COURSE.landmarks if "crp_24h" in names[landmark]] == ["24h", "inf3"]
    unknown_time = replace(extra, known_at="40days")
    assert "crp_24h" not in [f.name for f in features_at("inf3", COURSE, (unknown_time,))]


def test_an_extra_covariate_cannot_take_the_place_of_a_feature():
    extra = Column("severity_relative", "number", "severity", "severity", minimum=0, maximum=1)
    with pytest.raises(LeakageError, match="rename severity_relative"):
        features_at("pre", COURSE, (extra,))


def test_the_arm_is_a_feature_only_when_asked_for():
    assert "arm_ketamine" not in [f.name for f in features_at("pre", COURSE)]
    assert "arm_ketamine" in [f.name for f in features_at("pre", COURSE, with_arm=True)]


def test_rules_compute_what_they_say(simulated):
    cohort = simulated(40)
    features = (*features_at("24h", COURSE, with_arm=True), threshold_feature("response", "24h"))
    frame = design_frame(cohort, features, "response")
    table = cohort.table
    baseline, early, late = (table[f"score_{t}"].to_numpy() for t in ("baseline", "4h", "24h"))
    np.testing.assert_allclose(frame["severity_relative"], baseline / 60)
    np.testing.assert_allclose(frame["early_improvement_24h"], 1 - late / baseline)
    np.testing.assert_allclose(frame["score_relative_24h"], late / 60)
    days = (24 - 4) / 24
    np.testing.assert_allclose(frame["improvement_per_day_4h_24h"], (early - late) / baseline / days)
    np.testing.assert_allclose(frame["log_failed_trials"], np.log1p(table["failed_trials"]))
    np.testing.assert_allclose(frame["suicidality_share"], table["suicidality_item"] / 6)
    np.testing.assert_allclose(frame["outcome_threshold"], baseline / 120)
    known = table["diagnosis"].notna()
    np.testing.assert_allclose(frame.loc[known, "diagnosis_BD-I"], (table.loc[known, "diagnosis"] == "BD-I"))
    assert (frame["arm_ketamine"] == 1).all()  # an absent arm is active
    holed = table.assign(failed_trials=table["failed_trials"].mask(table.index < 3))
    frame = design_frame(replace(cohort, courses=CourseColumns.of_table(holed)), features, "response")
    assert frame["log_failed_trials"][:3].isna().all()


def test_the_latest_landmark_is_the_last_with_its_own_score(simulated):
    cohort = simulated(60)
    position = latest_landmarks(cohort, COURSE.landmarks)
    for row, place in enumerate(position):
        later = COURSE.landmarks[place + 1 :]
        assert cohort.table.loc[row, [f"score_{name}" for name in later]].isna().all()
        if place > 0:
            assert not np.isnan(cohort.table.loc[row, f"score_{COURSE.landmarks[place]}"])


def test_features_of_different_values_are_those_of_each_course_to_the_bit(simulated):
    cohort = simulated(12_000, seed=8)
    features = (*features_at("inf3", COURSE, with_arm=True), threshold_feature("response", "inf3"))
    rows = np.random.default_rng(0).permutation(len(cohort))[:11_000]
    courses = cohort.courses.some(rows)
    columns = feature_columns(courses, features, "response")
    frame = design_frame(cohort, features, "response").iloc[rows]
    for name, column in columns.items():
        np.testing.assert_array_equal(column.values.view(np.int64), frame[name].to_numpy().view(np.int64), name)
    apart = [name for name, column in columns.items() if column.places is not None]
    # Else nothing was tested.
    assert {"severity_relative", "sex_male", "bmi_kg_m2", "age_years", "log_failed_trials"} <= set(apart)
