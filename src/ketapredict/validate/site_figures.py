"""Figures of one site with their standard errors, on scales on which they can be pooled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from ketapredict.validate.kernels import logit
from ketapredict.validate.measures import auc, calibration_intercept, calibration_slope
from ketapredict.validate.small_samples import Z

Scale = Literal["logit", "identity"]
# With fewer of either class neither AUC nor slope is estimated: their standard errors would mean nothing.
FEWEST_OF_EITHER = 5
_FARTHEST = 50.0  # log-odds


@dataclass(frozen=True, slots=True)
class SiteFigure:
    """One figure: `value` and its `se` on the scale on which it is pooled; NaN where not estimable."""

    measure: str
    scale: Scale
    value: float
    se: float

    def shown(self, standard_errors: float) -> float:
        """Return the value some multiple of 1.96 standard errors away, on the scale on which it is read."""
        moved = self.value + standard_errors * Z * self.se if standard_errors else self.value
        return float(expit(moved)) if self.scale == "logit" else float(moved)


def site_figures(y: np.ndarray, log_odds: np.ndarray, thresholds: Sequence[float]) -> list[SiteFigure]:
    """Return AUC (logit), calibration intercept and slope, and net benefits of the courses of one site.

    Which sites have figures must not depend on how their courses ended. Intercept and net benefit exist for any
    courses: where all ended alike, the intercept is the maximum of the likelihood behind Jeffreys' prior (Firth),
    as there is no other. AUC and slope are NaN with fewer than five of either class, the slope also where the
    classes are separated.

    Standard errors take courses as independent: a patient's several courses at one site count as if they
    were several patients. AUC: DeLong's variance, divided by [AUC (1 - AUC)]^2 for the logit; where no or
    every pair is in order, half a pair is moved and Hanley's variance taken. Intercept and slope: inverse
    of the observed information. Net benefit: sd / sqrt(n) of y - (1 - y) t / (1 - t) where the probability
    reaches t, else 0.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1, at least two.
    log_odds : numpy.ndarray (n,)
    thresholds : sequence of float

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837; Debray et al., BMJ 2017;356:i6460; Firth, Biometrika
    1993;80:27.
    """
    p = expit(log_odds)
    figures = [_auc_figure(y, p), _intercept_figure(y, p), _slope_figure(y, p)]
    for threshold in thresholds:
        gain = np.where(p >= threshold, y - (1 - y) * threshold / (1 - threshold), 0.0)
        spread = float(gain.std(ddof=1))
        if not spread > 0:
            # All gain alike, as where nobody reaches the threshold: as if half a course in n + 1 did not.
            share = 0.5 / (len(y) + 1)
            spread = (share * (1 - share)) ** 0.5 / (1 - threshold)
        figures.append(SiteFigure(f"net_benefit_{threshold:g}", "identity", float(gain.mean()), spread / len(y) ** 0.5))
    return figures


def delong_variance(y: np.ndarray, p: np.ndarray) -> float:
    """Return DeLong's variance of the AUC; NaN with fewer than two of either class."""
    cases, others = p[y == 1], p[y == 0]
    if min(len(cases), len(others)) < 2:
        return np.nan
    wins = (cases[:, None] > others).astype(float) + 0.5 * (cases[:, None] == others)
    return float(wins.mean(axis=1).var(ddof=1) / len(cases) + wins.mean(axis=0).var(ddof=1) / len(others))


def _auc_figure(y: np.ndarray, p: np.ndarray) -> SiteFigure:
    m, n = int(y.sum()), int(len(y) - y.sum())
    if min(m, n) < FEWEST_OF_EITHER:
        return SiteFigure("auc", "logit", np.nan, np.nan)
    found, variance = auc(y, p), delong_variance(y, p)
    if not variance > 0:
        found = float(np.clip(found, 0.5 / (m * n), 1 - 0.5 / (m * n)))
        size = (m + n) / 2 - 1
        variance = found * (1 - found) * (1 + size * ((1 - found) / (2 - found) + found / (1 + found))) / (m * n)
    return SiteFigure(
        "auc", "logit", float(np.log(found / (1 - found))), float(np.sqrt(variance) / (found * (1 - found)))
    )


def _intercept_figure(y: np.ndarray, p: np.ndarray) -> SiteFigure:
    x = logit(p)
    found = calibration_intercept(y, p) if 0 < y.sum() < len(y) else _jeffreys_intercept(y, x)
    fitted = expit(x + found)
    return SiteFigure("calibration_intercept", "identity", found, float((fitted @ (1 - fitted)) ** -0.5))


def _jeffreys_intercept(y: np.ndarray, x: np.ndarray) -> float:
    """Return the root a of sum(y - f) + sum(w (1/2 - f)) / sum(w), f = expit(x + a), w = f (1 - f)."""

    def score(intercept: float) -> float:
        # As shares of the whole: far out the weights themselves are nothing.
        z = x + intercept
        log_weights = -np.logaddexp(0.0, z) - np.logaddexp(0.0, -z)
        shares = np.exp(log_weights - log_weights.max())
        fitted = expit(z)
        return float((y - fitted).sum() + shares @ (0.5 - fitted) / shares.sum())

    return float(brentq(score, -_FARTHEST, _FARTHEST))


def _slope_figure(y: np.ndarray, p: np.ndarray) -> SiteFigure:
    slope, x = calibration_slope(y, p), logit(p)
    if not np.isfinite(slope) or min(y.sum(), len(y) - y.sum()) < FEWEST_OF_EITHER:
        return SiteFigure("calibration_slope", "identity", np.nan, np.nan)
    # The intercept that goes with the slope is the calibration-in-the-large of the stretched predictions.
    fitted = expit(slope * x + calibration_intercept(y, expit(slope * x)))
    w = fitted * (1 - fitted)
    centred = x - w @ x / w.sum()
    return SiteFigure("calibration_slope", "identity", slope, float((w @ centred**2) ** -0.5))
