"""Logistic regression drawn towards given coefficients, with coefficients held between bounds."""

import numpy as np
from scipy.optimize import lsq_linear
from scipy.special import expit

_MOST_STEPS, _CONVERGED, _MOST_PIVOTS = 100, 1e-9, 30


def penalised_logistic(
    design: np.ndarray,
    labels: np.ndarray,
    precision: np.ndarray,
    towards: np.ndarray,
    *,
    offset: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise the negative log-likelihood plus a quadratic penalty, within bounds.

    sum_i w_i [log(1 + exp(eta_i)) - y_i eta_i] + (b - t)' P (b - t) / 2,  eta = offset + X b,  low <= b <= high,

    by Newton's method with halved steps; each step's quadratic problem is solved within the bounds. The same as
    the mode of a posterior under the prior N(t, P^-1), cut off at the bounds.

    Parameters
    ----------
    design : numpy.ndarray
        (n, k), columns of about unit scale.
    labels : numpy.ndarray
        (n,) of 0 and 1.
    precision : numpy.ndarray
        (k, k) positive semidefinite P; log-likelihood and penalty together must have one minimum.
    towards : numpy.ndarray
        (k,) t, within the bounds.
    offset : numpy.ndarray or None
        (n,) fixed part of the log-odds.
    weights : numpy.ndarray or None
        (n,) w, how many courses each row counts for; 1 where absent.
    low, high : numpy.ndarray or None
        (k,) bounds, infinite where there is none.
    start : numpy.ndarray or None
        (k,) within the bounds; `towards` by default.

    Returns
    -------
    coefficients : numpy.ndarray
        (k,).
    information : numpy.ndarray
        (k, k) X' W X + P at the coefficients, W = diag(w p (1 - p)).
    """
    fixed = np.zeros(len(labels)) if offset is None else offset
    counts = np.ones(len(labels)) if weights is None else weights
    lowest = np.full(len(towards), -np.inf) if low is None else low
    highest = np.full(len(towards), np.inf) if high is None else high

    def loss(b: np.ndarray) -> float:
        eta, away = fixed + design @ b, b - towards
        return float(counts @ (np.logaddexp(0.0, eta) - labels * eta) + 0.5 * away @ precision @ away)

    found = np.array(towards if start is None else start, dtype=float)
    value = loss(found)
    for _ in range(_MOST_STEPS):
        p = expit(fixed + design @ found)
        information = (design.T * (counts * p * (1.0 - p))) @ design + precision
        gradient = design.T @ (counts * (p - labels)) + precision @ (found - towards)
        step = _minimum_within(information, information @ found - gradient, lowest, highest) - found
        if np.abs(step).max() < _CONVERGED:
            break
        size = 1.0
        while loss(found + size * step) > value + 1e-12 and size > 1e-6:
            size /= 2.0
        found = found + step if size == 1.0 else found + size * step
        # Adding a step may miss the bound by the last digit, and a sign with it.
        found = np.clip(found, lowest, highest)
        value = loss(found)
    return found, information


def _minimum_within(curvature: np.ndarray, pull: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the minimum of x' H x / 2 - q' x within bounds, by block pivoting (Portugal et al. 1994)."""
    at_low, at_high = np.zeros(len(pull), dtype=bool), np.zeros(len(pull), dtype=bool)
    for _ in range(_MOST_PIVOTS):
        x = np.where(at_low, low, np.where(at_high, high, 0.0))
        free = ~(at_low | at_high)
        if free.all():
            x = np.linalg.solve(curvature, pull)
        elif free.any():
            rest = pull[free] - curvature[np.ix_(free, ~free)] @ x[~free]
            x[free] = np.linalg.solve(curvature[np.ix_(free, free)], rest)
        slope = curvature @ x - pull
        now_low = (free & (x < low)) | (at_low & (slope >= 0.0))
        now_high = (free & (x > high)) | (at_high & (slope <= 0.0))
        if (now_low == at_low).all() and (now_high == at_high).all():
            return x
        at_low, at_high = now_low, now_high
    # Pivoting whole blocks can go in circles; bounded least squares never does, and takes longer.
    root = np.linalg.cholesky(curvature).T
    solved = lsq_linear(root, np.linalg.solve(root.T, pull), (low, high), method="bvls")
    return np.clip(solved.x, low, high)
