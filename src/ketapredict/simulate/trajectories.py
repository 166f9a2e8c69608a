"""How the effect of the treatment comes and goes over a protocol's time points.

The shape follows evidence/EVIDENCE.md, "The known answer" 3 and 4: it starts by 40 min, peaks at day 1,
fades by day 7 and is gone by day 10 to 12 after one infusion; repeated infusions accumulate. The curves
themselves are assumed.
"""

import numpy as np

from ketapredict.cohort.protocols import HOURS_PER_DAY, Protocol

GRADUAL_FROM_HOURS = 5 * HOURS_PER_DAY  # a first rating that late: a treatment that works over weeks

# Onset after an infusion: share of the peak at hours 0, 40 min, 2, 4, 24.
_ONSET_HOURS = (0.0, 0.67, 2.0, 4.0, 24.0)
_ONSET_SHARES = (0.0, 0.40, 0.65, 0.80, 1.0)
_HALF_LOST_DAYS, _HALF_LOST_SPREAD = 9.5, 0.55  # median over courses, SD of its log
_FADE_STEEPNESS = 6.0
_FIRST_INFUSION_SHARE, _FIRST_INFUSION_SPREAD = 0.65, 0.7
_GRADUAL_DAYS, _GRADUAL_SPREAD = 14.0, 0.8
_NOISE_SPREAD, _NOISE_REACH = 0.30, 0.6


def effect_curves(protocol: Protocol, n_courses: int, rng: np.random.Generator) -> np.ndarray:
    """Return the share of the full effect at each time point, (n_courses, time points), 0 to 1.

    Each course has its own pace: the day by which half is lost after one infusion, the share that the
    first of several infusions brings, or the days that a gradual improvement takes.
    """
    hours = np.array([point.hours for point in protocol.time_points])
    onset = np.interp(hours, _ONSET_HOURS, _ONSET_SHARES)
    outcome_hours = protocol.time_point(protocol.outcome).hours
    pace = rng.normal(size=(n_courses, 1))
    if is_repeated(protocol):
        first = np.clip(_FIRST_INFUSION_SHARE * np.exp(_FIRST_INFUSION_SPREAD * pace), 0.05, 1.0)
        way = np.clip((hours - HOURS_PER_DAY) / max(outcome_hours - HOURS_PER_DAY, 1.0), 0.0, 1.0)
        accumulated: np.ndarray = onset * (first + (1.0 - first) * way)
        return accumulated
    if hours[0] >= GRADUAL_FROM_HOURS:
        days = _GRADUAL_DAYS * np.exp(_GRADUAL_SPREAD * pace)
        grown = 1.0 - np.exp(-hours / HOURS_PER_DAY / days)
        full = 1.0 - np.exp(-outcome_hours / HOURS_PER_DAY / days)
        gradual: np.ndarray = np.minimum(grown / full, 1.0)
        return gradual
    half_lost = _HALF_LOST_DAYS * np.exp(_HALF_LOST_SPREAD * pace)
    fading: np.ndarray = onset / (1.0 + (hours / HOURS_PER_DAY / half_lost) ** _FADE_STEEPNESS)
    return fading


def is_repeated(protocol: Protocol) -> bool:
    """Whether the protocol has time points after later infusions (`inf2`, `inf3`, ...)."""
    return any(name.startswith("inf") and name[3:].isdigit() for name in protocol.names)


def serial_noise(hours: np.ndarray, n_courses: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise of the log score, (n_courses, time points), that fades with the distance in log time.

    Gaussian with the same SD at all hours; the correlation of two ratings is exp(-|d| / reach), d the
    difference of log(1 + hours).
    """
    distances = np.diff(np.log1p(hours), prepend=0.0)
    kept = np.exp(-distances / _NOISE_REACH)
    noise = rng.normal(size=(n_courses, len(hours)))
    for number in range(1, len(hours)):
        fresh = np.sqrt(1.0 - kept[number] ** 2)
        noise[:, number] = kept[number] * noise[:, number - 1] + fresh * noise[:, number]
    return _NOISE_SPREAD * noise
