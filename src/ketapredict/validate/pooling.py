"""Random-effects meta-analysis of figures from several sites."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import t as student


@dataclass(frozen=True, slots=True)
class Pooled:
    """A figure pooled over sites, and how far sites differ beyond chance.

    Attributes
    ----------
    estimate, low, high : float
        Mean over sites with its 95% interval; the interval is NaN for a single site.
    se : float
    tau : float
        Standard deviation between sites, on the scale on which they were pooled; NaN for a single site.
    i2 : float
        Share of the variance that is between sites, 0 to 1.
    prediction_low, prediction_high : float
        95% interval of the figure at another site; NaN with fewer than three sites.
    sites : int
    """

    estimate: float
    low: float
    high: float
    se: float
    tau: float
    i2: float
    prediction_low: float
    prediction_high: float
    sites: int

    def mapped(self, function: Callable[[float], float]) -> "Pooled":
        """Return estimate and intervals through an increasing function; se, tau and I2 stay on the pooled scale."""
        return replace(
            self,
            estimate=float(function(self.estimate)),
            low=float(function(self.low)),
            high=float(function(self.high)),
            prediction_low=float(function(self.prediction_low)),
            prediction_high=float(function(self.prediction_high)),
        )


def pool(estimates: np.ndarray, variances: np.ndarray) -> Pooled:
    """Pool by random effects: REML for tau, Hartung-Knapp for the interval.

    tau^2 maximises the restricted likelihood -1/2 [sum log v_i + log sum w_i + sum w_i (x_i - m)^2] with
    v_i = variance_i + tau^2, w_i = 1 / v_i and m = sum w_i x_i / sum w_i. The variance of m is
    q / sum w_i with q = sum w_i (x_i - m)^2 / (k - 1), where q is not let under 1: with few sites it can be
    small by chance, and the interval would be narrower than that of no heterogeneity (the modification of
    Roever). Interval: m +- t(k - 1) se. Prediction interval: m +- t(k - 2) sqrt(tau^2 + se^2). I2 as
    tau^2 / (tau^2 + s^2), s^2 the typical variance within sites.

    Parameters
    ----------
    estimates, variances : numpy.ndarray (k,)
        At least one; variances over 0.

    Returns
    -------
    Pooled

    References
    ----------
    Viechtbauer, J Educ Behav Stat 2005;30:261; Hartung and Knapp, Stat Med 2001;20:3875; Roever, Knapp and
    Friede, BMC Med Res Methodol 2015;15:99; Higgins, Thompson and Spiegelhalter, J R Stat Soc A
    2009;172:137 (prediction); Higgins and Thompson, Stat Med 2002;21:1539 (I2); Debray et al., BMJ
    2017;356:i6460 (for prediction models).
    """
    x, within = np.asarray(estimates, float), np.asarray(variances, float)
    if not len(x) or x.shape != within.shape or not (np.isfinite(x) & (within > 0)).all():
        raise ValueError("expected a finite estimate and a variance over 0 for each site, at least one")
    k = len(x)
    if k == 1:
        nan = np.nan
        return Pooled(float(x[0]), nan, nan, float(np.sqrt(within[0])), nan, nan, nan, nan, 1)
    tau2 = _reml(x, within)
    w = 1.0 / (within + tau2)
    mean = float(w @ x / w.sum())
    scale = max(1.0, float(w @ (x - mean) ** 2) / (k - 1))
    se = float(np.sqrt(scale / w.sum()))
    half = float(student.ppf(0.975, k - 1)) * se
    reach = float(student.ppf(0.975, k - 2) * np.sqrt(tau2 + se**2)) if k > 2 else np.nan
    fixed = 1.0 / within
    typical = (k - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())
    i2 = float(tau2 / (tau2 + typical))
    return Pooled(mean, mean - half, mean + half, se, float(np.sqrt(tau2)), i2, mean - reach, mean + reach, k)


def _reml(x: np.ndarray, within: np.ndarray) -> float:
    """Return the tau^2 >= 0 of the highest restricted likelihood."""

    def loss(tau2: float) -> float:
        v = within + tau2
        w = 1.0 / v
        mean = w @ x / w.sum()
        return float(np.log(v).sum() + np.log(w.sum()) + w @ (x - mean) ** 2)

    # The likelihood can have a maximum at 0 beside another one: a grid first, then the best stretch of it.
    highest = 10.0 * float(x.var(ddof=1)) + 10.0 * float(within.mean())
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1.0, 60) * highest])
    best = int(np.argmin([loss(value) for value in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x)
    return found if loss(found) < loss(0.0) else 0.0
