"""What moves a model's estimates over its training courses."""

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import PRE
from ketapredict.explain.contributions import Contributions, contributions
from ketapredict.features.design import design_frame
from ketapredict.model.landmark_model import LandmarkModel


def course_contributions(model: LandmarkModel, cohort: Cohort, outcome: Outcome) -> tuple[pd.DataFrame, Contributions]:
    """Return features and contributions of the courses that have the landmark's score.

    Returns
    -------
    frame : pandas.DataFrame
        (n, features).
    found : Contributions
    """
    with_score = np.ones(len(cohort), dtype=bool)
    if model.landmark != PRE:
        with_score = cohort.table[f"score_{model.landmark}"].notna().to_numpy()
    frame = design_frame(cohort.subset(with_score), model.features, outcome)
    return frame, contributions(model, frame)


def concept_importance(model: LandmarkModel, cohort: Cohort, outcome: Outcome) -> pd.DataFrame:
    """Return the mean absolute contribution of each concept over the courses of a landmark.

    Returns
    -------
    pandas.DataFrame
        `landmark, concept, mean_absolute_log_odds`, largest first.
    """
    _, found = course_contributions(model, cohort, outcome)
    sizes = np.abs(found.by_concept).mean(axis=0)
    table = pd.DataFrame({"landmark": model.landmark, "concept": found.concepts, "mean_absolute_log_odds": sizes})
    return table.sort_values("mean_absolute_log_odds", ascending=False, kind="stable", ignore_index=True)
