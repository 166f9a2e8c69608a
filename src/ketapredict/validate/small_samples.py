"""Intervals for samples with too few events to resample."""

import numpy as np
from scipy.optimize import brentq

Z = 1.959964


def auc_interval(auc: float, events: int, others: int) -> tuple[float, float]:
    """Return a 95% interval of an AUC by Newcombe's method 5.

    Solves |AUC - t| = z sqrt(V(t)) for t, with V(t) = t (1 - t) [1 + N ((1 - t) / (2 - t) + t / (1 + t))] / (m n)
    and N = (m + n) / 2 - 1 (Newcombe 2006, doi:10.1002/sim.2324): a score interval, so it stays within 0
    and 1 and has a width at an AUC of 0 or 1.

    Parameters
    ----------
    auc : float
    events, others : int
        m and n, at least 1.

    Returns
    -------
    tuple of float
    """
    size = (events + others) / 2 - 1

    def excess(t: float) -> float:
        spread = t * (1 - t) * (1 + size * ((1 - t) / (2 - t) + t / (1 + t))) / (events * others)
        return float((auc - t) ** 2 - Z**2 * spread)

    # At an AUC of 0 or 1 the estimate itself solves the equation: the other solution is wanted.
    low = 0.0 if auc <= 0 else float(brentq(excess, 0.0, min(auc, 1.0 - 1e-12)))
    high = 1.0 if auc >= 1 else float(brentq(excess, max(auc, 1e-12), 1.0))
    return low, high


def ratio_interval(observed: int, courses: int, expected: float) -> tuple[float, float]:
    """Return a 95% interval of observed over expected events.

    exp(log(O / E) +- z sqrt((1 - O / n) / O)) (Debray 2017, doi:10.1136/bmj.i6460); without any event, or with
    nothing but events, the other end is that of the exact one-sided 97.5% limit.

    Parameters
    ----------
    observed, courses : int
    expected : float
        Sum of the predicted probabilities, > 0.
    """
    if observed == 0:
        return 0.0, float(courses * (1 - 0.025 ** (1 / courses)) / expected)
    if observed == courses:
        return float(courses * 0.025 ** (1 / courses) / expected), float(courses / expected)
    half = Z * np.sqrt((1 - observed / courses) / observed)
    ratio = observed / expected
    return float(ratio * np.exp(-half)), float(ratio * np.exp(half))
