"""The bootstrap over patients: agreement with an explicit loop, failures, coverage of what is known."""

import numpy as np
import pytest

from ketapredict.validate.intervals import (
    bootstrap_difference,
    bootstrap_interval,
    bootstrap_statistics,
    resampled_weights,
)
from ketapredict.validate.measures import MEASURES


def drawn(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, calibrated probabilities and patients of one to three rows."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 1.2, n)
    p = 1 / (1 + np.exp(-log_odds))
    return (rng.random(n) < p).astype(float), p, np.sort(rng.integers(0, n // 2, n)).astype(str)


def test_it_agrees_with_a_loop_that_resamples_patients():
    y, p, patients = drawn(0, 120)
    found = bootstrap_interval(y, p, patients, np.random.default_rng(5), n_bootstrap=60)
    names, codes = np.unique(patients, return_inverse=True)
    draws = np.random.default_rng(5).integers(0, len(names), (60, len(names)))
    for name, measure in MEASURES.items():
        values = []
        for drawn_patients in draws:
            rows = np.concatenate([np.flatnonzero(codes == patient) for patient in drawn_patients])
            values.append(measure.function(y[rows], p[rows], None))
        low, high = np.percentile(values, (2.5, 97.5))
        assert found[name].estimate == measure.function(y, p, None)
        assert found[name].low == pytest.approx(low, abs=1e-8)
        assert found[name].high == pytest.approx(high, abs=1e-8)
        assert found[name].n_failed == 0


def test_the_difference_is_paired():
    y, p, patients = drawn(1, 150)
    noisy = np.clip(p + np.random.default_rng(2).normal(0, 0.2, 150), 0.02, 0.98)
    found = bootstrap_difference(y, p, noisy, patients, np.random.default_rng(6), n_bootstrap=80)
    names, codes = np.unique(patients, return_inverse=True)
    draws = np.random.default_rng(6).integers(0, len(names), (80, len(names)))
    assert list(found) == ["auc", "log_loss", "brier"]
    for name, difference in found.items():
        function = MEASURES[name].function
        values = []
        for drawn_patients in draws:
            rows = np.concatenate([np.flatnonzero(codes == patient) for patient in drawn_patients])
            values.append(function(y[rows], p[rows], None) - function(y[rows], noisy[rows], None))
        assert difference.estimate == function(y, p, None) - function(y, noisy, None)
        assert difference.se == pytest.approx(np.std(values, ddof=1), abs=1e-10)
        assert difference.low == pytest.approx(np.percentile(values, 2.5), abs=1e-10)
    same = bootstrap_difference(y, p, p, patients, np.random.default_rng(6), n_bootstrap=80)
    assert all(one.estimate == one.se == one.low == one.high == 0 for one in same.values())


def test_the_same_generator_gives_the_same_intervals_however_the_work_is_cut(monkeypatch):
    y, p, patients = drawn(3, 100)
    whole = bootstrap_interval(y, p, patients, np.random.default_rng(1), n_bootstrap=50)
    monkeypatch.setattr("ketapredict.validate.intervals._CELLS_AT_ONCE", 700)
    parts = bootstrap_interval(y, p, patients, np.random.default_rng(1), n_bootstrap=50)
    for name in whole:
        assert whole[name].low == pytest.approx(parts[name].low, abs=1e-9)
        assert whole[name].high == pytest.approx(parts[name].high, abs=1e-9)


def test_few_events_leave_intervals_empty_and_say_why():
    y = np.zeros(24)
    y[:2] = 1
    p = np.linspace(0.6, 0.1, 24)
    found = bootstrap_interval(y, p, np.arange(24), np.random.default_rng(0), n_bootstrap=500)
    assert found["auc"].estimate == 1.0
    assert np.isnan(found["auc"].low)
    assert np.isnan(found["auc"].high)
    assert 0.08 < found["auc"].failed_share < 0.20  # (22/24)^24 = 0.124 of the resamples have no event
    assert np.isfinite([found["brier"].low, found["log_loss"].high]).all()
    assert np.isnan(found["calibration_slope"].estimate)
    assert found["calibration_slope"].failed_share == 1.0


def test_more_rows_of_the_same_patients_do_not_narrow_the_interval():
    y, p, _ = drawn(4, 100)
    once = bootstrap_interval(y, p, np.arange(100), np.random.default_rng(0))
    thrice = bootstrap_interval(np.tile(y, 3), np.tile(p, 3), np.tile(np.arange(100), 3), np.random.default_rng(0))
    for name in MEASURES:
        assert thrice[name].low == pytest.approx(once[name].low, abs=1e-8)


def test_about_95_of_100_intervals_hold_the_truth():
    held = 0
    for seed in range(200):
        y, p, _ = drawn(seed, 200)
        slope = bootstrap_interval(y, p, np.arange(200), np.random.default_rng(seed), 300)["calibration_slope"]
        held += slope.low <= 1.0 <= slope.high
    assert 0.88 <= held / 200 <= 0.99


@pytest.mark.parametrize("patients", [np.arange(3), np.array(["a", None, "b", "c"], object), [np.nan, 1, 2, 3]])
def test_every_row_needs_a_patient(patients):
    with pytest.raises(ValueError, match="one patient for each outcome"):
        bootstrap_interval(np.array([0, 1, 0, 1]), np.full(4, 0.5), patients, np.random.default_rng(0))


def test_weights_of_rows_are_multiplied_into_the_resamples():
    y, p, patients = drawn(7, 90)
    weights = np.random.default_rng(1).uniform(0.5, 2, 90)
    ones = bootstrap_interval(y, p, patients, np.random.default_rng(2), 50, weights=np.full(90, 3.0))
    assert ones["auc"] == bootstrap_interval(y, p, patients, np.random.default_rng(2), 50)["auc"]
    found = bootstrap_interval(y, p, patients, np.random.default_rng(2), 50, weights=weights)
    values = [
        MEASURES["brier"].function(y, p, counts * weights)
        for counts in np.vstack(list(resampled_weights(patients, 90, np.random.default_rng(2), 50)))
    ]
    assert found["brier"].estimate == MEASURES["brier"].function(y, p, weights)
    assert (found["brier"].low, found["brier"].high) == pytest.approx(tuple(np.percentile(values, (2.5, 97.5))))


def test_statistics_of_resamples_are_paired_and_follow_the_generator():
    y, _, patients = drawn(8, 60)
    estimates, values = bootstrap_statistics(
        lambda weights: np.column_stack([weights @ y, weights @ (1 - y)]), patients, np.random.default_rng(0), 40
    )
    assert estimates.tolist() == [y.sum(), 60 - y.sum()]
    expected = np.vstack(list(resampled_weights(patients, 60, np.random.default_rng(0), 40)))
    np.testing.assert_array_equal(values.sum(axis=1), expected.sum(axis=1))
