"""Performance by diagnosis, sex, age, site and severity, from out-of-fold predictions."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.scales import scale_named, severity_band
from ketapredict.validate.intervals import N_BOOTSTRAP, bootstrap_statistics, percentile_interval
from ketapredict.validate.kernels import (
    auc_kernel,
    calibration_intercept_kernel,
    observed_over_expected_kernel,
    over_repeats,
)
from ketapredict.validate.measures import as_repeats
from ketapredict.validate.small_groups import TOO_FEW
from ketapredict.validate.small_samples import auc_interval, ratio_interval

NOT_RECORDED = "not recorded"
# From 60 on, most have a hypertensive reading in a course (EVIDENCE.md, fact 10); the other cut is a judgement.
AGE_BANDS = ((40.0, "under 40"), (60.0, "40 to 59"), (np.inf, "60 and over"))
# Fewer courses of either class: figures are shown with a warning; intervals that need no resampling.
FEWEST_TO_SAY = 10
# The gate asks for certainty over all subgroups at once: the levels that can say share 5% (Bonferroni).
FAMILY_ERROR = 0.05
MEASURES = {
    "auc": auc_kernel,
    "calibration_intercept": calibration_intercept_kernel,
    "observed_over_expected": observed_over_expected_kernel,
}
COLUMNS = ["variable", "level", "courses", "events", "measure", "estimate", "low", "high", "warning"]
COLUMNS += ["certainly_miscalibrated"]


def subgroup_variables(cohort: Cohort, rows: np.ndarray) -> pd.DataFrame:
    """Return the subgroup of some courses by each variable.

    Parameters
    ----------
    cohort : Cohort
    rows : numpy.ndarray (n,)
        From `training_rows`.

    Returns
    -------
    pandas.DataFrame
        (n, 6) text: `diagnosis`, `sex`, `age`, `site`, `arm`, `severity at baseline` (the bands of the course's own
        scale); "not recorded" where missing or the scale has no bands.
    """
    table = cohort.table.iloc[rows]
    severity = [
        severity_band(scale_named(str(scale)), float(score))
        for scale, score in zip(table["scale"], table["score_baseline"], strict=True)
    ]
    columns = {
        "diagnosis": table["diagnosis"].astype(object),
        "sex": table["sex"].astype(object),
        "age": pd.Series([_age_band(age) for age in table["age_years"].to_numpy(float)], dtype=object),
        "site": table["site"].astype(object),
        "arm": pd.Series(np.where(cohort.active[rows], "active", "control"), dtype=object),
        "severity at baseline": pd.Series(severity, dtype=object),
    }
    text = {name: values.reset_index(drop=True).fillna(NOT_RECORDED).astype(str) for name, values in columns.items()}
    return pd.DataFrame(text)


def subgroup_table(
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    variables: pd.DataFrame,
    rng: np.random.Generator,
    n_bootstrap: int = N_BOOTSTRAP,
) -> pd.DataFrame:
    """Return size, AUC, calibration-in-the-large and observed / expected of every subgroup.

    Intervals are 95% percentiles of a bootstrap over patients, the predictions held. With fewer than ten
    courses of either class, Newcombe's interval of the AUC and the log-normal one of observed / expected
    take over, the calibration-in-the-large has none, and a warning says that there is too little to say.
    Variables that have one level only are left out.

    `certainly_miscalibrated`: the calibration-in-the-large is further from 0 than the normal quantile at
    1 - 0.05 / (2 m) times its bootstrap standard deviation, m the number of levels without a warning. At
    95% each, among 15 well calibrated subgroups one would be called off in half of all reports.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        Outcomes 0 or 1.
    p : numpy.ndarray (n,) or (r, n)
        Out-of-fold probabilities; of r repeats, whose figures are averaged.
    groups : numpy.ndarray (n,)
        Patient of each row.
    variables : pandas.DataFrame
        (n, k) text, one column per variable; from `subgroup_variables`.
    rng : numpy.random.Generator
    n_bootstrap : int

    Returns
    -------
    pandas.DataFrame
        `variable, level, courses, events, measure, estimate, low, high, warning, certainly_miscalibrated`.
    """
    outcomes, probabilities = as_repeats(y, p)
    varied = [name for name in variables.columns if len(variables[name].unique()) > 1]
    levels = [
        (name, level, (variables[name] == level).to_numpy())
        for name in varied
        for level in sorted(variables[name].unique())
    ]
    able = sum(_rarer(outcomes[rows]) >= FEWEST_TO_SAY for _, _, rows in levels)
    seed = int(rng.integers(2**63))
    records = []
    for name, level, rows in levels:
        own = (outcomes[rows], probabilities[:, rows], np.asarray(groups)[rows])
        figures, off = _figures(*own, np.random.default_rng(seed), n_bootstrap, FAMILY_ERROR / max(able, 1))
        n, events = len(own[0]), int(own[0].sum())
        warning = ""
        if _rarer(own[0]) < FEWEST_TO_SAY:
            warning = f"{TOO_FEW}: {n} courses, {events} with the outcome"
        for measure, numbers in figures.items():
            records.append((name, level, n, events, measure, *numbers, warning, off))
    return pd.DataFrame(records, columns=COLUMNS)


def _figures(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, rng: np.random.Generator, n_bootstrap: int, error: float
) -> tuple[dict[str, tuple[float, float, float]], bool]:
    def statistics(weights: np.ndarray) -> np.ndarray:
        return np.column_stack([over_repeats(kernel, y, p, weights) for kernel in MEASURES.values()])

    if _rarer(y) < FEWEST_TO_SAY:
        area, intercept, ratio = statistics(np.ones((1, len(y))))[0]
        events = int(y.sum())
        ends = auc_interval(area, events, len(y) - events) if np.isfinite(area) else (np.nan, np.nan)
        few = {
            "auc": (float(area), *ends),
            "calibration_intercept": (float(intercept), np.nan, np.nan),
            "observed_over_expected": (float(ratio), *ratio_interval(events, len(y), float(p.mean(axis=0).sum()))),
        }
        return few, False
    estimates, resampled = bootstrap_statistics(statistics, groups, rng, n_bootstrap)
    intervals = [percentile_interval(estimates[k], resampled[:, k]) for k in range(len(MEASURES))]
    figures = {
        name: (interval.estimate, interval.low, interval.high)
        for name, interval in zip(MEASURES, intervals, strict=True)
    }
    # So far out, percentiles of some thousand resamples are noise: the normal with the bootstrap's own spread.
    place = list(MEASURES).index("calibration_intercept")
    reach = norm.ppf(1 - error / 2) * np.nanstd(resampled[:, place], ddof=1)
    return figures, bool(abs(estimates[place]) > reach)


def _age_band(age: float) -> str:
    if np.isnan(age):
        return NOT_RECORDED
    return next(name for under, name in AGE_BANDS if age < under)


def _rarer(y: np.ndarray) -> int:
    return int(min(y.sum(), len(y) - y.sum()))
