import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.special import logit

from ketapredict.cohort.protocols import PRE
from ketapredict.errors import CohortError, ModelError
from ketapredict.explain.words import moment_words, percent, steps_largest_first


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("24h", "24 h"),
        ("40min", "40 min"),
        ("7d", "day 7"),
        ("d10", "day 10"),
        ("w2", "week 2"),
        ("inf3", "24 h after infusion 3"),
        (PRE, "before infusion 1"),
        ("visit-b", "visit-b"),
    ],
)
def test_moments(moment, words):
    assert moment_words(moment) == words


def test_percentages_never_claim_certainty():
    assert [percent(p) for p in (0.0001, 0.405, 0.9999)] == ["under 1%", "40%", "over 99%"]


def test_steps_start_at_the_base_end_at_the_estimate_and_fall_in_size():
    steps = steps_largest_first(float(logit(0.41)), ("a", "b", "c"), np.array([0.1, -0.9, 0.5]))
    assert [step[0] for step in steps] == ["b", "c", "a"]
    assert steps[0][2] == pytest.approx(0.41)
    assert logit(steps[-1][3]) == pytest.approx(logit(0.41) - 0.3)
    for before, after in pairwise(steps):
        assert before[3] == after[2]


def test_sentences_picture_and_numbers_of_a_course_agree(short_model, short_cohort):
    scored = short_model.score(short_cohort).table.set_index("course_id")
    for course_id in short_cohort.table["course_id"][:25]:
        if course_id not in scored.index:
            continue
        told = short_model.explain(short_cohort, course_id)
        row = scored.loc[course_id]
        assert told.probability == row["probability"]
        assert told.landmark == row["landmark"]
        for concept, value, _, _ in told.steps:
            assert value == pytest.approx(row[f"shap_{concept}"])
        assert told.steps[-1][3] == pytest.approx(told.probability)
        text = told.to_text()
        assert text.startswith("SIMULATED")
        assert percent(told.probability) in told.headline
        single = [sentence for sentence in told.sentences if " is known (" not in sentence]
        for sentence, (_, _, before, after) in zip(single, told.steps, strict=False):
            assert sentence.endswith(f"from {percent(before)} to {percent(after)}.")
            assert percent(before) != percent(after)
        if len(single) < len(told.steps):
            ends = percent(told.steps[len(single)][2]), percent(told.steps[-1][3])
            expected = f"from {ends[0]} to {ends[1]}" if ends[0] != ends[1] else "less than a percentage point"
            assert expected in told.sentences[-1]
        picture = ElementTree.fromstring(told.to_svg())
        drawn = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert percent(told.probability) in drawn[-1]
        assert drawn[0].startswith("SIMULATED")
        assert json.loads(told.to_json())["probability"] == told.probability
        assert told.to_html().count("<svg") == 1
        assert not re.search(r'(src|href)="?http', told.to_html())


def test_the_fall_of_the_score_is_told_in_points(short_model, short_cohort):
    table = short_cohort.table
    row = table[table["score_72h"].notna() & (table["score_72h"] < table["score_baseline"])].iloc[0]
    told = short_model.explain(short_cohort, row["course_id"])
    expected = f"fall from {row['score_baseline']:g} to {row['score_72h']:g} points at 72 h"
    assert any(expected in sentence for sentence in told.sentences)


def test_what_cannot_be_explained_is_refused(short_model, short_cohort):
    with pytest.raises(CohortError, match="none of that id"):
        short_model.explain(short_cohort, "nobody")
    with pytest.raises(ModelError, match="24h, 72h"):
        short_model.explain(short_cohort, short_cohort.table["course_id"].iloc[0], "inf3")
    without = short_cohort.table.index[short_cohort.table["score_72h"].isna()][0]
    with pytest.raises(CohortError, match="a score at the landmark asked for"):
        short_model.explain(short_cohort, short_cohort.table["course_id"].iloc[without], "72h")


def test_only_what_the_model_reads_is_given_as_a_reason(short_model, short_cohort):
    scored = short_model.score(short_cohort).table
    for course_id in scored["course_id"][:20]:
        told = short_model.explain(short_cohort, course_id)
        model = next(m for m in short_model.bundle.landmarks if m.landmark == told.landmark)
        read = {name for feature in model.features for name in feature.columns}
        unread = [c.label for name, c in short_cohort.columns.items() if name not in read and len(c.label) > 10]
        assert unread
        for sentence in told.sentences:
            assert not [label for label in unread if label in sentence]
