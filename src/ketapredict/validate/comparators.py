"""Out-of-fold predictions of what a response model has to beat: prevalence, one number alone, the 20% rule."""

from collections.abc import Sequence

import numpy as np

from ketapredict.model.folds import Fold
from ketapredict.validate.logistic import expit, fit_logistic
from ketapredict.validate.resampling import out_of_fold

RULE_IMPROVEMENT = 0.20  # the one-infusion rule of Lipsitz 2021 (EVIDENCE.md: early-end link)
_ROUNDING = 1e-9  # 1 - 32/40 is a hair under 0.2 in floating point; on whole scores it is exactly 20%
_RIDGE = 1e-3


def prevalence_predictions(y: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """Predict the share of events in the training rows, the same for all test rows.

    Its AUC is not a discrimination and is by definition 0.5: measured on out-of-fold predictions it falls
    below, because a fold with many events leaves few to the training rows.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    folds : sequence of (repeat, train, test)
        From `model.folds.repeated_folds`.

    Returns
    -------
    numpy.ndarray (repeats, n)
        Probabilities.
    """
    labels = np.asarray(y, float)
    predictions = [np.full(len(test), labels[train].mean()) for _, train, test in folds]
    return out_of_fold(folds, predictions, len(labels))


def one_number_predictions(y: np.ndarray, x: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """Predict by a logistic regression on one number alone: the baseline score, or the latest early improvement.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    x : numpy.ndarray (n,)
        None missing.
    folds : sequence of (repeat, train, test)
        From `model.folds.repeated_folds`.

    Returns
    -------
    numpy.ndarray (repeats, n)
        Probabilities.
    """
    labels, number = np.asarray(y, float), np.asarray(x, float)
    predictions = [expit(one_number_log_odds(labels[train], number[train], number[test])) for _, train, test in folds]
    return out_of_fold(folds, predictions, len(labels))


def one_number_log_odds(y: np.ndarray, x: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return the log-odds of new courses by a logistic regression on one number: an intercept and a coefficient.

    It is not shrunken: with one coefficient there is next to nothing to gain, and a comparator must not be weaker
    than what anybody would fit. A ridge of 0.001 on the standardised coefficient only keeps it finite where a fold
    is separated.

    Parameters
    ----------
    y, x : numpy.ndarray (n,)
        0 or 1, and the number, of the training rows.
    new : numpy.ndarray (m,)
        The number of the rows to predict.

    Returns
    -------
    numpy.ndarray (m,)
    """
    centre, spread = x.mean(), x.std() if x.std() > 0 else 1.0
    design = np.column_stack([np.ones(len(x)), (x - centre) / spread])
    intercept, slope = fit_logistic(design, y, np.ones((1, len(y))), ridge=np.array([0.0, _RIDGE]))[0]
    return np.asarray(intercept + slope * (new - centre) / spread)


def meets_rule(early_improvement: np.ndarray) -> np.ndarray:
    """Return whether each course improved by at least 20%, (n,) bool; False where the score is missing."""
    return np.asarray(early_improvement >= RULE_IMPROVEMENT - _ROUNDING)


def rule_predictions(y: np.ndarray, early_improvement: np.ndarray | None, folds: Sequence[Fold]) -> np.ndarray | None:
    """Predict by the rule of at least 20% early improvement.

    The probability on each side of the rule is (events + 1) / (rows + 2) among the training rows of that
    side (Laplace); rows without an early score get that of all training rows.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    early_improvement : numpy.ndarray (n,) or None
        1 - score / baseline at the landmark, NaN where missing; None at the landmark `pre`.
    folds : sequence of (repeat, train, test)
        From `model.folds.repeated_folds`.

    Returns
    -------
    numpy.ndarray (repeats, n) or None
        Probabilities; None without early scores.
    """
    if early_improvement is None:
        return None
    labels, improvement = np.asarray(y, float), np.asarray(early_improvement, float)
    sides = (meets_rule(improvement), improvement < RULE_IMPROVEMENT - _ROUNDING)
    predictions = []
    for _, train, test in folds:
        predicted = np.full(len(test), _smoothed_rate(labels[train]))
        for side in sides:
            predicted[side[test]] = _smoothed_rate(labels[train][side[train]])
        predictions.append(predicted)
    return out_of_fold(folds, predictions, len(labels))


def _smoothed_rate(labels: np.ndarray) -> float:
    return float((labels.sum() + 1.0) / (len(labels) + 2.0))
