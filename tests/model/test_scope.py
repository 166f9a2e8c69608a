import json
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.features.design import Feature
from ketapredict.model.fit import training_data
from ketapredict.model.phrases import both_phrases, joined_phrases
from ketapredict.model.scope import (
    CONTROL_REASON,
    DISTANCE_REASON,
    MISSING_REASON,
    STABILIZER_REASON,
    STABILIZER_UNKNOWN,
    InputRange,
    Scope,
    SeenLevels,
    fit_scope,
    scope_of_either,
)
from ketapredict.response_model import ResponseModel


@pytest.fixture(scope="module")
def ordinary(short_model, short_cohort) -> Cohort:
    """One course that is within the model's experience at 24 h, many times over."""
    table = short_model.score(short_cohort, "24h").table
    mdd = short_cohort.table.set_index("course_id").loc[table["course_id"], "diagnosis"].to_numpy() == "MDD"
    inside = table["in_scope"].to_numpy(bool) & mdd & (table["notes"] == "").to_numpy()
    course = short_cohort.subset((short_cohort.table["course_id"] == table["course_id"][inside].iloc[0]).to_numpy())
    return times(course, 20)


def times(cohort: Cohort, n: int) -> Cohort:
    chosen = np.resize(np.arange(len(cohort)), n)
    table = cohort.table.iloc[chosen].reset_index(drop=True)
    table["course_id"] = pd.Series([f"simulated-{number}" for number in range(n)], dtype="str")
    return replace(cohort, courses=CourseColumns.of_table(table), rows=np.arange(1, n + 1))


def with_scope_of(model: ResponseModel, cohort: Cohort) -> ResponseModel:
    """Return the model as if its experience were these courses."""
    landmarks = []
    for found in model.bundle.landmarks:
        data = training_data(cohort, found.landmark, "response")
        assert len(data.labels) > 50
        landmarks.append(replace(found, scope=fit_scope(data.frame, data.features, np.full(len(data.labels), 9.0))))
    return ResponseModel(replace(model.bundle, landmarks=tuple(landmarks)))


def judged(model: ResponseModel, cohort: Cohort, **values: object) -> tuple[bool, str]:
    """Change one course, leave the others: it alone may be judged differently."""
    table = cohort.table.copy()
    for name, value in values.items():
        table.loc[3, name] = value
    found = model.score(replace(cohort, courses=CourseColumns.of_table(table)), "24h").table
    others = found.drop(index=3)
    assert others["in_scope"].all()
    assert (others["notes"] == "").all()
    return bool(found["in_scope"].iloc[3]), str(found["notes"].iloc[3])


def test_most_courses_like_those_of_training_are_inside(short_model, simulated, short_cohort):
    new = simulated(400, seed=77, protocol=short_cohort.protocol)
    table = short_model.score(new).table
    diagnosis = new.table.set_index("course_id").loc[table["course_id"], "diagnosis"].to_numpy()
    assert table["in_scope"][diagnosis == "MDD"].mean() > 0.8
    without_reason = ~table["notes"].str.contains("out of scope")
    assert (table["in_scope"] == without_reason).all()


def test_ordinary(short_model, ordinary):
    assert judged(short_model, ordinary) == (True, "")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"age_years": 99.0}, "age outside the training range ("),
        ({"failed_trials": 45.0}, "failed antidepressant trials outside the training range ("),
        ({"dose_mg_per_kg": 1.5}, "dose outside the training range (0.5 to 0.5 mg/kg)"),
        ({"score_24h": 58.0}, "improvement at 24h outside the training range (-"),
        ({"sex": "other"}, "sex other: fewer than 5 training courses had it"),
        ({"arm": "control"}, CONTROL_REASON),
    ],
)
def test_outside_with_the_reason_in_words(short_model, ordinary, values, reason):
    inside, notes = judged(short_model, ordinary, **values)
    assert not inside
    assert notes.startswith("out of scope: ")
    assert reason in notes


@pytest.mark.parametrize("diagnosis", ["BD-I", "BD-II", "BD"])
def test_bipolar_without_a_mood_stabiliser_is_outside_the_evidence_always(short_model, ordinary, diagnosis):
    inside, notes = judged(short_model, ordinary, diagnosis=diagnosis, mood_stabilizer=0.0)
    assert not inside
    assert STABILIZER_REASON in notes
    _, notes = judged(short_model, ordinary, diagnosis=diagnosis, mood_stabilizer=np.nan)
    assert STABILIZER_UNKNOWN in notes
    assert STABILIZER_REASON not in notes
    _, notes = judged(short_model, ordinary, diagnosis=diagnosis, mood_stabilizer=1.0)
    assert "stabiliser" not in notes


def test_a_diagnosis_that_training_did_not_have_is_named(short_model, short_cohort, ordinary):
    mdd = short_cohort.subset((short_cohort.table["diagnosis"] == "MDD").to_numpy())
    inside, notes = judged(with_scope_of(short_model, mdd), ordinary, diagnosis="BD-II", mood_stabilizer=1.0)
    assert not inside
    assert "diagnosis BD-II: fewer than 5 training courses had it" in notes


def test_nearly_all_inputs_missing(short_model, ordinary):
    required = ("course_id", "scale", "diagnosis", "score_baseline", "score_24h", "arm")
    empty = {name: np.nan for name in ordinary.table if name not in required and ordinary.table[name].dtype == float}
    inside, notes = judged(short_model, ordinary, **empty)
    assert not inside
    assert MISSING_REASON in notes
    assert "missing: age_years" in notes


