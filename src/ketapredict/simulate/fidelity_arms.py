r"""How published arms are imitated, and how far an honest imitation may be from one arm.

An arm is one study of n patients at one place. It is compared with the simulated population by

.. math:: \mathrm{logit}\,p \pm 1.96\sqrt{1 / (n p (1 - p)) + \tau^2}, \qquad
    m \pm 1.96\sqrt{SD^2 / n + (\tau \sqrt 3 / \pi)^2 SD^2}

tau the spread between clinics on the log-odds scale: DerSimonian and Laird's estimate from the four
real-world arms with a confirmed response (`between_clinic_spread`), and Chinn's conversion to
standardised means. p is pulled in to half a patient from 0 and 1. Where an arm's SD was not found the
simulated SD is used.

Left out, though a figure is confirmed: other routes (Lapidus, intranasal), suicidality scales (Grunebaum,
Abbar), troughs before the next infusion (Griffiths), effects whose definition is not given (Ibrahim),
differences within a study, arms that a larger one in the list includes (Zheng 2018 mixed includes Zheng
2019), and figures or numbers of patients from memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from ketapredict.simulate import statistics as stat
from ketapredict.simulate.evidence import evidence_table
from ketapredict.simulate.imitations import Imitation, Imitations

_CLINICS = ("mcintyre2020_crtce", "oliver2022", "mcinnes2022", "pfeiffer2024_VA")
_ANY_TIME = ("40min", "2h", "4h", "24h", "48h", "72h", "7d", "10d", "14d")
_WEEK = _ANY_TIME[:7]
_CONFIDENCE = 1.959964


@dataclass(frozen=True)
class ArmFigure:
    """One figure of one arm and its imitation.

    Attributes
    ----------
    arm : str
        `arm_id` of `arms.json`.
    label : str
        What is compared.
    published : float
        The arm's figure: percent, or mean change in points.
    imitation : str
        Name of the scenario in `imitations.SCENARIOS`.
    simulated : callable
        Computes the figure on the imitation; a mean with its SD for changes.
    spread : float or None
        SD of the arm's change; None for percentages, NaN where it was not found.
    """

    arm: str
    label: str
    published: float
    imitation: str
    simulated: Callable[[Imitation], float | tuple[float, float]]
    spread: float | None = None


def _response(point: str, **options: object) -> Callable[[Imitation], float]:
    return lambda made: stat.response(made, point, **options)  # type: ignore[arg-type]


def _remission(point: str, cut: float) -> Callable[[Imitation], float]:
    return lambda made: stat.remission(made, point, cut)


def _older(made: Imitation) -> float:
    return stat.response_where(made, "end", (made.table["age_years"] >= 60).to_numpy())


def _severe_change(made: Imitation) -> tuple[float, float]:
    """Change at 24 h of those who start with 35 points or more, mean 38: the cohort's is 37.8."""
    rows = ~made.control & (made.baseline >= 35)
    difference = made.score("24h")[rows] - made.baseline[rows]
    return float(np.nanmean(difference)), float(np.nanstd(difference))


def _change(point: str, *, control: bool = False) -> Callable[[Imitation], tuple[float, float]]:
    return lambda made: stat.change(made, point, control=control)


