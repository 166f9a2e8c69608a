import numpy as np
import pytest
from scipy import stats

from ketapredict.drift.calibration import in_the_large_p_value, outcomes_seen
from ketapredict.validate.measures import calibration_intercept, calibration_slope


def test_without_training_uncertainty_it_is_the_poisson_binomial_test() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.8, 30)
    exact = stats.poisson_binom(p)
    for events in (5, 9, 13, 20):
        tails = exact.cdf(events), exact.sf(events - 1)
        found = in_the_large_p_value(events, p, np.inf, rng, 40_000)
        np.testing.assert_allclose(found, min(1.0, 2 * min(tails)), rtol=0.12, atol=2e-4)


def test_many_courses_go_the_normal_way_to_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.8, 1500)
    events = int(p.sum()) + 70
    one = in_the_large_p_value(events, p, 300, rng)
    monkeypatch.setattr("ketapredict.drift.calibration._NORMAL_FROM", 10)
    np.testing.assert_allclose(in_the_large_p_value(events, p, 300, rng), one, rtol=0.1)
    assert in_the_large_p_value(events, p, np.inf, rng) < one


@pytest.mark.parametrize("size", [20, 50, 200])
def test_false_alarms_with_the_training_s_own_uncertainty(size: int) -> None:
    """A model that learnt the level from 100 courses: its error is no drift."""
    rng = np.random.default_rng(size)
    runs, training, rate = 300, 100, 0.45
    alarms = blind = 0
    for _ in range(runs):
        learnt = np.clip(rng.binomial(training, rate) / training, 0.02, 0.98)
        events = int(rng.binomial(size, rate))
        alarms += in_the_large_p_value(events, np.full(size, learnt), training, rng, 1000) <= 0.05
        blind += in_the_large_p_value(events, np.full(size, learnt), np.inf, rng, 1000) <= 0.05
    assert alarms <= stats.binom.ppf(0.999, runs, 0.05)
    if size == 200:
        assert blind > stats.binom.ppf(0.999, runs, 0.05)


def test_figures_with_intervals() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.2, 0.7, 300)
    y = (rng.random(300) < p).astype(float)
    seen = outcomes_seen(y, p, np.arange(300), 400, rng)
    assert seen.events == y.sum()
    np.testing.assert_allclose(seen.ratio.estimate, y.sum() / p.sum())
    assert seen.ratio.low < seen.ratio.estimate < seen.ratio.high
    assert seen.slope.estimate == calibration_slope(y, p)
    assert seen.intercept.estimate == calibration_intercept(y, p)
    assert seen.slope.low < seen.slope.estimate < seen.slope.high
    assert seen.p_value > 0.05
    few = outcomes_seen(y[:12], p[:12], np.arange(12), 400, rng)
    assert np.isnan(few.slope.estimate)
