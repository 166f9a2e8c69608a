"""Measures of performance for many sets of weights on the same rows at once.

This is what makes the bootstrap of `intervals` fast. Each takes outcomes y (n,) of 0.0 and 1.0,
probabilities p (n,) and weights >= 0 (b, n), trusts them, and returns (b,): one value for each set of
weights, NaN where the measure is not estimable. `measures` says what each measure is.
"""

from collections.abc import Callable

import numpy as np

from ketapredict.validate.logistic import fit_logistic

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
CLIP = 1e-15  # probabilities are held to [CLIP, 1 - CLIP] wherever a logarithm is taken


def logit(p: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) with p held to [1e-15, 1 - 1e-15]."""
    held = np.clip(p, CLIP, 1.0 - CLIP)
    log_odds: np.ndarray = np.log(held) - np.log1p(-held)
    return log_odds


def auc_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted AUC for each row of weights (b, n), (b,)."""
    order = np.argsort(p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf))
    sorted_weights, is_case = weights[:, order], y[order] == 1
    cases = np.where(is_case, sorted_weights, 0.0)
    others = np.where(is_case, 0.0, sorted_weights)
    if len(starts) < len(order):
        cases = np.add.reduceat(cases, starts, axis=1)
        others = np.add.reduceat(others, starts, axis=1)
    others_up_to = np.cumsum(others, axis=1)
    wins = np.einsum("bn,bn->b", cases, others_up_to - 0.5 * others)
    return _ratio(wins, cases.sum(axis=1) * others_up_to[:, -1])


def log_loss_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted log-loss for each row of weights (b, n), (b,)."""
    return _ratio(weights @ log_losses(y, p), weights.sum(axis=1))


def log_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the log-loss of each row, nats, (n,)."""
    held = np.clip(p, CLIP, 1.0 - CLIP)
    losses: np.ndarray = -np.where(y == 1, np.log(held), np.log1p(-held))
    return losses


def brier_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted Brier score for each row of weights (b, n), (b,)."""
    return _ratio(weights @ (y - p) ** 2, weights.sum(axis=1))


def scaled_brier_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted scaled Brier score for each row of weights (b, n), (b,)."""
    prevalence = _ratio(weights @ y, weights.sum(axis=1))
    return 1.0 - _ratio(brier_kernel(y, p, weights), prevalence * (1.0 - prevalence))


def observed_over_expected_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted events over the weighted sum of the probabilities for each row of weights (b, n), (b,)."""
    return _ratio(weights @ y, weights @ p)


def calibration_intercept_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the calibration-in-the-large for each row of weights (b, n), (b,)."""
    estimable = (weights @ y > 0) & (weights @ (1.0 - y) > 0)
    return _fit_where(estimable, np.ones((len(y), 1)), y, weights, logit(p))[:, 0]


def calibration_slope_kernel(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the calibration slope for each row of weights (b, n), (b,)."""
    x = logit(p)
    spread = x.std() if len(x) else 0.0
    if not spread > 0:
        return np.full(len(weights), np.nan)
    # With one covariate and an intercept the maximum is finite if and only if the classes overlap.
    case_low, case_high = _extremes(x, weights, y == 1)
    other_low, other_high = _extremes(x, weights, y == 0)
    overlap = (case_low < other_high) & (other_low < case_high)
    design = np.column_stack([np.ones(len(y)), (x - x.mean()) / spread])
    return _fit_where(overlap, design, y, weights)[:, 1] / spread


def over_repeats(kernel: Kernel, y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over repeats p (r, n) of a kernel's values (b,); NaN where it is not estimable in one."""
    found: np.ndarray = np.mean([kernel(y, repeat, weights) for repeat in p], axis=0)
    return found


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    ratio = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio


def _extremes(x: np.ndarray, weights: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest x with weight among some rows, for each row of weights."""
    present, values = weights[:, rows] > 0, x[rows]
    low = np.where(present, values, np.inf).min(axis=1, initial=np.inf)
    high = np.where(present, values, -np.inf).max(axis=1, initial=-np.inf)
    return low, high


def _fit_where(
    rows: np.ndarray, design: np.ndarray, y: np.ndarray, weights: np.ndarray, offset: np.ndarray | None = None
) -> np.ndarray:
    """Fit where `rows` (b,) is true, from the fit to the average weights; NaN elsewhere."""
    result = np.full((len(weights), design.shape[1]), np.nan)
    if rows.any():
        kept = weights if rows.all() else weights[rows]
        start = fit_logistic(design, y, kept.mean(axis=0, keepdims=True), offset)[0]
        usable = start if np.isfinite(start).all() else None
        result[rows] = start if len(kept) == 1 else fit_logistic(design, y, kept, offset, start=usable)
    return result
