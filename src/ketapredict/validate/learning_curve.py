"""Performance at growing sizes of the training data, on the test folds of the cross-validation."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ketapredict.model.folds import Fold, patient_codes
from ketapredict.model.members import TrainingData
from ketapredict.validate.cross_validation import LandmarkValidation
from ketapredict.validate.fits import fit_and_predict
from ketapredict.validate.intervals import bootstrap_statistics, percentile_interval
from ketapredict.validate.logistic import expit
from ketapredict.validate.measures import MEASURES

SHARES = (0.25, 0.5, 0.75)
REPEATS = 2
N_BOOTSTRAP = 1000
# Fewer patients of either class to train on, and the folds inside the fit mean nothing.
FEWEST_PATIENTS_PER_CLASS = 8
REPORTED = ("auc", "log_loss", "scaled_brier", "calibration_slope")
COLUMNS = ["share", "training_courses", "training_events", "measure", "estimate", "low", "high", "gain", "gain_low"]
COLUMNS += ["gain_high"]


def learning_curve(
    data: TrainingData,
    validation: LandmarkValidation,
    rng: np.random.Generator,
    shares: Sequence[float] = SHARES,
    repeats: int = REPEATS,
    progress: Callable[[int], None] = lambda _: None,
) -> pd.DataFrame:
    """Train on growing shares of each training fold, test on the same test folds.

    The largest size is the cross-validation itself, whose fits are used again: only the smaller sizes are
    fitted, len(shares) fits for each fold of the first `repeats` repeats. Shares are nested (a fold's smaller
    training set is part of the larger one), drawn by patient and stratified by outcome, so that sizes differ
    in nothing but size. A size's measure is the mean over the repeats of the measure in each repeat: not
    that of averaged predictions, which would be an ensemble and flatter small sizes most. Intervals are
    percentiles of a bootstrap over patients with the predictions held; the gain is the figure of the largest
    size minus that of this one, paired: negative is better for the log-loss.

    Parameters
    ----------
    data : TrainingData
        The same that was cross-validated.
    validation : LandmarkValidation
    rng : numpy.random.Generator
    shares : sequence of float
        Of the training rows of a fold, over 0 and under 1.
    repeats : int
        At most those of the cross-validation.
    progress : callable
        Called with 1 after each fit.

    Returns
    -------
    pandas.DataFrame
        `share, training_courses, training_events, measure, estimate, low, high, gain, gain_low, gain_high`, shares
        ascending, the last 1.0; `training_*` are means over the folds. Shares with fewer than eight patients
        of either class in any fold are left out.
    """
    used = [
        (fold, log_odds)
        for fold, log_odds in zip(validation.folds, validation.log_odds, strict=True)
        if fold[0] < repeats
    ]
    folds = [fold for fold, _ in used]
    orders = [_order(data, train, rng) for _, train, _ in folds]
    trained: dict[float, list[np.ndarray]] = {}
    for share in sorted(shares):
        parts = [part for part in (_first(data, order, share) for order in orders) if part is not None]
        if len(parts) == len(folds):
            trained[share] = parts
    splits = [(part, fold[2]) for parts in trained.values() for part, fold in zip(parts, folds, strict=True)]
    fitted = [log_odds for log_odds, _ in fit_and_predict(data, splits, rng, progress)]
    fitted += [log_odds for _, log_odds in used]
    trained[1.0] = [train for _, train, _ in folds]
    probabilities = [
        _by_repeat(folds, fitted[size * len(folds) : (size + 1) * len(folds)], len(data.labels))
        for size in range(len(trained))
    ]
    return _table(data, trained, probabilities, rng)


def _order(data: TrainingData, train: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the training rows, patient by patient, such that every beginning has about the same share of events."""
    codes, n_patients = patient_codes(data.patients[train], len(train))
    has_event = np.bincount(codes, data.labels[train], minlength=n_patients) > 0
    place = np.zeros(n_patients)
    for level in (False, True):
        members = np.flatnonzero(has_event == level)
        place[members] = (rng.permutation(len(members)) + rng.random()) / max(len(members), 1)
    return train[np.argsort(place[codes], kind="stable")]


def _first(data: TrainingData, order: np.ndarray, share: float) -> np.ndarray | None:
    size = int(np.ceil(share * len(order)))
    while size < len(order) and data.patients[order[size]] == data.patients[order[size - 1]]:
        size += 1  # a patient's courses stay together
    part = np.sort(order[:size])
    classes = [len(np.unique(data.patients[part[data.labels[part] == level]])) for level in (0, 1)]
    return part if min(classes) >= FEWEST_PATIENTS_PER_CLASS else None


def _by_repeat(folds: Sequence[Fold], log_odds: Sequence[np.ndarray], n_rows: int) -> list[np.ndarray]:
    found = {repeat: np.full(n_rows, np.nan) for repeat, _, _ in folds}
    for (repeat, _, test), predicted in zip(folds, log_odds, strict=True):
        found[repeat][test] = expit(predicted)
    return list(found.values())


def _table(
    data: TrainingData,
    trained: dict[float, list[np.ndarray]],
    probabilities: list[list[np.ndarray]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    rarer = min(data.labels.sum(), len(data.labels) - data.labels.sum())
    measures = [MEASURES[name] for name in REPORTED if rarer >= MEASURES[name].min_events]

    def statistics(weights: np.ndarray) -> np.ndarray:
        return np.column_stack(
            [
                np.mean([measure.kernel(data.labels, p, weights) for p in by_repeat], axis=0)
                for measure in measures
                for by_repeat in probabilities
            ]
        )

    estimates, resampled = bootstrap_statistics(statistics, data.patients, rng, N_BOOTSTRAP)
    sizes = len(trained)
    records = []
    for position, (share, parts) in enumerate(trained.items()):
        courses = float(np.mean([len(part) for part in parts]))
        events = float(np.mean([data.labels[part].sum() for part in parts]))
        for number, measure in enumerate(measures):
            here, last = number * sizes + position, number * sizes + sizes - 1
            own = percentile_interval(estimates[here], resampled[:, here])
            gain = percentile_interval(estimates[last] - estimates[here], resampled[:, last] - resampled[:, here])
            values = (own.estimate, own.low, own.high, gain.estimate, gain.low, gain.high)
            records.append((share, courses, events, measure.name, *values))
    return pd.DataFrame(records, columns=COLUMNS)
