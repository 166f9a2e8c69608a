"""The shared logistic fit: many weights at once, offset, ridge."""

import numpy as np
import pytest
from scipy.optimize import minimize

from ketapredict.validate.logistic import expit, fit_logistic


def test_many_weights_at_once_are_the_fits_one_by_one():
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(150), rng.normal(size=150)])
    y = (rng.random(150) < expit(design @ [0.2, 1.0])).astype(float)
    weights = rng.integers(0, 3, (40, 150)).astype(float)
    together = fit_logistic(design, y, weights)
    for row, expected in zip(weights, together, strict=True):
        np.testing.assert_allclose(fit_logistic(design, y, row[None])[0], expected, atol=1e-9)


@pytest.mark.parametrize("start", [[0.0, 0.0], [8.0, -20.0]])
def test_ridge_and_offset_maximise_the_penalised_likelihood_from_any_start(start):
    rng = np.random.default_rng(1)
    design = np.column_stack([np.ones(80), rng.normal(size=80)])
    offset, ridge = rng.normal(size=80), np.array([0.0, 2.0])
    y = (rng.random(80) < 0.4).astype(float)

    def loss(beta: np.ndarray) -> float:
        eta = design @ beta + offset
        return float(-(y * eta - np.logaddexp(0, eta)).sum() + 0.5 * ridge @ beta**2)

    expected = minimize(loss, np.zeros(2), tol=1e-12).x
    found = fit_logistic(design, y, np.ones((1, 80)), offset, ridge, np.array(start))[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_ridge_keeps_separated_data_finite():
    design = np.column_stack([np.ones(6), [-3.0, -2, -1, 1, 2, 3]])
    y = np.array([0.0, 0, 0, 1, 1, 1])
    assert np.isfinite(fit_logistic(design, y, np.ones((1, 6)), ridge=np.array([0.0, 1e-3]))).all()


def test_expit_does_not_overflow():
    np.testing.assert_allclose(expit(np.array([-1e4, 0.0, 1e4])), [0.0, 0.5, 1.0])
