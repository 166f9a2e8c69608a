"""Calibration in the large once outcomes have arrived: whether they are as many as the model expects."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from ketapredict.drift.two_sample import N_DIVISIONS
from ketapredict.validate.intervals import Interval, bootstrap_interval
from ketapredict.validate.small_samples import ratio_interval

_CELLS_AT_ONCE = 4_000_000
_N_BOOTSTRAP = 500
_NORMAL_FROM = 2_000


@dataclass(frozen=True, slots=True)
class OutcomesSeen:
    """Outcomes beside what was expected of them.

    Attributes
    ----------
    courses, events : int
    expected : float
        Sum of the estimates.
    ratio : Interval
        Observed over expected, with its 95% interval.
    intercept, slope : Interval
        Calibration in the large (log-odds) and calibration slope with 95% intervals; NaN where events are too few.
    p_value : float
        That at least as many, or as few, come about by chance and the training's own uncertainty.
    """

    courses: int
    events: int
    expected: float
    ratio: Interval
    intercept: Interval
    slope: Interval
    p_value: float


def outcomes_seen(
    outcomes: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, training: int, rng: np.random.Generator
) -> OutcomesSeen:
    """Compare outcomes with estimates.

    Parameters
    ----------
    outcomes : numpy.ndarray
        (n,) 0 or 1.
    probabilities : numpy.ndarray
        (n,) estimates.
    patients : numpy.ndarray
        (n,)
    training : int
        Courses that the model was trained on.
    rng : numpy.random.Generator
    """
    events, n = int(outcomes.sum()), len(outcomes)
    expected = float(probabilities.sum())
    measured = bootstrap_interval(outcomes, probabilities, patients, rng, _N_BOOTSTRAP)
    ratio = Interval(events / expected, *ratio_interval(events, n, expected), 0, 0)
    return OutcomesSeen(
        n,
        events,
        expected,
        ratio,
        measured["calibration_intercept"],
        measured["calibration_slope"],
        in_the_large_p_value(events, probabilities, training, rng),
    )


def in_the_large_p_value(
    events: int, probabilities: np.ndarray, training: float, rng: np.random.Generator, draws: int = N_DIVISIONS
) -> float:
    """Return the two-sided p-value of a number of events.

    Events are drawn for every course from its estimate, all of a draw shifted alike on the log-odds by a normal
    number of variance 1 / (N mean p (1 - p)): what N training courses leave open about the level. So the test is one
    of drift and not of the model's size; without that term it is the Poisson binomial test. Twice the smaller tail.
    Over 2,000 courses the sum for a given shift is drawn from the normal distribution.

    Parameters
    ----------
    events : int
    probabilities : numpy.ndarray
        (n,)
    training : float
        N; infinite for none of the training's uncertainty.
    rng : numpy.random.Generator
    draws : int
    """
    log_odds = logit(np.clip(probabilities, 1e-9, 1 - 1e-9))
    spread = 1 / np.sqrt(training * float((probabilities * (1 - probabilities)).mean()))
    if len(log_odds) > _NORMAL_FROM:
        drawn = _normal_sums(log_odds, spread, rng, draws)
    else:
        at_once = max(1, _CELLS_AT_ONCE // len(log_odds))
        parts = []
        for start in range(0, draws, at_once):
            chances = expit(log_odds + spread * rng.standard_normal((min(at_once, draws - start), 1)))
            parts.append((rng.random(chances.shape) < chances).sum(axis=1))
        drawn = np.concatenate(parts)
    smaller = min(int((drawn >= events).sum()), int((drawn <= events).sum()))
    return min(1.0, 2 * (1 + smaller) / (1 + draws))


def _normal_sums(log_odds: np.ndarray, spread: float, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Return drawn numbers of events; the mean is interpolated between a few shifts."""
    shifts = spread * np.linspace(-6, 6, 49)
    means = np.array([expit(log_odds + shift).sum() for shift in shifts])
    chances = expit(log_odds)
    deviation = np.sqrt((chances * (1 - chances)).sum())
    drawn = np.interp(spread * rng.standard_normal(draws), shifts, means)
    return np.rint(drawn + deviation * rng.standard_normal(draws))
