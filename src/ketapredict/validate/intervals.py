"""Intervals of measures by a bootstrap over patients.

Patients are drawn with replacement, each with all of their courses. A resample is held as the number of
times that each row was drawn, so that all resamples are worked on together.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ketapredict.model.folds import patient_codes
from ketapredict.validate.kernels import over_repeats
from ketapredict.validate.measures import MEASURES, as_repeats

N_BOOTSTRAP = 2000
PERCENTILES = (2.5, 97.5)
HIGHEST_FAILED_SHARE = 0.05
DIFFERENCE_MEASURES = ("auc", "log_loss", "brier")
_CELLS_AT_ONCE = 2_000_000  # rows x resamples: bounds the memory, about 16 MB an array


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure with its 95% interval.

    Attributes
    ----------
    estimate : float
        On all rows; NaN where it is not estimable.
    low, high : float
        2.5th and 97.5th percentile over the resamples; NaN if more than 5% of them failed.
    n_failed : int
        Resamples in which the measure was not estimable; they are left out.
    n_bootstrap : int
    """

    estimate: float
    low: float
    high: float
    n_failed: int
    n_bootstrap: int

    @property
    def failed_share(self) -> float:
        """Share of the resamples in which the measure was not estimable, 0 to 1."""
        return self.n_failed / self.n_bootstrap


@dataclass(frozen=True, slots=True)
class Difference(Interval):
    """A difference of a measure between two predictions of the same courses, with its 95% interval.

    Attributes
    ----------
    se : float
        Standard deviation of the difference over the resamples; NaN if more than 5% of them failed.
    """

    se: float


def bootstrap_interval(
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    n_bootstrap: int = N_BOOTSTRAP,
    weights: np.ndarray | None = None,
    names: Sequence[str] = tuple(MEASURES),
) -> dict[str, Interval]:
    """Return measures of `MEASURES`, all by default, with 95% percentile intervals.

    The interval holds the predictions fixed: it is the uncertainty from the patients that were met, not
    from the training of the model.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    p : numpy.ndarray (n,) or (r, n)
        Predicted probabilities, 0 to 1; of r repeats of a cross-validation, whose measures are averaged.
    groups : numpy.ndarray (n,)
        Patient of each row, none missing.
    rng : numpy.random.Generator
    n_bootstrap : int
        Number of resamples, > 0.
    names : sequence of str
        Measures to return.
    weights : numpy.ndarray (n,), optional
        Weights >= 0 of the rows, held fixed over the resamples; one for every row by default.

    Returns
    -------
    dict of str to Interval
        Keyed by the measure's name. All NaN and every resample failed for a measure whose `min_events`
        the smaller class does not reach.

    Raises
    ------
    ValueError
        If the arguments differ in length or hold anything but 0 and 1, probabilities and patients.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; Field and Welsh, J R Stat
    Soc B 2007;69:369 (resampling of clusters).
    """
    outcomes, probabilities = as_repeats(y, p)
    smaller_class = min(outcomes.sum(), len(outcomes) - outcomes.sum())
    measures = [MEASURES[name] for name in names if smaller_class >= MEASURES[name].min_events]
    resampled: dict[str, list[np.ndarray]] = {measure.name: [] for measure in measures}
    for counts in resampled_weights(groups, len(outcomes), rng, n_bootstrap):
        drawn = counts if weights is None else counts * weights
        for measure in measures:
            resampled[measure.name].append(over_repeats(measure.kernel, outcomes, probabilities, drawn))
    intervals = {name: Interval(np.nan, np.nan, np.nan, n_bootstrap, n_bootstrap) for name in names}
    for measure in measures:
        estimate = float(np.mean([measure.function(outcomes, repeat, weights) for repeat in probabilities]))
        intervals[measure.name] = percentile_interval(estimate, np.concatenate(resampled[measure.name]))
    return intervals


def bootstrap_statistics(
    statistics: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray,
    rng: np.random.Generator,
    n_bootstrap: int = N_BOOTSTRAP,
) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics of all rows and of every resample of patients.

    Parameters
    ----------
    statistics : callable
        From weights (b, n) to the values (b, k) of k statistics, NaN where one is not estimable.
    groups : numpy.ndarray (n,)
        Patient of each row, none missing.
    rng : numpy.random.Generator
    n_bootstrap : int
        Number of resamples, > 0.

    Returns
    -------
    estimates : numpy.ndarray (k,)
    resampled : numpy.ndarray (n_bootstrap, k)
        For `percentile_interval`; columns of one resample can be subtracted, they are paired.
    """
    n_rows = len(groups)
    estimates = statistics(np.ones((1, n_rows)))[0]
    parts = [statistics(weights) for weights in resampled_weights(groups, n_rows, rng, n_bootstrap)]
    return estimates, np.concatenate(parts)


def bootstrap_difference(
    y: np.ndarray,
    p_first: np.ndarray,
    p_second: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    n_bootstrap: int = N_BOOTSTRAP,
    names: Sequence[str] = DIFFERENCE_MEASURES,
) -> dict[str, Difference]:
    """Return measures of the first prediction minus those of the second: AUC, log-loss and Brier score by default.

    Both are measured on the same resamples, so that what they share cancels. Parameters, errors and
    method as for `bootstrap_interval`.

    Returns
    -------
    dict of str to Difference
        Keyed by `names`.
    """
    outcomes, first = as_repeats(y, p_first)
    _, second = as_repeats(y, p_second)
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for weights in resampled_weights(groups, len(outcomes), rng, n_bootstrap):
        for name in names:
            kernel = MEASURES[name].kernel
            of_each = [over_repeats(kernel, outcomes, p, weights) for p in (first, second)]
            resampled[name].append(of_each[0] - of_each[1])
    differences = {}
    for name in names:
        function = MEASURES[name].function
        low, high, se, n_failed = _summary(np.concatenate(resampled[name]))
        means = [np.mean([function(outcomes, repeat, None) for repeat in p]) for p in (first, second)]
        estimate = float(means[0] - means[1])
        differences[name] = Difference(estimate, low, high, n_failed, n_bootstrap, se)
    return differences


def resampled_weights(
    groups: np.ndarray, n_rows: int, rng: np.random.Generator, n_bootstrap: int
) -> Iterator[np.ndarray]:
    """Yield the number of times that each row is drawn, (some resamples, n_rows), n_bootstrap in all."""
    codes, n_groups = patient_codes(groups, n_rows)
    at_once = max(1, _CELLS_AT_ONCE // n_rows)
    for first in range(0, n_bootstrap, at_once):
        size = min(at_once, n_bootstrap - first)
        drawn = rng.integers(0, n_groups, (size, n_groups)) + n_groups * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_groups).reshape(size, n_groups)
        yield counts.astype(float)[:, codes]


def percentile_interval(estimate: float, values: np.ndarray) -> Interval:
    """Return an estimate with the 2.5th and 97.5th percentile of its resampled values (b,), NaN where they failed."""
    low, high, _, n_failed = _summary(values)
    return Interval(float(estimate), low, high, n_failed, len(values))


def _summary(values: np.ndarray) -> tuple[float, float, float, int]:
    """Return low, high, standard deviation and the number of resamples that failed."""
    good = values[np.isfinite(values)]
    n_failed = len(values) - len(good)
    if n_failed > HIGHEST_FAILED_SHARE * len(values) or len(good) < 2:
        return np.nan, np.nan, np.nan, n_failed
    low, high = np.percentile(good, PERCENTILES)
    return float(low), float(high), float(good.std(ddof=1)), n_failed
