"""The model of a landmark from evidence alone, and how its rate is moved by a few courses.

A logistic regression whose coefficients are the prior's means: nothing in it is fitted to an outcome but the intercept,
and that to the rate of simulated courses. Values that a course lacks, and the means that contributions are counted
from, are those of the simulated courses too. Its interval holds what the prior leaves open: each coefficient within its
spread, and the rate of a clinic within that between published clinics.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.features.design import Feature
from ketapredict.features.preparation import DesignColumn, design_matrix
from ketapredict.model.fit import training_data
from ketapredict.model.landmark_model import EVIDENCE_ONLY, RATE_ONLY, LandmarkModel, MemberFacts, UpdatingFacts
from ketapredict.model.members import TrainingData
from ketapredict.model.penalised_logistic import penalised_logistic
from ketapredict.model.prior import EvidencePrior
from ketapredict.model.scope import fit_scope
from ketapredict.model.uncertainty import Uncertainty, out_of_sample_deviations
from ketapredict.simulate import simulate_cohort

COURSES, SITES, SEED = 20_000, 200, 20_261_123
# From fewer, the moved rate would tell how a single patient did; and they would hardly move it.
FEWEST_TO_MOVE = 5
# Other processors round the last digits of a mean otherwise, and the bundle must be the same on each.
_DIGITS = 6


def simulated_courses(protocol: Protocol) -> Cohort:
    """Return the simulated courses that stand for a protocol's patients: how inputs are spread, and the rate."""
    return cohort_from_frame(simulate_cohort(COURSES, SEED, protocol, n_sites=SITES), protocol)


def evidence_landmark(courses: Cohort, landmark: str, outcome: Outcome, evidence: EvidencePrior) -> LandmarkModel:
    """Return the evidence model of a landmark.

    Parameters
    ----------
    courses : Cohort
        From `simulated_courses`.
    landmark : str
    outcome : {"response", "remission"}
    evidence : EvidencePrior

    Returns
    -------
    LandmarkModel
        `courses` and `events` are of the simulated courses.
    """
    data = training_data(courses, landmark, outcome, evidence=evidence)
    prior = data.prior
    if prior is None:  # of `training_data` with evidence there is always one
        raise ValueError("expected a prior")
    known = [feature for feature in data.features if feature.name in prior.names]
    columns = tuple(_column(feature, data) for feature in known)
    place = [prior.names.index(feature.name) for feature in known]
    coefficients, sds, shared = prior.means[place], prior.sds[place], prior.shared[place]
    matrix = design_matrix(data.frame, columns)
    intercept = _rounded(_intercept(matrix @ coefficients, data.labels))
    scales = np.array([_rounded(scale) if scale > 1e-9 else 1.0 for scale in matrix.std(axis=0)])
    means = np.array([column.mean for column in columns])
    covariance = np.diag(np.r_[evidence.rate_spread, sds * scales] ** 2)
    covariance[1:, 1:] += np.outer(shared * scales, shared * scales)
    uncertainty = Uncertainty(
        scales,
        np.r_[_rounded(intercept + float(means @ coefficients)), coefficients * scales],
        _half_precision(np.linalg.cholesky(covariance)),
    )
    scope = fit_scope(data.frame, data.features, out_of_sample_deviations(uncertainty, matrix - means))
    return LandmarkModel(
        landmark=landmark,
        features=tuple(known),
        columns=columns,
        coefficients=coefficients,
        intercept=intercept,
        members=(MemberFacts(EVIDENCE_ONLY, 1.0, {}, intercept, coefficients),),
        tree_features=(),
        tree_weight=0.0,
        booster=b"",
        courses=len(data.labels),
        events=int(data.labels.sum()),
        patients=len(np.unique(data.patients)),
        uncertainty=uncertainty,
        # Its features have no scale: the scale of the simulated courses is no limit of its experience.
        scope=replace(scope, levels=tuple(seen for seen in scope.levels if seen.column != "scale")),
    )


def with_moved_rate(model: LandmarkModel, data: TrainingData, evidence: EvidencePrior) -> LandmarkModel:
    """Move the rate of an evidence model to that of a few courses, as far as they justify; all else stays.

    The shift of the log-odds is the posterior mode under N(0, spread between clinics ^ 2); the interval is of the
    posterior of all coefficients.

    Parameters
    ----------
    model : LandmarkModel
        From `evidence_landmark`.
    data : TrainingData
        n courses; with fewer than five the model stays as it is.
    evidence : EvidencePrior
    """
    n = len(data.labels)
    if n < FEWEST_TO_MOVE or model.uncertainty is None:
        return model
    offset = model.independent_log_odds(data.frame)
    precision = np.array([[evidence.rate_spread**-2.0]])
    found, _ = penalised_logistic(
        np.ones((n, 1)), data.labels, precision, np.zeros(1), offset=offset, weights=data.weights
    )
    shift = float(found[0])
    return replace(
        model,
        intercept=model.intercept + shift,
        members=(*model.members, MemberFacts(RATE_ONLY, 1.0, {"shift": shift}, shift, np.zeros(len(model.columns)))),
        uncertainty=_posterior(model.uncertainty, model.centred_design(data.frame), data),
        updated=UpdatingFacts(RATE_ONLY, n, int(data.labels.sum()), len(np.unique(data.patients))),
    )


def _posterior(prior: Uncertainty, centred: np.ndarray, data: TrainingData) -> Uncertainty:
    design = np.column_stack([np.ones(len(centred)), centred / prior.scales])
    precision = np.linalg.inv(prior.factor @ prior.factor.T)
    mode, information = penalised_logistic(design, data.labels, precision, prior.coefficients, weights=data.weights)
    factor = np.linalg.cholesky(np.linalg.inv(information))
    return Uncertainty(prior.scales, np.array([_rounded(value) for value in mode]), _half_precision(factor))


def _half_precision(factor: np.ndarray) -> np.ndarray:
    return np.asarray(factor.astype(np.float16).astype(float))


def _column(feature: Feature, data: TrainingData) -> DesignColumn:
    values = data.frame[feature.name].to_numpy(float)
    mean = _rounded(np.nanmean(values)) if not np.isnan(values).all() else 0.0
    return DesignColumn(feature.name, feature.name, feature.concept, "value", fill=mean, mean=mean)


def _intercept(rest: np.ndarray, labels: np.ndarray) -> float:
    """Return the intercept at which the mean probability is the rate."""
    rate = labels.mean()
    middle = logit(rate) - float(rest.mean())
    return float(brentq(lambda a: expit(a + rest).mean() - rate, middle - 5.0, middle + 5.0, xtol=1e-12))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
