"""Logistic regression drawn to what evidence says, as far as the courses do not say otherwise."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline

from ketapredict.features.plan import DesignPlan
from ketapredict.model.fold_design import FoldDesign
from ketapredict.model.folds import Fold
from ketapredict.model.members import FittedMember, TrainingData, member_columns, member_signs, times_tested
from ketapredict.model.penalised_logistic import penalised_logistic
from ketapredict.model.prior import LandmarkPrior

EVIDENCE, EARLY_ALONE = "evidence logistic", "early improvement alone"
# Of the prior: 1 takes it as it is; with less the coefficients are freer to leave it.
STRENGTHS = (4.0, 1.0, 0.25, 0.0625, 0.015625)
AS_IT_IS = STRENGTHS.index(1.0)
# Another strength than 1 must be better by that many standard errors of the paired differences: a small sample
# knows less of it than the prior. With two, one clinic in twelve with 40 courses threw its prior away by chance.
CLEARLY_BETTER = 3.0
# SD of a standardised column's coefficient where evidence says nothing.
UNKNOWN_SD = 0.08
# In directions in which the prior is certain, it stays a normal distribution that can be computed with.
_SMALLEST_SD = 0.01
_INTERCEPT_PRECISION = 1e-4


class EvidenceLogistic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Posterior mode of a logistic regression under independent normal priors; the intercept is free.

    Parameters
    ----------
    means, sds : tuple of float
        Prior of each coefficient, per standardised column.
    strength : float
        Multiplies the precision of all priors.
    signs : tuple of int
        -1, 0 or 1 for each column.
    only : int or None
        The one column that enters; all where absent.
    """

    def __init__(
        self,
        means: tuple[float, ...],
        sds: tuple[float, ...],
        strength: float = 1.0,
        signs: tuple[int, ...] | None = None,
        only: int | None = None,
    ) -> None:
        self.means = means
        self.sds = sds
        self.strength = strength
        self.signs = signs
        self.only = only

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Fit to X (n, p), standardised, and y (n,) of 0 and 1 with both present."""
        self.classes_ = np.array([0.0, 1.0])
        used = np.arange(X.shape[1]) if self.only is None else np.array([self.only])
        signs = np.zeros(X.shape[1]) if self.signs is None else np.asarray(self.signs)
        start = _start(y, sample_weight, np.asarray(self.means)[used])
        found = posterior_mode(
            X[:, used], y, np.asarray(self.means)[used], np.asarray(self.sds)[used], self.strength, signs[used],
            sample_weight, start,
        )  # fmt: skip
        self.intercept_ = float(found[0])
        self.coef_ = np.zeros(X.shape[1])
        self.coef_[used] = found[1:]
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return log-odds (n,)."""
        return self.intercept_ + X @ self.coef_


def fit_evidence_logistic(data: TrainingData, plan: DesignPlan, folds: Sequence[Fold]) -> FittedMember:
    """Fit the logistic regression that is drawn to the prior; the prior's strength by out-of-fold log-loss."""
    means, sds = _per_unit(_prior(data), plan)
    signs = member_signs(plan, curves=False)
    frame = data.frame.to_numpy(float)
    design = FoldDesign.of(plan, list(data.frame.columns), curves=False)
    scores = np.zeros((len(STRENGTHS), len(data.labels)))
    for _, train, test in folds:
        X_train, X_test, scales = design.scaled(frame[train], frame[test])
        at, spread = _standardised(means, sds, scales)
        labels, weights = data.labels[train], data.weights[train]
        start = _start(labels, weights, at)
        for position, strength in enumerate(STRENGTHS):
            start = posterior_mode(X_train, labels, at, spread, strength, np.asarray(signs), weights, start)
            scores[position, test] += start[0] + X_test @ start[1:]
    scores /= times_tested(folds, len(data.labels))
    chosen = chosen_strength(scores, data.labels, data.weights)
    at, spread = _standardised(means, sds, design.scaled(frame, frame[:0])[2])
    model = EvidenceLogistic(tuple(at.tolist()), tuple(spread.tolist()), STRENGTHS[chosen], signs)
    pipeline = Pipeline([("columns", member_columns(plan, data, curves=False)), ("model", model)])
    pipeline.fit(frame, data.labels, model__sample_weight=data.weights)
    return FittedMember(EVIDENCE, pipeline, scores[chosen], {"strength": STRENGTHS[chosen]})


