"""Response and remission, judged on the native scale at the protocol's outcome time point."""

from functools import lru_cache
from typing import Literal

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.scales import SCALES

Outcome = Literal["response", "remission"]
OUTCOMES: tuple[Outcome, ...] = ("response", "remission")
RESPONSE_FALL = 0.5


def scale_maxima(courses: CourseColumns) -> np.ndarray:
    """Return the highest total of each course's scale, points, (n,)."""
    return _per_scale(courses.levels("scale"), "maximum")[courses.codes("scale")]


def remission_cuts(courses: CourseColumns) -> np.ndarray:
    """Return the remission cut of each course's scale, points, (n,); NaN where the scale has none."""
    return _per_scale(courses.levels("scale"), "remission_cut")[courses.codes("scale")]


def outcome_thresholds(courses: CourseColumns, outcome: Outcome) -> np.ndarray:
    """Return the highest end score that counts as the outcome, points, (n,).

    Half of the baseline for response, the scale's cut for remission. NaN where a course is not part of
    the analysis: no cut, or a baseline at or under the cut (already in remission).
    """
    baseline = courses.number("score_baseline")
    if outcome == "response":
        return baseline * (1.0 - RESPONSE_FALL)
    cuts = remission_cuts(courses)
    return np.where(baseline > cuts, cuts, np.nan)


def outcome_labels(cohort: Cohort, outcome: Outcome) -> np.ndarray:
    """Return 1.0, 0.0 or NaN (unknown, or not part of the analysis) for each course, (n,)."""
    end = cohort.courses.number(f"score_{cohort.protocol.outcome}")
    threshold = outcome_thresholds(cohort.courses, outcome)
    known = ~np.isnan(end) & ~np.isnan(threshold)
    return np.where(known, (end <= threshold).astype(float), np.nan)


@lru_cache
def _per_scale(names: tuple[str, ...], attribute: str) -> np.ndarray:
    values = [getattr(SCALES[name], attribute) for name in names]
    return np.array([np.nan if value is None else float(value) for value in values])
