import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import Ridge

from ketapredict.model.end_score import LOGISTIC_SD, EndScoreRegression, ridge_with_signs, shift_to_rate


def table(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, 4))
    return X, X @ np.array([0.5, -0.3, 0.0, 0.2]) + rng.normal(size=80)


def test_agrees_with_scikit_learn_without_signs():
    X, y = table(0)
    intercept, coefficients = ridge_with_signs(X, y, 0.2, None)
    other = Ridge(alpha=0.2 * len(y)).fit(X, y)
    np.testing.assert_allclose(coefficients, other.coef_, atol=1e-10)
    np.testing.assert_allclose(intercept, other.intercept_, atol=1e-10)


def test_signs_are_those_of_the_effect_on_the_log_odds_and_the_fit_is_the_best_one():
    X, y = table(0)
    signs = (1, 1, -1, 0)  # the first two may only lower the end score, the third only raise it
    intercept, coefficients = ridge_with_signs(X, y, 0.2, signs)
    assert coefficients[0] <= 0
    assert coefficients[1] <= 0
    assert coefficients[2] >= 0
    centred, target = X - X.mean(0), y - y.mean()
    bounds = [(None, 0), (None, 0), (0, None), (None, None)]
    best = minimize(lambda b: ((target - centred @ b) ** 2).mean() + 0.2 * b @ b, np.zeros(4), bounds=bounds, tol=1e-14)
    np.testing.assert_allclose(coefficients, best.x, atol=1e-5)
    np.testing.assert_allclose(intercept, y.mean() - X.mean(0) @ coefficients)


def test_log_odds_are_the_distance_to_the_threshold_in_units_of_the_logistic_scale():
    X, y = table(1)
    threshold = np.full(80, 0.4)
    model = EndScoreRegression(0.1, residual_sd=0.9).fit(np.column_stack([X, threshold]), y)
    predicted = model.predict(np.column_stack([X, threshold]))
    np.testing.assert_allclose(
        model.decision_function(np.column_stack([X, threshold])), (threshold - predicted) / (0.9 / LOGISTIC_SD)
    )
    shifted = EndScoreRegression(0.1, residual_sd=0.9, shift=0.7).fit(np.column_stack([X, threshold]), y)
    moved = shifted.decision_function(np.column_stack([X, threshold]))
    np.testing.assert_allclose(moved - model.decision_function(np.column_stack([X, threshold])), 0.7)
    draws = np.random.default_rng(0).logistic(scale=0.9 / LOGISTIC_SD, size=200_000)
    assert abs(draws.std() - 0.9) < 0.01


def test_the_shift_brings_the_mean_probability_to_the_rate():
    rng = np.random.default_rng(0)
    log_odds, labels = rng.normal(-4, 3, 60), np.r_[np.ones(40), np.zeros(20)]
    shift = shift_to_rate(log_odds, labels)
    np.testing.assert_allclose((1 / (1 + np.exp(-log_odds - shift))).mean(), 2 / 3)
