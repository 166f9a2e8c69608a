"""Elastic-net logistic regression with signs where the direction of an effect is beyond doubt."""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from ketapredict.model.signed_quadratic import signed_minimum

_MOST_STEPS, _SMALLEST_STEP, _ROUNDING = 200, 1e-6, 1e-13
# A curvature of an earlier step serves as long as each step leaves no more than this of the distance.
_SERVES = 0.3


class SignedElasticNet(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Minimise mean log-loss + penalty * (l1_ratio |b|_1 + (1 - l1_ratio) / 2 |b|_2^2).

    The intercept is free. Coefficients with a sign are kept on that side of zero: the problem stays
    convex and the solution unique for l1_ratio < 1 (Zou and Hastie 2005,
    doi:10.1111/j.1467-9868.2005.00503.x).

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
        Largest component of the smallest subgradient at a solution.
    weights : numpy.ndarray (n,) or None
        How much each row counts; the mean log-loss is then the weighted mean.

    Returns
    -------
    numpy.ndarray
        (m, p + 1): intercept, coefficients.
    """
    n, p = X.shape
    design = np.column_stack([np.ones(n), X])
    share = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    rate = share @ y
    found = np.zeros(p + 1)
    found[0] = np.log(rate / (1.0 - rate))
    sides = np.zeros(p + 1) if signs is None else np.r_[0.0, signs]
    solutions = np.empty((len(penalties), p + 1))
    for position, penalty in enumerate(penalties):
        lasso, ridge = np.full(p + 1, penalty * l1_ratio), np.full(p + 1, penalty * (1.0 - l1_ratio))
        lasso[0] = ridge[0] = 0.0
        found = _minimum(design, y, share, lasso, ridge, sides, tolerance, found)
        solutions[position] = found
    return solutions


def _minimum(
    design: np.ndarray,
    y: np.ndarray,
    share: np.ndarray,
    lasso: np.ndarray,
    ridge: np.ndarray,
    signs: np.ndarray,
    tolerance: float,
    start: np.ndarray,
) -> np.ndarray:
    """Return the solution for one penalty: Newton's method whose curvature is kept as long as it serves.

    Each step's problem, quadratic but for lasso and signs, is solved exactly (Lee, Sun and Saunders 2014,
    doi:10.1137/130921428); steps that do not lower the objective are made again with the curvature of where they start,
    and halved if that is no better.
    """

    def objective(b: np.ndarray) -> tuple[float, np.ndarray]:
        log_odds = design @ b
        losses = np.logaddexp(0.0, log_odds)
        # expit, by what is there already
        return float(share @ (losses - y * log_odds) + 0.5 * ridge @ b**2 + lasso @ np.abs(b)), np.exp(
            log_odds - losses
        )

    found = start
    value, p = objective(found)
    curvature, before = None, np.inf
    for _ in range(_MOST_STEPS):
        gradient = design.T @ (share * (p - y)) + ridge * found
        distance = _distance_from_minimum(gradient, found, lasso, signs)
        if distance < tolerance:
            break
        if curvature is None or distance > _SERVES * before:
            curvature, before = _curvature(design, share * p * (1.0 - p), ridge), np.inf
        before, fresh = distance, before == np.inf
        size = 1.0
        while True:
            towards = signed_minimum(curvature, curvature @ found - gradient, lasso, signs, found)
            step = found + size * (towards - found) if size < 1.0 else towards
            reached, p_there = objective(step)
            if reached <= value + _ROUNDING or size < _SMALLEST_STEP:
                break
            if fresh:
                size /= 2.0
            else:
                curvature, fresh = _curvature(design, share * p * (1.0 - p), ridge), True
        found, value, p = step, reached, p_there
    return found


def _curvature(design: np.ndarray, weights: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    curvature = (design.T * weights) @ design
    curvature.flat[:: len(ridge) + 1] += ridge + _ROUNDING
    return curvature


def _distance_from_minimum(gradient: np.ndarray, b: np.ndarray, lasso: np.ndarray, signs: np.ndarray) -> float:
    """Return the largest component of the smallest subgradient."""
    rising, falling = gradient + lasso, gradient - lasso
    at_zero = np.maximum(np.where(signs < 0, 0.0, -rising), np.where(signs > 0, 0.0, falling))
    slope = np.where(b > 0, np.abs(rising), np.where(b < 0, np.abs(falling), np.maximum(at_zero, 0.0)))
    return float(slope.max())
