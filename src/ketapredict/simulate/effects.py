r"""What covariates do: they shift the liability to a better class, a little.

.. math:: \eta^{c} = \sum_v \beta^{c}_v (v - \bar v), \qquad c = \mathrm{some, full}

in SD of the liability (`classes`): `some` counts at the cuts to partial and to robust, `full` at the cut above
which no symptoms are left. They differ by failed trials only: more of them leave more residual symptoms, so that
remission is lower; response is not, for which their effect on `some` makes up for what goes with them (failed ECT,
admissions, benzodiazepines). Published sizes are small and uncertain; the sizes here are assumed
to agree with them in direction and, all together, with an AUC near 0.60 before the infusion (44 studies:
Lima Constantino 2025, 10.1016/j.psychres.2025.116355).

| covariate | effect | basis |
|---|---|---|
| bipolar on a mood stabiliser | +0.15 | Diazgranados 2010, Zarate 2012; CRTCE 35 against 27% |
| log(1 + failed trials), some | +0.40 | response unchanged: Alnefeesi 2022; a larger gap to the control: Price 2022 |
| log(1 + failed trials), full | -0.80 | remission lower: Alnefeesi 2022, PMID 35688035 |
| failed ECT | -0.50 | Ibrahim 2011, PMC3100439: half the effect |
| log(1 + mg benzodiazepine) | -0.14 | Andrashko 2020; Feeney 2022 |
| family history of alcohol | +0.33 | Niciu 2014, PMID 24922494; Pennybaker 2017 |
| BMI, per 5 kg/m2 | +0.14 | Niciu 2014 |
| anxious distress | +0.18 | McIntyre 2020/21; null elsewhere |
| melancholic features | -0.18 | Lima Constantino 2025 (tentative) |
| log(1 + admissions) | -0.23 | Zheng 2019: none, OR 3.56 |
| log(1 + attempts) | -0.08 | Niciu 2014; null in ELEKT-D |
| age, per decade, first infusion only | -0.09 | Pennybaker 2021: slower, gone by infusion 6 |
| sex, substance use, blood pressure, episode, onset, psychosis | 0 | Freeman 2019, Price 2022: sex none |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ketapredict.simulate.columns import Columns, Words
from ketapredict.simulate.covariates import draw_covariates
from ketapredict.simulate.scenario import Scenario

EFFECTS: dict[str, float] = {
    "bipolar_on_stabilizer": 0.15,
    "failed_trials": 0.40,
    "failed_ect": -0.50,
    "benzodiazepine_mg_per_day": -0.14,
    "family_history_alcohol": 0.33,
    "bmi_kg_m2": 0.028,
    "anxious_distress": 0.18,
    "melancholic_features": -0.18,
    "prior_admissions": -0.23,
    "suicide_attempts": -0.08,
}
# On top of these at the last cut.
FULL_EFFECTS: dict[str, float] = {"failed_trials": -1.20}
AGE_EFFECT_PER_DECADE = -0.09
_LOGARITHMIC = frozenset(
    {"failed_trials", "benzodiazepine_mg_per_day", "prior_admissions", "suicide_attempts", "episode_months"}
)
_MEAN_AGE = 45.0
_LIBRARY_COURSES, _LIBRARY_SEED = 100_000, 20_260_101
_RIDGE = 1e-9
# Without an effect; they say something of an empty cell, as they share factors with it (`covariates`).
_TELLING = (
    "episode_months",
    "onset_age_years",
    "psychotic_features",
    "substance_use",
    "systolic_mmhg",
    "diastolic_mmhg",
)


@dataclass(frozen=True)
class Liability:
    """What is known of each course's shift of the liability.

    Attributes
    ----------
    mean : numpy.ndarray
        Expected eta (some, full) given the cells that are not empty, (n, 2).
    variance : numpy.ndarray
        Variance of eta because of the empty cells, (n, 2); 0 where none is empty.
    slowing : numpy.ndarray
        Effect of age on the first infusion, (n, 1).
    """

    mean: np.ndarray
    variance: np.ndarray
    slowing: np.ndarray


def liability(columns: Columns, severity: np.ndarray, scenario: Scenario) -> Liability:
    """Return the shift of the liability from the covariates; where cells are empty, its mean and variance.

    An empty cell is replaced by its linear projection on the covariates that are not empty (those without an
    effect too, but not the suicidality item), on age, diagnosis and baseline severity, with the residual variance:
    exact for jointly Gaussian values, an approximation here (moments from a fixed library of 100,000 courses; the
    error is checked against a brute-force simulation in the tests).

    Parameters
    ----------
    columns : Columns
        Covariates, with or without gaps.
    severity : numpy.ndarray
        Baseline severity, standardised or in MADRS points of the scenario's baseline, (n,).
    scenario : Scenario
    """
    moments = _reference(scenario.diagnosis_shares)
    known = _known(columns, severity) - moments.known_mean
    everything = np.hstack([_values(columns) - moments.centre, known])
    missing = np.isnan(everything)
    effects = _effects()
    mean = np.nan_to_num(everything[:, : len(EFFECTS)]) @ effects
    variance = np.zeros(mean.shape)
    gaps = np.flatnonzero(missing[:, : len(EFFECTS)].any(axis=1))
    for absent, rows in _patterns(missing, gaps):
        pattern = absent[: len(EFFECTS)]
        wanted = np.flatnonzero(pattern)
        inside = moments.covariance[np.ix_(~absent, ~absent)] + _RIDGE * np.eye(int((~absent).sum()))
        across = moments.covariance[np.ix_(~absent, wanted)] @ effects[pattern]
        weights = np.linalg.solve(inside, across)
        offset = moments.mean[wanted] @ effects[pattern] - moments.mean[~absent] @ weights
        mean[rows] += offset + everything[np.ix_(rows, ~absent)] @ weights
        total = effects[pattern].T @ moments.covariance[np.ix_(wanted, wanted)] @ effects[pattern]
        variance[rows] = np.maximum(np.diag(total - weights.T @ across), 0.0)
    slowing = AGE_EFFECT_PER_DECADE * (np.asarray(columns["age_years"], float) - _MEAN_AGE) / 10.0
    return Liability(mean, variance, slowing[:, None])


def liability_spread(scenario: Scenario) -> np.ndarray:
    """Return the SD of eta (some, full) over courses with complete covariates, (2,)."""
    part = _reference(scenario.diagnosis_shares).covariance[: len(EFFECTS), : len(EFFECTS)]
    spread: np.ndarray = np.sqrt(np.diag(_effects().T @ part @ _effects()))
    return spread


def liability_mean(scenario: Scenario) -> np.ndarray:
    """Return the mean of eta (some, full), (2,): not 0 where the diagnosis mix differs from the default."""
    mean: np.ndarray = _reference(scenario.diagnosis_shares).mean[: len(EFFECTS)] @ _effects()
    return mean


@dataclass(frozen=True)
class _Moments:
    centre: np.ndarray
    known_mean: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray


@lru_cache(maxsize=32)
def _reference(diagnosis_shares: tuple[float, float, float, float]) -> _Moments:
    """Moments of the values in a library of complete courses; centred on the default mix."""
    scenario = Scenario(diagnosis_shares=diagnosis_shares)
    drawn = draw_covariates(scenario, _LIBRARY_COURSES, np.random.default_rng(_LIBRARY_SEED))
    own = _values(drawn.columns)
    default = Scenario().diagnosis_shares
    centre = own.mean(axis=0) if diagnosis_shares == default else _reference(default).centre
    known = _known(drawn.columns, drawn.severity)
    everything = np.hstack([own - centre, known - known.mean(axis=0)])
    return _Moments(centre, known.mean(axis=0), everything.mean(axis=0), np.cov(everything, rowvar=False))


def _effects() -> np.ndarray:
    """Return the effects (some, full), (covariates, 2)."""
    return np.array([[effect, effect + FULL_EFFECTS.get(name, 0.0)] for name, effect in EFFECTS.items()])


def _values(columns: Columns) -> np.ndarray:
    """Return what the effects multiply, (n, covariates), NaN where empty."""
    parts = []
    for name in EFFECTS:
        if name == "bipolar_on_stabilizer":
            value = np.where(_bipolar(columns) > 0, _number(columns, "mood_stabilizer"), 0.0)
        else:
            value = _number(columns, name)
        parts.append(np.log1p(value) if name in _LOGARITHMIC else value)
    return np.column_stack(parts)


def _known(columns: Columns, severity: np.ndarray) -> np.ndarray:
    """Return what has no effect on the liability and tells of cells that are empty, NaN where empty itself."""
    parts = [np.asarray(columns["age_years"], float), _bipolar(columns), severity]
    for name in _TELLING:
        value = _number(columns, name)
        parts.append(np.log1p(value) if name in _LOGARITHMIC else value)
    return np.column_stack(parts)


def _number(columns: Columns, name: str) -> np.ndarray:
    cells = columns[name]
    if isinstance(cells, Words):
        return np.where(cells.codes < 0, np.nan, cells.codes.astype(float))
    return np.asarray(cells, float)


def _bipolar(columns: Columns) -> np.ndarray:
    diagnosis = columns["diagnosis"]
    if not isinstance(diagnosis, Words):
        raise TypeError("expected the diagnosis as words")
    return (diagnosis.codes > 0).astype(float)


def _patterns(missing: np.ndarray, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the distinct patterns among the rows given, and the rows of each; as bits of an integer, which is fast."""
    bits = missing[rows] @ (1 << np.arange(missing.shape[1]))
    order = np.argsort(bits, kind="stable")
    starts = np.flatnonzero(np.diff(bits[order], prepend=-1))
    for members in np.split(rows[order], starts[1:]):
        if len(members):
            yield missing[members[0]], members
