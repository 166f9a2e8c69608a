"""Calibration by groups of equal size: what was observed among courses with about the same prediction."""

import numpy as np

from ketapredict.validate.thresholds import wilson_interval

GROUPS = 5


def calibration_groups(labels: np.ndarray, predictions: np.ndarray) -> list[tuple[float, float, float, float, int]]:
    """Group courses by predicted probability and compare it with what was observed.

    Parameters
    ----------
    labels : numpy.ndarray (n,)
    predictions : numpy.ndarray (n,) or (r, n)
        Of r repeats: each course stands in the groups of all its predictions and counts as one in all.

    Returns
    -------
    list of (float, float, float, float, int)
        For each of up to five groups of equal size: mean prediction, observed share, its Wilson 95%
        interval, number of courses.
    """
    repeats = np.atleast_2d(predictions)
    p, y = repeats.ravel(), np.tile(labels, len(repeats))
    groups = []
    for rows in np.array_split(np.argsort(p, kind="stable"), GROUPS):
        n = round(len(rows) / len(repeats))
        if not n:
            continue
        share = float(y[rows].mean())
        groups.append((float(p[rows].mean()), share, *wilson_interval(round(share * n), n), n))
    return groups
