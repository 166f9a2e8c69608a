"""The minimum of a quadratic function with a lasso and signs: what members solve again and again."""

import numpy as np
from scipy.linalg.lapack import dposv

# Pivots of whole blocks without progress before single ones, and single ones for each variable at most.
_PATIENCE, _MOST_PER_VARIABLE = 3, 50
# Of the largest pull: what rounding leaves of a gradient that is 0.
_ROUNDING = 1e-12


def signed_minimum(
    curvature: np.ndarray, pull: np.ndarray, lasso: np.ndarray, signs: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Minimise x' H x / 2 - q' x + sum_j lasso_j |x_j| with x_j on the side of zero that its sign allows.

    By block principal pivoting (Judice and Pires 1994, doi:10.1016/0305-0548(94)90106-6): each variable is thought
    to be above zero, under it, or at it; the equations are solved, and all variables that contradict are moved.
    Where that makes no progress one variable at a time is moved, the last that contradicts, which ends (Murty
    1974, doi:10.1016/0024-3795(74)90022-6, for the dual, whose matrix is the inverse of H).

    Parameters
    ----------
    curvature : numpy.ndarray
        (p, p) H, positive definite.
    pull : numpy.ndarray
        (p,) q.
    lasso : numpy.ndarray
        (p,) at least 0.
    signs : numpy.ndarray
        (p,) of -1 (not above zero), 0 (both sides) and 1 (not under zero).
    start : numpy.ndarray
        (p,); only which of its values are above, under or at zero counts.

    Returns
    -------
    numpy.ndarray
        (p,); exact zeros where a variable is at zero.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the curvature is not positive definite.
    """
    above, below = np.where(signs < 0, np.inf, lasso), np.where(signs > 0, np.inf, lasso)
    smooth = above + below == 0.0
    side = np.where(smooth, 1, np.sign(start)).astype(np.int8)
    side[(side > 0) & (signs < 0) | (side < 0) & (signs > 0)] = 0
    rounding = _ROUNDING * float(np.abs(pull).max(initial=0.0))
    fewest, patience = len(pull) + 1, _PATIENCE
    found = np.zeros(len(pull))
    for _ in range(_MOST_PER_VARIABLE * (len(pull) + 1)):
        found = np.zeros(len(pull))
        moving = np.flatnonzero(side)
        if len(moving):
            slope = np.where(side > 0, above, -below)[moving]
            found[moving] = _solved(curvature[np.ix_(moving, moving)], pull[moving] - slope)
        left = pull - curvature @ found
        crossed = ~smooth & (side * found < 0.0)
        rises = (side == 0) & (left > above + rounding)
        falls = (side == 0) & (left < -below - rounding)
        contradicts = np.flatnonzero(crossed | rises | falls)
        if not len(contradicts):
            return found
        if len(contradicts) < fewest:
            fewest, patience = len(contradicts), _PATIENCE
        else:
            patience -= 1
        moved = contradicts if patience >= 0 else contradicts[-1:]
        side[moved] = np.where(rises, 1, np.where(falls, -1, 0))[moved]
    return np.where(side * found < 0.0, 0.0, found)  # rounding alone can lead here: as good as can be told


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    _, solution, failed = dposv(matrix, right)
    if failed:
        raise np.linalg.LinAlgError("expected a positive definite curvature")
    return np.asarray(solution)
