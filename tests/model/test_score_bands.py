"""The bands of responders and non-responders: quantiles by outcome, rounded, and none of a small group."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.cohort.scales import SCALES
from ketapredict.model.score_bands import FEWEST_COURSES, QUANTILES, score_bands
from ketapredict.response_model import ResponseModel


def test_they_are_the_quantiles_of_each_group(short_cohort):
    bands = {(band.time_point, band.with_outcome): band for band in score_bands(short_cohort, "response")}
    table = short_cohort.table
    labels = outcome_labels(short_cohort, "response")
    highest = SCALES[table["scale"].iat[0]].maximum
    assert {key[0] for key in bands} == {"baseline", "24h", "72h", "7d"}
    for (time_point, with_outcome), band in bands.items():
        scores = pd.Series(table[f"score_{time_point}"].to_numpy()[labels == float(with_outcome)]).dropna()
        assert band.courses == len(scores)
        expected = scores.quantile(list(QUANTILES)).to_numpy() / highest
        np.testing.assert_allclose(band.quantiles, expected, atol=0.005 + 1e-9)
        assert list(band.quantiles) == sorted(band.quantiles)


def test_responders_end_lower_than_the_others(short_cohort):
    bands = {(band.time_point, band.with_outcome): band for band in score_bands(short_cohort, "response")}
    assert max(bands["7d", True].quantiles) < np.median(bands["7d", False].quantiles)


def test_a_group_of_fewer_than_twenty_is_left_out_at_its_time_point(short_cohort):
    table = short_cohort.table
    responders = np.flatnonzero(outcome_labels(short_cohort, "response") == 1)
    for kept, shown in ((FEWEST_COURSES, True), (FEWEST_COURSES - 1, False)):
        changed = table.copy()
        known = responders[table["score_24h"].notna().to_numpy()[responders]]
        changed.loc[known[kept:], "score_24h"] = np.nan
        found = {
            (b.time_point, b.with_outcome)
            for b in score_bands(replace(short_cohort, courses=CourseColumns.of_table(changed)), "response")
        }
        assert (("24h", True) in found) == shown
        assert ("24h", False) in found


def test_only_the_arms_that_are_trained_on_and_the_known_outcomes_count(short_cohort, short_model):
    assert short_model.bundle.bands == score_bands(short_cohort.subset(short_cohort.active), "response")
    unknown = short_cohort.subset(np.isnan(outcome_labels(short_cohort, "response")))
    assert score_bands(unknown, "response") == ()


def test_the_bundle_keeps_them_in_hundredths(short_model, tmp_path):
    short_model.save(tmp_path / "model")
    bands = ResponseModel.load(tmp_path / "model").bundle.bands
    assert bands == short_model.bundle.bands
    assert bands
    for band in bands:
        np.testing.assert_allclose(np.array(band.quantiles) * 100, np.round(np.array(band.quantiles) * 100), atol=1e-9)
