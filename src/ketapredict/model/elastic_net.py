"""Elastic-net logistic regression with signs where the direction of an effect is beyond doubt."""

from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin


class SignedElasticNet(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Minimise mean log-loss + penalty * (l1_ratio |b|_1 + (1 - l1_ratio) / 2 |b|_2^2).

    The intercept is free. Coefficients with a sign are kept on that side of zero: the problem stays
    convex and the solution unique for l1_ratio < 1 (Zou and Hastie 2005,
    doi:10.1111/j.1467-9868.2005.00503.x). Solved by L-BFGS-B on the positive and negative parts.

    Parameters
    ----------
    penalty : float
        At least 0; for standardised columns.
    l1_ratio : float
        From 0 (ridge) to 1 (lasso).
    signs : tuple of int or None
        -1, 0 or 1 for each column; None for all free.
    """

    def __init__(self, penalty: float = 0.1, l1_ratio: float = 0.5, signs: tuple[int, ...] | None = None) -> None:
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.signs = signs

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Fit to X (n, p) and y (n,) of 0 and 1 with both present."""
        self.classes_ = np.array([0.0, 1.0])
        path = elastic_net_path(X, y, np.array([self.penalty]), self.l1_ratio, self.signs, weights=sample_weight)
        self.intercept_, self.coef_ = float(path[0, 0]), path[0, 1:]
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return log-odds (n,)."""
        return self.intercept_ + X @ self.coef_


def elastic_net_path(
    X: np.ndarray,
    y: np.ndarray,
    penalties: np.ndarray,
    l1_ratio: float,
    signs: tuple[int, ...] | None = None,
    tolerance: float = 1e-7,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Solve for a sequence of penalties, each from the solution before.

    Parameters
    ----------
    X : numpy.ndarray
        (n, p), standardised columns.
    y : numpy.ndarray
        (n,) of 0 and 1.
    penalties : numpy.ndarray
        (m,) in descending order.
    l1_ratio : float
    signs : tuple of int or None
    tolerance : float
        Largest component of the projected gradient at a solution.
    weights : numpy.ndarray (n,) or None
        How much each row counts; the mean log-loss is then the weighted mean.

    Returns
    -------
    numpy.ndarray
        (m, p + 1): intercept, coefficients.
    """
    n, p = X.shape
    free = np.zeros(p) if signs is None else np.asarray(signs)
    bounds: list[tuple[float | None, float | None]] = [(None, None)]
    bounds += [(0.0, 0.0 if sign < 0 else None) for sign in free]
    bounds += [(0.0, 0.0 if sign > 0 else None) for sign in free]
    share = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    rate = share @ y
    start = np.zeros(1 + 2 * p)
    start[0] = np.log(rate / (1.0 - rate))
    solutions = np.empty((len(penalties), p + 1))
    for position, penalty in enumerate(penalties):
        lasso, ridge = penalty * l1_ratio, penalty * (1.0 - l1_ratio)

        def objective(parts: np.ndarray, lasso: float = lasso, ridge: float = ridge) -> tuple[float, np.ndarray]:
            positive, negative = parts[1 : p + 1], parts[p + 1 :]
            coefficients = positive - negative
            logit = parts[0] + X @ coefficients
            loss = share @ (np.logaddexp(0.0, logit) - y * logit)
            residual = share * (expit(logit) - y)
            slope = X.T @ residual + ridge * coefficients
            value = loss + 0.5 * ridge * (coefficients @ coefficients) + lasso * parts[1:].sum()
            gradient = np.empty(1 + 2 * p)
            gradient[0], gradient[1 : p + 1], gradient[p + 1 :] = residual.sum(), slope + lasso, lasso - slope
            return value, gradient

        found = minimize(
            objective,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 2000, "ftol": 1e-13, "gtol": tolerance, "maxcor": 20},
        )
        start = found.x
        solutions[position, 0] = start[0]
        solutions[position, 1:] = start[1 : p + 1] - start[p + 1 :]
    return solutions
