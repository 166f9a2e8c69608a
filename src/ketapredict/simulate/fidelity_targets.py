"""How each target of the evidence is computed on simulated courses."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ketapredict.cohort.outcomes import OUTCOMES
from ketapredict.simulate import statistics as stat
from ketapredict.simulate.cohort import simulate_with_truth
from ketapredict.simulate.imitations import SCENARIOS, Imitations

Simulated = Callable[[Imitations], float]

_RESEARCH, _QIDS, _PHQ = "course, open research", "course, clinic, QIDS", "course, clinic, PHQ-9"
_MIDAZOLAM, _SALINE = "single, midazolam trial", "single, saline trial"
_SIX_RATINGS = ("24h", "inf2", "inf3", "inf4", "inf5", "end")
_MOST_TRUTHS = 100_000


@lru_cache(maxsize=8)
def bayes_optimal_aucs(n_courses: int, seed: int, early_end_correlation: float = 0.5) -> dict[tuple[str, str], float]:
    """Return the AUC of the true probability, by outcome and landmark, at the default settings but the correlation.

    No prediction from the same columns has a higher one in expectation. Many sites stand for the average
    over sites; at most 100,000 courses are used.
    """
    scenario = replace(SCENARIOS["default"], early_end_correlation=early_end_correlation)
    _, truth = simulate_with_truth(scenario, min(n_courses, _MOST_TRUTHS), seed)
    return {(outcome, mark): _auc(truth, outcome, mark) for outcome in OUTCOMES for mark in scenario.protocol.landmarks}


TARGETS: dict[str, Simulated] = {
    "24h_response_single_MDD_ketamine": lambda made: stat.response(made[_MIDAZOLAM], "24h"),
    "24h_response_midazolam": lambda made: stat.response(made[_MIDAZOLAM], "24h", control=True),
    "24h_response_saline": lambda made: stat.response(made[_SALINE], "24h", control=True),
    "24h_remission_single_MDD_ketamine": lambda made: stat.remission(made[_MIDAZOLAM], "24h", 9),
    "72h_response_single": lambda made: stat.response(made[_MIDAZOLAM], "72h"),
    "d7_response_single": lambda made: stat.response(made[_MIDAZOLAM], "7d"),
    "d_24h_vs_midazolam": lambda made: stat.effect_size(made[_MIDAZOLAM], "24h"),
    "d_24h_vs_saline": lambda made: stat.effect_size(made[_SALINE], "24h"),
    "madrs_change_24h_mean_TRD": lambda made: stat.change(made[_MIDAZOLAM], "24h")[0],
    "madrs_change_24h_sd": lambda made: stat.change(made[_MIDAZOLAM], "24h")[1],
    "madrs_followup_sd": lambda made: float(
        np.mean([np.nanstd(made[_MIDAZOLAM].score(point)[~made[_MIDAZOLAM].control]) for point in ("24h", "72h", "7d")])
    ),
    "post6_response_openlabel_MDD_research": lambda made: stat.response(made[_RESEARCH], "end"),
    "post6_remission_openlabel_research": lambda made: stat.remission(made[_RESEARCH], "end", 10),
    "post6_response_selfreport_trial": lambda made: stat.response(made["course, open research, QIDS"], "end"),
    "course_response_realworld_selfreport": lambda made: float(
        np.mean([stat.response(made[name], "end") for name in (_QIDS, _PHQ)])
    ),
    "course_remission_realworld": lambda made: float(
        np.mean([stat.remission(made[_QIDS], "end", 5), stat.remission(made[_PHQ], "end", 4)])
    ),
    "course_response_blinded_vs_midazolam": lambda made: stat.response(made["course, midazolam trial"], "end"),
    "median_infusions_to_response": lambda made: stat.infusions_to_response(made[_RESEARCH], _SIX_RATINGS),
    "late_improver_share_after_2_misses": lambda made: stat.late_improvers(made[_QIDS], ("24h", "inf2"), "end"),
    "sens_20pct_improvement_post3_for_response": lambda made: stat.sensitivity(
        made["course, open research, mixed"], "inf3", "end"
    ),
    "class_share_robust_severe": lambda made: stat.class_share(made[_QIDS], "robust"),
    "class_share_poor_severe": lambda made: stat.class_share(made[_QIDS], "none"),
    "CADSS_to_improvement_r": lambda made: stat.dissociation_correlation(made[_MIDAZOLAM], "4h"),
    "sex_effect": lambda made: stat.sex_difference(made[_RESEARCH], "end"),
    "dropout_course": lambda made: float(100.0 * np.isnan(made[_RESEARCH].score("end")).mean()),
    "worsening_share": lambda made: stat.worsened(made[_PHQ], "end"),
    "TE_hypertension_any_infusion_age60plus": lambda made: stat.hypertension(made[_QIDS], 60),
    "QIDS_end_minus_start_CRTCE": lambda made: stat.change(made[_QIDS], "end")[0],
}
# Compared once, as the requirement at that landmark, whose band is narrower.
REQUIRED: dict[str, str] = {"AUC_baseline_clinical_only": "pre"}
# Named, not compared: what the simulator does not cover.
OUTSIDE: dict[str, str] = {
    "median_days_to_relapse_after_course": "relapse after the course is outside the simulator",
}


def _auc(truth: pd.DataFrame, outcome: str, landmark: str) -> float:
    judged = truth[truth[outcome].notna()]
    happened = judged[outcome].to_numpy() == 1.0
    ranks = rankdata(judged[f"{outcome}_at_{landmark}"].to_numpy())
    positive, negative = int(happened.sum()), int((~happened).sum())
    return float((ranks[happened].sum() - positive * (positive + 1) / 2.0) / (positive * negative))
