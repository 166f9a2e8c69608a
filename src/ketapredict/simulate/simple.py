"""A simple simulator of courses for any protocol and scale: for tests and demonstrations.

It is a stand-in: a simulator that is calibrated to the literature with a known truth replaces it under
the same name. A model trained on its courses knows nothing about patients.

Confirmed or derived from confirmed figures (evidence/EVIDENCE.md, trajectory.csv): the shares of the
three classes, the response 24 h after one infusion, its fade to day 7 and loss by day 10 to 12, the
accumulation over a course, the share without an outcome, the direction (or absence) of the effects of
covariates.

Assumed: the baseline (mean 32.6, SD 6.1 on MADRS: recalled, not confirmed by a source); the same relative
baseline on every scale; the depth of the classes, the size of every effect, the spread between sites, the
shape of all curves and the serial correlation, chosen so that the response is near the evidence and the
improvements at 24 h and at the outcome correlate at about 0.5; the distributions of covariates and the
shares missing; that gradual improvement over weeks ends in the same response as a course.
"""

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import SIMULATED_PREFIX
from ketapredict.cohort.protocols import BASELINE, BUILT_IN, DEFAULT_PROTOCOL, Protocol, TimePoint
from ketapredict.cohort.scales import RECALL_REFUSED_BEFORE_HOURS, Scale, scale_named
from ketapredict.simulate.covariates import draw_covariates, log_effects
from ketapredict.simulate.trajectories import effect_curves, serial_noise

DEFAULT = BUILT_IN[DEFAULT_PROTOCOL]

# Robust, partial, none: means of O'Brien 2019 (41.2, 29.6% poor) and 2023 (34.6, 26.2% modest); derived.
CLASS_SHARES = (0.38, 0.34, 0.28)
# Fall of the log score at full effect: 69, 45 and 10% of the baseline; assumed.
CLASS_DEPTHS = (1.18, 0.60, 0.10)
SITE_SPREAD = 0.12  # SD of a site's intercept on the log of the depth; assumed
COURSE_SPREAD = 0.20  # SD of a course's own deviation on the log of the depth; assumed
BASELINE_MEAN, BASELINE_SPREAD = 32.6 / 60, 6.1 / 60  # of the scale's range; recalled (see above)
# Share of courses without an outcome is about 11% (Gutierrez 11.3, late-life 12, Shiroma 14); the
# chance falls with the improvement last seen, so that it is informative (size assumed).
DROPOUT_LEVEL, DROPOUT_BY_IMPROVEMENT = 0.17, 1.4
MISSED_RATING_SHARE = 0.03  # a single rating that did not take place; assumed


def simulate_cohort(
    n_courses: int, seed: int, protocol: Protocol = DEFAULT, scale: str = "MADRS", n_sites: int = 6
) -> pd.DataFrame:
    """Simulate courses of the active treatment, one patient each.

    score(t) = baseline x exp(-[g(t) D + e(t)]), rounded and held to the scale, with D the depth of the
    course's class (robust, partial, none) times exp(effects of covariates, of the site and of the course),
    g(t) the course's own curve over time and e(t) serially correlated noise.

    Parameters
    ----------
    n_courses : int
        Number of rows, >= 1.
    seed : int
        The same seed gives the same frame.
    protocol : Protocol
        Time points and outcome. With time points called `inf<k>` the effect accumulates over infusions;
        with a first rating after five days or more it grows over weeks; otherwise it is that of one
        infusion, which fades.
    scale : str
        Name of the rating scale.
    n_sites : int
        Number of sites, >= 1.

    Returns
    -------
    pandas.DataFrame
        The cohort table as a file would hold it: canonical columns, yes and no as words, whole numbers
        as float64 where some are missing (NaN). Columns that the protocol or scale has no values for are
        absent (dissociation, dose, the suicidality item); those of self-rated scales under 24 h are empty.

    Raises
    ------
    CohortError
        If there is no such scale.
    ValueError
        If the number of courses or sites is not positive.
    """
    if n_courses < 1 or n_sites < 1:
        raise ValueError("expected at least one course and one site")
    rating_scale = scale_named(scale)
    rng = np.random.default_rng(seed)
    site = rng.integers(0, n_sites, n_courses)
    covariates = draw_covariates(n_courses, rng)
    deviation = rng.normal(0, SITE_SPREAD, n_sites)[site] + rng.normal(0, COURSE_SPREAD, n_courses)
    responder_class = rng.choice(len(CLASS_DEPTHS), n_courses, p=CLASS_SHARES)
    depth = np.array(CLASS_DEPTHS)[responder_class] * np.exp(log_effects(covariates) + deviation)

    baseline = _baseline_scores(n_courses, rating_scale, rng)
    hours = np.array([point.hours for point in protocol.time_points])
    fall = effect_curves(protocol, n_courses, rng) * depth[:, None] + serial_noise(hours, n_courses, rng)
    scores = np.clip(np.rint(baseline[:, None] * np.exp(-fall)), 0, rating_scale.maximum)

    table = _identifiers(n_courses, site)
    table |= {"age_years": covariates.pop("age_years"), "sex": covariates.pop("sex")}
    table |= {"diagnosis": covariates.pop("diagnosis"), "scale": np.full(n_courses, scale)}
    table |= _with_missing(covariates, rng)
    table |= _suicidality(baseline, rating_scale, rng)
    table |= _dosing(protocol, n_courses)
    if "40min" in protocol.names:
        table["cadss_40min"] = _dissociation(scores[:, protocol.names.index("40min")] / baseline, rng)
    table[f"score_{BASELINE}"] = baseline.astype(int)
    observed = _observed(scores, baseline, protocol, rng)
    for number, point in enumerate(protocol.time_points):
        table[f"score_{point.name}"] = _rated(observed[:, number], point, rating_scale)
    return pd.DataFrame(table)


