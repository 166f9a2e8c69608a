r"""How far an honest imitation may be from one published arm.

An arm is one study of n patients at one place. It is compared with the simulated population by

.. math:: \mathrm{logit}\,p \pm 1.96\sqrt{1 / (n p (1 - p)) + \tau^2}, \qquad
    m \pm 1.96\sqrt{SD^2 / n + \tau_d^2 SD^2}, \qquad
    d \pm 1.96\sqrt{SE^2 + \tau_d^2}

tau the spread between clinics on the log-odds scale: DerSimonian and Laird's estimate from the four
real-world arms with a confirmed response (`between_clinic_spread`), and tau_d = tau sqrt(3) / pi Chinn's
conversion to standardised differences; SE is that of d's published interval. p is pulled in to half a patient
from 0 and 1. Where an arm's SD was not
found the simulated SD is used. The same range with tau = 0 is the sampling error alone.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from ketapredict.simulate.arm_figures import ArmFigure
from ketapredict.simulate.evidence import evidence_table
from ketapredict.simulate.imitations import Imitations

_CLINICS = ("mcintyre2020_crtce", "oliver2022", "mcinnes2022", "pfeiffer2024_VA")
_CONFIDENCE = 1.959964


@dataclass(frozen=True)
class ArmComparison:
    """One figure of an arm beside its imitation.

    Attributes
    ----------
    low, high : float
        Range of an honest imitation: sampling error and the spread between clinics.
    sampling_low, sampling_high : float
        Range by sampling error alone.
    simulated : float
    """

    low: float
    high: float
    sampling_low: float
    sampling_high: float
    simulated: float


@lru_cache
def between_clinic_spread() -> float:
    """Return tau, the SD of the log-odds of response between clinics (DerSimonian and Laird 1986)."""
    arms = evidence_table("arms").set_index("arm_id").loc[list(_CLINICS)]
    return log_odds_spread(pd.to_numeric(arms["response_pct"]).to_numpy() / 100.0, arms["n"].to_numpy(float))


def log_odds_spread(share: np.ndarray, n: np.ndarray) -> float:
    """Return DerSimonian and Laird's SD of the log-odds between places with shares (0 to 1) of n patients each."""
    log_odds, precision = logit(share), n * share * (1.0 - share)
    pooled = precision @ log_odds / precision.sum()
    excess = precision @ (log_odds - pooled) ** 2 - (len(share) - 1)
    scale = precision.sum() - (precision**2).sum() / precision.sum()
    return float(np.sqrt(max(excess / scale, 0.0)))


def compare_arm(figure: ArmFigure, made: Imitations) -> ArmComparison:
    """Compare one figure of an arm with its imitation."""
    found = figure.simulated(made[figure.imitation])
    value, spread = found if isinstance(found, tuple) else (found, np.nan)
    if not np.isnan(figure.spread):
        spread = figure.spread
    between = between_clinic_spread()
    return ArmComparison(*_range(figure, spread, between), *_range(figure, spread, 0.0), value)


def _range(figure: ArmFigure, spread: float, tau: float) -> tuple[float, float]:
    """Return low and high of the range, in the figure's unit."""
    n = float(figure.n or evidence_table("arms").set_index("arm_id").loc[figure.arm, "n"])
    standardised = 3.0 * (tau / np.pi) ** 2
    if figure.unit == "%":
        share = np.clip(figure.published / 100.0, 0.5 / n, 1.0 - 0.5 / n)
        reach = _CONFIDENCE * np.sqrt(1.0 / (n * share * (1.0 - share)) + tau**2)
        return float(100.0 * expit(logit(share) - reach)), float(100.0 * expit(logit(share) + reach))
    if figure.unit == "SMD":
        reach = _CONFIDENCE * np.sqrt(spread**2 + standardised)
    else:
        reach = _CONFIDENCE * spread * np.sqrt(1.0 / n + standardised)
    return figure.published - reach, figure.published + reach
