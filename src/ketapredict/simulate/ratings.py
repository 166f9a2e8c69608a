r"""From latent improvement to whole-number scores of a scale, and back.

With B the MADRS equivalent of the baseline score and i_t the latent improvement, the score is

.. math:: score_t = \mathrm{round}\{\chi^{-1}[B\,h(1 - i_t)]\}, \qquad h(u) = c \log(1 + e^{u / c}),\ c = 0.08

chi the crosswalk of the scale (`crosswalk`); h is the identity but near and under zero, where it keeps
scores positive. Given the classes the latent improvements are jointly Gaussian (`noise_covariance`), which
makes the known truth tractable.

Rater: self-ratings improve less than a clinician's (55% against 59 to 71% in open courses) and scatter
more, which stands for the crosswalk's own error; each rater is lenient or strict throughout a site
(`RATER_SPREAD`). Follow-up SD of 7.6 to 12 MADRS points, widening after day 1 (Lii 2023, PMC10769130).
Spreads and the crosswalk's error are assumed within these.
"""

import numpy as np

from ketapredict.cohort.scales import Scale
from ketapredict.simulate.crosswalk import from_madrs, madrs_per_point, to_madrs
from ketapredict.simulate.scenario import CORRELATION_RANGE, Scenario
from ketapredict.simulate.time_course import design_of

# Improvement at full effect, share of the baseline: none, partial, robust with and without residual symptoms.
FIRST_DEPTHS = np.array([0.10, 0.40, 0.66, 0.85])
LATE_DEPTHS = np.array([0.30, 0.45, 0.74, 0.98])

RATER_SHARE = {"clinician": 1.0, "self": 0.80}  # of the improvement that the rater sees
RATER_SPREAD = 0.03
_SELF_VISIT_SPREAD, _VISIT_SPREAD = 0.13, 0.07  # of one rating; ICC of MADRS over hours 0.91 to 0.96 (Johnson)
# SD of a course within its class at day 1 and from two weeks on; after one infusion MADRS SDs of 10 to 12.5 at
# days 12 to 14 (Lii 2023, PMC9656070), as the effect has gone and other things come.
_EARLY_SPREAD = 0.17
_LATE_SPREAD = {"single": 0.28, "course": 0.21, "gradual": 0.21}
_REACH = 0.6  # of the serial part, in units of log(1 + hours)
_MOST_LASTING, _LASTING_POWER = 0.8, 2.5
_CURVE = 0.08

BASELINE = {"trial": (33.0, 6.2), "clinic": (27.0, 7.0)}  # MADRS points, mean and SD
CROSSWALK_ERROR = 2.0  # SD, MADRS points, of another scale's baseline at equal severity; assumed


def baseline_scores(severity: np.ndarray, scenario: Scenario, rng: np.random.Generator) -> np.ndarray:
    """Return whole baseline scores of the scale above its remission cut (or zero), (n,).

    MADRS mean 33 (SD 6.2) in trials (Shiroma 2020 34.9 and 33.8; Lii 2023 25.1 and 29.9; PMC9656070 37.8) and
    27 (7) in clinics (O'Brien 2023: QIDS-SR16 16.6, 27 on MADRS; Pfeiffer 2024: PHQ-9 18.6).
    """
    scale = scenario.rating_scale
    mean, spread = BASELINE[scenario.setting]
    madrs = mean + spread * severity
    if scale.name != "MADRS":
        madrs = madrs + CROSSWALK_ERROR * rng.standard_normal(len(severity))
    lowest = (scale.remission_cut or 0) + 1
    return np.clip(np.rint(from_madrs(madrs, scale.name)), lowest, scale.maximum)


def standard_severity(baseline: np.ndarray, scenario: Scenario) -> np.ndarray:
    """Return baseline scores as expected severity in SDs: what the score says about `severity`."""
    mean, spread = BASELINE[scenario.setting]
    error = 0.0 if scenario.scale == "MADRS" else CROSSWALK_ERROR
    return (to_madrs(baseline, scenario.scale) - mean) * spread / (spread**2 + error**2)


def scores_from(improvement: np.ndarray, baseline: np.ndarray, scale: Scale) -> np.ndarray:
    """Return whole scores (n, T) from latent improvements (n, T) and baseline scores (n,)."""
    madrs = to_madrs(baseline, scale.name)[:, None] * remaining(1.0 - improvement)
    return np.clip(np.rint(from_madrs(madrs, scale.name)), 0, scale.maximum)


def improvement_from(totals: np.ndarray, baseline: np.ndarray, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return the latent improvement at unrounded totals > 0, and log |d improvement / d total|, same shape."""
    start = to_madrs(baseline, scale.name)
    share = to_madrs(totals, scale.name) / start
    latent = _CURVE * np.log(np.expm1(share / _CURVE))
    slope = madrs_per_point(totals, scale.name) / start / -np.expm1(-share / _CURVE)
    return 1.0 - latent, np.log(slope)


def remaining(latent: np.ndarray) -> np.ndarray:
    """Return h(u), the share of the baseline that is left."""
    left: np.ndarray = _CURVE * np.logaddexp(0.0, latent / _CURVE)
    return left


def noise_covariance(hours: np.ndarray, onset: np.ndarray, scenario: Scenario) -> np.ndarray:
    """Return the covariance of the latent improvements within a pair of classes, (T, T).

    A part that lasts (its share of the variance is 0.8 (r / 0.8)^2.5, r the early-to-end correlation; the
    coupling of the classes makes up the rest), a part that fades with the distance in log time, the
    rater's leniency, and the error of the single rating. The first two have an SD of 0.17 at day 1 and
    0.21 (one infusion 0.28) from two weeks on, less while the effect comes.
    """
    lasting = _MOST_LASTING * (scenario.early_end_correlation / CORRELATION_RANGE[1]) ** _LASTING_POWER
    when = np.log1p(hours)
    widening = np.clip((when - np.log1p(24.0)) / (np.log1p(336.0) - np.log1p(24.0)), 0.0, 1.0)
    spread = (_EARLY_SPREAD + (_LATE_SPREAD[design_of(scenario)] - _EARLY_SPREAD) * widening) * (0.6 + 0.4 * onset)
    serial = np.exp(-np.abs(when[:, None] - when) / _REACH)
    covariance = np.outer(spread, spread) * (lasting + (1.0 - lasting) * serial)
    visit = _SELF_VISIT_SPREAD if scenario.rating_scale.rater == "self" else _VISIT_SPREAD
    return covariance + RATER_SPREAD**2 + np.diag(np.full(len(hours), visit**2))
