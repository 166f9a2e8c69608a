r"""Covariates of simulated courses: plausible margins, correlated, some empty.

Each covariate is a monotone transform of a standard normal; the normals share three factors (resistance,
distress, metabolic), so that failed trials go with failed ECT and admissions, benzodiazepines with
anxiety and resistance, blood pressure with weight and age. Margins and loadings are assumed, with shares
near those of the arms (`arms.json`): age 45 (13 to 14) in CRTCE cohorts, 57 to 59% women, 40% on a daily
benzodiazepine (Andrashko 2020), several failed trials. The illness began a year ago or earlier, and three months for
each failed trial; no episode is longer. Systolic and diastolic pressure correlate at 0.65 (assumed). Empty cells are
completely at random.

What the covariates do to the outcome is in `effects`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import geom, nbinom, norm

from ketapredict.simulate.columns import Columns, Words
from ketapredict.simulate.scenario import DIAGNOSES, Scenario

Transform = Callable[[np.ndarray], np.ndarray]
YES_NO = ("no", "yes")

# Loadings on resistance, distress, metabolic, age; the rest of each normal is its own.
_LOADINGS: dict[str, tuple[float, float, float, float]] = {
    "bmi_kg_m2": (0.0, 0.1, 0.5, 0.1),
    "failed_trials": (0.6, 0.1, 0.0, 0.15),
    "failed_ect": (0.5, 0.0, 0.0, 0.15),
    "episode_months": (0.4, 0.0, 0.0, 0.1),
    "onset_age_years": (-0.1, -0.2, 0.0, 0.35),
    "prior_admissions": (0.4, 0.3, 0.0, 0.0),
    "suicide_attempts": (0.2, 0.45, 0.0, 0.0),
    "family_history_alcohol": (0.0, 0.3, 0.0, 0.0),
    "anxious_distress": (0.0, 0.5, 0.0, 0.0),
    "melancholic_features": (0.25, 0.0, 0.0, 0.1),
    "psychotic_features": (0.2, 0.1, 0.0, 0.0),
    "substance_use": (0.0, 0.3, 0.0, -0.2),
    "benzodiazepine_mg_per_day": (0.25, 0.4, 0.0, 0.1),
    "systolic_mmhg": (0.0, 0.0, 0.4, 0.4),
    "diastolic_mmhg": (0.0, 0.0, 0.4, 0.1),
    "severity": (0.15, 0.15, 0.0, 0.0),
}
# Relative to the mean share missing.
_MISSING_WEIGHT = {
    "bmi_kg_m2": 1.0,
    "failed_trials": 0.6,
    "failed_ect": 0.6,
    "episode_months": 1.3,
    "onset_age_years": 1.3,
    "prior_admissions": 1.0,
    "suicide_attempts": 0.8,
    "family_history_alcohol": 1.5,
    "anxious_distress": 1.2,
    "melancholic_features": 1.3,
    "psychotic_features": 0.8,
    "mood_stabilizer": 0.6,
    "substance_use": 0.8,
    "benzodiazepine_mg_per_day": 0.8,
    "systolic_mmhg": 0.7,
    "diastolic_mmhg": 0.7,
    "cadss_40min": 0.8,
}
AGE_MEAN, AGE_SPREAD, AGE_RANGE = 45.0, 14.0, (18.0, 85.0)
BIPOLAR_ADMISSIONS, BIPOLAR_ONSET = 0.4, -0.4  # shifts of the normals; assumed
STABILIZER_SHARES = (0.10, 0.85)  # MDD, bipolar; bipolar trials: all on lithium or valproate
SEX_SHARES = (0.59, 0.40, 0.01)
_ONSET_MEAN, _ONSET_SPREAD, _EARLIEST_ONSET = 26.0, 10.0, 6.0
_LEAST_ILLNESS_YEARS, _YEARS_PER_TRIAL = 1.0, 0.25
_OWN_PRESSURE_CORRELATION = 0.6  # of what the factors do not explain
_LEAST_PULSE_PRESSURE, _PULSE_CURVE = 15.0, 4.0


@dataclass(frozen=True)
class Covariates:
    """Complete covariates of courses, before any cell is emptied.

    Attributes
    ----------
    columns : Columns
        Columns of the cohort table, (n,) each.
    severity : numpy.ndarray
        Standard normal that the baseline score is a transform of, (n,).
    """

    columns: Columns
    severity: np.ndarray


def counts(cumulative: np.ndarray) -> Transform:
    """Return the transform of a standard normal to 0, 1, 2, ... with the cumulative shares given."""
    cuts = norm.ppf(cumulative)
    return lambda normal: np.searchsorted(cuts, normal).astype(float)


def _share(share: float) -> Transform:
    return counts(np.array([1.0 - share]))


def _rounded(mean: float, spread: float, low: float, high: float) -> Transform:
    return lambda normal: np.clip(np.rint(mean + spread * normal), low, high)


_DOSE_STEPS = counts(np.concatenate([[0.62], 0.62 + 0.38 * geom.cdf(np.arange(1, 24), 0.25)]))
TRANSFORMS: dict[str, Transform] = {
    "bmi_kg_m2": lambda normal: np.round(np.clip(28.0 * np.exp(0.2 * normal), 14, 70), 1),
    "failed_trials": lambda normal: 2.0 + counts(nbinom.cdf(np.arange(40), 2, 0.4))(normal),
    "failed_ect": _share(0.15),
    "episode_months": lambda normal: np.rint(np.clip(np.exp(2.9 + 1.0 * normal), 1, 480)),
    "prior_admissions": counts(nbinom.cdf(np.arange(25), 0.7, 0.4)),
    "suicide_attempts": counts(nbinom.cdf(np.arange(20), 0.5, 0.45)),
    "family_history_alcohol": _share(0.35),
    "anxious_distress": _share(0.55),
    "melancholic_features": _share(0.35),
    "psychotic_features": _share(0.04),
    "substance_use": counts(np.array([0.72, 0.92])),
    "benzodiazepine_mg_per_day": lambda normal: 2.5 * _DOSE_STEPS(normal),
    "systolic_mmhg": _rounded(127.0, 14.0, 90, 190),
    "diastolic_mmhg": _rounded(79.0, 9.0, 50, 115),
}
_YES_NO_COLUMNS = (
    "failed_ect",
    "family_history_alcohol",
    "anxious_distress",
    "melancholic_features",
    "psychotic_features",
)


_DRAWN = tuple(name for name in _LOADINGS if name != "severity")  # in the order of the table


def _onset(normal: np.ndarray, age: np.ndarray, failed_trials: np.ndarray) -> np.ndarray:
    """Return whole ages at onset: a normal cut where the illness would be shorter than the failed trials take."""
    latest = np.floor(age - np.maximum(_LEAST_ILLNESS_YEARS, _YEARS_PER_TRIAL * failed_trials))
    low, high = ((edge - _ONSET_MEAN) / _ONSET_SPREAD for edge in (_EARLIEST_ONSET - 0.5, latest + 0.5))
    share = ndtr(low) + ndtr(normal) * (ndtr(high) - ndtr(low))
    return np.clip(np.rint(_ONSET_MEAN + _ONSET_SPREAD * ndtri(share)), _EARLIEST_ONSET, latest)


def diastolic_below(systolic: np.ndarray, diastolic: np.ndarray) -> np.ndarray:
    """Return whole diastolic pressures, mmHg, lowered smoothly where the pulse pressure nears 15 mmHg."""
    spare = systolic - diastolic - _LEAST_PULSE_PRESSURE
    kept: np.ndarray = np.rint(systolic - _LEAST_PULSE_PRESSURE - _PULSE_CURVE * np.logaddexp(0, spare / _PULSE_CURVE))
    return kept


def draw_covariates(scenario: Scenario, n_courses: int, rng: np.random.Generator) -> Covariates:
    """Draw complete covariates of `n_courses` courses."""
    names = list(_LOADINGS)
    loadings = np.array([_LOADINGS[name] for name in names])
    own = np.sqrt(1.0 - (loadings**2).sum(axis=1))
    factors = rng.standard_normal((n_courses, 4))
    normals = factors @ loadings.T
    apart = rng.standard_normal((n_courses, len(names)))
    high, low = names.index("systolic_mmhg"), names.index("diastolic_mmhg")
    apart[:, low] *= np.sqrt(1.0 - _OWN_PRESSURE_CORRELATION**2)
    apart[:, low] += _OWN_PRESSURE_CORRELATION * apart[:, high]
    normals += own * apart
    normal = dict(zip(names, normals.T, strict=True))
    diagnosis = np.searchsorted(np.cumsum(scenario.diagnosis_shares)[:-1], rng.random(n_courses), side="right")
    bipolar = diagnosis > 0
    normal["prior_admissions"] = normal["prior_admissions"] + BIPOLAR_ADMISSIONS * bipolar
    normal["onset_age_years"] = normal["onset_age_years"] + BIPOLAR_ONSET * bipolar
    values = {name: transform(normal[name]) for name, transform in TRANSFORMS.items()}
    age = np.clip(np.rint(AGE_MEAN + AGE_SPREAD * factors[:, 3]), *AGE_RANGE)
    values["onset_age_years"] = _onset(normal["onset_age_years"], age, values["failed_trials"])
    illness_months = 12.0 * (age - values["onset_age_years"])
    values["episode_months"] = np.minimum(values["episode_months"], illness_months)
    values["diastolic_mmhg"] = diastolic_below(values["systolic_mmhg"], values["diastolic_mmhg"])
    sex = np.searchsorted(np.cumsum(SEX_SHARES)[:-1], rng.random(n_courses), side="right")
    stabilizer = rng.random(n_courses) < np.where(bipolar, STABILIZER_SHARES[1], STABILIZER_SHARES[0])
    columns: Columns = {
        "age_years": age,
        "sex": Words(sex.astype(np.int8), ("female", "male", "other")),
        "diagnosis": Words(diagnosis.astype(np.int8), DIAGNOSES),
    }
    for name in _DRAWN:
        drawn = values[name]
        if name == "substance_use":
            columns["mood_stabilizer"] = Words(stabilizer.astype(np.int8), YES_NO)
            columns[name] = Words(drawn.astype(np.int8), ("none", "past", "current"))
        else:
            columns[name] = Words(drawn.astype(np.int8), YES_NO) if name in _YES_NO_COLUMNS else drawn
    return Covariates(columns, normal["severity"])


def with_gaps(columns: Columns, mean_share: float, rng: np.random.Generator) -> Columns:
    """Empty cells at random; age, sex and diagnosis are always known."""
    kept: Columns = {}
    for name, values in columns.items():
        share = min(mean_share * _MISSING_WEIGHT.get(name, 0.0), 0.9)
        if share == 0.0:
            kept[name] = values
            continue
        gone = rng.random(len(values)) < share
        if isinstance(values, Words):
            kept[name] = Words(np.where(gone, np.int8(-1), values.codes), values.words)
        else:
            kept[name] = np.where(gone, np.nan, np.asarray(values))
    return kept