_MDZ, _OPEN, _QIDS, _PHQ = (
    "single, midazolam trial",
    "course, open research",
    "course, clinic, QIDS",
    "course, clinic, PHQ-9",
)
FIGURES: tuple[ArmFigure, ...] = (
    ArmFigure("zarate2006_ket", "response 24 h", 71.0, "single, trial, HAMD-17", _response("24h")),
    ArmFigure("murrough2013_ket", "response 24 h", 64.0, _MDZ, _response("24h")),
    ArmFigure("murrough2013_ket", "change 24 h", -16.5, _MDZ, _change("24h"), 11.0),
    ArmFigure("murrough2013_mdz", "response 24 h", 28.0, _MDZ, _response("24h", control=True)),
    ArmFigure("murrough2013_mdz", "change 24 h", -8.8, _MDZ, _change("24h", control=True), 9.5),
    ArmFigure("mri2026_ket", "response 24 h", 52.5, _MDZ, _response("24h")),
    ArmFigure("pmc10810879_ket", "30% fall 24 h", 50.0, "single, saline trial", _response("24h", fall=0.3)),
    ArmFigure("cl_attempters2022", "change 24 h", -21.0, _MDZ, _severe_change, 7.4),
    ArmFigure("pennybaker2017_pool", "response day 14", 12.9, _MDZ, _response("14d")),
    ArmFigure(
        "andrashko2020",
        "response in week 1",
        28.0,
        "single, clinic",
        lambda made: stat.response_at_any(made, _WEEK),
    ),
    ArmFigure(
        "diazgranados2010_ket",
        "response any time",
        71.0,
        "single, bipolar, saline trial",
        lambda made: stat.response_at_any(made, _ANY_TIME),
    ),
    ArmFigure(
        "zarate2012_ket",
        "response any time",
        79.0,
        "single, bipolar, saline trial",
        lambda made: stat.response_at_any(made, _ANY_TIME),
    ),
    ArmFigure("lii2023_ket", "response 24 h", 60.0, "single, anaesthesia trial", _response("24h")),
    ArmFigure("lii2023_ket", "remission 24 h", 50.0, "single, anaesthesia trial", _remission("24h", 12)),
    ArmFigure("lii2023_ket", "response day 7", 31.6, "single, anaesthesia trial", _response("7d")),
    ArmFigure("lii2023_plc", "response 24 h", 50.0, "single, anaesthesia trial", _response("24h", control=True)),
    ArmFigure("murrough2013_rep", "response end", 70.8, _OPEN, _response("end")),
    ArmFigure("murrough2013_rep", "change 2 h", -18.9, _MDZ, _change("2h"), 6.6),
    ArmFigure("shiroma2014", "response infusion 1", 25.0, _OPEN, _response("24h")),
    ArmFigure("shiroma2014", "response end", 91.6, _OPEN, _response("end")),
    ArmFigure("shiroma2014", "remission end", 66.6, _OPEN, _remission("end", 9)),
    ArmFigure("zheng2019_mdd", "change 4 h", -7.0, _OPEN, _change("4h"), 7.5),
    ArmFigure("zheng2019_mdd", "response 24 h", 13.0, _OPEN, _response("24h")),
    ArmFigure("zheng2019_mdd", "remission 24 h", 7.8, _OPEN, _remission("24h", 10)),
    ArmFigure("zheng2018_mixed", "response end", 68.0, "course, open research, mixed", _response("end")),
    ArmFigure("zheng2018_mixed", "remission end", 50.5, "course, open research, mixed", _remission("end", 10)),
    ArmFigure("anand2023_ket", "response end", 55.4, "course, open research, QIDS", _response("end")),
    ArmFigure("wilkowska2021_BD", "response end", 61.5, "course, open research, bipolar", _response("end")),
    ArmFigure("wilkowska2021_BD", "remission end", 46.2, "course, open research, bipolar", _remission("end", 10)),
    ArmFigure("latelife2023", "response end", 48.0, _OPEN, _older),
    ArmFigure("gutierrez2024", "response end", 54.93, "course, clinic, MADRS", _response("end")),
    ArmFigure("mcintyre2020_crtce", "response end", 27.0, _QIDS, _response("end")),
    ArmFigure("mcintyre2020_crtce", "remission end", 13.0, _QIDS, _remission("end", 5)),
    ArmFigure("lipsitz2021_older", "response end", 27.0, _QIDS, _older),
    ArmFigure("crtce2023_BD", "response end", 35.0, "course, clinic, QIDS, bipolar", _response("end")),
    ArmFigure("crtce2023_BD", "remission end", 20.0, "course, clinic, QIDS, bipolar", _remission("end", 5)),
    ArmFigure("crtce2023_BD", "change end", -6.08, "course, clinic, QIDS, bipolar", _change("end"), np.nan),
    ArmFigure("danayan2023_BPDpos", "change end", -5.95, _QIDS, _change("end"), np.nan),
    ArmFigure("oliver2022", "response end", 50.0, _PHQ, _response("end")),
    ArmFigure("mcinnes2022", "response end", 53.6, _PHQ, _response("end")),
    ArmFigure("mcinnes2022", "remission end", 28.9, _PHQ, _remission("end", 4)),
    ArmFigure("pfeiffer2024_VA", "response 6 weeks", 26.0, "course, clinic, PHQ-9, six weeks", _response("end")),
    ArmFigure("pfeiffer2024_VA", "remission 6 weeks", 15.0, "course, clinic, PHQ-9, six weeks", _remission("end", 5)),
)


@lru_cache
def between_clinic_spread() -> float:
    """Return tau, the SD of the log-odds of response between clinics (DerSimonian and Laird 1986)."""
    arms = evidence_table("arms").set_index("arm_id").loc[list(_CLINICS)]
    share, n = pd.to_numeric(arms["response_pct"]).to_numpy() / 100.0, arms["n"].to_numpy(float)
    log_odds, precision = logit(share), n * share * (1.0 - share)
    pooled = precision @ log_odds / precision.sum()
    excess = precision @ (log_odds - pooled) ** 2 - (len(share) - 1)
    scale = precision.sum() - (precision**2).sum() / precision.sum()
    return float(np.sqrt(max(excess / scale, 0.0)))


def compare_arm(figure: ArmFigure, made: Imitations) -> tuple[float, float, float]:
    """Return low and high of the arm's range, and the simulated figure."""
    n = float(evidence_table("arms").set_index("arm_id").loc[figure.arm, "n"])
    tau = between_clinic_spread()
    found = figure.simulated(made[figure.imitation])
    if isinstance(found, tuple):
        value, simulated_spread = found
        spread = simulated_spread if figure.spread is None or np.isnan(figure.spread) else figure.spread
        reach = _CONFIDENCE * spread * np.sqrt(1.0 / n + 3.0 * (tau / np.pi) ** 2)
        return figure.published - reach, figure.published + reach, value
    share = np.clip(figure.published / 100.0, 0.5 / n, 1.0 - 0.5 / n)
    reach = _CONFIDENCE * np.sqrt(1.0 / (n * share * (1.0 - share)) + tau**2)
    return float(100.0 * expit(logit(share) - reach)), float(100.0 * expit(logit(share) + reach)), found
