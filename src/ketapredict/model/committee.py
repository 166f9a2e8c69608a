"""The committee: different, strongly regularised members whose log-odds are averaged."""

from dataclasses import dataclass

import numpy as np

from ketapredict.features.plan import DesignPlan, plan_design
from ketapredict.model.folds import repeated_folds
from ketapredict.model.members import (
    FittedMember,
    TrainingData,
    fit_elastic_net,
    fit_end_score,
    fit_spline_logistic,
    fit_trees,
    log_odds,
)

INNER_FOLDS = 5
# Small samples choose penalties badly from one split; large ones do not need a second.
SMALL_SAMPLE = 200
SMALL_SAMPLE_REPEATS = 2
# With one standard error members were left out by chance, and the committee was a little worse for it.
CLEAR_HARM_STANDARD_ERRORS = 2.0


@dataclass(frozen=True, slots=True)
class FittedCommittee:
    """Members fitted to the same courses, with their weights.

    Attributes
    ----------
    plan : DesignPlan
    members : tuple of FittedMember
    weights : tuple of float
        Sum to 1; 0 for a member that was left out because it clearly harmed.
    """

    plan: DesignPlan
    members: tuple[FittedMember, ...]
    weights: tuple[float, ...]

    def log_odds(self, data: TrainingData) -> np.ndarray:
        """Return the committee's log-odds (n,) from the scikit-learn pipelines."""
        total = np.zeros(len(data.labels))
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
    members = (
        fit_elastic_net(data, plan, folds),
        fit_end_score(data, plan, folds),
        fit_spline_logistic(data, plan, folds),
        fit_trees(data, plan, folds, tree_seed),
    )
    out_of_fold = np.stack([member.out_of_fold for member in members])
    return FittedCommittee(plan, members, committee_weights(out_of_fold, data.labels, data.weights))


def committee_weights(
    out_of_fold: np.ndarray, labels: np.ndarray, case_weights: np.ndarray | None = None
) -> tuple[float, ...]:
    """Give equal weights to all members but those that clearly harm.

    A member clearly harms if leaving it out lowers the committee's out-of-fold log-loss by more than two
    standard errors of the paired differences; the worst goes first.

    Parameters
    ----------
    out_of_fold : numpy.ndarray
        (members, n) log-odds.
    labels : numpy.ndarray
        (n,) of 0 and 1.
    case_weights : numpy.ndarray (n,) or None
        How much each course counts.

    Returns
    -------
    tuple of float
        Weights that sum to 1.
    """
    kept = list(range(len(out_of_fold)))
    relative = np.ones(len(labels)) if case_weights is None else case_weights / case_weights.mean()
    while len(kept) > 1:
        whole = _losses(out_of_fold[kept].mean(axis=0), labels)
        harms = []
        for member in kept:
            rest = [other for other in kept if other != member]
            gain = relative * (whole - _losses(out_of_fold[rest].mean(axis=0), labels))
            standard_error = gain.std(ddof=1) / np.sqrt(len(gain))
            harms.append(gain.mean() - CLEAR_HARM_STANDARD_ERRORS * standard_error)
        worst = int(np.argmax(harms))
        if harms[worst] <= 0:
            break
        kept.pop(worst)
    return tuple(1.0 / len(kept) if member in kept else 0.0 for member in range(len(out_of_fold)))


def _losses(log_odds_values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, log_odds_values) - log_odds_values * labels
