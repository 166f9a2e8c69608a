"""Weights that let the courses with an outcome stand for those that reached the landmark but have none."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ketapredict.model.members import TrainingData
from ketapredict.model.uncertainty import logistic_mode

TRUNCATION = (1.0, 99.0)  # percentiles
RIDGE = 1.0  # on standardised columns: a standard normal prior of each log odds ratio
FEWEST_MISSING = 5


def completion_weights(features: np.ndarray, completed: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return stabilised, truncated weights of the completers, and the ends that they were truncated at.

    P(completed) / P(completed | features), the latter by logistic regression with a ridge on standardised
    features, missing values at the mean with an indicator beside them; truncated at the 1st and 99th percentile.
    With fewer than five courses without an outcome all weights are 1. They remove the bias of dropout that
    depends on what the model sees, not of dropout that depends on the outcome itself.

    Parameters
    ----------
    features : numpy.ndarray (n, k)
        NaN where missing.
    completed : numpy.ndarray of bool (n,)

    References
    ----------
    Robins, Hernan and Brumback, Epidemiology 2000;11:550 (stabilised weights); Cole and Hernan, Am J Epidemiol
    2008;168:656 (truncation).
    """
    if (~completed).sum() < FEWEST_MISSING or not completed.any():
        return np.ones(int(completed.sum())), (1.0, 1.0)
    missing = np.isnan(features)
    known = (~missing).any(axis=0)
    means = np.nansum(features, axis=0) / np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, means, features)[:, known]
    columns = np.hstack([filled, missing.astype(float)])
    spread = columns.std(axis=0)
    varied = spread > 1e-12
    standard = (columns[:, varied] - columns[:, varied].mean(axis=0)) / spread[varied]
    design = np.column_stack([np.ones(len(standard)), standard])
    precision = np.r_[0.0, np.full(standard.shape[1], RIDGE)]
    coefficients, _ = logistic_mode(design, completed.astype(float), precision)
    raw = completed.mean() * (1.0 + np.exp(-(design @ coefficients)))[completed]
    low, high = np.percentile(raw, TRUNCATION)
    return np.clip(raw, low, high), (float(low), float(high))


@dataclass(frozen=True, slots=True)
class WeightedTrainingData(TrainingData):
    """Training data whose weights for completion are made again for every part of them, from that part alone.

    Attributes
    ----------
    dropouts : numpy.ndarray
        (d, features) of the courses that reached the landmark and have no outcome.
    dropout_patients : numpy.ndarray
        (d,) as `patients`; -1 where the patient has no course with an outcome.
    """

    dropouts: np.ndarray = field(kw_only=True)
    dropout_patients: np.ndarray = field(kw_only=True)

    def rows(self, index: np.ndarray) -> TrainingData:
        """Return the courses at some positions, weighted for the dropouts that are no other patient's of these data."""
        part = TrainingData.rows(self, index)
        others = np.setdiff1d(self.patients, part.patients)
        dropouts = self.dropouts[~np.isin(self.dropout_patients, others)]
        return replace(part, weights=_weights(part, dropouts))


def weighted_for_completion(
    data: TrainingData, at_landmark: pd.DataFrame, completed: np.ndarray, patients: np.ndarray
) -> WeightedTrainingData:
    """Return training data with weights for completion.

    Parameters
    ----------
    data : TrainingData
        n courses with an outcome.
    at_landmark : pandas.DataFrame
        (m, features) of all courses that reached the landmark, those of `data` among them and in their order.
    completed : numpy.ndarray of bool (m,)
        Whether each has an outcome; n of them.
    patients : numpy.ndarray (m,)
        In any numbering.
    """
    known = dict(zip(patients[completed].tolist(), data.patients.tolist(), strict=True))
    theirs = np.array([known.get(patient, -1) for patient in patients[~completed].tolist()], dtype=int)
    dropouts = at_landmark.to_numpy(float)[~completed]
    weights = _weights(data, dropouts)
    return WeightedTrainingData(
        data.frame, data.features, data.labels, data.end_scores, data.patients, weights, data.prior,
        dropouts=dropouts, dropout_patients=theirs,
    )  # fmt: skip


def _weights(data: TrainingData, dropouts: np.ndarray) -> np.ndarray:
    features = np.vstack([data.frame[[feature.name for feature in data.features]].to_numpy(float), dropouts])
    completed = np.arange(len(features)) < len(data.labels)
    return completion_weights(features, completed)[0]
