"""The champion on the courses that a challenger was trained on: the same courses and draws, each by a fit without them.

The run of the challenger keeps the replicates of its out-of-fold predictions. The champion's predictions of courses
that it was not trained on are as honest. So two versions of different data can be compared on the challenger's own
courses, paired, and no third cohort is needed. What is compared is the challenger's way of fitting, cross-validated,
with the champion as it is.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.errors import ModelError
from ketapredict.model.bundle import DATA_HASH
from ketapredict.response_model import ResponseModel
from ketapredict.validate.hold_out import as_declared, predicted
from ketapredict.validate.intervals import Interval
from ketapredict.validate.replicates import draw_secret, paired_differences, replicates, same_draws


def challengers_courses(model: ResponseModel, cohort: Cohort, met_before: np.ndarray | None = None) -> Cohort | None:
    """Return the courses that a model was trained or updated with, if these are they.

    Parameters
    ----------
    model : ResponseModel
    cohort : Cohort
        n courses.
    met_before : numpy.ndarray of bool (n,) or None
        Which of them the model's parent had met: an update leaves them out.

    Returns
    -------
    Cohort or None
        None if the hash of the model's data is another.
    """
    declared = as_declared(model, cohort)
    candidates = [declared] if met_before is None else [declared, declared.subset(~met_before)]
    bundle = model.bundle
    for found in candidates:
        if found.sha256 == bundle.provenance.get(DATA_HASH):
            courses = found if bundle.with_arm else found.subset(found.active)
            return courses.subset(courses.table["scale"].isin(bundle.scales).to_numpy())
    return None


def compare_on_challengers_courses(
    challenger: ResponseModel,
    resamples: dict[str, pd.DataFrame],
    champion: ResponseModel,
    courses: Cohort,
    for_champion: Cohort,
) -> dict[str, dict[str, Interval]]:
    """Compare the challenger's replicates with the champion's predictions of the same courses, on the same draws.

    Parameters
    ----------
    challenger, champion : ResponseModel
    resamples : dict of str to pandas.DataFrame
        Of the challenger's run, by landmark.
    courses : Cohort
        From `challengers_courses`.
    for_champion : Cohort
        The same and perhaps more, read under the champion's protocol.

    Returns
    -------
    dict of str to dict of str to Interval
        By landmark that both have: challenger minus champion, as by `paired_differences`.

    Raises
    ------
    ModelError
        If the champion cannot predict one of the courses, judges an outcome otherwise, or the run is of other draws.
    """
    secret, outcome = draw_secret(courses), challenger.bundle.outcome
    theirs = for_champion.subset(for_champion.table["course_id"].isin(courses.table["course_id"]).to_numpy())
    found = {}
    for landmark in _both(challenger.landmarks, champion.landmarks):
        own = predicted(challenger, courses, landmark)
        other = predicted(champion, theirs, landmark)
        if own is None or landmark not in resamples:
            continue
        if other is None or not own.index.isin(other.index).all():
            raise ModelError(
                f"Expected the champion, version {champion.version}, to predict every course of version "
                f"{challenger.version} at {landmark}; it does not (another arm or scale). Name courses that neither "
                "was trained on: --on COHORT."
            )
        other = other.loc[own.index]
        # Numbered as in training: by the courses of the landmark alone.
        patients = courses.subset(courses.table["course_id"].isin(own.index).to_numpy()).patients
        drawn = replicates(
            own["label"].to_numpy(float), other["probability"].to_numpy(float), patients, landmark,
            secret, outcome,
        )  # fmt: skip
        if (own["label"] != other["label"]).any() or not same_draws(resamples[landmark], drawn):
            raise ModelError(
                f"Expected the run of version {challenger.version} to hold resamples of these courses; at {landmark} "
                "it does not (a run of another version of ketapredict, or another judgement of the outcome). Name "
                "courses that neither was trained on: --on COHORT."
            )
        found[landmark] = paired_differences(resamples[landmark], drawn)
    return found


def _both(first: Iterable[str], second: Iterable[str]) -> list[str]:
    known = set(second)
    return [landmark for landmark in first if landmark in known]
