"""Net benefit over a range of thresholds, beside treating all, none, and those who meet the 20% rule."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ketapredict.validate.intervals import N_BOOTSTRAP, bootstrap_statistics, percentile_interval
from ketapredict.validate.measures import as_repeats

MODEL, ALL, NONE, RULE = "model", "treat all", "treat none", "20% rule"
# From "a response would be worth going on for at 1 in 20" to beyond the prevalence; a judgement.
RANGE = tuple(round(0.05 + 0.01 * step, 2) for step in range(66))
COLUMNS = ["strategy", "threshold", "net_benefit", "low", "high", "model_gain", "gain_low", "gain_high"]


def net_benefit(y: np.ndarray, yes: np.ndarray, threshold: float, weights: np.ndarray | None = None) -> float:
    """Return the net benefit of going on with treatment where `yes` is true.

    TP / n - FP / n * t / (1 - t), with TP the courses with the outcome and FP those without it among those
    who would go on: in units of courses with the outcome per course. The threshold t is the probability
    of the outcome at which one would be in doubt, so its odds are what one needless course costs.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    yes : numpy.ndarray of bool (n,)
    threshold : float
        0 to under 1.
    weights : numpy.ndarray (n,), optional

    References
    ----------
    Vickers and Elkin, Med Decis Making 2006;26:565.
    """
    w = np.ones(len(y)) if weights is None else weights
    gains = _gains(np.asarray(y, float), np.asarray(yes, float)[:, None], np.array([threshold]))[:, 0]
    return float(w @ gains / w.sum())


def decision_curve(
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    meets_rule: np.ndarray | None = None,
    thresholds: Sequence[float] = RANGE,
    n_bootstrap: int = N_BOOTSTRAP,
) -> pd.DataFrame:
    """Return the net benefit of each strategy at each threshold with pointwise 95% intervals.

    Percentiles of a bootstrap over patients, the predictions held fixed. The model's gain over another
    strategy is paired: what both share cancels, so its interval tells what the strategies' own overlapping
    intervals cannot.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        Outcomes 0 or 1.
    p : numpy.ndarray (n,) or (r, n)
        Probabilities 0 to 1; of r repeats, whose net benefits are averaged.
    groups : numpy.ndarray (n,)
        Patient of each row.
    rng : numpy.random.Generator
    meets_rule : numpy.ndarray of bool (n,), optional
        From `comparators.meets_rule`: who improved by at least 20% at the landmark.
    thresholds : sequence of float
        Each over 0 and under 1.
    n_bootstrap : int

    Returns
    -------
    pandas.DataFrame
        `strategy, threshold, net_benefit, low, high, model_gain, gain_low, gain_high`; the gain is the model's
        net benefit minus that of the strategy, NaN for the model itself.

    Raises
    ------
    ValueError
        If a threshold is not between 0 and 1.

    References
    ----------
    Vickers and Elkin, Med Decis Making 2006;26:565; Vickers et al., BMC Med Inform Decis Mak 2008;8:53
    (intervals); Vickers et al., BMJ 2016;352:i6.
    """
    outcomes, probabilities = as_repeats(y, p)
    at = np.asarray(thresholds, float)
    if not ((at > 0) & (at < 1)).all():
        raise ValueError("expected thresholds between 0 and 1")
    n, size = len(outcomes), len(at)
    decisions = {MODEL: (probabilities[:, :, None] >= at).mean(axis=0), ALL: np.ones((n, size))}
    if meets_rule is not None:
        decisions[RULE] = np.repeat(np.asarray(meets_rule, float)[:, None], size, axis=1)
    gains = np.hstack([_gains(outcomes, yes, at) for yes in decisions.values()] + [np.zeros((n, size))])

    def mean_gain(weights: np.ndarray) -> np.ndarray:
        return (weights @ gains) / weights.sum(axis=1, keepdims=True)

    estimates, resampled = bootstrap_statistics(mean_gain, groups, rng, n_bootstrap)
    records = []
    for block, strategy in enumerate([*decisions, NONE]):
        for position, threshold in enumerate(at.tolist()):
            column = block * size + position
            own = percentile_interval(estimates[column], resampled[:, column])
            record = [strategy, threshold, own.estimate, own.low, own.high, np.nan, np.nan, np.nan]
            if strategy != MODEL:
                gain = percentile_interval(
                    estimates[position] - estimates[column], resampled[:, position] - resampled[:, column]
                )
                record[5:] = [gain.estimate, gain.low, gain.high]
            records.append(record)
    return pd.DataFrame(records, columns=COLUMNS)


def _gains(outcomes: np.ndarray, yes: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return what each row (n) adds to the net benefit at each threshold (k) if treated where yes (n, k)."""
    return yes * (outcomes[:, None] - (1.0 - outcomes[:, None]) * thresholds / (1.0 - thresholds))
