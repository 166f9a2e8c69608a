"""Cohorts whose true probabilities are known: what intervals and scores of the benchmarks are held against.

The truth of a course is the probability of the outcome *given the model's inputs*: where an input is missing
it is the mean over what the input could have been. All covariates are independent and missing at random, so
that this mean is an average over draws from their distributions. End scores agree with the outcome.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.cohort.cohort import SIMULATED_PREFIX, Cohort
from ketapredict.cohort.protocols import PRE, Protocol, TimePoint
from ketapredict.cohort.read import cohort_from_frame

PROTOCOL = Protocol(
    "one-rating",
    (TimePoint("24h", 24.0, (18.0, 36.0)), TimePoint("7d", 168.0, (120.0, 216.0))),
    (PRE, "24h"),
    "7d",
)
TRUTH_DRAWS = 300
MISSING_SHARES = {"logistic": 0.08, "curved": 0.15, "sparse": 0.08, "null": 0.08}
WORLDS = tuple(MISSING_SHARES)
# Mean and SD by which numbers are brought to one scale; skewed ones after log(1 + x).
_NUMBERS: dict[str, tuple[float, float]] = {
    "age_years": (46.0, 13.0),
    "bmi_kg_m2": (28.0, 5.0),
    "failed_trials": (1.3, 0.5),
    "episode_months": (2.5, 0.9),
    "onset_age_years": (26.0, 9.0),
    "prior_admissions": (0.6, 0.55),
    "suicide_attempts": (0.35, 0.5),
    "systolic_mmhg": (126.0, 14.0),
    "diastolic_mmhg": (79.0, 9.0),
    "benzodiazepine_mg_per_day": (1.2, 1.3),
}
_SKEWED = ("failed_trials", "episode_months", "prior_admissions", "suicide_attempts", "benzodiazepine_mg_per_day")
_SHARES = {
    "family_history_alcohol": 0.35,
    "anxious_distress": 0.5,
    "melancholic_features": 0.3,
    "failed_ect": 0.2,
    "mood_stabilizer": 0.25,
}
_DIAGNOSES = {"MDD": 0.78, "BD-I": 0.11, "BD-II": 0.11}

Draws = dict[str, np.ndarray]
LogOdds = Callable[[Draws, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class World:
    """One truth: log-odds as a function of covariates, early improvement and relative baseline."""

    name: str
    log_odds: LogOdds


def make_world(name: str, rng: np.random.Generator) -> World:
    """Draw a truth of a kind.

    `logistic`: linear in everything, end scores linear as well, like the members; nine weak effects.
    `curved`: steps, a hump, a threshold, an interaction; end scores in two heaps.
    `sparse`: a quarter respond, two strong effects of covariates. `null`: nothing has an effect.
    """
    names = [*_NUMBERS, *_SHARES, "male", "bipolar"]
    sizes = np.array([0.35, 0.3, 0.25, 0.2, 0.2, 0.15, 0.15, 0.1, 0.1] + [0.0] * (len(names) - 9))
    effects = dict(zip(rng.permutation(names), sizes * rng.choice([-1, 1], len(sizes)), strict=True))

    def linear(x: Draws, early: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        covariates = sum(effects[column] * _standard(x, column) for column in names)
        return -0.2 + 1.1 * (early - 0.42) / 0.27 - 0.25 * (baseline - 0.53) / 0.1 + covariates

    def curved(x: Draws, early: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        covariates = sum(0.7 * effects[column] * _standard(x, column) for column in names)
        # A step rather than a line, steeper in bipolar courses; a threshold of age, a hump over body mass.
        step = 3.2 * expit((early - 0.38) / 0.07) - 1.7
        age = -0.7 * (x["age_years"] > 58)
        hump = 0.5 - 0.35 * np.minimum(_standard(x, "bmi_kg_m2") ** 2, 4.0)
        bipolar = x["bipolar"] * (early - 0.42) * 2.5
        return step + age + hump + bipolar + covariates - 0.2 * (baseline - 0.53) / 0.1

    def sparse(x: Draws, early: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        strong = 0.8 * _standard(x, names[0]) - 0.6 * _standard(x, names[-2])
        return -1.4 + 0.9 * (early - 0.42) / 0.27 + strong + 0.0 * baseline

    def null(x: Draws, early: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        return -0.2 + 0.0 * (x["male"] + early + baseline)

    return World(name, {"logistic": linear, "curved": curved, "sparse": sparse, "null": null}[name])


def draw_cohort(
    world: World,
    n_courses: int,
    rng: np.random.Generator,
    landmark: str = "24h",
    truth_draws: int = TRUTH_DRAWS,
) -> tuple[Cohort, np.ndarray]:
    """Draw courses and their true probabilities given what the model sees at a landmark.

    Parameters
    ----------
    world : World
    n_courses : int
    rng : numpy.random.Generator
    landmark : str
    truth_draws : int
        How often the inputs that a course lacks are drawn; 0 where only the courses are wanted.

    Returns
    -------
    cohort : Cohort
    truth : numpy.ndarray
        (n_courses,); NaN without draws.
    """
    complete = _covariates(n_courses, rng)
    baseline = np.clip(np.rint(rng.normal(32, 6, n_courses)), 20, 55)
    score = np.rint(np.clip(baseline * (1 - _early(n_courses, rng)), 0, 60))
    early = 1 - score / baseline
    latent = world.log_odds(complete, early, baseline / 60) + rng.logistic(size=n_courses)
    missing = {name: rng.random(n_courses) < MISSING_SHARES[world.name] for name in complete if name != "bipolar"}
    missing["diagnosis"] = np.zeros(n_courses, dtype=bool)
    frame = _table(complete, missing)
    frame["score_baseline"], frame["score_24h"] = baseline, score
    frame["score_7d"] = _end_scores(world.name, latent, baseline, rng)
    total = np.zeros(n_courses)
    for _ in range(truth_draws):
        other = _covariates(n_courses, rng)
        seen = {name: np.where(missing.get(name, False), other[name], complete[name]) for name in complete}
        seen["bipolar"] = complete["bipolar"]
        seen_early = _early(n_courses, rng) if landmark == PRE else early
        total += expit(world.log_odds(seen, seen_early, baseline / 60))
    truth = total / truth_draws if truth_draws else np.full(n_courses, np.nan)
    return cohort_from_frame(frame, PROTOCOL), truth


def _covariates(n: int, rng: np.random.Generator) -> Draws:
    x: Draws = {}
    for name, (mean, sd) in _NUMBERS.items():
        values = rng.normal(mean, sd, n)
        x[name] = np.rint(np.expm1(np.maximum(values, 0)) if name in _SKEWED else values)
    x["age_years"] = np.clip(x["age_years"], 18, 85)
    x["bmi_kg_m2"] = np.clip(x["bmi_kg_m2"], 16, 60)
    x["onset_age_years"] = np.maximum(x["onset_age_years"], 5)
    for name in ("failed_trials", "benzodiazepine_mg_per_day"):
        x[name] = np.minimum(x[name], 50)
    for name, share in _SHARES.items():
        x[name] = (rng.random(n) < share).astype(float)
    x["male"] = (rng.random(n) < 0.42).astype(float)
    x["diagnosis"] = rng.choice(len(_DIAGNOSES), n, p=list(_DIAGNOSES.values())).astype(float)
    x["bipolar"] = (x["diagnosis"] > 0).astype(float)
    return x


def _early(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw early improvement: two heaps."""
    good = rng.random(n) < 0.45
    return np.clip(np.where(good, rng.normal(0.66, 0.15, n), rng.normal(0.22, 0.16, n)), -0.2, 1.0)


