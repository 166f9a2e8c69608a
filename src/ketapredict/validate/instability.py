"""How far predictions would move with another sample of the same size, from bootstrap refits."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.validate.calibration_curve import GRID, GRID_PERCENTILES, smoothed_observed
from ketapredict.validate.logistic import expit
from ketapredict.validate.refits import Refits

PERCENTILES = (2.5, 97.5)
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Instability:
    """Instability of predictions, calibration and decisions over refits.

    Attributes
    ----------
    courses : pandas.DataFrame
        One row per course: `probability` (of the reported model), `low`, `high` (2.5th and 97.5th percentile
        of the refits' probabilities), `mape` (mean absolute difference from the reported probability),
        `changed` (share of the refits that put it on the other side of the threshold).
    mape : float
        Mean over the courses.
    largest_mape : float
        95th percentile over the courses.
    changed : float
        Mean over the courses.
    threshold : float
    calibration_at : numpy.ndarray
        (k,) probabilities.
    calibration_curves : numpy.ndarray
        (B, k) calibration curve of each refit's predictions of the original courses, NaN outside of the
        range of its predictions or where it cannot be fitted.
    """

    courses: pd.DataFrame
    mape: float
    largest_mape: float
    changed: float
    threshold: float
    calibration_at: np.ndarray
    calibration_curves: np.ndarray

    @property
    def statement(self) -> str:
        """The instability in one sentence."""
        return (
            f"With another sample of {len(self.courses)} courses a prediction would differ by {self.mape:.2f} on "
            f"average (by {self.largest_mape:.2f} or more for one course in twenty), and {self.changed:.0%} of "
            f"courses would change sides of {self.threshold:g}."
        )


def instability(refits: Refits, threshold: float = THRESHOLD) -> Instability:
    """Measure the instability of individual predictions.

    For course i with reported probability p_i and p_bi by refit b: percentiles of p_bi over b; MAPE_i = mean
    over b of |p_bi - p_i|; classification instability = share of b with (p_bi >= t) != (p_i >= t).
    Calibration instability: the calibration curve of p_b against the outcomes of the original courses, for
    each b. All refits and all courses enter, whether or not a refit's sample held the course, as in
    pminternal.

    Parameters
    ----------
    refits : Refits
    threshold : float
        Between 0 and 1.

    References
    ----------
    Riley and Collins, Biom J 2023;65:2200302 (doi:10.1002/bimj.202200302); Rhodes, pminternal (R package).
    """
    reported, moved = expit(refits.apparent), expit(refits.log_odds)
    low, high = np.percentile(moved, PERCENTILES, axis=0)
    mape = np.abs(moved - reported).mean(axis=0)
    changed = ((moved >= threshold) != (reported >= threshold)).mean(axis=0)
    courses = pd.DataFrame({"probability": reported, "low": low, "high": high, "mape": mape, "changed": changed})
    lowest, highest = np.percentile(reported, GRID_PERCENTILES)
    at = np.linspace(lowest, highest, GRID)
    curves = np.stack([_curve(refits.labels, p, at) for p in moved])
    return Instability(
        courses, float(mape.mean()), float(np.percentile(mape, 95)), float(changed.mean()), threshold, at, curves
    )


def _curve(labels: np.ndarray, p: np.ndarray, at: np.ndarray) -> np.ndarray:
    inside = (at >= p.min()) & (at <= p.max())
    return np.where(inside, smoothed_observed(labels, p, at), np.nan)
