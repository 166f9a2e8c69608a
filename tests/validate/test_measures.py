"""Parity of the measures with scikit-learn and statsmodels, and what must hold for any predictions."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from ketapredict.validate.kernels import logit
from ketapredict.validate.measures import (
    MEASURES,
    auc,
    brier,
    calibration_intercept,
    calibration_slope,
    log_loss,
    scaled_brier,
)


def drawn(seed: int, n: int = 200, decimals: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, miscalibrated probabilities (tied when rounded to few decimals), weights with zeros."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-0.3, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(float)
    p = 1 / (1 + np.exp(-(0.4 + 1.6 * truth + rng.normal(0, 0.8, n))))
    return y, np.clip(np.round(p, decimals), 0.01, 0.99), rng.integers(0, 4, n).astype(float)


@given(seed=st.integers(0, 10**6), decimals=st.sampled_from([1, 2, 6]), weighted=st.booleans())
@settings(max_examples=60, deadline=None)
def test_parity_with_scikit_learn(seed, decimals, weighted):
    y, p, w = drawn(seed, decimals=decimals)
    weights = w if weighted else None
    assert auc(y, p, weights) == pytest.approx(metrics.roc_auc_score(y, p, sample_weight=weights), abs=1e-12)
    assert log_loss(y, p, weights) == pytest.approx(metrics.log_loss(y, p, sample_weight=weights), abs=1e-12)
    assert brier(y, p, weights) == pytest.approx(metrics.brier_score_loss(y, p, sample_weight=weights), abs=1e-12)


@given(seed=st.integers(0, 10**6), decimals=st.sampled_from([1, 2, 6]), weighted=st.booleans())
@settings(max_examples=40, deadline=None)
def test_calibration_is_that_of_statsmodels(seed, decimals, weighted):
    y, p, w = drawn(seed, decimals=decimals)
    weights = w if weighted else np.ones_like(w)
    x = logit(p)
    options = {"family": sm.families.Binomial(), "freq_weights": weights}
    intercept = sm.GLM(y, np.ones((len(y), 1)), offset=x, **options).fit(tol=1e-12).params[0]
    slope = sm.GLM(y, sm.add_constant(x), **options).fit(tol=1e-12).params[1]
    assert calibration_intercept(y, p, weights) == pytest.approx(intercept, abs=1e-8)
    assert calibration_slope(y, p, weights) == pytest.approx(slope, abs=1e-8)
    if not weighted:
        by_logit = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-12).params[1]
        assert calibration_slope(y, p) == pytest.approx(by_logit, abs=1e-8)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_whole_weights_are_repeated_rows(seed):
    y, p, w = drawn(seed, n=80, decimals=2)
    times = w.astype(int)
    for measure in MEASURES.values():
        repeated = measure.function(np.repeat(y, times), np.repeat(p, times), None)
        assert measure.function(y, p, w) == pytest.approx(repeated, abs=1e-9, nan_ok=True)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_auc_depends_on_the_order_alone(seed):
    y, p, _ = drawn(seed, decimals=2)
    assert auc(y, p**3) == pytest.approx(auc(y, p), abs=1e-12)
    assert auc(y, 1 - p) == pytest.approx(1 - auc(y, p), abs=1e-12)


@given(seed=st.integers(0, 10**6), shift=st.floats(-2, 2), stretch=st.floats(0.3, 3))
@settings(max_examples=30, deadline=None)
def test_refitted_probabilities_are_calibrated(seed, shift, stretch):
    y, p, _ = drawn(seed, n=400)
    fitted = sm.Logit(y, sm.add_constant(logit(p))).fit(disp=0, tol=1e-12).predict()
    assert calibration_slope(y, fitted) == pytest.approx(1.0, abs=1e-6)
    assert calibration_intercept(y, fitted) == pytest.approx(0.0, abs=1e-6)
    moved = 1 / (1 + np.exp(-(logit(fitted) * stretch)))
    assert calibration_slope(y, moved) == pytest.approx(1 / stretch, rel=1e-5)
    moved = 1 / (1 + np.exp(-(logit(fitted) + shift)))
    assert calibration_intercept(y, moved) == pytest.approx(-shift, abs=1e-6)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4]),  # one class
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3]),  # no spread
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]),  # separated
        ([0, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.3, 0.4]),  # separated but for a tie at the border
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]),  # separated the wrong way round
    ],
)
def test_the_slope_is_nan_where_it_cannot_be_estimated(y, p):
    assert np.isnan(calibration_slope(np.array(y), np.array(p)))


def test_one_class_leaves_the_errors_alone():
    y, p = np.zeros(3), np.array([0.1, 0.2, 0.3])
    assert np.isnan(auc(y, p))
    assert np.isnan(calibration_intercept(y, p))
    assert log_loss(y, p) == pytest.approx(-np.log(1 - p).mean())
    assert brier(y, p) == pytest.approx((p**2).mean())


@given(seed=st.integers(0, 10**6), weighted=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_scaled_brier_is_the_r2_of_scikit_learn(seed, weighted):
    y, p, w = drawn(seed)
    weights = w if weighted else None
    assert scaled_brier(y, p, weights) == pytest.approx(metrics.r2_score(y, p, sample_weight=weights), abs=1e-12)
    assert scaled_brier(y, np.full(len(y), np.average(y, weights=weights)), weights) == pytest.approx(0, abs=1e-12)
    assert np.isnan(scaled_brier(np.ones(3), np.full(3, 0.5)))


def test_extremes_stay_finite():
    y, p = np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 1.0])
    assert log_loss(y, p) == pytest.approx(-np.log(1e-15) / 2, rel=1e-3)
    assert calibration_slope(y, p) == pytest.approx(0.0, abs=1e-9)
    assert calibration_intercept(np.array([1, 1, 0, 1]), np.array([1e-12, 1e-9, 1e-12, 1e-9])) > 15


def test_nearly_separated_data_have_the_slope_of_statsmodels():
    y = np.array([0.0] * 30 + [1.0] * 30)
    x = np.r_[np.linspace(-4, -1, 29), 1.2, -1.1, np.linspace(1, 4, 29)]
    expected = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-12, maxiter=200).params[1]
    assert calibration_slope(y, 1 / (1 + np.exp(-x))) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("y", "p", "weights"),
    [
        ([0, 1], [0.5], None),
        ([], [], None),
        ([0, 2], [0.5, 0.5], None),
        ([0, 1], [0.5, np.nan], None),
        ([0, 1], [0.5, 1.5], None),
        ([0, 1], [0.5, 0.5], [1, -1]),
        ([0, 1], [0.5, 0.5], [1]),
    ],
)
def test_other_things_are_refused(y, p, weights):
    with pytest.raises(ValueError, match="expected"):
        auc(np.array(y), np.array(p), None if weights is None else np.array(weights))


def test_the_registry_names_every_measure():
    assert list(MEASURES) == [
        "auc", "log_loss", "brier", "scaled_brier", "calibration_intercept", "calibration_slope",
    ]  # fmt: skip
    y, p, _ = drawn(1)
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.label
        assert measure.kernel(y, p, np.ones((1, len(y))))[0] == measure.function(y, p, None)
