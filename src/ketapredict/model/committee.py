"""The committee: different, strongly regularised members whose log-odds are averaged, and the average's calibration.

Each member is drawn towards the mean just enough for itself; the average of several is then too timid: the less they
agree, the more (Ranjan and Gneiting 2010, doi:10.1111/j.1467-9868.2009.00726.x, of pools of calibrated forecasts). So
the average's log-odds get an intercept and a slope from its own out-of-fold log-odds, the slope drawn towards 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ketapredict.features.plan import DesignPlan, plan_design
from ketapredict.model.evidence_logistic import fit_early_alone, fit_evidence_logistic
from ketapredict.model.folds import Fold, repeated_folds
from ketapredict.model.members import (
    FittedMember,
    TrainingData,
    fit_elastic_net,
    fit_end_score,
    fit_spline_logistic,
    fit_trees,
    log_odds,
)
from ketapredict.model.penalised_logistic import penalised_logistic

INNER_FOLDS = 5
# Small samples choose penalties badly from one split; large ones do not need a second.
SMALL_SAMPLE = 200
SMALL_SAMPLE_REPEATS = 2
# With one or two standard errors members were left out by chance, in small samples all but the worst
# (`benchmarks/altered_clinics.py`, 40 courses).
CLEAR_HARM_STANDARD_ERRORS = 3.0
# Number of courses at which the share of what starts from evidence is half of what it is at first.
HALF_FADED = 300
# Of the logistic regression that starts from evidence, beside early improvement alone.
EVIDENCE_SHARE = 3.0
# Under it a member is not worth its fit.
LEAST_SHARE = 0.2
_ORDER = ("evidence", "alone", "elastic net", "end score", "spline logistic", "trees")
# Chosen on the benchmark's five truths: a free slope gains more from 400 courses, and harms at 100.
SLOPE_SD = 0.2


@dataclass(frozen=True, slots=True)
class FittedCommittee:
    """Members fitted to the same courses, with their weights.

    Attributes
    ----------
    plan : DesignPlan
    members : tuple of FittedMember
    weights : tuple of float
        Sum to the slope of the calibration; 0 for a member that was left out because it clearly harmed.
    shift : float
        The intercept of the calibration: added to the weighted sum of log-odds.
    """

    plan: DesignPlan
    members: tuple[FittedMember, ...]
    weights: tuple[float, ...]
    shift: float = 0.0

    def log_odds(self, data: TrainingData) -> np.ndarray:
        """Return the committee's log-odds (n,) from the scikit-learn pipelines."""
        total = np.full(len(data.labels), self.shift)
        for member, weight in zip(self.members, self.weights, strict=True):
            if weight > 0:
                total += weight * log_odds(member, data, self.plan)
        return total


def fit_committee(data: TrainingData, rng: np.random.Generator) -> FittedCommittee:
    """Fit all members, choosing penalties and weights by resampling inside the data.

    Parameters
    ----------
    data : TrainingData
        At least two courses of either class.
    rng : numpy.random.Generator

    Returns
    -------
    FittedCommittee
    """
    plan = plan_design(data.frame, data.features)
    repeats = SMALL_SAMPLE_REPEATS if len(data.labels) < SMALL_SAMPLE else 1
    folds = repeated_folds(data.labels, data.patients, INNER_FOLDS, repeats, rng)
    tree_seed = int(rng.integers(2**31 - 1))
    members, shares = _members(data, plan, folds, tree_seed)
    out_of_fold = np.stack([member.out_of_fold for member in members])
    weights = np.array(committee_weights(out_of_fold, data.labels, data.weights, shares))
    shift, slope = calibration(weights @ out_of_fold, data.labels, data.weights)
    return FittedCommittee(plan, members, tuple(float(slope * weight) for weight in weights), shift)