def fit_early_alone(data: TrainingData, plan: DesignPlan, folds: Sequence[Fold]) -> FittedMember | None:
    """Fit the latest early improvement alone, drawn to the prior as it is; None where it does not enter."""
    prior = _prior(data)
    names = [feature.name for feature in plan.values]
    if prior.latest not in names:
        return None
    only = names.index(prior.latest)
    signs = member_signs(plan, curves=False)
    frame = data.frame.to_numpy(float)
    design = FoldDesign.of(plan, list(data.frame.columns), curves=False)
    mean, sd = np.array([prior.alone[0]]), np.array([prior.alone[1]])
    scores = np.zeros(len(data.labels))
    for _, train, test in folds:
        X_train, X_test, scales = design.scaled(frame[train], frame[test])
        at, spread = _standardised(mean, sd, scales[[only]])
        found = posterior_mode(
            X_train[:, [only]], data.labels[train], at, spread, 1.0, np.array([signs[only]]), data.weights[train],
            _start(data.labels[train], data.weights[train], at),
        )  # fmt: skip
        scores[test] += found[0] + X_test[:, only] * found[1]
    scores /= times_tested(folds, len(data.labels))
    means, sds = np.zeros(len(signs)), np.ones(len(signs))
    scale = design.scaled(frame, frame[:0])[2][[only]]
    means[[only]], sds[[only]] = _standardised(mean, sd, scale)
    model = EvidenceLogistic(tuple(means.tolist()), tuple(sds.tolist()), 1.0, signs, only)
    pipeline = Pipeline([("columns", member_columns(plan, data, curves=False)), ("model", model)])
    pipeline.fit(frame, data.labels, model__sample_weight=data.weights)
    return FittedMember(EARLY_ALONE, pipeline, scores, {"strength": 1.0})


def chosen_strength(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> int:
    """Return the place in `STRENGTHS` of the one to use: 1, unless another is clearly better.

    Parameters
    ----------
    scores : numpy.ndarray
        (strengths, n) out-of-fold log-odds.
    labels, weights : numpy.ndarray
        (n,) of 0 and 1; how much each course counts.
    """
    losses = np.logaddexp(0.0, scores) - scores * labels
    difference = (weights / weights.mean()) * (losses - losses[AS_IT_IS])
    error = difference.std(axis=1, ddof=1) / np.sqrt(len(labels))
    return int(np.argmin(difference.mean(axis=1) + CLEARLY_BETTER * error))


def posterior_mode(
    X: np.ndarray,
    labels: np.ndarray,
    means: np.ndarray,
    sds: np.ndarray,
    strength: float,
    signs: np.ndarray,
    weights: np.ndarray | None,
    start: np.ndarray,
) -> np.ndarray:
    """Return intercept and coefficients (p + 1,) under N(means, sds^2 / strength), each on the side of its sign."""
    low, high = np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf)
    low, high = np.r_[-np.inf, low], np.r_[np.inf, high]
    found, _ = penalised_logistic(
        np.column_stack([np.ones(len(X)), X]),
        labels,
        np.diag(np.r_[_INTERCEPT_PRECISION, strength / sds**2]),
        np.clip(np.r_[0.0, means], low, high),
        weights=weights,
        low=low,
        high=high,
        start=np.clip(start, low, high),
    )
    return found


def _prior(data: TrainingData) -> LandmarkPrior:
    if data.prior is None:
        raise ValueError("expected training data with a prior")
    return data.prior


def _per_unit(prior: LandmarkPrior, plan: DesignPlan) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and SD per unit of each column, (p,); SD NaN where evidence says nothing."""
    place = {name: position for position, name in enumerate(prior.names)}
    means = [prior.means[place[f.name]] if f.name in place else 0.0 for f in plan.values]
    sds = [prior.sds[place[f.name]] if f.name in place else np.nan for f in plan.values]
    unknown = [np.nan] * len(plan.missing)
    return np.array([*means, *(0.0 for _ in unknown)]), np.array([*sds, *unknown])


def _standardised(means: np.ndarray, sds: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and SD per standardised column."""
    return means * scales, np.where(np.isnan(sds), UNKNOWN_SD, np.maximum(sds * scales, _SMALLEST_SD))


def _start(labels: np.ndarray, weights: np.ndarray | None, means: np.ndarray) -> np.ndarray:
    return np.r_[logit(np.average(labels, weights=weights)), means]
