import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize

from ketapredict.model import signed_quadratic as module
from ketapredict.model.signed_quadratic import signed_minimum


def drawn(seed: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a curvature whose variables are near to each other, pulls, lassos of which some are 0, and signs."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(p + 2, p)) + rng.normal(size=(p + 2, 1)) * rng.choice([0.0, 3.0])
    lasso = rng.choice([0.0, 0.3, 2.0], p) * rng.choice([0.0, 1.0])
    return root.T @ root / p + 0.01 * np.eye(p), rng.normal(size=p), lasso, rng.integers(-1, 2, p)


def value_at(x, curvature, pull, lasso):
    return 0.5 * x @ curvature @ x - pull @ x + lasso @ np.abs(x)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 25))
def test_the_gradient_balances_lasso_and_signs(seed, p):
    curvature, pull, lasso, signs = drawn(seed, p)
    start = np.random.default_rng(seed + 1).normal(size=p)
    found = signed_minimum(curvature, pull, lasso, signs, start)
    assert (found * signs >= 0).all()
    left = pull - curvature @ found
    rounding = 1e-9 * np.abs(pull).max()
    above, below = np.where(signs < 0, np.inf, lasso), np.where(signs > 0, np.inf, lasso)
    np.testing.assert_allclose(left[found > 0], lasso[found > 0], atol=rounding)
    np.testing.assert_allclose(left[found < 0], -lasso[found < 0], atol=rounding)
    still = found == 0
    assert (left[still] <= above[still] + rounding).all()
    assert (left[still] >= -below[still] - rounding).all()
    # Where it starts has no influence on where it ends.
    np.testing.assert_allclose(signed_minimum(curvature, pull, lasso, signs, np.zeros(p)), found, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 12))
def test_no_other_method_finds_less(seed, p):
    curvature, pull, lasso, signs = drawn(seed, p)
    found = signed_minimum(curvature, pull, lasso, signs, np.zeros(p))

    def parts(x):
        b = x[:p] - x[p:]
        slope = curvature @ b - pull
        return 0.5 * b @ curvature @ b - pull @ b + lasso @ (x[:p] + x[p:]), np.r_[slope + lasso, lasso - slope]

    bounds = [(0, 0 if s < 0 else None) for s in signs] + [(0, 0 if s > 0 else None) for s in signs]
    other = minimize(parts, np.zeros(2 * p), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
    assert value_at(found, curvature, pull, lasso) <= other.fun + 1e-9 * max(1.0, abs(other.fun))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), p=st.integers(1, 12))
def test_without_lasso_it_is_bounded_least_squares(seed, p):
    curvature, pull, _, signs = drawn(seed, p)
    root = np.linalg.cholesky(curvature).T
    bounds = np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf)
    expected = lsq_linear(root, np.linalg.solve(root.T, pull), bounds, method="bvls", tol=1e-14).x
    found = signed_minimum(curvature, pull, np.zeros(p), signs, np.zeros(p))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_one_pivot_at_a_time_ends_at_the_same_minimum(monkeypatch, seed):
    curvature, pull, lasso, signs = drawn(seed, 15)
    expected = signed_minimum(curvature, pull, lasso, signs, np.zeros(15))
    monkeypatch.setattr(module, "_PATIENCE", -1)
    np.testing.assert_allclose(signed_minimum(curvature, pull, lasso, signs, np.zeros(15)), expected, atol=1e-8)


def test_a_curvature_that_is_not_positive_definite_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        signed_minimum(-np.eye(2), np.ones(2), np.zeros(2), np.zeros(2), np.zeros(2))
