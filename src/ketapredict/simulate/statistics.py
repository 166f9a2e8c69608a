"""Published statistics, computed on simulated courses. Rates are shares of those rated, in percent."""

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from ketapredict.simulate.imitations import Imitation

_RESPONSE = 0.5
_IMPROVED = 0.2


def response(made: Imitation, point: str, *, control: bool = False, fall: float = _RESPONSE) -> float:
    """Share of an arm whose score fell by `fall` of the baseline or more, %."""
    return _share(made.improvement(point)[made.control == control], lambda gain: gain >= fall - 1e-12)


def remission(made: Imitation, point: str, cut: float, *, control: bool = False) -> float:
    """Share of an arm at or under the cut, %."""
    return _share(made.score(point)[made.control == control], lambda score: score <= cut)


def response_where(made: Imitation, point: str, rows: np.ndarray) -> float:
    """Response among the rows given, %."""
    return _share(made.improvement(point)[rows], lambda gain: gain >= _RESPONSE)


def response_at_any(made: Imitation, points: tuple[str, ...], *, control: bool = False) -> float:
    """Share of an arm that responds at any of the time points, %."""
    gains = np.column_stack([made.improvement(point) for point in points])[made.control == control]
    return float(100.0 * (np.nan_to_num(gains, nan=-1.0) >= _RESPONSE).any(axis=1).mean())


def response_at_all(made: Imitation, points: tuple[str, ...]) -> float:
    """Share of the active arm that responds at every one of the time points, %, of those rated at all of them."""
    gains = np.column_stack([made.improvement(point) for point in points])[~made.control]
    return _share(gains.min(axis=1), lambda gain: gain >= _RESPONSE)


def change(
    made: Imitation, point: str, *, control: bool = False, only: np.ndarray | None = None
) -> tuple[float, float]:
    """Mean and SD of the change from the baseline in an arm, or in those of its rows given, points."""
    rows = made.control == control
    if only is not None:
        rows = rows & only
    difference = made.score(point)[rows] - made.baseline[rows]
    return float(np.nanmean(difference)), float(np.nanstd(difference))


def effect_size(made: Imitation, point: str) -> float:
    """Difference of the arms' mean changes over their pooled SD, positive where ketamine does better."""
    (active, active_spread), (control, control_spread) = change(made, point), change(made, point, control=True)
    return (control - active) / float(np.sqrt((active_spread**2 + control_spread**2) / 2.0))


def infusions_to_response(made: Imitation, points: tuple[str, ...]) -> float:
    """Median number of infusions after which those who respond at any time first do."""
    gains = np.nan_to_num(np.column_stack([made.improvement(point) for point in points]), nan=-1.0)
    responded = gains >= _RESPONSE
    return float(np.median(responded.argmax(axis=1)[responded.any(axis=1)] + 1))


def late_improvers(made: Imitation, early: tuple[str, ...], end: str) -> float:
    """Share with 20% or more at the end of those under 20% at all of the early ratings, %."""
    missed = np.all([made.improvement(point) < _IMPROVED for point in early], axis=0)
    return _share(made.improvement(end)[missed], lambda gain: gain >= _IMPROVED)


def sensitivity(made: Imitation, early: str, end: str) -> float:
    """Share of the end's responders who had improved by 20% at an early rating, 0 to 1."""
    responders = made.improvement(end) >= _RESPONSE
    return _share(made.improvement(early)[responders], lambda gain: gain >= _IMPROVED) / 100.0


def worsened(made: Imitation, point: str) -> float:
    """Share that ends above the baseline, %."""
    return _share(made.improvement(point), lambda gain: gain < 0)


def class_share(made: Imitation, name: str) -> float:
    """Share of courses of a class, %."""
    return float(100.0 * (made.hidden["class_course"] == name).mean())


def dissociation_correlation(made: Imitation, point: str) -> float:
    """Correlation of CADSS at 40 min with improvement in the active arm."""
    gain, dissociation = made.improvement(point), made.table["cadss_40min"].to_numpy(float)
    rows = ~made.control & ~np.isnan(gain) & ~np.isnan(dissociation)
    return float(np.corrcoef(dissociation[rows], gain[rows])[0, 1])


def sex_difference(made: Imitation, point: str) -> float:
    """Mean improvement of men less that of women over the SD."""
    gain, sex = made.improvement(point), made.table["sex"]
    men, women = gain[(sex == "male").to_numpy()], gain[(sex == "female").to_numpy()]
    return float((np.nanmean(men) - np.nanmean(women)) / np.nanstd(gain))


def hypertension(made: Imitation, from_age: float) -> float:
    """Share of those from an age on with hypertension at any infusion, %."""
    rows = (made.table["age_years"] >= from_age).to_numpy()
    return float(100.0 * (made.hidden["hypertensive_any_infusion"][rows] == "yes").mean())


def pressure_rise(made: Imitation) -> tuple[float, float]:
    """Mean rise from the baseline to 40 min of the first infusion, systolic and diastolic, mmHg."""
    rise = [made.hidden[f"{name}_40min_mmhg"] - made.table[f"{name}_mmhg"] for name in ("systolic", "diastolic")]
    return float(rise[0][~made.control].mean()), float(rise[1][~made.control].mean())


def early_rule(made: Imitation, early: str, end: str) -> tuple[float, float]:
    """Sensitivity and specificity of response at an early rating for response at the end, %."""
    responded, rated = made.improvement(end) >= _RESPONSE, ~np.isnan(made.improvement(end))
    gain = made.improvement(early)
    sensitivity = _share(gain[rated & responded], lambda found: found >= _RESPONSE)
    return sensitivity, _share(gain[rated & ~responded], lambda found: found < _RESPONSE)


def correlation(made: Imitation, early: str, end: str) -> float:
    """Correlation of the improvements at two ratings, as observed."""
    first, last = made.improvement(early), made.improvement(end)
    rows = ~np.isnan(first) & ~np.isnan(last)
    return float(np.corrcoef(first[rows], last[rows])[0, 1])


def log_odds_slope(value: np.ndarray, happened: np.ndarray) -> tuple[float, float]:
    """Logistic regression of an outcome on one covariate: the log odds ratio of a unit, and its standard error."""
    known = ~np.isnan(value) & ~np.isnan(happened)
    design = np.column_stack([np.ones(known.sum()), value[known]])
    weights, information = np.zeros(2), np.eye(2)
    for _ in range(15):
        share = expit(design @ weights)
        information = (design * (share * (1.0 - share))[:, None]).T @ design
        weights += np.linalg.solve(information, design.T @ (happened[known] - share))
    return float(weights[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))


def outcomes(made: Imitation, point: str, cut: float) -> tuple[np.ndarray, np.ndarray]:
    """Response and remission at a rating, 1 or 0, NaN where it is missing, (n,) each."""
    score, gain = made.score(point), made.improvement(point)
    missing = np.isnan(score)
    return np.where(missing, np.nan, gain >= _RESPONSE), np.where(missing, np.nan, score <= cut)


def _share(values: np.ndarray, condition: Callable[[np.ndarray], np.ndarray]) -> float:
    known = values[~np.isnan(values)]
    return float(100.0 * condition(known).mean())
