"""Maximum-likelihood logistic regression for many sets of weights on the same rows at once."""

import numpy as np

_MAX_ITERATIONS = 60
_STEP_TOLERANCE = 1e-6  # the step that is this small is still taken: the error left is its square
_LONGEST_STEP = 10.0  # where all probabilities are near 0 or 1 the curvature says nothing
_JITTER = 1e-12
# Rows x fits that are worked on together: what they need stays in the processor's cache.
_CELLS_AT_ONCE = 1 << 17


def expit(log_odds: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-log_odds)) without overflow, any shape."""
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1.0, small) / (1.0 + small)


def fit_logistic(
    design: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    ridge: np.ndarray | None = None,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Fit one weighted logistic regression for each row of weights by Newton's method.

    Maximises sum_i w_i [y_i eta_i - log(1 + exp(eta_i))] - sum_j ridge_j beta_j^2 / 2 with
    eta = offset + design beta. A step that lowers the objective is halved until it does not.

    Parameters
    ----------
    design : numpy.ndarray (n, k)
        Columns of the design, of about unit scale, the ones included where an intercept is wanted.
    y : numpy.ndarray (n,)
        0 or 1.
    weights : numpy.ndarray (b, n)
        Weights >= 0, one row for each fit.
    offset : numpy.ndarray (n,), optional
        Fixed part of the log-odds.
    ridge : numpy.ndarray (k,), optional
        Penalty of each coefficient, >= 0.
    start : numpy.ndarray (k,), optional
        Coefficients to start from; zeros by default.

    Returns
    -------
    numpy.ndarray (b, k)
        Coefficients; NaN where the maximum was not found, as for separated data without a ridge (the
        caller who can tell separation beforehand should leave such rows out).
    """
    at_once = max(1, _CELLS_AT_ONCE // len(y))
    if len(weights) > at_once:
        blocks = [weights[first : first + at_once] for first in range(0, len(weights), at_once)]
        return np.concatenate([fit_logistic(design, y, block, offset, ridge, start) for block in blocks])
    n_columns = design.shape[1]
    base = np.zeros(len(y)) if offset is None else offset
    penalty = np.zeros(n_columns) if ridge is None else ridge
    products = (design[:, :, None] * design[:, None, :]).reshape(len(y), -1)
    result = np.full((len(weights), n_columns), np.nan)

    active = np.arange(len(weights))
    w = np.asarray(weights, float)
    beta = np.tile(np.zeros(n_columns) if start is None else start, (len(w), 1))
    step = np.zeros_like(beta)
    value = np.full(len(w), -np.inf)
    for _ in range(_MAX_ITERATIONS):
        log_odds = beta @ design.T + base
        small = np.exp(-np.abs(log_odds))
        probability = np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
        fit = y * log_odds - np.maximum(log_odds, 0) - np.log1p(small)
        reached = np.einsum("bn,bn->b", w, fit) - 0.5 * (beta**2) @ penalty
        gradient = (w * (y - probability)) @ design - penalty * beta
        curvature = ((w * (probability * (1.0 - probability))) @ products).reshape(-1, n_columns, n_columns)
        curvature = curvature + np.diag(penalty)
        trace = np.trace(curvature, axis1=1, axis2=2)
        curvature += (_JITTER * trace + np.finfo(float).tiny)[:, None, None] * np.eye(n_columns)

        worse = ~(reached >= value - 1e-10 * np.abs(value))
        newton = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        newton /= np.maximum(1.0, np.abs(newton).max(axis=1, keepdims=True) / _LONGEST_STEP)
        # From a worse point half the way back; `step` stays the way from the last good point.
        step = np.where(worse[:, None], 0.5 * step, newton)
        beta = beta + np.where(worse[:, None], -step, step)
        value = np.where(worse, value, reached)
        done = ~worse & (np.abs(step).max(axis=1) < _STEP_TOLERANCE)
        result[active[done]] = beta[done]
        keep = ~done & np.isfinite(beta).all(axis=1)
        if not keep.any():
            break
        if not keep.all():
            active, w, beta, step, value = active[keep], w[keep], beta[keep], step[keep], value[keep]
    return result
