"""Figures of one site with their standard errors, on scales on which they can be pooled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from ketapredict.validate.kernels import logit
from ketapredict.validate.measures import auc, calibration_intercept, calibration_slope
from ketapredict.validate.small_samples import Z

Scale = Literal["logit", "identity"]


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

    Standard errors take courses as independent: a patient's several courses at one site count as if they
    were several patients. AUC: DeLong's variance, divided by [AUC (1 - AUC)]^2 for the logit; where no or
    every pair is in order, half a pair is moved and Hanley's variance taken. Intercept and slope: inverse
    of the observed information. Net benefit: sd / sqrt(n) of y - (1 - y) t / (1 - t) where the probability
    reaches t, else 0.

    Parameters
    ----------
    y : numpy.ndarray (n,)
        0 or 1, at least one of each.
    log_odds : numpy.ndarray (n,)
    thresholds : sequence of float

    References
    ----------
    DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837; Debray et al., BMJ 2017;356:i6460.
    """
    p = expit(log_odds)
    figures = [_auc_figure(y, p), _intercept_figure(y, p), _slope_figure(y, p)]
    for threshold in thresholds:
        gain = np.where(p >= threshold, y - (1 - y) * threshold / (1 - threshold), 0.0)
        figures.append(
            SiteFigure(
                f"net_benefit_{threshold:g}", "identity", float(gain.mean()), float(gain.std(ddof=1) / len(y) ** 0.5)
            )
        )
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
    found, variance = auc(y, p), delong_variance(y, p)
    if not variance > 0:
        found = float(np.clip(found, 0.5 / (m * n), 1 - 0.5 / (m * n)))
        size = (m + n) / 2 - 1
        variance = found * (1 - found) * (1 + size * ((1 - found) / (2 - found) + found / (1 + found))) / (m * n)
    return SiteFigure(
        "auc", "logit", float(np.log(found / (1 - found))), float(np.sqrt(variance) / (found * (1 - found)))
    )


def _intercept_figure(y: np.ndarray, p: np.ndarray) -> SiteFigure:
    found = calibration_intercept(y, p)
    fitted = expit(logit(p) + found)
    return SiteFigure("calibration_intercept", "identity", found, float((fitted @ (1 - fitted)) ** -0.5))


def _slope_figure(y: np.ndarray, p: np.ndarray) -> SiteFigure:
    slope, x = calibration_slope(y, p), logit(p)
    if not np.isfinite(slope):
        return SiteFigure("calibration_slope", "identity", np.nan, np.nan)
    # The intercept that goes with the slope is the calibration-in-the-large of the stretched predictions.
    fitted = expit(slope * x + calibration_intercept(y, expit(slope * x)))
    w = fitted * (1 - fitted)
    centred = x - w @ x / w.sum()
    return SiteFigure("calibration_slope", "identity", slope, float((w @ centred**2) ** -0.5))
