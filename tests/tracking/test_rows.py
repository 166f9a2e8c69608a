import numpy as np
import pandas as pd
import pytest

from ketapredict.errors import CohortError, ModelError
from ketapredict.tracking.rows import cohort_from_frame, score_rows


def test_every_row_comes_back_in_its_place(model, frame):
    broken = frame.iloc[::-1].copy()
    broken.iloc[3, broken.columns.get_loc("score_baseline")] = 900.0
    broken.iloc[5, broken.columns.get_loc("course_id")] = None
    table = score_rows(model, broken)
    assert list(table["course_id"].dropna()) == list(broken["course_id"].dropna())
    assert list(np.flatnonzero(table["probability"].isna())) == [3, 5]
    assert table.loc[3, "notes"] == "not scored: score_baseline: expected a total above 0, up to 60 points (range)"
    assert "900" not in " ".join(table["notes"])
    assert set(table["trained_on"]) == {"simulated"}


def test_numbers_are_those_of_the_model(model, frame):
    expected = model.score(cohort_from_frame(frame, model.bundle.protocol)).table
    table = score_rows(model, frame)
    numbers = expected.select_dtypes("number").columns
    assert len(numbers) > 5
    np.testing.assert_allclose(table[numbers], expected[numbers], rtol=0, atol=1e-12)
    assert list(table.columns) == list(expected.columns)


def test_a_repeated_id_rejects_all_its_rows(model, frame):
    twice = frame.copy()
    twice.loc[4, "course_id"] = twice.loc[2, "course_id"]
    table = score_rows(model, twice)
    assert list(np.flatnonzero(table["probability"].isna())) == [2, 4]


def test_a_course_without_the_landmark_says_so(model, frame):
    early = frame.copy()
    early.loc[0, "score_24h"] = np.nan
    table = score_rows(model, early, "24h")
    assert np.isnan(table.loc[0, "probability"])
    assert "a score at the landmark asked for" in table.loc[0, "notes"]
    assert score_rows(model, early).loc[0, "landmark"] == "pre"


def test_yes_and_no_may_be_words_truth_values_or_numbers(model, frame):
    words = frame.assign(failed_ect="yes")
    expected = score_rows(model, words)["probability"]
    for yes in (True, 1, 1.0, "Y", "true"):
        pd.testing.assert_series_equal(score_rows(model, words.assign(failed_ect=yes))["probability"], expected)


def test_empty_text_is_missing_as_in_a_file(model, frame):
    blank = frame.assign(sex="", failed_ect="NA")
    missing = frame.drop(columns=["sex", "failed_ect"])
    pd.testing.assert_frame_equal(score_rows(model, blank), score_rows(model, missing))


def test_no_rows_give_no_rows(model, frame):
    table = score_rows(model, frame.iloc[:0])
    assert len(table) == 0
    assert list(table.columns) == list(score_rows(model, frame).columns)


def test_all_rows_may_be_rejected(model, frame):
    table = score_rows(model, frame.iloc[:2].assign(score_baseline=900.0))
    assert table["probability"].isna().all()
    assert len(table) == 2


def test_what_cannot_be_served_is_refused(model, frame):
    with pytest.raises(CohortError, match="no column bmi"):
        score_rows(model, frame.assign(bmi=20.0))
    with pytest.raises(CohortError, match="missing: diagnosis"):
        score_rows(model, frame.drop(columns="diagnosis"))
    with pytest.raises(ModelError, match="found 7d"):
        score_rows(model, frame, "7d")
