"""Every measure corrected for optimism by bootstrap refits: Harrell's correction and the .632+ estimator."""

import numpy as np
import pandas as pd

from ketapredict.validate.intervals import PERCENTILES
from ketapredict.validate.logistic import expit
from ketapredict.validate.measures import MEASURES, Measure
from ketapredict.validate.refits import Refits

COLUMNS = ["measure", "apparent", "optimism", "optimism_se", "corrected", "low", "high"]
COLUMNS += ["out_of_sample", "corrected_632", "refits", "failed"]
OUT_OF_SAMPLE_SHARE = 0.632


def optimism_table(refits: Refits) -> pd.DataFrame:
    """Return every measure as it appears, corrected by optimism, and by .632+.

    Harrell: optimism is the mean over refits of (measure of the refit on its own sample) - (measure of the
    refit on the original courses); corrected = apparent - optimism. Each refit has
    seen two thirds of the original courses, so where members nearly learn their courses by heart (boosted
    trees) some optimism can be left (Noma 2021); hence .632+ beside it, which can be too strict.

    .632+: (1 - w) apparent + w out-of-sample, the latter the mean over refits of the measure on the courses
    out of the refit's sample; w = 0.632 / (1 - 0.368 R) with R = (out-of-sample - apparent) / (no information -
    apparent), held to 0 to 1: the more is overfitted, the more the courses out of the sample decide. No
    information is the measure when outcomes have nothing to do with the predictions. It is not given for
    calibration, where apparent figures of a shrunken model lie on the other side of perfect.

    The interval is that of the corrected figure: percentiles of the refits' measures on their own samples,
    moved so that their mean is the corrected figure (Noma's location shift; his is moved by the optimism
    alone and misses the corrected figure where refits overfit more than the reported model). It includes
    the uncertainty from the training. Its ends rest on 2.5% of B values: at least 200 refits for ends to trust. Not
    given for calibration: a fit is calibrated on its own sample by construction, whatever the sample.

    Parameters
    ----------
    refits : Refits

    Returns
    -------
    pandas.DataFrame
        `measure, apparent, optimism, optimism_se, corrected, low, high, out_of_sample, corrected_632, refits,
        failed`; `optimism_se` is the Monte Carlo standard error of the optimism, `failed` the refits in which
        the measure could not be estimated. NaN where the measure's `min_events` is not reached.

    References
    ----------
    Harrell, Lee and Mark, Stat Med 1996;15:361; Efron and Tibshirani, J Am Stat Assoc 1997;92:548 (.632+);
    Noma et al., Stat Med 2021;40:5691 (comparison, interval).
    """
    y, p = refits.labels, expit(refits.log_odds)
    reported = expit(refits.apparent)
    smaller_class = min(y.sum(), len(y) - y.sum())
    n_refits = len(refits.counts)
    records = []
    for measure in MEASURES.values():
        if smaller_class < measure.min_events:
            records.append((measure.name, *[np.nan] * 8, n_refits, n_refits))
            continue
        inside, whole, outside = _three_measures(measure, y, p, refits.counts)
        apparent = float(measure.kernel(y, reported, np.ones((1, len(y))))[0])
        differences = inside - whole
        known = np.isfinite(differences)
        if known.sum() < 2:
            records.append((measure.name, apparent, *[np.nan] * 7, n_refits, n_refits - int(known.sum())))
            continue
        optimism = float(differences[known].mean())
        error = float(differences[known].std(ddof=1) / np.sqrt(known.sum()))
        corrected = apparent - optimism
        low = high = np.nan
        if not measure.name.startswith("calibration"):
            low, high = np.percentile(inside[known] - inside[known].mean(), PERCENTILES) + corrected
        seen = outside[np.isfinite(outside)]
        out_of_sample = float(seen.mean()) if len(seen) else np.nan
        by_632 = np.nan
        if not measure.name.startswith("calibration"):
            by_632 = _by_632(apparent, out_of_sample, _no_information(measure, y, reported))
        figures = (apparent, optimism, error, corrected, float(low), float(high), out_of_sample, by_632)
        records.append((measure.name, *figures, n_refits, n_refits - int(known.sum())))
    return pd.DataFrame(records, columns=COLUMNS)


def _three_measures(
    measure: Measure, y: np.ndarray, p: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the measure of each refit on its own sample, on all courses and on those out of its sample, (B,) each."""
    rows = [
        measure.kernel(y, of_refit, np.vstack([drawn, np.ones(len(y)), drawn == 0]))
        for of_refit, drawn in zip(p, counts, strict=True)
    ]
    inside, whole, outside = np.array(rows).T
    return inside, whole, outside


def _by_632(apparent: float, out_of_sample: float, no_information: float) -> float:
    gap = no_information - apparent
    overfitting = float(np.clip((out_of_sample - apparent) / gap, 0.0, 1.0)) if gap else 0.0
    weight = OUT_OF_SAMPLE_SHARE / (1 - (1 - OUT_OF_SAMPLE_SHARE) * overfitting)
    return (1 - weight) * apparent + weight * out_of_sample


def _no_information(measure: Measure, y: np.ndarray, p: np.ndarray) -> float:
    """Return the measure over all n^2 pairs of an outcome with a prediction."""
    weights = np.repeat([y.mean(), 1 - y.mean()], len(p))
    classes = np.repeat([1.0, 0.0], len(p))
    return float(measure.kernel(classes, np.concatenate([p, p]), weights[None, :])[0])
