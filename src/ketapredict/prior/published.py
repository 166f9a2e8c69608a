"""Published effects of what is known before the first infusion, as log odds ratios with standard errors.

Each finding is a confirmed row of `data/evidence/predictors.json`; a test holds the figures against it. Conversions:

* standardised mean difference d: log OR = pi / sqrt(3) * d (Chinn 2000, doi:10.1002/1097-0258);
* standardised regression coefficient or correlation r with a yes/no variable of share q:
  d = r / sqrt(q (1 - q) (1 - r^2)); with a number, log OR per SD = pi / sqrt(3) * r / sqrt(1 - r^2);
* odds ratio with a p value: standard error = log OR / z(p);
* a null that is reported without a figure: 0, with the standard error of a study of that size and an even outcome.

Findings are associations in single small studies, published because they stood out; 44 studies together find little
(Lima Constantino 2025, row P55), and no model from baseline data alone is believed above an AUC of 0.65. So each pooled
effect is drawn to 0 as the mean of N(0, TYPICAL_EFFECT^2) given the findings: an effect of one contrast of 0.25 on
log-odds, an odds ratio of 1.3, is typical. All together then reach an AUC near 0.60, as the 44 studies suggest.
Findings are marginal and enter side by side; a confirmed row that is not used stands in `EXCLUDED`, with the reason.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from scipy.special import logit, ndtri

from ketapredict.model.prior import BaselineEffect

TYPICAL_EFFECT = 0.25
_LOGISTIC_SD = np.pi / np.sqrt(3.0)
WEEK = 168.0
_EARLY = "early scores: how they go with the end is learned from trials and from the simulator, which it is a target of"
_OTHER = "no column of the cohort table"
EXCLUDED: dict[str, str] = {
    **dict.fromkeys(("P01", "P02", "P03", "P04", "P05", "P06", "P07", "P08", "P09", "P10", "P12", "P13"), _EARLY),
    "P15": "moderation against ECT, without a direction for ketamine",
    "P16": _OTHER,
    "P17": "of the fourth infusion only; gone by the sixth in the same study",
    "P21": "of studies, not of patients",
    "P22": "the same patients as P23, at 230 minutes",
    "P28": "the joint model of P22 to P26, whose coefficients are not told",
    "P29": "without a figure",
    "P31": "of suicidal ideation, not of response",
    "P32": "of studies, not of patients",
    "P33": "time to relapse, not response",
    "P44": _OTHER,
    "P45": _OTHER,
    "P46": _OTHER,
    "P47": _OTHER,
    "P48": "without a figure for single variables",
    **dict.fromkeys(("P49", "P50", "P51", "P52"), "dissociation: mixed over studies, none of it beside the 4 h score"),
    "P53": "dose: a matter of design",
    "P54": "control: a matter of design",
    "P55": "a review of all variables together: what TYPICAL_EFFECT rests on",
    "P56": "biomarkers: " + _OTHER,
    "P57": "a review without figures",
}
# Later samples of one clinic: it counts once (mcintyre2020_crtce).
_SAME_CLINIC = ("lipsitz2021_older", "crtce2023_BD")


@dataclass(frozen=True, slots=True)
class Finding:
    """One published effect on response, per contrast of a feature.

    Attributes
    ----------
    sources : tuple of str
        Rows of the evidence; more than one where they are of the same patients.
    log_odds_ratio, standard_error : float
        Per contrast.
    """

    sources: tuple[str, ...]
    log_odds_ratio: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a finding compares, in units of the features that stand for it; the note says what was assumed."""

    features: tuple[str, ...]
    units: float
    certainty: str
    findings: tuple[Finding, ...]
    note: str
    outcome_hours: float = WEEK


