"""Response and remission, judged on the native scale at the protocol's outcome time point."""

from typing import Literal

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.scales import SCALES

Outcome = Literal["response", "remission"]
OUTCOMES: tuple[Outcome, ...] = ("response", "remission")
RESPONSE_FALL = 0.5


def scale_maxima(cohort: Cohort) -> np.ndarray:
    """Return the highest total of each course's scale, points, (n,)."""
    return _per_scale(cohort, {name: float(scale.maximum) for name, scale in SCALES.items()})


def remission_cuts(cohort: Cohort) -> np.ndarray:
    """Return the remission cut of each course's scale, points, (n,); NaN where the scale has none."""
    return _per_scale(
        cohort,
        {name: np.nan if scale.remission_cut is None else float(scale.remission_cut) for name, scale in SCALES.items()},
    )


def outcome_thresholds(cohort: Cohort, outcome: Outcome) -> np.ndarray:
    """Return the highest end score that counts as the outcome, points, (n,).

    Half of the baseline for response, the scale's cut for remission. NaN where a course is not part of
    the analysis: no cut, or a baseline at or under the cut (already in remission).
    """
    baseline = cohort.table["score_baseline"].to_numpy(float)
    if outcome == "response":
        return baseline * (1.0 - RESPONSE_FALL)
    cuts = remission_cuts(cohort)
    return np.where(baseline > cuts, cuts, np.nan)


def outcome_labels(cohort: Cohort, outcome: Outcome) -> np.ndarray:
    """Return 1.0, 0.0 or NaN (unknown, or not part of the analysis) for each course, (n,)."""
    end = cohort.table[f"score_{cohort.protocol.outcome}"].to_numpy(float)
    threshold = outcome_thresholds(cohort, outcome)
    known = ~np.isnan(end) & ~np.isnan(threshold)
    return np.where(known, (end <= threshold).astype(float), np.nan)


def _per_scale(cohort: Cohort, values: dict[str, float]) -> np.ndarray:
    codes = cohort.table["scale"].cat.codes.to_numpy()
    return np.array([values[name] for name in cohort.table["scale"].cat.categories])[codes]
