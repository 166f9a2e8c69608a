r"""What is measured about the infusion itself: dissociation and blood pressure at 40 min.

* CADSS total at 40 min: round(max(exp(2.65 + 0.7 z) - 5, 0)), about a tenth of them 0 (assumed), z a normal
  that correlates at 0.20 with the latent improvement at day 1 (Luckenbaugh 2014 -0.35 with the score's
  change; null in most other studies, Mathai 2020; target 0 to 0.35). Controls: two fifths of the exponential
  (assumed), half of them 0. Some totals are missing, at random.
* Blood pressure at 40 min of each infusion: baseline plus a rise of 3.3 systolic and 3.2 diastolic, mmHg, on average
  (at 30 min, 684 infusions: Riva-Posse 2018; it peaks near 40 min). The systolic rise grows with age. Patients
  differ (the same in all infusions, a long upper tail, 1.5 times as wide in those of 140/90 and above at baseline:
  higher peaks in hypertensives, no tolerance, Riva-Posse 2018), infusions differ, and the highest of an infusion's
  five readings is above that at 40 min: by 9 and 7 mmHg on average. Treatment-emergent hypertension: a reading of
  165 systolic or 100 diastolic and above in any infusion. 69% of the over-60s had it in four infusions (Lipsitz
  2021); so small a mean rise gives fewer, a deviation that docs/simulation.md names. Spreads, effect of age, number of
  readings and threshold are assumed. It has no column in the cohort table: it comes with the known truth.
"""

import numpy as np
from scipy.special import ndtri

from ketapredict.simulate.columns import Columns, Words
from ketapredict.simulate.covariates import YES_NO, diastolic_below

_LOG_MEAN, _LOG_SPREAD, _BELOW = 2.65, 0.7, 5.0
MAXIMUM = 92
_CONTROL_FACTOR = 0.4
# Systolic, diastolic; mmHg.
_RISE, _RISE_PER_DECADE = (3.3, 3.2), (2.0, 0.0)
_PATIENT_SPREAD, _INFUSION_SPREAD, _READING_SPREAD = (10.0, 6.5), (9.0, 6.0), (8.0, 6.0)
_READINGS = 5
_HYPERTENSIVE_AT_BASELINE, _WIDER = (140.0, 90.0), 1.5
_HYPERTENSIVE = (165.0, 100.0)
_ALIKE = 0.7


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
    baseline = np.column_stack([np.asarray(columns["systolic_mmhg"]), np.asarray(columns["diastolic_mmhg"])])
    n, older = len(baseline), (np.asarray(columns["age_years"]) - 45.0) / 10.0
    mean = np.where(control, 0.0, 1.0)[:, None] * (_RISE + np.outer(older, _RISE_PER_DECADE))
    # Few patients rise a lot; the control has the same spread, as pressure changes by itself.
    tail, own = rng.standard_exponential(n) - 1.0, rng.standard_normal(n)
    wider = np.where((baseline >= _HYPERTENSIVE_AT_BASELINE).any(axis=1), _WIDER, 1.0)[:, None]
    patient = wider * _PATIENT_SPREAD * _alike(tail, own)
    hypertensive = np.zeros(n, dtype=bool)
    first: Columns = {}
    for number in range(infusions):
        spread = _INFUSION_SPREAD * _alike(rng.standard_normal(n), rng.standard_normal(n))
        at_40_min = baseline + mean + patient + spread
        above = np.array(_READING_SPREAD) * ndtri(rng.random((n, 2)) ** (1.0 / _READINGS))
        hypertensive |= (at_40_min + np.maximum(above, 0.0) >= _HYPERTENSIVE).any(axis=1)
        if number == 0:
            systolic, diastolic = np.rint(at_40_min).T
            first = {"systolic_40min_mmhg": systolic, "diastolic_40min_mmhg": diastolic_below(systolic, diastolic)}
    return first | {"hypertensive_any_infusion": Words(hypertensive.astype(np.int8), YES_NO)}


def _alike(systolic: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return what moves the two pressures, (n, 2), with a correlation of 0.7."""
    return np.column_stack([systolic, _ALIKE * systolic + np.sqrt(1.0 - _ALIKE**2) * other])
