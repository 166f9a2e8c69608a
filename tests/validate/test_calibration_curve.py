"""The calibration curve: parity with patsy and statsmodels, lowess beside it, and its distances."""

import numpy as np
import patsy
import pytest
import statsmodels.api as sm
from statsmodels.nonparametric.smoothers_lowess import lowess

from ketapredict.validate.calibration_curve import calibration_curve, distances, smoothed_observed, spline_design
from ketapredict.validate.kernels import logit


def drawn(n: int, seed: int = 0, shift: float = 0.0, stretch: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and predictions whose log-odds are the true ones stretched and shifted."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(float)
    return y, 1 / (1 + np.exp(-(shift + stretch * truth)))


@pytest.mark.parametrize(("n", "knots"), [(150, 3), (400, 4)])
def test_the_curve_is_the_natural_spline_of_patsy_fitted_by_statsmodels(n, knots):
    y, p = drawn(n, stretch=1.7)
    found = calibration_curve(y, p, np.arange(n), np.random.default_rng(0), n_bootstrap=20)
    assert len(found.knots) == knots
    x, t = logit(p), found.knots
    options = {"knots": list(t[1:-1]), "lower": t[0], "upper": t[-1]}
    formula = "cr(x, knots=knots, lower_bound=lower, upper_bound=upper) - 1"
    basis = patsy.dmatrix(formula, {"x": x, **options})
    fitted = sm.GLM(y, np.asarray(basis), family=sm.families.Binomial()).fit(tol=1e-12)
    apart = np.abs(fitted.fittedvalues - p)
    assert found.distances["ici"].estimate == pytest.approx(apart.mean(), abs=1e-7)
    assert found.distances["emax"].estimate == pytest.approx(apart.max(), abs=1e-7)
    for name, share in (("e50", 0.5), ("e90", 0.9)):
        expected = np.quantile(apart, share, method="inverted_cdf")
        assert found.distances[name].estimate == pytest.approx(expected, abs=1e-7)
    grid = found.curve["predicted"].to_numpy()
    on_grid = fitted.predict(np.asarray(patsy.dmatrix(formula, {"x": logit(grid), **options})))
    np.testing.assert_allclose(found.curve["observed"], on_grid, atol=1e-7)
    np.testing.assert_allclose(smoothed_observed(y, p, grid), on_grid, atol=1e-7)


@pytest.mark.parametrize(("shift", "stretch"), [(0.0, 1.0), (0.8, 1.0), (0.0, 2.2)])
def test_lowess_finds_about_the_same_distance(shift, stretch):
    y, p = drawn(2000, seed=1, shift=shift, stretch=stretch)
    found = calibration_curve(y, p, np.arange(2000), np.random.default_rng(0), n_bootstrap=20)
    by_lowess = np.abs(lowess(y, p, frac=2 / 3, it=0, return_sorted=False) - p).mean()
    assert found.distances["ici"].estimate == pytest.approx(by_lowess, abs=0.012)


def test_weighted_percentiles_are_those_of_numpy():
    rng = np.random.default_rng(0)
    apart, weights = rng.random((5, 40)), rng.integers(0, 4, (5, 40)).astype(float)
    for row in range(5):
        expected = [np.average(apart[row], weights=weights[row])]
        for share in (0.5, 0.9, 1.0):
            expected.append(np.quantile(apart[row], share, weights=weights[row], method="inverted_cdf"))
        np.testing.assert_allclose(distances(apart, weights)[row], expected, atol=1e-12)


def test_a_miscalibrated_prediction_is_further_than_chance_explains_and_a_calibrated_one_is_not():
    good = calibration_curve(*drawn(400, seed=2), np.arange(400), np.random.default_rng(0), 200)
    bad = calibration_curve(*drawn(400, seed=2, shift=1.0), np.arange(400), np.random.default_rng(0), 200)
    assert good.distances["ici"].estimate < good.if_calibrated["ici"][1]
    assert bad.distances["ici"].low > bad.if_calibrated["ici"][1]
    assert bad.distances["ici"].low < bad.distances["ici"].estimate < bad.distances["ici"].high
    assert (bad.curve["low"] <= bad.curve["observed"]).all()
    assert (bad.curve["observed"] <= bad.curve["high"]).all()


def test_chance_alone_exceeds_its_own_95th_percentile_one_time_in_twenty():
    exceeded = []
    for seed in range(40):
        y, p = drawn(150, seed=seed)
        found = calibration_curve(y, p, np.arange(150), np.random.default_rng(seed), n_bootstrap=2)
        exceeded.append(found.distances["ici"].estimate > found.if_calibrated["ici"][1])
    assert np.mean(exceeded) < 0.16


def test_the_spline_is_straight_beyond_the_knots():
    x = np.array([-9.0, -8.0, -7.0, 7.0, 8.0, 9.0])
    steps = np.diff(spline_design(x, (-1.0, 0.0, 0.5, 1.0)), axis=0)
    np.testing.assert_allclose(steps[0], steps[1], atol=1e-12)
    np.testing.assert_allclose(steps[3], steps[4], atol=1e-10)


def test_there_is_no_curve_without_events_or_spread():
    rng = np.random.default_rng(0)
    y = np.r_[np.ones(9), np.zeros(60)]
    assert calibration_curve(y, rng.random(69), np.arange(69), rng) is None
    assert calibration_curve(np.tile([0.0, 1.0], 30), np.repeat([0.4, 0.6], 30), np.arange(60), rng) is None
    assert np.isnan(smoothed_observed(y, np.full(69, 0.3), np.array([0.5]))).all()
