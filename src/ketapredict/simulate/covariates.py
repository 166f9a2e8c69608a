"""Covariates of simulated courses and their effects on the depth of the improvement.

Distributions and sizes of effects are assumed. Directions follow evidence/EVIDENCE.md, "The known
answer" 8 and 9: failed ECT, high doses of benzodiazepine and (slightly) failed trials lower the effect,
a family history of alcohol use disorder raises it, bipolar depression on a mood stabiliser does at least
as well as MDD, sex does nothing.
"""

import numpy as np

from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import BUILT_IN, DEFAULT_PROTOCOL

_DECLARED = declared_columns(BUILT_IN[DEFAULT_PROTOCOL])
DIAGNOSIS_SHARES = {"MDD": 0.70, "BD-I": 0.10, "BD-II": 0.14, "BD": 0.06}

# Change of the log of the depth; each is centred so that the average course has none.
EFFECT_BIPOLAR = 0.08
EFFECT_LOG_FAILED_TRIALS = -0.10
EFFECT_FAILED_ECT = -0.30  # Ibrahim: half the effect; the range of targets.csv goes from 0.3 to 1
EFFECT_LOG_BENZODIAZEPINE = -0.06  # per log(1 + mg/day)
EFFECT_FAMILY_HISTORY_ALCOHOL = 0.20


def draw_covariates(n_courses: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw complete covariates, (n_courses,) each, keyed by the column's name.

    Words are object arrays, numbers float64 within the declared range and whole except the body mass
    index (kg/m2, one decimal).
    """
    n = n_courses
    diagnosis = _levels(DIAGNOSIS_SHARES, n, rng)
    bipolar = diagnosis != "MDD"
    age = _number("age_years", rng.normal(45, 14, n))
    onset = np.minimum(rng.normal(27, 10, n), age - 1)
    benzodiazepine = np.where(rng.random(n) < 0.35, 2.5 * rng.geometric(0.25, n), 0.0)
    systolic = _number("systolic_mmhg", rng.normal(126, 14, n))
    return {
        "age_years": age.astype(int),
        "sex": _levels({"female": 0.59, "male": 0.40, "other": 0.01}, n, rng),
        "bmi_kg_m2": np.round(np.clip(27 * np.exp(rng.normal(0, 0.2, n)), 10, 80), 1),
        "diagnosis": diagnosis,
        "failed_trials": _number("failed_trials", 2 + rng.negative_binomial(2, 0.4, n)),
        "failed_ect": _yes(0.15, n, rng),
        "episode_months": _number("episode_months", np.exp(rng.normal(2.7, 1.0, n))),
        "onset_age_years": np.rint(np.clip(onset, 6, None)),
        "suicide_attempts": _number("suicide_attempts", rng.negative_binomial(0.5, 0.45, n)),
        "family_history_alcohol": _yes(0.35, n, rng),
        "anxious_distress": _yes(0.55, n, rng),
        "melancholic_features": _yes(0.35, n, rng),
        "mood_stabilizer": _yes(np.where(bipolar, 0.85, 0.10), n, rng),
        "benzodiazepine_mg_per_day": np.clip(benzodiazepine, 0, 200),
        "substance_use": _levels({"none": 0.72, "past": 0.20, "current": 0.08}, n, rng),
        "systolic_mmhg": systolic,
        "diastolic_mmhg": _number("diastolic_mmhg", 0.45 * systolic + 22 + rng.normal(0, 7, n)),
    }


def log_effects(covariates: dict[str, np.ndarray]) -> np.ndarray:
    """Return the sum of the effects of the covariates on the log of the depth, (n,)."""
    bipolar = (covariates["diagnosis"] != "MDD") - 0.30
    trials = np.log1p(covariates["failed_trials"]) - 1.7
    failed_ect = (covariates["failed_ect"] == "yes") - 0.15
    benzodiazepine = np.log1p(covariates["benzodiazepine_mg_per_day"]) - 0.75
    family_history = (covariates["family_history_alcohol"] == "yes") - 0.35
    total: np.ndarray = (
        EFFECT_BIPOLAR * bipolar
        + EFFECT_LOG_FAILED_TRIALS * trials
        + EFFECT_FAILED_ECT * failed_ect
        + EFFECT_LOG_BENZODIAZEPINE * benzodiazepine
        + EFFECT_FAMILY_HISTORY_ALCOHOL * family_history
    )
    return total


def _levels(shares: dict[str, float], n_courses: int, rng: np.random.Generator) -> np.ndarray:
    chosen = rng.choice(len(shares), n_courses, p=list(shares.values()))
    drawn: np.ndarray = np.array(list(shares), object)[chosen]
    return drawn


def _yes(share: float | np.ndarray, n_courses: int, rng: np.random.Generator) -> np.ndarray:
    answers: np.ndarray = np.where(rng.random(n_courses) < share, "yes", "no").astype(object)
    return answers


def _number(name: str, drawn: np.ndarray) -> np.ndarray:
    """Round to whole numbers within the declared range of the column."""
    column = _DECLARED[name]
    whole: np.ndarray = np.clip(np.rint(drawn), column.minimum, column.maximum)
    return whole
