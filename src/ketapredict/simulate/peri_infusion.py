r"""What is measured about the infusion itself: dissociation and blood pressure at 40 min.

* CADSS total at 40 min: round(max(exp(2.65 + 0.7 z) - 5, 0)), about a tenth of them 0 (assumed), z a normal
  that correlates at 0.20 with the latent improvement at day 1 (Luckenbaugh 2014 -0.35 with the score's
  change; null in most other studies, Mathai 2020; target 0 to 0.35). Controls: two fifths of the exponential
  (assumed), half of them 0. Some totals are missing, at random.
* Blood pressure at 40 min of each infusion: baseline plus a rise of 16 (SD 10) systolic, more with age,
  and 11 (SD 7) diastolic, mmHg; half of the variance is the patient's, the same in all infusions. Means
  at 30 min rise by 3 (Riva-Posse 2018), the peak by more. Treatment-emergent hypertension: 165 systolic
  or 100 diastolic and above at any infusion. Rise, spread and threshold are assumed, set so that about
  two thirds of the over-60s have it in four infusions (69%, Lipsitz 2021). Blood pressure at 40 min has
  no column in the cohort table: it comes with the known truth.
"""

import numpy as np

from ketapredict.simulate.columns import Columns, Words
from ketapredict.simulate.covariates import YES_NO

_LOG_MEAN, _LOG_SPREAD, _BELOW = 2.65, 0.7, 5.0
MAXIMUM = 92
_CONTROL_FACTOR = 0.4
_RISE, _RISE_SPREAD, _DIASTOLIC_RISE, _DIASTOLIC_SPREAD = 16.0, 10.0, 11.0, 7.0
_RISE_PER_DECADE = 2.5
_HYPERTENSIVE = (165.0, 100.0)


def dissociation(normal: np.ndarray, control: np.ndarray) -> np.ndarray:
    """Return CADSS totals from standard normals (n,); `control` tells who got no ketamine."""
    level = np.exp(_LOG_MEAN + _LOG_SPREAD * normal) * np.where(control, _CONTROL_FACTOR, 1.0) - _BELOW
    return np.rint(np.clip(level, 0.0, MAXIMUM))


def dissociation_cells(totals: np.ndarray, control: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest normal that give each CADSS total, (n,) each; -inf below 0, inf above 92."""
    edges = []
    for half in (-0.5, 0.5):
        level = (totals + half + _BELOW) / np.where(control, _CONTROL_FACTOR, 1.0)
        edges.append((np.log(level) - _LOG_MEAN) / _LOG_SPREAD)
    low, high = edges
    return np.where(totals <= 0, -np.inf, low), np.where(totals >= MAXIMUM, np.inf, high)


def blood_pressure(columns: Columns, infusions: int, control: np.ndarray, rng: np.random.Generator) -> Columns:
    """Draw pressures at 40 min of the first infusion, and whether any infusion brought hypertension."""
    systolic, diastolic = np.asarray(columns["systolic_mmhg"]), np.asarray(columns["diastolic_mmhg"])
    older = (np.asarray(columns["age_years"]) - 45.0) / 10.0
    active = np.where(control, 0.0, 1.0)
    patient = rng.standard_normal(len(systolic))
    hypertensive = np.zeros(len(systolic), dtype=bool)
    first: Columns = {}
    for number in range(infusions):
        shared = (patient + rng.standard_normal(len(patient))) / np.sqrt(2.0)
        own = rng.standard_normal(len(patient))
        high = systolic + active * (_RISE + _RISE_PER_DECADE * older) + _RISE_SPREAD * shared
        low = diastolic + active * _DIASTOLIC_RISE + _DIASTOLIC_SPREAD * (0.7 * shared + 0.714 * own)
        hypertensive |= (high >= _HYPERTENSIVE[0]) | (low >= _HYPERTENSIVE[1])
        if number == 0:
            first = {"systolic_40min_mmhg": np.rint(high), "diastolic_40min_mmhg": np.rint(low)}
    return first | {"hypertensive_any_infusion": Words(hypertensive.astype(np.int8), YES_NO)}
