"""Measures of discrimination, overall error and calibration of predicted probabilities.

Every measure is a function of one set of weights here, and of many at once in `kernels`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ketapredict.validate.kernels import (
    Kernel,
    auc_kernel,
    brier_kernel,
    calibration_intercept_kernel,
    calibration_slope_kernel,
    log_loss_kernel,
    scaled_brier_kernel,
)


def auc(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the area under the ROC curve (c-statistic).

    Share of pairs of a case (y = 1) and a non-case in which the case has the higher probability, ties
    counted half: the Mann-Whitney statistic over the number of pairs; with weights, pairs count by the
    product of their weights.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    p : numpy.ndarray (n,)
        Predicted probabilities, 0 to 1.
    weights : numpy.ndarray (n,), optional
        Weights >= 0; one for every row by default.

    Returns
    -------
    float
        0 to 1, 0.5 for no discrimination; NaN if only one class has weight.

    Raises
    ------
    ValueError
        If the arguments differ in length, or hold anything but 0 and 1, probabilities and weights.

    References
    ----------
    Hanley and McNeil, Radiology 1982;143:29.
    """
    return _single(auc_kernel, y, p, weights)


def log_loss(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the mean of -[y log p + (1 - y) log(1 - p)], nats, with p held to [1e-15, 1 - 1e-15].

    Parameters and errors as for `auc`; 0 is perfect, NaN if no row has weight.
    """
    return _single(log_loss_kernel, y, p, weights)


def brier(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the Brier score, the mean of (y - p)^2, 0 to 1.

    Parameters and errors as for `auc`; 0 is perfect, NaN if no row has weight.
    """
    return _single(brier_kernel, y, p, weights)


def scaled_brier(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the scaled Brier score: 1 - Brier / [prevalence (1 - prevalence)].

    The Brier score of the prevalence among the same rows is the scale, so that 1 is perfect, 0 no better
    than the prevalence and negative worse. Parameters and errors as for `auc`; NaN if only one class has
    weight.

    References
    ----------
    Steyerberg et al., Epidemiology 2010;21:128.
    """
    return _single(scaled_brier_kernel, y, p, weights)


def calibration_intercept(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the calibration-in-the-large: a in logit P(y = 1) = a + logit(p), log-odds.

    Parameters and errors as for `auc`. 0 is perfect, negative means that the probabilities are too high
    on average; NaN if only one class has weight.

    References
    ----------
    Cox, Biometrika 1958;45:562; Van Calster et al., J Clin Epidemiol 2016;74:167.
    """
    return _single(calibration_intercept_kernel, y, p, weights)


def calibration_slope(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the calibration slope: b in logit P(y = 1) = a + b logit(p), both fitted.

    Parameters and errors as for `auc`. 1 is perfect, below 1 the probabilities are too extreme. NaN if
    not estimable: one class only, no spread of p, or the classes separated by p (also when they share no
    more than one value of p at the border), where the likelihood has no finite maximum.

    References
    ----------
    Cox, Biometrika 1958;45:562; Albert and Anderson, Biometrika 1984;71:1 (separation).
    """
    return _single(calibration_slope_kernel, y, p, weights)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of performance.

    Attributes
    ----------
    name : str
    label : str
        What a reader calls it.
    function : callable
        (y, p, weights or None) -> float.
    kernel : callable
        (y, p, weights (b, n)) -> (b,); trusts its arguments.
    perfect : float
    min_events : int
        Fewest members of the smaller class for which it is reported: below, it would be noise.
    """

    name: str
    label: str
    function: Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]
    kernel: Kernel
    perfect: float
    min_events: int


# The minima for the calibration measures are a judgement: training refuses a landmark under 10 as well.
MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("auc", "AUC", auc, auc_kernel, perfect=1.0, min_events=1),
        Measure("log_loss", "log-loss", log_loss, log_loss_kernel, perfect=0.0, min_events=0),
        Measure("brier", "Brier score", brier, brier_kernel, perfect=0.0, min_events=0),
        Measure("scaled_brier", "scaled Brier score", scaled_brier, scaled_brier_kernel, perfect=1.0, min_events=1),
        Measure(
            "calibration_intercept",
            "calibration-in-the-large",
            calibration_intercept,
            calibration_intercept_kernel,
            perfect=0.0,
            min_events=5,
        ),
        Measure(
            "calibration_slope",
            "calibration slope",
            calibration_slope,
            calibration_slope_kernel,
            perfect=1.0,
            min_events=10,
        ),
    )
}


def as_repeats(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes (n,) and probabilities as float arrays, (1, n) of one prediction and (r, n) of r repeats.

    Raises
    ------
    ValueError
        As `as_predictions`.
    """
    repeats = np.atleast_2d(np.asarray(p, float))
    checked = [as_predictions(y, repeat) for repeat in repeats]
    return checked[0][0], np.stack([probabilities for _, probabilities in checked])


def as_predictions(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes and probabilities as float arrays (n,).

    Raises
    ------
    ValueError
        If they differ in length, are empty, y holds anything but 0 and 1, or p is not within 0 to 1.
    """
    outcomes, probabilities = np.asarray(y, float), np.asarray(p, float)
    if outcomes.ndim != 1 or outcomes.shape != probabilities.shape or not len(outcomes):
        raise ValueError("expected outcomes and probabilities of the same length, at least one")
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise ValueError("expected outcomes of 0 and 1")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("expected probabilities from 0 to 1, none missing")
    return outcomes, probabilities


def _single(kernel: Kernel, y: np.ndarray, p: np.ndarray, weights: np.ndarray | None) -> float:
    outcomes, probabilities = as_predictions(y, p)
    w = np.ones(len(outcomes)) if weights is None else np.asarray(weights, float)
    if w.shape != outcomes.shape or not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError("expected one weight of zero or more for each outcome")
    return float(kernel(outcomes, probabilities, w[None, :])[0])
