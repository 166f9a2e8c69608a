"""How early scores go with the end in a set of courses: the coefficients that the prior's lines are drawn through."""

from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.model.fit import FEWEST_EVENTS, training_data
from ketapredict.model.members import TrainingData
from ketapredict.model.prior import SEVERITY, relative_time
from ketapredict.model.uncertainty import logistic_mode


@dataclass(frozen=True, slots=True)
class Point:
    """A coefficient found in one set of courses at one landmark.

    Attributes
    ----------
    line : str
        One of `model.prior.LINES`.
    source, landmark : str
    time : float
        Relative, 0 to 1.
    value, standard_error : float
    courses, events : int
        0 where the courses are simulated.
    """

    line: str
    source: str
    landmark: str
    time: float
    value: float
    standard_error: float
    courses: int
    events: int


def points_of_trial(name: str, cohort: Cohort, outcome: Outcome) -> list[Point]:
    """Return the points of a trial's active arm at each of its landmarks with enough courses."""
    active = cohort.subset(cohort.active)
    points = []
    for landmark in cohort.protocol.landmarks:
        data = training_data(active, landmark, outcome)
        events = int(data.labels.sum())
        if min(events, len(data.labels) - events) < FEWEST_EVENTS:
            continue
        time = relative_time(cohort.protocol, landmark)
        size = (len(data.labels), events)
        points += [Point(line, name, landmark, time, *found, *size) for line, found in relations(data).items()]
    return points


def relations(data: TrainingData) -> dict[str, tuple[float, float]]:
    """Return value and standard error for each line that a set of courses says something of."""
    improvements = [feature.name for feature in data.features if feature.rule == "early_improvement"]
    beside = {"severity": _last(_logistic(data, [*improvements, SEVERITY]))}
    return beside | (_early_relations(data, improvements) if improvements else {})


def _early_relations(data: TrainingData, improvements: list[str]) -> dict[str, tuple[float, float]]:
    score = [f.name for f in data.features if f.rule == "relative_score" and f.name != SEVERITY][-1]
    found = {"alone": _last(_logistic(data, improvements[-1:]))}
    if len(improvements) > 1:
        coefficients, covariance = _logistic(data, improvements)
        found["latest"] = _last((coefficients, covariance))
        # Of the earlier ones the sum: how it is shared out between them differs by schedule.
        earlier = np.r_[0.0, np.ones(len(improvements) - 1), 0.0]
        found["earlier"] = (float(earlier @ coefficients), float(np.sqrt(earlier @ covariance @ earlier)))
    X = _filled(data, [SEVERITY, score])
    coefficients = np.linalg.lstsq(X, data.end_scores, rcond=None)[0]
    residual = data.end_scores - X @ coefficients
    covariance = np.linalg.inv(X.T @ X) * (residual @ residual) / (len(X) - X.shape[1])
    for place, line in ((1, "end_severity"), (2, "end_latest")):
        found[line] = (float(coefficients[place]), float(np.sqrt(covariance[place, place])))
    return found


def coefficients_beside(data: TrainingData, names: list[str]) -> np.ndarray:
    """Return the logistic coefficients of some features beside all early improvements, (k,)."""
    improvements = [feature.name for feature in data.features if feature.rule == "early_improvement"]
    return np.asarray(_logistic(data, [*names, *improvements])[0][1 : len(names) + 1])


def _logistic(data: TrainingData, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    X = _filled(data, names)
    coefficients, information = logistic_mode(X, data.labels, np.full(X.shape[1], 1e-6))
    return coefficients, np.linalg.inv(information)


def _last(found: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    return float(found[0][-1]), float(np.sqrt(found[1][-1, -1]))


def _filled(data: TrainingData, names: list[str]) -> np.ndarray:
    values = data.frame[names]
    return np.column_stack([np.ones(len(values)), values.fillna(values.mean()).to_numpy(float)])
