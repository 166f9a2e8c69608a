"""Comparators are fitted on training rows alone and do what their names say."""

import numpy as np
import pytest
import statsmodels.api as sm

from ketapredict.model.folds import repeated_folds
from ketapredict.validate.comparators import (
    one_number_log_odds,
    one_number_predictions,
    prevalence_predictions,
    rule_predictions,
)


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, list]:
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0.3, 0.9, 120)
    early = rng.normal(0.3, 0.3, 120)
    y = (rng.random(120) < 1 / (1 + np.exp(-(2 * early + 2 * (baseline - 0.6))))).astype(float)
    return y, baseline, early, repeated_folds(y, np.arange(120), 5, 1, np.random.default_rng(1))


def test_prevalence_is_that_of_the_training_rows(data):
    y, _, _, folds = data
    (found,) = prevalence_predictions(y, folds)
    for _, train, test in folds:
        np.testing.assert_allclose(found[test], y[train].mean())


@pytest.mark.parametrize("number", ["baseline", "early improvement"])
def test_one_number_alone_is_a_logistic_regression_on_the_training_rows(data, number):
    y, baseline, early, folds = data
    x = baseline if number == "baseline" else early
    (found,) = one_number_predictions(y, x, folds)
    for _, train, test in folds:
        fitted = sm.Logit(y[train], sm.add_constant(x[train])).fit(disp=0)
        np.testing.assert_allclose(found[test], fitted.predict(sm.add_constant(x[test])), atol=1e-4)


def test_its_unit_does_not_matter(data):
    y, baseline, _, _ = data
    found = one_number_log_odds(y, baseline, baseline)
    np.testing.assert_allclose(one_number_log_odds(y, 60 * baseline - 7, 60 * baseline - 7), found, atol=1e-9)


def test_one_number_survives_separation_and_no_spread(data):
    y, _, _, folds = data
    assert np.isfinite(one_number_predictions(y, y * 0.5 + 0.2, folds)).all()
    np.testing.assert_allclose(
        one_number_predictions(y, np.full(120, 0.5), folds), prevalence_predictions(y, folds), atol=1e-9
    )


def test_the_rule_gives_the_smoothed_rate_of_each_side(data):
    y, _, early, folds = data
    early = early.copy()
    early[:5] = np.nan
    (found,) = rule_predictions(y, early, folds)
    for _, train, test in folds:
        for side in (early >= 0.2, early < 0.2):
            events, rows = y[train][side[train]].sum(), side[train].sum()
            np.testing.assert_allclose(found[test][side[test]], (events + 1) / (rows + 2))
        unknown = np.isnan(early[test])
        np.testing.assert_allclose(found[test][unknown], (y[train].sum() + 1) / (len(train) + 2))


def test_exactly_a_fifth_is_an_improvement():
    baseline = np.arange(5.0, 60.0, 5.0).repeat(4)
    y = np.tile([1.0, 0.0], 22)
    early = np.where(np.arange(44) % 2 == 0, 1 - 0.8 * baseline / baseline, 0.1)
    folds = repeated_folds(y, np.arange(44), 4, 1, np.random.default_rng(0))
    (found,) = rule_predictions(y, early, folds)
    assert (found[y == 1] > 0.8).all()
    assert (found[y == 0] < 0.2).all()


def test_there_is_no_rule_before_the_first_infusion(data):
    y, _, _, folds = data
    assert rule_predictions(y, None, folds) is None
