"""Which landmark each course can be predicted at."""

from collections.abc import Sequence

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.protocols import PRE


def latest_landmarks(cohort: Cohort, landmarks: Sequence[str]) -> np.ndarray:
    """Return the latest landmark whose defining score each course has.

    Parameters
    ----------
    cohort : Cohort
        n courses.
    landmarks : sequence of str
        Landmarks on offer, in the order of time.

    Returns
    -------
    numpy.ndarray
        (n,) positions in `landmarks`; -1 where none can be used.
    """
    position = np.full(len(cohort), -1)
    for index, landmark in enumerate(landmarks):
        if landmark == PRE:
            position[:] = index
        else:
            position[~cohort.courses.missing(f"score_{landmark}")] = index
    return position
