"""Repeated cross-validation of the whole procedure, beside what it has to beat, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from ketapredict.model.folds import Fold, repeated_folds
from ketapredict.model.members import TrainingData
from ketapredict.validate.comparators import (
    meets_rule,
    one_number_predictions,
    prevalence_predictions,
    rule_predictions,
)
from ketapredict.validate.fits import fit_and_predict
from ketapredict.validate.intervals import (
    DIFFERENCE_MEASURES,
    Difference,
    Interval,
    bootstrap_difference,
    bootstrap_interval,
)
from ketapredict.validate.measures import MEASURES, auc
from ketapredict.validate.resampling import out_of_fold

N_FOLDS = 5
MODEL = "model"
PREVALENCE = "prevalence"
BASELINE_ONLY = "baseline only"
EARLY_ONLY = "early improvement alone"
RULE = "20% rule"
SIMPLE = (PREVALENCE, BASELINE_ONLY, EARLY_ONLY, RULE)
# Nobody asks whether a comparator is calibrated.
OF_SIMPLE = ("auc", "log_loss", "brier", "scaled_brier")


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
        For the model and each comparator the out-of-fold probability of each course in each repeat,
        (repeats, n). Measures are means over the repeats (`resampling`).
    measures : dict of str to dict of str to Interval
        By predictor and measure.
    differences : dict of str to dict of str to Difference
        Model minus comparator, by comparator and measure.
    members_used : dict of str to float
        Share of the fits in which each member kept its weight.
    folds : tuple of (repeat, train, test)
        What was trained on and tested, as rows of the training data.
    log_odds : tuple of numpy.ndarray
        The model's log-odds of the test rows of each fold.
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
    folds: tuple[Fold, ...] = ()
    log_odds: tuple[np.ndarray, ...] = ()


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
    splits = [(train, test) for _, train, test in folds]
    log_odds, weights = zip(*fit_and_predict(data, splits, rng, progress), strict=True)
    rows = len(data.labels)
    simple, ranked = simple_predictions(data, landmark, folds)
    predictions = {MODEL: out_of_fold(folds, [expit(found) for found in log_odds], rows)} | simple
    measures, differences = measured_and_compared(data, predictions, ranked, int(rng.integers(2**63)))
    return LandmarkValidation(
        landmark=landmark,
        courses=rows,
        events=int(data.labels.sum()),
        patients=len(np.unique(data.patients)),
        n_folds=len(folds) // n_repeats,
        n_repeats=n_repeats,
        labels=data.labels,
        predictions=predictions,
        measures=measures,
        differences=differences,
        members_used={name: float(np.mean([members[name] > 0 for members in weights])) for name in weights[0]},
        folds=tuple(folds),
        log_odds=log_odds,
    )


def simple_predictions(
    data: TrainingData, landmark: str, folds: Sequence[Fold]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Predict out of fold by what a model has to beat, and say what ranks courses without training.

    Returns
    -------
    predictions : dict of str to numpy.ndarray
        (repeats, n) probabilities.
    ranked : dict of str to numpy.ndarray
        (n,) values within 0 and 1, for the AUC: rates and slopes that differ from fold to fold would only blur it. The
        direction of the baseline score is the one that suits it best on these courses.
    """
    severity = data.frame["severity_relative"].to_numpy()
    predictions = {
        PREVALENCE: prevalence_predictions(data.labels, folds),
        BASELINE_ONLY: one_number_predictions(data.labels, severity, folds),
    }
    ranked = {BASELINE_ONLY: _best_ranking(data.labels, severity)}
    improvement = [f.name for f in data.features if f.rule == "early_improvement" and f.known_at == landmark]
    if improvement:
        early = data.frame[improvement[0]].to_numpy()
        predictions[EARLY_ONLY] = one_number_predictions(data.labels, early, folds)
        ranked[EARLY_ONLY] = expit(early)  # more improvement, more likely: known beforehand
        rule = rule_predictions(data.labels, early, folds)
        if rule is not None:
            predictions[RULE] = rule
            ranked[RULE] = meets_rule(early).astype(float)
    return predictions, ranked


def measured_and_compared(
    data: TrainingData, predictions: dict[str, np.ndarray], ranked: dict[str, np.ndarray], seed: int
) -> tuple[dict[str, dict[str, Interval]], dict[str, dict[str, Difference]]]:
    """Return the measures of all predictions, and those of the model less every other's, on the same resamples."""

    def intervals(p: np.ndarray, names: Sequence[str] = tuple(MEASURES)) -> dict[str, Interval]:
        return bootstrap_interval(data.labels, p, data.patients, np.random.default_rng(seed), names=names)

    def differences(p: np.ndarray, names: Sequence[str] = DIFFERENCE_MEASURES) -> dict[str, Difference]:
        rng = np.random.default_rng(seed)
        return bootstrap_difference(data.labels, predictions[MODEL], p, data.patients, rng, names=names)

    measures, compared = {}, {}
    for name, p in predictions.items():
        by_itself = ("auc",) if name in ranked else ()
        wanted = OF_SIMPLE if name in SIMPLE else tuple(MEASURES)
        rest = [measure for measure in wanted if measure not in by_itself]
        measures[name] = intervals(ranked[name], by_itself) if by_itself else {}
        measures[name] |= intervals(p, rest)
        if name != MODEL:
            compared[name] = differences(ranked[name], by_itself) if by_itself else {}
            compared[name] |= differences(p, [measure for measure in DIFFERENCE_MEASURES if measure in rest])
    return measures, compared


def _best_ranking(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return values within 0 and 1, turned round if that ranks the labels better."""
    return values if auc(labels, values) >= 0.5 else 1.0 - values
