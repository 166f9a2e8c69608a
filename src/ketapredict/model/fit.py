"""Fitting: from a cohort to the training data of a landmark, and from there to its model."""

from dataclasses import replace

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome, outcome_labels, scale_maxima
from ketapredict.errors import TrainingError
from ketapredict.features.design import design_frame, features_at, threshold_feature
from ketapredict.model.committee import fit_committee
from ketapredict.model.completion import weighted_for_completion
from ketapredict.model.export import export_committee
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.members import TrainingData
from ketapredict.model.prior import EvidencePrior, prior_at
from ketapredict.model.scope import fit_scope
from ketapredict.model.training_rows import reached, training_rows
from ketapredict.model.uncertainty import fit_uncertainty, out_of_sample_deviations

# With fewer of either class neither a fit nor its validation means anything.
FEWEST_EVENTS = 10


def training_data(
    cohort: Cohort,
    landmark: str,
    outcome: Outcome,
    *,
    with_arm: bool = False,
    weighted: bool = False,
    evidence: EvidencePrior | None = None,
) -> TrainingData:
    """Return the courses that can train a landmark: outcome known and the defining score present.

    Parameters
    ----------
    cohort : Cohort
        Already reduced to the active arm unless `with_arm`.
    landmark : str
    outcome : {"response", "remission"}
    with_arm : bool
    weighted : bool
        Whether courses count by the inverse of their probability of having an outcome (`completion`): made again for
        every part of them, so that no fold's weights know its test courses.
    evidence : EvidencePrior or None
        What to start from; None to learn from the courses alone.

    Returns
    -------
    TrainingData
        May be empty.
    """
    at_landmark = cohort.subset(reached(cohort, landmark, outcome))
    completed = np.zeros(len(cohort), dtype=bool)
    completed[training_rows(cohort, landmark, outcome)] = True
    courses = cohort.subset(completed)
    features = features_at(landmark, cohort.protocol, cohort.extras, with_arm=with_arm)
    data = TrainingData(
        design_frame(courses, (*features, threshold_feature(outcome, landmark)), outcome),
        features,
        outcome_labels(courses, outcome),
        courses.table[f"score_{cohort.protocol.outcome}"].to_numpy(float) / scale_maxima(courses.courses),
        courses.patients,
        np.ones(len(courses)),
        prior=prior_at(evidence, features, landmark, cohort.protocol) if evidence is not None else None,
    )
    if not weighted:
        return data
    completed = np.isin(at_landmark.table["course_id"], courses.table["course_id"])
    return weighted_for_completion(data, design_frame(at_landmark, features, outcome), completed, at_landmark.patients)


def refuse_too_few(data: TrainingData, landmark: str, outcome: Outcome) -> None:
    """Refuse training data with fewer than ten courses of either class.

    Raises
    ------
    TrainingError
        With the counts.
    """
    events = int(data.labels.sum())
    others = len(data.labels) - events
    if min(events, others) < FEWEST_EVENTS:
        raise TrainingError(
            f"Landmark {landmark}: expected at least {FEWEST_EVENTS} courses with {outcome} and "
            f"{FEWEST_EVENTS} without, among those with the landmark's score and the outcome; found {events} "
            f"and {others}. More courses are needed."
        )


def fit_landmark(data: TrainingData, landmark: str, outcome: Outcome, rng: np.random.Generator) -> LandmarkModel:
    """Fit the committee of one landmark, how sure it is and what it has seen.

    Parameters
    ----------
    data : TrainingData
        At least two courses of either class.
    landmark : str
    outcome : {"response", "remission"}
    rng : numpy.random.Generator

    Returns
    -------
    LandmarkModel
    """
    from threadpoolctl import threadpool_limits

    # One thread: sums then come in one order, and the same data give the same bytes.
    with threadpool_limits(1):
        committee = fit_committee(data, rng)
        model = export_committee(landmark, committee, data, threshold_feature(outcome, landmark), all_columns=True)
        centred = model.centred_design(data.frame)
        uncertainty = fit_uncertainty(centred, model.columns, data.labels, data.weights)
        scope = fit_scope(data.frame, data.features, out_of_sample_deviations(uncertainty, centred))
        return replace(model, uncertainty=uncertainty, scope=scope)
