"""How the scores of the training courses ran, apart for those with the outcome and those without.

At each time point the quantiles of score / highest total of the scale, rounded to a hundredth, so that the bundle
holds no course's own score; a group of fewer than 20 courses is left out. They are what a patient's scores are drawn
against: a picture of who was trained on, and no input of any estimate.
"""

from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome, outcome_labels, scale_maxima
from ketapredict.cohort.protocols import BASELINE

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
FEWEST_COURSES = 20
DECIMALS = 2


@dataclass(frozen=True, slots=True)
class ScoreBand:
    """The scores of one group at one time point.

    Attributes
    ----------
    time_point : str
        `baseline` or a time point of the protocol.
    with_outcome : bool
        Whether the group is that of the courses with the outcome.
    courses : int
        Number with a score at this time point, 20 or more.
    quantiles : tuple of float
        Those of `QUANTILES`, ascending; score over the scale's highest total, 0 to 1, in hundredths.
    """

    time_point: str
    with_outcome: bool
    courses: int
    quantiles: tuple[float, ...]


def score_bands(cohort: Cohort, outcome: Outcome) -> tuple[ScoreBand, ...]:
    """Describe the scores of the training courses whose outcome is known.

    Parameters
    ----------
    cohort : Cohort
        Already reduced to the arms that are trained on.
    outcome : {"response", "remission"}

    Returns
    -------
    tuple of ScoreBand
        In the order of time, those with the outcome first; without the groups of fewer than 20 courses.
    """
    labels, maxima = outcome_labels(cohort, outcome), scale_maxima(cohort.courses)
    bands = []
    for time_point in (BASELINE, *cohort.protocol.names):
        relative = cohort.table[f"score_{time_point}"].to_numpy(float) / maxima
        for label in (1.0, 0.0):
            known = relative[(labels == label) & ~np.isnan(relative)]
            if len(known) < FEWEST_COURSES:
                continue
            found = np.round(np.quantile(known, QUANTILES), DECIMALS)
            bands.append(ScoreBand(time_point, label == 1.0, len(known), tuple(float(value) for value in found)))
    return tuple(bands)