def _standard(x: Draws, name: str) -> np.ndarray:
    if name in _NUMBERS:
        mean, sd = _NUMBERS[name]
        return (np.log1p(x[name]) if name in _SKEWED else x[name] - 0.0) / sd - mean / sd
    share = {"male": 0.42, "bipolar": 0.22}.get(name) or _SHARES[name]
    return (x[name] - share) / np.sqrt(share * (1 - share))


def _end_scores(kind: str, latent: np.ndarray, baseline: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return whole end scores at or under half of the baseline exactly where the latent value is positive."""
    if kind != "curved":
        share = 0.5 - 0.11 * latent
    else:  # two heaps that say nothing beyond the outcome
        share = np.where(latent > 0, rng.normal(0.2, 0.1, len(latent)), rng.normal(0.85, 0.12, len(latent)))
    score = np.rint(np.clip(baseline * share, 0, 60))
    half = np.floor(baseline / 2)
    return np.where(latent > 0, np.minimum(score, half), np.maximum(score, half + 1))


def _table(x: Draws, missing: dict[str, np.ndarray]) -> pd.DataFrame:
    n = len(x["male"])
    frame = pd.DataFrame({"course_id": [f"{SIMULATED_PREFIX}{number}" for number in range(1, n + 1)]})
    frame["scale"] = "MADRS"
    frame["diagnosis"] = np.array(list(_DIAGNOSES))[x["diagnosis"].astype(int)]
    frame["sex"] = pd.Series(np.where(x["male"] == 1, "male", "female")).mask(missing["male"])
    for name in (*_NUMBERS, *_SHARES):
        frame[name] = np.where(missing[name], np.nan, x[name])
    return frame
