"""Missing outcomes: counts, differences, and weights that remove the bias they can remove."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ketapredict.cohort.read import cohort_from_frame
from ketapredict.model.completion import completion_weights
from ketapredict.model.fit import training_data
from ketapredict.validate.intervals import bootstrap_interval
from ketapredict.validate.measures import brier
from ketapredict.validate.missing_outcomes import missing_outcomes, weighted_measures


def test_courses_are_counted_and_weights_follow_the_training_data(short_cohort):
    found = missing_outcomes(short_cohort, "24h", "response")
    data = training_data(short_cohort, "24h", "response")
    reached = short_cohort.table["score_24h"].notna()
    assert found.courses == reached.sum()
    assert found.missing == (reached & short_cohort.table["score_7d"].isna()).sum() > 0
    assert len(found.weights) == len(data.labels) == found.courses - found.missing
    assert f"{found.missing} of {found.courses} courses" in found.statement
    assert found.effective_size <= len(found.weights)
    row = found.table.set_index("characteristic").loc["improvement at 24h"]
    improvement = 1 - short_cohort.table["score_24h"] / short_cohort.table["score_baseline"]
    completed = short_cohort.table["score_7d"].notna()
    first, second = improvement[reached & completed], improvement[reached & ~completed]
    expected = (first.mean() - second.mean()) / np.sqrt((first.var() + second.var()) / 2)
    assert row["smd"] == pytest.approx(expected)
    assert (row["completers_known"], row["others_known"]) == (len(first), len(second))
    assert found.table["smd"].abs().is_monotonic_decreasing


def test_a_yes_no_difference_is_that_of_shares(short_cohort):
    found = missing_outcomes(short_cohort, "24h", "response").table.set_index("characteristic")
    row = found.loc["sex male"]
    p, q = row["completers"], row["others"]
    assert row["smd"] == pytest.approx((p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2))


def test_weights_are_those_of_a_ridge_regression_of_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)) * [1, 5, 0.1, 2] + 3
    completed = rng.random(300) < 1 / (1 + np.exp(-(1 + x[:, 0] - 3)))
    weights, (low, high) = completion_weights(x, completed)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    fitted = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(standard, completed)
    raw = completed.mean() / fitted.predict_proba(standard)[completed, 1]
    np.testing.assert_allclose(weights, np.clip(raw, *np.percentile(raw, (1, 99))), rtol=1e-5)
    assert (low, high) == pytest.approx(tuple(np.percentile(raw, (1, 99))), rel=1e-5)


def test_weights_bring_back_what_dropout_by_a_feature_took_away():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    truth = 1 / (1 + np.exp(-x))
    y = (rng.random(4000) < truth).astype(float)
    p = np.full(4000, 0.5)  # worse where x is far from 0
    completed = rng.random(4000) < 1 / (1 + np.exp(-(0.3 + 1.5 * x)))
    features = np.column_stack([x, np.where(rng.random(4000) < 0.1, np.nan, rng.normal(size=4000))])
    weights, _ = completion_weights(features, completed)
    whole, kept = y.mean(), y[completed]
    assert abs(np.average(kept, weights=weights) - whole) < 0.35 * abs(kept.mean() - whole)
    assert weights.mean() == pytest.approx(1, abs=0.1)
    plain = bootstrap_interval(kept, p[completed] * 0.9, np.arange(len(kept)), rng)
    table = weighted_measures(kept, p[completed] * 0.9, weights, np.arange(len(kept)), plain, rng).set_index("measure")
    assert table.loc["brier", "estimate"] == plain["brier"].estimate
    assert table.loc["brier", "weighted"] == pytest.approx(brier(kept, p[completed] * 0.9, weights))
    assert table.loc["brier", "change"] == table.loc["brier", "weighted"] - table.loc["brier", "estimate"]
    assert (table["weighted_low"].dropna() <= table["weighted_high"].dropna()).all()


def test_nothing_missing_is_no_weights(short_cohort):
    complete = short_cohort.subset(short_cohort.table["score_7d"].notna().to_numpy())
    found = missing_outcomes(complete, "24h", "response")
    assert found.missing == 0
    assert (found.weights == 1).all()
    assert found.table.empty
    assert found.statement.endswith("(0%) have no outcome.")


def test_a_site_whose_outcomes_are_missing_is_named(short_cohort):
    table = short_cohort.table.copy()
    table["site"] = np.where(np.arange(len(table)) < 40, "X", "Y")
    table.loc[[*range(30), *range(60, 70)], "score_7d"] = np.nan
    told = missing_outcomes(cohort_from_frame(table, short_cohort.protocol), "pre", "response")
    row = told.table.set_index("characteristic").loc["site X"]
    assert row["others"] > 0.4 > row["completers"] > 0
    assert "differ most in site" in told.statement
    # Of one to four courses of a kind nothing is told.
    table.loc[3:, "score_7d"] = table.loc[3:, "score_7d"].fillna(10.0)
    table.loc[:2, "score_7d"] = np.nan
    few = missing_outcomes(cohort_from_frame(table, short_cohort.protocol), "pre", "response")
    assert not few.table["characteristic"].str.startswith("site").any()
