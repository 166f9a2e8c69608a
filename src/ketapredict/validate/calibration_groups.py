"""Calibration by groups of equal size: what was observed among courses with about the same prediction."""

import numpy as np

from ketapredict.validate.thresholds import wilson_interval

GROUPS = 5


def calibration_groups(labels: np.ndarray, predictions: np.ndarray) -> list[tuple[float, float, float, float, int]]:
    """Group courses by predicted probability and compare it with what was observed.

    Parameters
    ----------
    labels, predictions : numpy.ndarray
        (n,).

    Returns
    -------
    list of (float, float, float, float, int)
        For each of up to five groups of equal size: mean prediction, observed share, its Wilson 95%
        interval, number of courses.
    """
    groups = []
    for rows in np.array_split(np.argsort(predictions, kind="stable"), GROUPS):
        if not len(rows):
            continue
        n, share = len(rows), float(labels[rows].mean())
        groups.append((float(predictions[rows].mean()), share, *wilson_interval(int(labels[rows].sum()), n), n))
    return groups
