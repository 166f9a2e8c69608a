"""An estimate that later ratings have overtaken says so."""

import json

import numpy as np
import pytest

from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.explain.since import since_landmark

COURSE_OF_SIX = BUILT_IN["induction-course"]
RATED = {"score_baseline": 23.0, "score_24h": 12.0, "score_inf3": 5.0, "score_inf4": 13.0, "score_end": 17.0}


@pytest.mark.parametrize(
    ("landmark", "outcome", "label", "left_out", "words"),
    [
        (
            "inf3",
            "response",
            0.0,
            (),
            "Made at 24 h after infusion 3. Later ratings (24 h after infusion 4, the end of the course) are not in "
            "it. The outcome is known: no response.",
        ),
        (
            "inf4",
            "remission",
            1.0,
            (),
            "Made at 24 h after infusion 4. Later rating (the end of the course) is not in it. The outcome is known: "
            "remission.",
        ),
        (
            "pre",
            "response",
            np.nan,
            ("score_end", "score_inf3", "score_inf4"),
            "Made before infusion 1. Later rating (24 h) is not in it.",
        ),
        ("end", "response", 0.0, (), ""),
        ("inf3", "response", np.nan, ("score_inf4", "score_end"), ""),
    ],
)
def test_words(landmark, outcome, label, left_out, words):
    values = {name: None if name in left_out else score for name, score in RATED.items()}
    assert since_landmark(values, COURSE_OF_SIX, landmark, outcome, label).words == words


def test_every_form_of_an_explanation_says_it(short_model, short_cohort):
    frame = short_cohort.table.iloc[[0]].astype(object)
    frame = frame.assign(score_baseline=30.0, score_24h=5.0, score_72h=8.0, score_7d=20.0)
    overtaken = cohort_from_frame(frame, short_cohort.protocol)
    told = short_model.explain(overtaken, frame["course_id"].iloc[0], "24h")
    assert told.later_ratings == ("72h", "7d")
    assert told.had_outcome is False
    words = "Made at 24 h. Later ratings (72 h, day 7) are not in it. The outcome is known: no response."
    assert words in told.to_text()
    assert words in told.to_html()
    assert json.loads(told.to_json())["had_outcome"] is False
    open_course = cohort_from_frame(frame.assign(score_72h=np.nan, score_7d=np.nan), short_cohort.protocol)
    told = short_model.explain(open_course, frame["course_id"].iloc[0], "24h")
    assert (told.since, told.had_outcome) == ("", None)
    assert "Later" not in told.to_text() + told.to_html()
