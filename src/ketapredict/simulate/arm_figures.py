"""The figures of published arms that are compared, and how each is computed on its imitation.

Remission is at or under the arm's own cut where its definition is confirmed (`remission_def` of `arms.json`), else
at or under the cut of the scale in this project. What is not compared is in `exclusions.json`, with the reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ketapredict.cohort.scales import scale_named
from ketapredict.simulate import statistics as stat
from ketapredict.simulate.imitations import SCENARIOS, Imitation

_ANY_TIME = ("40min", "2h", "4h", "24h", "48h", "72h", "7d", "10d", "14d")
_WEEK = _ANY_TIME[:7]
_CONFIDENCE = 1.959964
_SEVERE_FROM = 35  # MADRS points; mean 38: the attempters' cohort has 37.75


@dataclass(frozen=True)
class ArmFigure:
    """One figure of one arm and its imitation.

    Attributes
    ----------
    arm : str
        `arm_id` of `arms.json`.
    field : str
        Column of `arms.json`, or key of its column `further`.
    label : str
        What is compared.
    published : float
        The arm's figure in `unit`.
    imitation : str
        Name of the scenario in `imitations.SCENARIOS`.
    simulated : callable
        Computes the figure on the imitation; a mean with its SD for points.
    unit : {"%", "points", "SMD"}
        Percent of patients, mean change, standardised difference from the control.
    spread : float
        SD of a change, points (NaN where it was not found); standard error of an SMD.
    n : int or None
        Patients behind the figure where they are fewer than the arm's.
    cut : float or None
        Highest score that counts as remission.
    """

    arm: str
    field: str
    label: str
    published: float
    imitation: str
    simulated: Callable[[Imitation], float | tuple[float, float]]
    unit: Literal["%", "points", "SMD"] = "%"
    spread: float = np.nan
    n: int | None = None
    cut: float | None = None


def _response(
    arm: str, label: str, published: float, name: str, point: str, field: str = "response_pct", **options: bool | float
) -> ArmFigure:
    return ArmFigure(
        arm,
        field,
        label,
        published,
        name,
        lambda made: stat.response(made, point, **options),  # type: ignore[arg-type]
    )


def _any_time(arm: str, label: str, published: float, name: str, field: str, **options: bool) -> ArmFigure:
    points = _WEEK if field == "response_pct" and "week" in label else _ANY_TIME
    return ArmFigure(arm, field, label, published, name, lambda made: stat.response_at_any(made, points, **options))


def _remission(
    arm: str,
    label: str,
    published: float,
    name: str,
    point: str,
    field: str = "remission_pct",
    cut: float | None = None,
    **options: bool,
) -> ArmFigure:
    own = cut if cut is not None else scale_named(SCENARIOS[name].scale).remission_cut
    if own is None:
        raise ValueError(f"expected a remission cut for {arm}")
    limit = float(own)
    return ArmFigure(
        arm, field, label, published, name, lambda made: stat.remission(made, point, limit, **options), cut=limit
    )


def _change(
    arm: str,
    label: str,
    published: float,
    name: str,
    point: str,
    spread: float = np.nan,
    field: str = "change_mean",
    n: int | None = None,
    *,
    control: bool = False,
    only: Callable[[Imitation], np.ndarray] | None = None,
) -> ArmFigure:
    def found(made: Imitation) -> tuple[float, float]:
        return stat.change(made, point, control=control, only=None if only is None else only(made))

    return ArmFigure(arm, field, label, published, name, found, "points", spread, n)


def _effect(arm: str, label: str, published: float, name: str, point: str, interval: tuple[float, float]) -> ArmFigure:
    error = (interval[1] - interval[0]) / (2.0 * _CONFIDENCE)
    return ArmFigure(
        arm, "effect_size", label, published, name, lambda made: stat.effect_size(made, point), "SMD", error
    )


def _age(low: float, high: float) -> Callable[[Imitation], np.ndarray]:
    return lambda made: made.table["age_years"].between(low, high).to_numpy()


def _older(arm: str, published: float, name: str) -> ArmFigure:
    """Response of those of 60 years and more."""
    return ArmFigure(
        arm, "response_pct", "response end", published, name, lambda m: stat.response_where(m, "end", _age(60, 99)(m))
    )


def _severe(made: Imitation) -> np.ndarray:
    return made.baseline >= _SEVERE_FROM


_MDZ, _SALINE, _OPEN = "single, midazolam trial", "single, saline trial", "course, open research"
_BIPOLAR, _HAMD, _SURGERY = "single, bipolar, saline trial", "single, trial, HAMD-17", "single, anaesthesia trial"
_MIXED, _EIGHT = "course, open research, mixed", "course, open research, bipolar"
_QIDS, _QIDS_BD, _PHQ = "course, clinic, QIDS", "course, clinic, QIDS, bipolar", "course, clinic, PHQ-9"
_VETERANS = "course, clinic, PHQ-9, six weeks"

FIGURES: tuple[ArmFigure, ...] = (
    _response("zarate2006_ket", "response 24 h", 71.0, _HAMD, "24h"),
    _remission("zarate2006_ket", "remission 24 h", 29.0, _HAMD, "24h"),
    ArmFigure(
        "zarate2006_ket",
        "kept_7d",
        "response kept to day 7",
        35.0,
        _HAMD,
        lambda made: stat.response_at_all(made, ("24h", "72h", "7d")),
    ),
    _response("murrough2013_ket", "response 24 h", 64.0, _MDZ, "24h"),
    _change("murrough2013_ket", "change 24 h", -16.5, _MDZ, "24h", 11.0),
    _response("murrough2013_mdz", "response 24 h", 28.0, _MDZ, "24h", control=True),
    _change("murrough2013_mdz", "change 24 h", -8.8, _MDZ, "24h", 9.5, control=True),
    _response("mri2026_ket", "response 24 h", 52.5, _MDZ, "24h"),
    _response("pmc10810879_ket", "30% fall 24 h", 50.0, _SALINE, "24h", fall=0.3),
    _response("pmc10810879_ket", "30% fall 24 h, placebo", 4.2, _SALINE, "24h", "placebo_24h", fall=0.3, control=True),
    _change("cl_attempters2022", "change 24 h", -21.0, _MDZ, "24h", 7.4, only=_severe),
    _change("cl_attempters2022", "change day 5", -20.22, _MDZ, "5d", field="mean_5d", n=15, only=_severe),
    _change("cl_attempters2022", "change day 12", -21.55, _MDZ, "12d", field="mean_12d", n=10, only=_severe),
    _response("pennybaker2017_pool", "response day 14", 12.9, _MDZ, "14d"),
    _any_time("andrashko2020", "response in week 1", 28.0, "single, clinic", "response_pct"),
    _any_time("diazgranados2010_ket", "response any time", 71.0, _BIPOLAR, "response_pct"),
    _any_time("diazgranados2010_ket", "response any time, placebo", 6.0, _BIPOLAR, "placebo_any_time", control=True),
    _effect("diazgranados2010_ket", "d 40 min", 0.52, _BIPOLAR, "40min", (0.28, 0.76)),
    _effect("diazgranados2010_ket", "d day 2", 0.80, _BIPOLAR, "48h", (0.55, 1.04)),
    _any_time("zarate2012_ket", "response any time", 79.0, _BIPOLAR, "response_pct"),
    _any_time("zarate2012_ket", "response any time, placebo", 0.0, _BIPOLAR, "placebo_any_time", control=True),
    _effect("zarate2012_ket", "d 40 min", 0.89, _BIPOLAR, "40min", (0.61, 1.16)),
    _response("lii2023_ket", "response 24 h", 60.0, _SURGERY, "24h"),
    _remission("lii2023_ket", "remission 24 h", 50.0, _SURGERY, "24h", cut=12),
    _response("lii2023_ket", "response day 3", 45.0, _SURGERY, "72h", "response_3d"),
    _response("lii2023_ket", "response day 7", 31.6, _SURGERY, "7d", "response_7d"),
    _response("lii2023_ket", "response day 14", 42.1, _SURGERY, "14d", "response_14d"),
    _response("lii2023_plc", "response 24 h", 50.0, _SURGERY, "24h", control=True),
    _remission("lii2023_plc", "remission 24 h", 35.0, _SURGERY, "24h", cut=12, control=True),
    _response("lii2023_plc", "response day 3", 50.0, _SURGERY, "72h", "response_3d", control=True),
    _response("lii2023_plc", "response day 7", 36.8, _SURGERY, "7d", "response_7d", control=True),
    _response("lii2023_plc", "response day 14", 57.9, _SURGERY, "14d", "response_14d", control=True),
    _response("murrough2013_rep", "response end", 70.8, _OPEN, "end"),
    _change("murrough2013_rep", "change 2 h", -18.9, _OPEN, "2h", 6.6),
    _response("shiroma2014", "response infusion 1", 25.0, _OPEN, "24h", "response_inf1"),
    _remission("shiroma2014", "remission infusion 1", 8.3, _OPEN, "24h", "remission_inf1"),
    _response("shiroma2014", "response end", 91.6, _OPEN, "end"),
    _remission("shiroma2014", "remission end", 66.6, _OPEN, "end"),
    _change("zheng2019_mdd", "change 4 h", -7.0, _OPEN, "4h", 7.5),
    _response("zheng2019_mdd", "response 24 h", 13.0, _OPEN, "24h", "response_24h"),
    _remission("zheng2019_mdd", "remission 24 h", 7.8, _OPEN, "24h", "remission_24h"),
    _response("zheng2018_mixed", "response end", 68.0, _MIXED, "end"),
    _remission("zheng2018_mixed", "remission end", 50.5, _MIXED, "end"),
    _response("anand2023_ket", "response end", 55.4, "course, open research, QIDS", "end"),
    _response("wilkowska2021_BD", "response end", 61.5, _EIGHT, "end"),
    _remission("wilkowska2021_BD", "remission end", 46.2, _EIGHT, "end"),
    _older("latelife2023", 48.0, _OPEN),
    _response("gutierrez2024", "response end", 54.93, "course, clinic, MADRS", "end"),
    _response("mcintyre2020_crtce", "response end", 27.0, _QIDS, "end"),
    _remission("mcintyre2020_crtce", "remission end", 13.0, _QIDS, "end", cut=5),
    _older("lipsitz2021_older", 27.0, _QIDS),
    _response("crtce2023_BD", "response end", 35.0, _QIDS_BD, "end"),
    _response("crtce2023_BD", "25% fall end", 46.0, _QIDS_BD, "end", "improved_25", fall=0.25),
    _remission("crtce2023_BD", "remission end", 20.0, _QIDS_BD, "end", cut=5),
    _change("crtce2023_BD", "change end", -6.08, _QIDS_BD, "end"),
    _change("danayan2023_BPDpos", "change end", -5.95, _QIDS, "end"),
    _change("tay2024_18_25", "change end", -5.71, _QIDS, "end", only=_age(18, 25)),
    _response("oliver2022", "response end", 50.0, _PHQ, "end"),
    _remission("oliver2022", "remission end", 20.0, _PHQ, "end"),
    _response("mcinnes2022", "response end", 53.6, _PHQ, "end"),
    _remission("mcinnes2022", "remission end", 28.9, _PHQ, "end", cut=4),
    _response("pfeiffer2024_VA", "response 6 weeks", 26.0, _VETERANS, "end"),
    _remission("pfeiffer2024_VA", "remission 6 weeks", 15.0, _VETERANS, "end", cut=5),
)
