"""Which courses of a cohort train a landmark."""

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome, outcome_labels, outcome_thresholds
from ketapredict.cohort.protocols import PRE


def training_rows(cohort: Cohort, landmark: str, outcome: Outcome) -> np.ndarray:
    """Return the row numbers of the courses that train a landmark, in the order of `model.fit.training_data`.

    Parameters
    ----------
    cohort : Cohort
        Already reduced to the active arm, as for `training_data`.
    landmark : str
    outcome : {"response", "remission"}

    Returns
    -------
    numpy.ndarray (n,)
        Ascending: courses that reached the landmark and have the outcome.
    """
    return np.flatnonzero(reached(cohort, landmark, outcome) & ~np.isnan(outcome_labels(cohort, outcome)))


def reached(cohort: Cohort, landmark: str, outcome: Outcome) -> np.ndarray:
    """Return whether each course is part of the outcome's analysis and has the landmark's score, (n,) bool."""
    keep = ~np.isnan(outcome_thresholds(cohort.courses, outcome))
    if landmark != PRE:
        keep &= cohort.table[f"score_{landmark}"].notna().to_numpy()
    return keep
