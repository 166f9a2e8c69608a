"""Sensitivity, specificity and predictive values of decisions, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ketapredict.validate.intervals import N_BOOTSTRAP, bootstrap_statistics, percentile_interval
from ketapredict.validate.measures import as_repeats
from ketapredict.validate.small_samples import Z

# A response would be given up for lost only where it is very unlikely (0.1: reporting.md, section 5, asks for a
# probability of non-response of 0.9); 0.5 weighs both errors alike; 0.3 lies between. A judgement.
THRESHOLDS = (0.1, 0.3, 0.5)
# Under this count on either side of a proportion a percentile interval collapses, and Wilson's is given.
FEWEST_FOR_BOOTSTRAP = 5
ACCURACIES = ("sensitivity", "specificity", "ppv", "npv")
COLUMNS = ["decision", "measure", "numerator", "denominator", "estimate", "low", "high", "method"]


def threshold_table(
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    thresholds: Sequence[float] = THRESHOLDS,
    n_bootstrap: int = N_BOOTSTRAP,
) -> pd.DataFrame:
    """Return the accuracy of "the outcome is expected where the probability is at least t", for each t.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        Outcomes 0 or 1.
    p : numpy.ndarray (n,) or (r, n)
        Probabilities 0 to 1; of r repeats: a course then counts by the share of them in which it is over t.
    groups : numpy.ndarray (n,)
        Patient of each row.
    rng : numpy.random.Generator
    thresholds : sequence of float
    n_bootstrap : int

    Returns
    -------
    pandas.DataFrame
        `threshold` before the columns of `accuracy_table` (`decision` is "p >= t").
    """
    outcomes, probabilities = as_repeats(y, p)
    decisions = {f"p >= {threshold:g}": (probabilities >= threshold).mean(axis=0) for threshold in thresholds}
    table = accuracy_table(outcomes, decisions, groups, rng, n_bootstrap)
    table.insert(0, "threshold", np.repeat(np.asarray(thresholds, float), len(ACCURACIES)))
    return table


def accuracy_table(
    y: np.ndarray,
    decisions: Mapping[str, np.ndarray],
    groups: np.ndarray,
    rng: np.random.Generator,
    n_bootstrap: int = N_BOOTSTRAP,
) -> pd.DataFrame:
    """Return sensitivity, specificity, PPV and NPV of yes/no decisions with 95% intervals.

    With TP, FP, FN, TN the counts of yes/no decisions by outcome: sensitivity TP / (TP + FN), specificity
    TN / (TN + FP), PPV TP / (TP + FP), NPV TN / (TN + FN). Intervals are percentiles of a bootstrap over
    patients; where fewer than 5 courses are on either side of the proportion, Wilson's score interval,
    which takes the courses as independent.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    decisions : mapping of str to numpy.ndarray (n,)
        1 where the outcome is expected, 0 where it is not, between them where some repeats say one and some the other.
    groups : numpy.ndarray (n,)
        Patient of each row.
    rng : numpy.random.Generator
    n_bootstrap : int

    Returns
    -------
    pandas.DataFrame
        `decision, measure, numerator, denominator, estimate, low, high, method` ("bootstrap", "Wilson");
        NaN and an empty method where the denominator is 0.

    References
    ----------
    Altman and Bland, BMJ 1994;308:1552 and 309:102; Wilson, J Am Stat Assoc 1927;22:209.
    """
    outcomes = np.asarray(y, float)
    yes = np.column_stack([np.asarray(decision, float) for decision in decisions.values()])
    case, other = outcomes[:, None], 1.0 - outcomes[:, None]
    hits = np.hstack([case * yes, other * (1 - yes), case * yes, other * (1 - yes)])
    among = np.hstack([case + 0 * yes, other + 0 * yes, yes, 1 - yes])
    numerators, denominators = hits.sum(axis=0), among.sum(axis=0)

    def proportions(weights: np.ndarray) -> np.ndarray:
        total = weights @ among
        return np.divide(weights @ hits, total, out=np.full(total.shape, np.nan), where=total > 0)

    estimates, resampled = bootstrap_statistics(proportions, groups, rng, n_bootstrap)
    n_decisions = yes.shape[1]
    records = []
    for position, decision in enumerate(decisions):
        for row, measure in enumerate(ACCURACIES):
            column = row * n_decisions + position
            hit, total = round(numerators[column]), round(denominators[column])
            interval = percentile_interval(estimates[column], resampled[:, column])
            low, high, method = interval.low, interval.high, "bootstrap"
            if min(hit, total - hit) < FEWEST_FOR_BOOTSTRAP:
                low, high = wilson_interval(hit, total)
                method = "Wilson" if total else ""
            records.append((decision, measure, hit, total, interval.estimate, low, high, method))
    return pd.DataFrame(records, columns=COLUMNS)


def wilson_interval(numerator: int, denominator: int) -> tuple[float, float]:
    """Return Wilson's 95% score interval of a proportion; NaN without a denominator."""
    if not denominator:
        return np.nan, np.nan
    share, spread = numerator / denominator, Z**2 / denominator
    centre = (share + spread / 2) / (1 + spread)
    half = Z * np.sqrt(share * (1 - share) / denominator + spread / (4 * denominator)) / (1 + spread)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))
