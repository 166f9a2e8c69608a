import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from statsmodels.api import GLM, Logit, families

from ketapredict.model import penalised_logistic as module
from ketapredict.model.penalised_logistic import penalised_logistic


def drawn(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1)) @ rng.normal(size=(k - 1, k - 1))])
    return design, (rng.random(n) < expit(design @ rng.normal(0, 0.7, k))).astype(float)


def test_without_penalty_it_is_maximum_likelihood():
    design, labels = drawn(300, 4, 0)
    found, information = penalised_logistic(design, labels, np.zeros((4, 4)), np.zeros(4))
    expected = Logit(labels, design).fit(disp=False)
    np.testing.assert_allclose(found, expected.params, atol=1e-8)
    np.testing.assert_allclose(np.linalg.inv(information), expected.cov_params(), rtol=1e-6)
    offset = 0.5 * design[:, 1]
    alone = penalised_logistic(design[:, :1], labels, np.zeros((1, 1)), np.zeros(1), offset=offset)[0]
    fitted = GLM(labels, design[:, :1], family=families.Binomial(), offset=offset).fit()
    np.testing.assert_allclose(alone, fitted.params, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(2, 9), strength=st.sampled_from([0.01, 1.0, 100.0]))
def test_within_bounds_it_is_the_minimum_that_another_method_finds(seed, k, strength):
    design, labels = drawn(60, k, seed)
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(k, k))
    precision, towards = strength * root @ root.T + 0.05 * np.eye(k), np.abs(rng.normal(0, 0.5, k))
    low = np.where(rng.random(k) < 0.5, 0.0, -np.inf)
    high = np.where(rng.random(k) < 0.3, np.maximum(towards, 0.6), np.inf)

    def loss(b):
        eta, away = design @ b, b - towards
        gradient = design.T @ (expit(eta) - labels) + precision @ away
        return np.logaddexp(0, eta).sum() - labels @ eta + 0.5 * away @ precision @ away, gradient

    found, _ = penalised_logistic(design, labels, precision, towards, low=low, high=high)
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000}
    other = minimize(
        loss, towards, jac=True, method="L-BFGS-B", bounds=list(zip(low, high, strict=True)), options=options
    )
    assert ((found >= low) & (found <= high)).all()
    assert loss(found)[0] <= other.fun + 1e-7 * max(1.0, abs(other.fun))


def test_where_pivots_go_in_circles_bounded_least_squares_takes_over(monkeypatch):
    design, labels = drawn(80, 6, 3)
    low, precision, towards = np.zeros(6), np.eye(6), np.full(6, 0.2)
    expected, _ = penalised_logistic(design, labels, precision, towards, low=low)
    assert (expected == 0).any()
    monkeypatch.setattr(module, "_MOST_PIVOTS", 0)
    found, _ = penalised_logistic(design, labels, precision, towards, low=low)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_separated_classes_stay_finite_under_a_prior():
    x = np.linspace(-1, 1, 20)
    design = np.column_stack([np.ones(20), x])
    found, _ = penalised_logistic(design, (x > 0).astype(float), np.diag([1e-4, 4.0]), np.array([0.0, 1.0]))
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(1.0, abs=2.0)