def from_intervals(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the standard error of the difference of two independent d with 95% intervals, on log-odds."""
    first, second = (np.diff(interval)[0] / (2 * ndtri(0.975)) for interval in (one, other))
    return float(_LOGISTIC_SD * np.hypot(first, second))


def from_correlation(r: float, n: int, share: float | None = None) -> tuple[float, float]:
    """Return log OR and standard error from a correlation with a number (per SD) or with a yes/no of a share."""
    spread = 1.0 if share is None else np.sqrt(share * (1.0 - share))
    per = _LOGISTIC_SD / spread
    return float(per * r / np.sqrt(1.0 - r**2)), float(per / np.sqrt(n))


def from_p(log_odds_ratio: float, p: float) -> float:
    """Return the standard error that gives a two-sided p value."""
    return float(abs(log_odds_ratio) / ndtri(1.0 - p / 2.0))


def of_a_null(n: int, share: float = 0.5) -> float:
    """Return the standard error of a log OR from n courses, half of them with the outcome, a share with the trait."""
    return float(2.0 / np.sqrt(n * share * (1.0 - share)))


def from_cells(*counts: float) -> float:
    """Return the standard error of a log OR from the four cells of its table."""
    return float(np.sqrt(sum(1.0 / count for count in counts)))


def contrasts() -> tuple[Contrast, ...]:
    """Return all contrasts with their findings."""
    family = np.mean([0.27, 0.41])
    weight = np.mean([0.37, 0.18])
    per_z = float(_LOGISTIC_SD * 2 / np.sqrt(209))
    attempts, attempts_error = from_correlation(0.28, 71, 0.35)
    unresponsive, responsive = 23.5, 23.5
    cells = (0.80 * unresponsive, 0.20 * unresponsive, 0.85 * responsive, 0.15 * responsive)
    return (
        Contrast(
            ("failed_ect",), 1.0, "low",
            (Finding(("P39",), -_LOGISTIC_SD * (1.00 - 0.50), from_intervals((0.21, 0.80), (0.71, 1.29))),),
            "effect against a control on the same day, not of the course", 230 / 60,
        ),
        Contrast(
            ("family_history_alcohol",), 1.0, "low-moderate",
            (Finding(("P24", "P25"), *from_correlation(float(family), 71, 0.35)),),
            "mean of day 1 and day 7 of the same patients; share of 35% assumed",
        ),
        Contrast(
            ("bmi_kg_m2",), 6.0, "low-moderate",
            (Finding(("P23",), *from_correlation(float(weight), 71)),),
            "mean of day 1 and day 7; SD of 6 kg/m2 assumed; dosing by weight confounds",
        ),
        Contrast(
            ("anxious_distress",), 1.0, "low-moderate",
            (
                Finding(("P35",), float(ndtri(1.0 - 0.02 / 2.0)) * per_z, per_z),
                Finding(("P34",), 0.0, of_a_null(36)),
                Finding(("P36",), 0.0, 2.0 * of_a_null(365)),
            ),
            "halves assumed; P36 is a null of moderation against ECT: twice the standard error",
        ),
        Contrast(
            ("log_prior_admissions",), 1.2, "low-moderate",
            (Finding(("P40",), -float(np.log(3.56)), from_p(float(np.log(3.56)), 0.009)),),
            "none against any, which are 2.3 on average: assumed",
        ),
        Contrast(
            ("log_suicide_attempts",), 1.0, "low",
            (Finding(("P26",), -attempts, attempts_error), Finding(("P27",), 0.0, 2.0 * of_a_null(365, 0.35))),
            "any against none, which are 1.7 on average: assumed; share of 35% assumed; P27 against ECT, as P36",
        ),
        Contrast(
            ("log_benzodiazepine_mg_per_day",), 2.2, "low-moderate",
            (
                Finding(("P41",), -float(logit(0.80) + logit(0.85)), from_cells(*cells)),
                Finding(("P42",), 0.0, of_a_null(99, 0.4)),
                Finding(("P43",), 0.0, 2.0 * of_a_null(365, 0.4)),
            ),
            "over 8 mg against less; halves of 47 assumed; the cut was chosen on the same data",
        ),
        Contrast(
            ("diagnosis_BD-I", "diagnosis_BD-II", "diagnosis_BD"), 1.0, "low",
            (Finding(("P30",), float(logit(0.35) - logit(0.27)), from_cells(23, 43, 57.5, 155.5)),),
            "bipolar clinic patients, on mood stabilisers, against a clinic's mix",
        ),
        Contrast(("age_years",), 13.0, "moderate-high", (Finding(("P18",), 0.0, of_a_null(809)),), "SD of 13 years"),
        Contrast(
            ("sex_male",), 1.0, "moderate-high",
            (
                Finding(("P18",), 0.0, of_a_null(809)),
                Finding(("P19",), 0.0, of_a_null(99)),
                Finding(("P20",), float(logit(0.500) - logit(0.478)), of_a_null(135)),
            ),
            "no moderation in pooled trials; halves assumed",
        ),
        Contrast(
            ("severity_relative",), 0.26, "moderate",
            (Finding(("P14",), 0.0, of_a_null(537)),),
            "two SD of a relative score of 0.13",
        ),
        Contrast(
            ("log_failed_trials",), 1.0, "moderate",
            (Finding(("P38",), 0.0, of_a_null(2050)),),
            "degree of resistance: no effect on response, less remission; two SD of log(1 + trials) of 0.5",
        ),
    )  # fmt: skip


def baseline_effects() -> tuple[BaselineEffect, ...]:
    """Return the pooled effects, drawn to 0, per unit of each feature."""
    found = []
    for contrast in contrasts():
        mean, variance = pooled(contrast.findings)
        kept = TYPICAL_EFFECT**2 / (TYPICAL_EFFECT**2 + variance)
        sources = tuple(source for finding in contrast.findings for source in finding.sources)
        sd = float(np.sqrt(kept * variance)) / contrast.units
        for feature in contrast.features:
            at = contrast.outcome_hours
            found.append(BaselineEffect(feature, kept * mean / contrast.units, sd, sources, contrast.certainty, at))
    return tuple(found)


def rate_spread() -> tuple[float, tuple[str, ...]]:
    """Return how far clinics lie apart in the log-odds of response, as an SD, and the arms it is from.

    Between and within: sqrt(tau^2 + SE(mean)^2) over the confirmed arms of `data/evidence/arms.json` with several
    intravenous infusions whose response is a share of all; a clinic counts once. Scales, populations and moments
    differ among them: for a clinic of one's own that is as it should be. For remission, and for single infusions, the
    spread is taken to be the same.
    """
    arms = json.loads((files("ketapredict") / "data" / "evidence" / "arms.json").read_text("utf-8"))
    found: dict[str, Finding] = {}
    for arm in arms:
        share = _number(arm["response_pct"])
        ketamine = "ketamine" in arm["comparator_or_arm"] and arm["route"] == "IV"
        course = arm["n_infusions"] not in (None, "1")
        confirmed = arm["response_confirmed"] == "yes" and arm["n"]
        if share is None or not (ketamine and course and confirmed) or arm["arm_id"] in _SAME_CLINIC:
            continue
        responders = arm["n"] * share / 100.0
        error = from_cells(responders, arm["n"] - responders)
        found[arm["arm_id"]] = Finding((arm["arm_id"],), float(logit(share / 100.0)), error)
    _, variance, between = _random_effects(list(found.values()))
    return float(np.sqrt(between + variance)), tuple(found)


def pooled(findings: Sequence[Finding]) -> tuple[float, float]:
    """Return mean and variance by random effects (DerSimonian and Laird 1986, doi:10.1016/0197-2456(86)90046-2)."""
    mean, variance, _ = _random_effects(findings)
    return mean, variance


def _random_effects(findings: Sequence[Finding]) -> tuple[float, float, float]:
    """Return the mean, its variance and the variance between studies."""
    values = np.array([finding.log_odds_ratio for finding in findings])
    variances = np.array([finding.standard_error for finding in findings]) ** 2
    weights = 1.0 / variances
    fixed = weights @ values / weights.sum()
    spare = weights.sum() - (weights**2).sum() / weights.sum()
    excess = weights @ (values - fixed) ** 2 - (len(values) - 1)
    between = max(0.0, float(excess / spare)) if len(values) > 1 else 0.0
    weights = 1.0 / (variances + between)
    return float(weights @ values / weights.sum()), float(1.0 / weights.sum()), between


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