def _members(
    data: TrainingData, plan: DesignPlan, folds: Sequence[Fold], tree_seed: int
) -> tuple[tuple[FittedMember, ...], tuple[float, ...]]:
    """Return the fitted members and their shares, before any is left out.

    With a prior the members that start from evidence have two thirds of all shares at first; with the number of courses
    they fade, and the logistic regressions that know only the courses come in their place. Where evidence is right this
    costs next to nothing; where it is wrong it does no lasting harm.
    """
    trees, end_score = fit_trees(data, plan, folds, tree_seed), fit_end_score(data, plan, folds)
    fading = 1.0 if data.prior is None else HALF_FADED / (HALF_FADED + len(data.labels))
    shares = {"end score": (end_score, 1.0), "trees": (trees, 1.0)}
    free = 1.0 if data.prior is None else 1.0 - fading
    if free >= LEAST_SHARE:
        shares["elastic net"] = (fit_elastic_net(data, plan, folds), free)
        shares["spline logistic"] = (fit_spline_logistic(data, plan, folds), free)
    if data.prior is not None:
        shares["evidence"] = (fit_evidence_logistic(data, plan, folds), EVIDENCE_SHARE * fading)
        alone = fit_early_alone(data, plan, folds)
        if alone is not None:
            shares["alone"] = (alone, fading)
    members, weights = zip(*(shares[name] for name in _ORDER if name in shares), strict=True)
    return members, weights


def committee_weights(
    out_of_fold: np.ndarray,
    labels: np.ndarray,
    case_weights: np.ndarray | None = None,
    shares: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """Give their shares to all members but those that clearly harm.

    A member clearly harms if leaving it out lowers the committee's out-of-fold log-loss by more than three
    standard errors of the paired differences; the worst goes first.

    Parameters
    ----------
    out_of_fold : numpy.ndarray
        (members, n) log-odds.
    labels : numpy.ndarray
        (n,) of 0 and 1.
    case_weights : numpy.ndarray (n,) or None
        How much each course counts.
    shares : sequence of float or None
        Relative weights of the members; equal where absent.

    Returns
    -------
    tuple of float
        Weights that sum to 1.
    """
    share = np.ones(len(out_of_fold)) if shares is None else np.asarray(shares)
    kept = list(range(len(out_of_fold)))
    relative = np.ones(len(labels)) if case_weights is None else case_weights / case_weights.mean()
    while len(kept) > 1:
        whole = _losses(np.average(out_of_fold[kept], axis=0, weights=share[kept]), labels)
        harms = []
        for member in kept:
            rest = [other for other in kept if other != member]
            gain = relative * (whole - _losses(np.average(out_of_fold[rest], axis=0, weights=share[rest]), labels))
            standard_error = gain.std(ddof=1) / np.sqrt(len(gain))
            harms.append(gain.mean() - CLEAR_HARM_STANDARD_ERRORS * standard_error)
        worst = int(np.argmax(harms))
        if harms[worst] <= 0:
            break
        kept.pop(worst)
    total = share[kept].sum()
    return tuple(float(share[member] / total) if member in kept else 0.0 for member in range(len(out_of_fold)))


def calibration(
    log_odds_values: np.ndarray, labels: np.ndarray, case_weights: np.ndarray | None = None
) -> tuple[float, float]:
    """Return intercept and slope of a logistic recalibration whose slope is drawn towards 1.

    The posterior mode under slope ~ N(1, SLOPE_SD^2), at least 0; the intercept is free. Centred first, so that
    what draws the slope does not move the mean of the predictions.

    Parameters
    ----------
    log_odds_values : numpy.ndarray
        (n,) out-of-fold.
    labels : numpy.ndarray
        (n,) of 0 and 1, both present.
    case_weights : numpy.ndarray (n,) or None
        How much each course counts.
    """
    relative = np.ones(len(labels)) if case_weights is None else case_weights / case_weights.mean()
    mean = float(np.average(log_odds_values, weights=relative))
    (at_mean, slope), _ = penalised_logistic(
        np.column_stack([np.ones(len(labels)), log_odds_values - mean]),
        labels,
        np.diag([0.0, SLOPE_SD**-2]),
        np.array([0.0, 1.0]),
        weights=relative,
        low=np.array([-np.inf, 0.0]),
        start=np.array([mean, 1.0]),
    )
    return float(at_mean - slope * mean), float(slope)


def _losses(log_odds_values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, log_odds_values) - log_odds_values * labels
