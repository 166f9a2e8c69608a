"""Replicates that two runs share, and what they may not give away."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.validate.decision_curve import net_benefit
from ketapredict.validate.intervals import bootstrap_difference, bootstrap_interval
from ketapredict.validate.measures import calibration_slope, log_loss
from ketapredict.validate.replicates import (
    COLUMNS,
    NET_BENEFIT,
    draw_secret,
    paired_differences,
    replicates,
    same_draws,
)


def made(n=200, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-x))).astype(float)
    patients = rng.integers(0, int(n / 1.2), n)
    return y, 1 / (1 + np.exp(-1.3 * x - 0.2)), 1 / (1 + np.exp(-0.6 * x + 0.1)), patients


def test_replicate_0_is_the_estimate_and_the_rest_is_the_bootstrap_over_patients():
    y, p, _, patients = made()
    table = replicates(y, p, patients, "24h", "secret", "response")
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 2001
    first = table.iloc[0]
    assert first["log_loss"] == pytest.approx(log_loss(y, p))
    assert first["calibration_slope"] == pytest.approx(calibration_slope(y, p))
    for threshold, name in NET_BENEFIT.items():
        assert first[name] == pytest.approx(net_benefit(y, p >= threshold, threshold))
    assert (first["courses"], first["patients"], first["events"]) == (200, len(np.unique(patients)), y.sum())
    reference = bootstrap_interval(y, p, patients, np.random.default_rng(0))
    for name in ("log_loss", "calibration_slope", "calibration_intercept"):
        ends = table[name].iloc[1:].quantile([0.025, 0.975])
        width = reference[name].high - reference[name].low
        np.testing.assert_allclose(ends, [reference[name].low, reference[name].high], atol=0.12 * width)


def test_differences_are_paired_as_those_of_both_predictions_at_hand():
    y, p, other, patients = made()
    found = paired_differences(*(replicates(y, q, patients, "24h", "s", "response") for q in (p, other)))
    reference = bootstrap_difference(y, p, other, patients, np.random.default_rng(0))["log_loss"]
    assert found["log_loss"].estimate == pytest.approx(reference.estimate)
    width = reference.high - reference.low
    np.testing.assert_allclose(
        [found["log_loss"].low, found["log_loss"].high], [reference.low, reference.high], atol=0.1 * width
    )
    distances = [abs(calibration_slope(y, q) - 1) for q in (p, other)]
    assert found["slope_distance"].estimate == pytest.approx(distances[0] - distances[1])


def test_draws_depend_on_courses_outcome_and_landmark_only():
    y, p, other, patients = made()
    first = replicates(y, p, patients, "24h", "s", "response", 50)
    assert same_draws(first, replicates(y, other, patients, "24h", "s", "response", 50))
    for landmark, secret, outcome in (("4h", "s", "response"), ("24h", "t", "response"), ("24h", "s", "remission")):
        assert not same_draws(first, replicates(y, p, patients, landmark, secret, outcome, 50))
    turned = replicates(np.roll(y, 1), p, patients, "24h", "s", "response", 50)
    assert not same_draws(first, turned)
    with pytest.raises(ValueError, match="same draws"):
        paired_differences(first, turned)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(30, 120))
def test_a_model_differs_from_itself_by_nothing(seed, n):
    y, p, _, patients = made(n, seed)
    table = replicates(y, p, patients, "24h", str(seed), "response", 40)
    for interval in paired_differences(table, table).values():
        if np.isfinite(interval.low):
            assert (interval.estimate, interval.low, interval.high) == (0, 0, 0)


def test_few_of_a_class_have_no_slope():
    y, p, _, patients = made(60)
    y = np.where(np.cumsum(y) <= 7, y, 0.0)
    table = replicates(y, p, patients, "24h", "s", "response", 20)
    assert table["calibration_slope"].isna().all()
    assert table["calibration_intercept"].notna().all()
    assert table["log_loss"].notna().all()


def test_the_secret_does_not_follow_from_what_runs_carry(short_cohort):
    secret = draw_secret(short_cohort)
    assert secret != short_cohort.sha256
    turned = short_cohort.subset(np.arange(len(short_cohort)) > 0)
    assert draw_secret(turned) != secret


def test_with_known_draws_every_row_could_be_solved_for_and_without_them_not():
    """Why the seed is a secret: the means of known draws are equations in the rows."""
    y, p, _, _ = made(150)
    patients = np.arange(150)
    table = replicates(y, p, patients, "24h", "what only the clinic has", "response")

    def solved(secret: str) -> np.ndarray:
        units = [replicates(row, p, patients, "24h", secret, "response", 400)["event_rate"] for row in np.eye(150)]
        weights = pd.concat(units, axis=1).to_numpy()
        return np.linalg.lstsq(weights, table["event_rate"].to_numpy()[: len(weights)], rcond=None)[0]

    assert np.array_equal(np.round(solved("what only the clinic has")), y)
    agree = np.mean((solved("its published hash") > 0.5) == y)
    assert 0.3 < agree < 0.7
