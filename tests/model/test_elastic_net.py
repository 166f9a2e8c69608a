import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from ketapredict.model.elastic_net import SignedElasticNet, elastic_net_path


def table(seed: int, n: int = 120, p: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    X[:, 1] = 0.9 * X[:, 0] + 0.3 * X[:, 1]
    y = (X @ rng.normal(size=p) + rng.logistic(size=n) > 0.3).astype(float)
    return (X - X.mean(0)) / X.std(0), y


@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("penalty", [0.01, 0.1, 0.5])
def test_agrees_with_scikit_learn(penalty, l1_ratio):
    X, y = table(1)
    own = SignedElasticNet(penalty, l1_ratio).fit(X, y)
    # scikit-learn minimises C * summed loss + penalty.
    other = LogisticRegression(C=1 / (penalty * len(y)), l1_ratio=l1_ratio, solver="saga", tol=1e-10, max_iter=50_000)
    other.fit(X, y)
    np.testing.assert_allclose(own.coef_, other.coef_[0], atol=2e-5)
    # Without any coefficient left scikit-learn stops before its intercept has arrived; the answer is known.
    rate = y.mean()
    expected = other.intercept_[0] if own.coef_.any() else np.log(rate / (1 - rate))
    np.testing.assert_allclose(own.intercept_, expected, atol=2e-5)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.003, 1.0))
@settings(max_examples=25, deadline=None)
def test_signs_hold_and_the_optimum_is_one(seed, l1_ratio, penalty):
    X, y = table(seed, n=60)
    signs = (1, -1, 0, 1, -1, 0)
    intercept, *rest = elastic_net_path(X, y, np.array([penalty]), l1_ratio, signs)[0]
    coefficients = np.array(rest)
    assert (coefficients * np.array(signs) >= 0).all()
    # Optimality (KKT): the gradient of the smooth part balances the lasso, or pushes against a bound.
    p = 1 / (1 + np.exp(-(intercept + X @ coefficients)))
    gradient = X.T @ (p - y) / len(y) + penalty * (1 - l1_ratio) * coefficients
    lasso = penalty * l1_ratio
    assert abs((p - y).mean()) < 1e-4
    for slope, value, sign in zip(gradient, coefficients, signs, strict=True):
        if value != 0:
            assert slope + lasso * np.sign(value) == pytest.approx(0, abs=1e-4)
        else:
            if sign >= 0:
                assert slope + lasso >= -1e-4
            if sign <= 0:
                assert -slope + lasso >= -1e-4


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.9]))
@settings(max_examples=25, deadline=None)
def test_a_path_through_columns_that_are_near_to_each_other_and_classes_that_they_separate(seed, l1_ratio):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(80, 12)) @ rng.normal(size=(12, 40)) + 0.1 * rng.normal(size=(80, 40))
    X = (X - X.mean(0)) / X.std(0)
    y = (X[:, 0] + X[:, 1] > 0).astype(float)
    signs = rng.integers(-1, 2, 40)
    penalties = np.geomspace(3.0, 0.003, 6)
    path = elastic_net_path(X, y, penalties, l1_ratio, tuple(signs))
    for penalty, (intercept, *rest) in zip(penalties, path, strict=True):
        b = np.array(rest)
        assert (b * signs >= 0).all()
        p = 1 / (1 + np.exp(-(intercept + X @ b)))
        gradient = X.T @ (p - y) / 80 + penalty * (1 - l1_ratio) * b
        lasso = penalty * l1_ratio
        assert abs((p - y).mean()) < 2e-7
        assert (np.abs(gradient[b != 0] + lasso * np.sign(b[b != 0])) < 2e-7).all()
        still = b == 0
        assert (-gradient[still & (signs >= 0)] <= lasso + 2e-7).all()
        assert (gradient[still & (signs <= 0)] <= lasso + 2e-7).all()
        alone = elastic_net_path(X, y, np.array([penalty]), l1_ratio, tuple(signs))[0]
        np.testing.assert_allclose(alone, [intercept, *rest], atol=2e-3)