def _identifiers(n_courses: int, site: np.ndarray) -> dict[str, object]:
    width = max(4, len(str(n_courses)))
    numbers = [f"{number:0{width}d}" for number in range(1, n_courses + 1)]
    return {
        "course_id": [f"{SIMULATED_PREFIX}{number}" for number in numbers],
        "patient_id": [f"{SIMULATED_PREFIX}patient-{number}" for number in numbers],
        "site": [f"S{number + 1}" for number in site.tolist()],
    }


def _baseline_scores(n_courses: int, scale: Scale, rng: np.random.Generator) -> np.ndarray:
    """Draw scores above the remission cut (or zero): whoever is treated is ill."""
    lowest = (scale.remission_cut or 0) + 1
    drawn = rng.normal(BASELINE_MEAN * scale.maximum, BASELINE_SPREAD * scale.maximum, n_courses)
    return np.clip(np.rint(drawn), lowest, scale.maximum)


def _with_missing(covariates: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Leave 5 to 15% of each covariate empty, at random."""
    result = {}
    for name, values in covariates.items():
        missing = rng.random(len(values)) < rng.uniform(0.05, 0.15)
        result[name] = values.copy()
        result[name][missing] = None if values.dtype == object else np.nan
    return result


def _suicidality(baseline: np.ndarray, scale: Scale, rng: np.random.Generator) -> dict[str, np.ndarray]:
    if scale.suicidality_maximum is None:
        return {}
    share = baseline / scale.maximum + rng.normal(-0.2, 0.15, len(baseline))
    return {"suicidality_item": np.rint(np.clip(share, 0, 1) * scale.suicidality_maximum).astype(int)}


def _dosing(protocol: Protocol, n_courses: int) -> dict[str, np.ndarray]:
    """Return dose (0.5 mg/kg, the standard) and infusions; nothing for treatments other than ketamine."""
    if protocol.active_treatment != "ketamine":
        return {}
    numbers = [int(name[3:]) for name in protocol.names if name.startswith("inf") and name[3:].isdigit()]
    infusions = max(6, *numbers) if numbers else 1
    return {
        "dose_mg_per_kg": np.full(n_courses, 0.5),
        "infusions_planned": np.full(n_courses, min(infusions, 30)),
    }


def _dissociation(remaining: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw CADSS totals, slightly higher with more improvement (Luckenbaugh 2014; size assumed)."""
    drawn = np.exp(rng.normal(2.4, 0.8, len(remaining)) - 0.3 * (remaining - 1.0))
    return np.clip(np.rint(drawn), 0, 92).astype(int)


def _observed(scores: np.ndarray, baseline: np.ndarray, protocol: Protocol, rng: np.random.Generator) -> np.ndarray:
    """Return the scores (n, time points) with NaN after dropout and for missed ratings."""
    n_courses, n_points = scores.shape
    outcome = protocol.names.index(protocol.outcome)
    improvement = 1.0 - scores[:, max(outcome - 1, 0)] / baseline
    chance = np.clip(DROPOUT_LEVEL * np.exp(-DROPOUT_BY_IMPROVEMENT * improvement), 0.0, 0.9)
    dropped = rng.random(n_courses) < chance
    # Ratings of the first day are under observation: courses stop after it, at the latest at the outcome.
    first = min(sum(point.hours <= 24 for point in protocol.time_points), outcome)
    stops = np.where(dropped, rng.integers(first, outcome + 1, n_courses), n_points)
    gone = np.arange(n_points) >= stops[:, None]
    missed = rng.random(scores.shape) < MISSED_RATING_SHARE
    missed[:, outcome] = False
    return np.where(gone | missed, np.nan, scores)


def _rated(scores: np.ndarray, point: TimePoint, scale: Scale) -> np.ndarray:
    """Empty the scores of a self-rated scale whose recall window forbids the time point."""
    if scale.looks_back_too_far_for_hours and point.hours < RECALL_REFUSED_BEFORE_HOURS:
        return np.full(len(scores), np.nan)
    return scores