def test_a_far_combination_of_inputs(short_model, ordinary):
    scores = {"score_24h": 0.0, "score_baseline": 60.0, "age_years": 100.0, "bmi_kg_m2": 80.0, "failed_trials": 50.0}
    assert DISTANCE_REASON in judged(short_model, ordinary, **scores)[1]


def test_an_early_score_that_training_courses_had(short_model, short_cohort):
    table = short_cohort.table[short_cohort.table[["score_24h", "score_72h"]].notna().all(axis=1)]
    complete = replace(
        short_cohort, courses=CourseColumns.of_table(table.reset_index(drop=True)), rows=np.arange(1, len(table) + 1)
    )
    lacking = complete.table.copy()
    lacking.loc[0, "score_24h"] = np.nan
    model = with_scope_of(short_model, complete)
    found = model.score(replace(complete, courses=CourseColumns.of_table(lacking)), "72h").table
    assert "score at 24h missing, which training courses had" in found["notes"].iloc[0]
    assert not found["in_scope"].iloc[0]


def test_no_extreme_value_of_a_single_course_is_stored(short_model, short_cohort, tmp_path):
    table = short_cohort.table.copy()
    secrets = {"bmi_kg_m2": 53.84319, "age_years": 83.7713, "episode_months": 911.37}
    for row, (name, value) in enumerate(secrets.items()):
        table.loc[row, name] = value
    model = with_scope_of(short_model, replace(short_cohort, courses=CourseColumns.of_table(table)))
    model.save(tmp_path / "model")
    content = (tmp_path / "model" / "model.json").read_text()
    for secret in ("53.84", "83.77", "911.3", f"{np.log1p(911.37):.5g}"):
        assert secret not in content
    for landmark in model.bundle.landmarks:
        highest = {found.feature: found.high for found in landmark.scope.ranges}
        assert highest["bmi_kg_m2"] % 1 == 0
        assert highest["age_years"] % 1 == 0
        # The outlier alone does not widen the range to itself.
        assert highest["log_episode_months"] < np.log1p(911.37) - 0.3


def test_ranges_hold_ordinary_training_values_and_lie_on_a_coarse_grid():
    rng = np.random.default_rng(0)
    feature = Feature("x", "value", ("x",), "age", "x", "pre", resolution=1.0)
    frame = pd.DataFrame({"x": rng.uniform(20.3, 64.7, 300)})
    (found,) = fit_scope(frame, [feature], np.ones(300)).ranges
    assert (found.low, found.high) == (20.0, 65.0)
    frame.loc[0, "x"] = 1000.0
    (found,) = fit_scope(frame, [feature], np.ones(300)).ranges
    assert found.high < 90


def test_saved_as_plain_numbers_and_words(short_model, tmp_path):
    short_model.save(tmp_path / "model")
    content = json.loads((tmp_path / "model" / "model.json").read_text())
    scope = content["landmarks"][0]["scope"]
    assert {"feature", "low", "high"} == set(scope["ranges"][0])
    assert ["", "male"] in [seen["levels"] for seen in scope["levels"]]
    assert ResponseModel.load(tmp_path / "model").bundle.landmarks[0].scope == short_model.bundle.landmarks[0].scope


def test_texts_by_row():
    flags = np.array([[True, False, True], [False] * 3, [False, True, False], [True, False, True]])
    phrases = joined_phrases(flags.T, ["a", "b", "c"], "; ", 4)
    assert phrases.to_list() == ["a; c", "", "b", "a; c"]
    again = joined_phrases(flags.T[::-1], ["x", "y", "z"], ", ", 4)
    assert both_phrases(phrases, again, " | ").to_list() == ["a; c | x, z", "", "b | y", "a; c | x, z"]


def test_a_hundred_thousand_rows_of_flags_in_under_a_second():
    flags = np.random.default_rng(0).random((100_000, 60)) < 0.01
    start = time.perf_counter()
    joined_phrases(flags.T, [f"text {number}" for number in range(60)], "; ", len(flags))
    assert time.perf_counter() - start < 1.0


def test_what_either_cohort_has_seen_is_within_the_experience_of_both():
    first = Scope(
        (InputRange("age", 20.0, 60.0), InputRange("bmi", 18.0, 40.0)),
        (SeenLevels("diagnosis", ("", "BD-I")), SeenLevels("sex", ("female", "male"))),
        ("score_4h", "score_24h"),
        ("age", "bmi"),
        1,
        0.8,
    )
    second = Scope(
        (InputRange("age", 30.0, 75.0), InputRange("dose", 0.4, 0.6)),
        (SeenLevels("diagnosis", ("", "BD-II")), SeenLevels("failed_ect", ("no",))),
        ("score_24h",),
        ("age", "dose", "episode"),
        0,
        1.1,
    )
    for both in (scope_of_either(first, second), scope_of_either(second, first)):
        ranges = {found.feature: (found.low, found.high) for found in both.ranges}
        assert ranges == {"age": (20.0, 75.0), "bmi": (18.0, 40.0), "dose": (0.4, 0.6)}
        levels = {seen.column: set(seen.levels) for seen in both.levels}
        assert levels == {
            "diagnosis": {"", "BD-I", "BD-II"},
            "sex": {"female", "male"},
            "failed_ect": {"no"},
        }
        assert both.never_missing == ("score_24h",)
        assert set(both.inputs) == {"age", "bmi", "dose", "episode"}
        # A course of the first cohort with one missing lacks dose and episode as well.
        assert both.most_missing == 3
        assert both.largest_deviation == 1.1
    assert scope_of_either(first, first) == first
