"""Repeated cross-validation of the whole procedure, beside what it has to beat, with intervals."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ketapredict.model.committee import fit_committee
from ketapredict.model.folds import repeated_folds
from ketapredict.model.members import TrainingData
from ketapredict.validate.comparators import (
    baseline_predictions,
    meets_rule,
    prevalence_predictions,
    rule_predictions,
)
from ketapredict.validate.intervals import Difference, Interval, bootstrap_difference, bootstrap_interval
from ketapredict.validate.resampling import average_over_repeats

N_FOLDS = 5
MODEL = "model"
PREVALENCE = "prevalence"
BASELINE_ONLY = "baseline only"
RULE = "20% rule"


@dataclass(frozen=True, slots=True)
class LandmarkValidation:
    """How well the procedure predicts courses that it has not seen, at one landmark.

    Attributes
    ----------
    landmark : str
    courses, events, patients : int
    n_folds, n_repeats : int
    labels : numpy.ndarray
        (n,) of 0 and 1.
    predictions : dict of str to numpy.ndarray
        For the model and each comparator the out-of-fold probability of each course (n,), mean over the
        repeats.
    measures : dict of str to dict of str to Interval
        By predictor and measure.
    differences : dict of str to dict of str to Difference
        Model minus comparator, by comparator and measure.
    members_used : dict of str to float
        Share of the fits in which each member kept its weight.
    """

    landmark: str
    courses: int
    events: int
    patients: int
    n_folds: int
    n_repeats: int
    labels: np.ndarray
    predictions: dict[str, np.ndarray]
    measures: dict[str, dict[str, Interval]]
    differences: dict[str, dict[str, Difference]]
    members_used: dict[str, float]


def cross_validate(
    data: TrainingData,
    landmark: str,
    n_repeats: int,
    rng: np.random.Generator,
    progress: Callable[[int], None] = lambda _: None,
) -> LandmarkValidation:
    """Cross-validate the whole procedure: preparation, penalties, weights and fit, within each fold.

    Parameters
    ----------
    data : TrainingData
    landmark : str
    n_repeats : int
        Repeats of 5 folds.
    rng : numpy.random.Generator
        The result depends on it and the data only, not on the number of workers.
    progress : callable
        Called with the number of fits done since the last call.

    Returns
    -------
    LandmarkValidation
    """
    folds = repeated_folds(data.labels, data.patients, N_FOLDS, n_repeats, rng)
    seeds = rng.integers(2**63, size=len(folds))
    log_odds, weights = [], []
    for found, members in _fits(data, folds, seeds):
        log_odds.append(found)
        weights.append(members)
        progress(1)
    rows = len(data.labels)
    improvement = [f.name for f in data.features if f.rule == "early_improvement" and f.known_at == landmark]
    predictions = {
        MODEL: average_over_repeats(folds, [expit(found) for found in log_odds], rows),
        PREVALENCE: prevalence_predictions(data.labels, folds),
        BASELINE_ONLY: baseline_predictions(data.labels, data.frame["severity_relative"].to_numpy(), folds),
    }
    ranked: dict[str, np.ndarray] = {}
    if improvement:
        early = data.frame[improvement[0]].to_numpy()
        rule = rule_predictions(data.labels, early, folds)
        if rule is not None:
            predictions[RULE] = rule
            # The rule needs no training to rank courses: rates that differ from fold to fold would only blur it.
            ranked[RULE] = meets_rule(early).astype(float)
    intervals_seed = int(rng.integers(2**63))

    def measured(name: str) -> dict[str, Interval]:
        def intervals(p: np.ndarray) -> dict[str, Interval]:
            return bootstrap_interval(data.labels, p, data.patients, np.random.default_rng(intervals_seed))

        found = intervals(predictions[name])
        return found if name != RULE else found | {"auc": intervals(ranked[name])["auc"]}

    def compared(name: str) -> dict[str, Difference]:
        def differences(p: np.ndarray) -> dict[str, Difference]:
            rng = np.random.default_rng(intervals_seed)
            return bootstrap_difference(data.labels, predictions[MODEL], p, data.patients, rng)

        found = differences(predictions[name])
        return found if name != RULE else found | {"auc": differences(ranked[name])["auc"]}

    return LandmarkValidation(
        landmark=landmark,
        courses=rows,
        events=int(data.labels.sum()),
        patients=len(np.unique(data.patients)),
        n_folds=len(folds) // n_repeats,
        n_repeats=n_repeats,
        labels=data.labels,
        predictions=predictions,
        measures={name: measured(name) for name in predictions},
        differences={name: compared(name) for name in predictions if name != MODEL},
        members_used={name: float(np.mean([members[name] > 0 for members in weights])) for name in weights[0]},
    )


def _fits(
    data: TrainingData, folds: list[tuple[int, np.ndarray, np.ndarray]], seeds: np.ndarray
) -> Iterator[tuple[np.ndarray, dict[str, float]]]:
    from joblib import Parallel, cpu_count, delayed

    jobs = (
        delayed(_fit_fold)(data, train, test, int(seed)) for (_, train, test), seed in zip(folds, seeds, strict=True)
    )
    yield from Parallel(n_jobs=cpu_count(), return_as="generator")(jobs)


def _fit_fold(
    data: TrainingData, train: np.ndarray, test: np.ndarray, seed: int
) -> tuple[np.ndarray, dict[str, float]]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        committee = fit_committee(data.rows(train), np.random.default_rng(seed))
        weights = {member.name: weight for member, weight in zip(committee.members, committee.weights, strict=True)}
        return committee.log_odds(data.rows(test)), weights
