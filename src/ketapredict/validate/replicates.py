"""Bootstrap replicates of a run's measures, kept so that a later run can be compared with it, paired.

Two runs on the same courses are compared far more sharply on the same resamples than by their own
intervals: what they share cancels. For this no patient's row needs to be kept, only the measures of each
resample. Pairing rests on three things. The draws come from a seed of the accepted courses, the outcome
and the landmark alone, never from the user's seed. The rows are in the cohort's order, with the courses
that the landmark can use. And `event_rate`, which depends on courses and draws but on no model, is kept
with every replicate: where two files agree in it everywhere, their replicates are those of the same draws
of the same courses; where they do not (other arms, another random stream), they are not compared.

The seed is a secret of whoever holds the courses. With draws that anybody could repeat, 2,000 means over
some hundred courses would be that many equations for each course's own outcome and loss: every row could be
solved for. So the seed must not be, nor follow from, anything that is kept with a run (`draw_secret`).
"""

import hashlib

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.validate.intervals import N_BOOTSTRAP, Interval, bootstrap_statistics, percentile_interval
from ketapredict.validate.kernels import over_repeats
from ketapredict.validate.measures import MEASURES, as_repeats
from ketapredict.validate.thresholds import THRESHOLDS

RESAMPLES_FILE = "resamples.parquet"
SIZES = ("courses", "patients", "events")
LOG_LOSS, SLOPE, INTERCEPT, EVENT_RATE = "log_loss", "calibration_slope", "calibration_intercept", "event_rate"
SLOPE_DISTANCE = "slope_distance"
NET_BENEFIT = {threshold: f"net_benefit_{threshold:g}" for threshold in THRESHOLDS}
COLUMNS = ("landmark", "replicate", *SIZES, EVENT_RATE, LOG_LOSS, SLOPE, INTERCEPT, *NET_BENEFIT.values())


def draw_secret(cohort: Cohort) -> str:
    """Return the secret that the draws for a cohort are seeded from: a digest that is written nowhere.

    It does not follow from the hash of the data that runs and models carry: both are SHA-256 of the
    courses, this one behind a text of its own.
    """
    return cohort.digest("bootstrap draws")


def replicates(
    y: np.ndarray,
    p: np.ndarray,
    patients: np.ndarray,
    landmark: str,
    secret: str,
    outcome: str,
    n_bootstrap: int = N_BOOTSTRAP,
) -> pd.DataFrame:
    """Return the measures of predictions on all courses and on each resample of patients.

    Log-loss, calibration slope and intercept as in `measures`, net benefit as in `decision_curve` at the
    thresholds of `thresholds`. The predictions are held: the spread is that of the patients met, not that
    of training.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1.
    p : numpy.ndarray (n,) or (r, n)
        Probabilities by a model that has not seen the course: out-of-fold in each of r repeats, whose measures are
        averaged, or on a hold-out.
    patients : numpy.ndarray (n,)
        Patient of each row; drawn with replacement, with all of their courses.
    landmark : str
    secret : str
        From `draw_secret`; neither printed nor kept.
    outcome : str
    n_bootstrap : int
        Number of resamples, > 0.

    Returns
    -------
    pandas.DataFrame
        (n_bootstrap + 1) rows, `COLUMNS`; replicate 0 is all courses. NaN where a measure is not estimable,
        and for calibration with fewer of either class than `measures` asks for.

    Raises
    ------
    ValueError
        If the arguments differ in length or hold anything but 0 and 1, probabilities and patients.
    """
    outcomes, probabilities = as_repeats(y, p)
    rarer = min(outcomes.sum(), len(outcomes) - outcomes.sum())
    kernels = [MEASURES[name] for name in (LOG_LOSS, SLOPE, INTERCEPT)]
    at = np.array(THRESHOLDS)
    yes = (probabilities[:, :, None] >= at).mean(axis=0)
    gains = yes * (outcomes[:, None] - (1.0 - outcomes[:, None]) * at / (1.0 - at))

    def statistics(weights: np.ndarray) -> np.ndarray:
        found = [
            over_repeats(kernel.kernel, outcomes, probabilities, weights)
            if rarer >= kernel.min_events
            else np.full(len(weights), np.nan)
            for kernel in kernels
        ]
        totals = weights.sum(axis=1)
        return np.column_stack([weights @ outcomes / totals, *found, (weights @ gains) / totals[:, None]])

    seed = hashlib.sha256(f"{secret}\n{outcome}\n{landmark}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed))
    estimates, resampled = bootstrap_statistics(statistics, patients, rng, n_bootstrap)
    sizes = (len(outcomes), len(np.unique(patients)), int(outcomes.sum()))
    table = pd.DataFrame(np.vstack([estimates, resampled]), columns=list(COLUMNS[5:]))
    table.insert(0, "landmark", landmark)
    table.insert(1, "replicate", np.arange(n_bootstrap + 1))
    for place, (name, size) in enumerate(zip(SIZES, sizes, strict=True), 2):
        table.insert(place, name, size)
    return table


def same_draws(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether two tables of one landmark are of the same draws of the same courses."""
    names = [*SIZES, EVENT_RATE]
    return len(first) == len(second) and bool((first[names].to_numpy() == second[names].to_numpy()).all())


def paired_differences(challenger: pd.DataFrame, champion: pd.DataFrame) -> dict[str, Interval]:
    """Return each measure of the challenger minus that of the champion, with paired 95% intervals.

    Replicate 0 gives the estimate; percentiles of the differences of equal replicates give the interval.

    Parameters
    ----------
    challenger, champion : pandas.DataFrame
        From `replicates`, of one landmark.

    Returns
    -------
    dict of str to Interval
        `log_loss` (nats), `slope_distance` (of |slope - 1|) and `net_benefit_<threshold>` (courses with the
        outcome per course).

    Raises
    ------
    ValueError
        If they are not of the same draws.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if not same_draws(challenger, champion):
        raise ValueError("expected replicates of the same draws of the same courses")

    def values(table: pd.DataFrame) -> pd.DataFrame:
        distance = (table[SLOPE] - 1.0).abs().rename(SLOPE_DISTANCE)
        return pd.concat([table[[LOG_LOSS, *NET_BENEFIT.values()]], distance], axis=1).reset_index(drop=True)

    differences = values(challenger) - values(champion)
    return {
        str(name): percentile_interval(column.iloc[0], column.to_numpy(float)[1:])
        for name, column in differences.items()
    }
