"""Numbers that docs/simulation.md states beside the fidelity report; `--check` prints them after it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from ketapredict.simulate import statistics as stat
from ketapredict.simulate.fidelity_arms import log_odds_spread
from ketapredict.simulate.fidelity_targets import bayes_optimal_aucs
from ketapredict.simulate.imitations import SCENARIOS, Imitations, imitate
from ketapredict.simulate.scenario import CORRELATION_RANGE

_TRUTHS = 50_000  # for the correlations other than the default
_MIDAZOLAM, _SALINE, _OPEN = "single, midazolam trial", "single, saline trial", "course, open research"
_QIDS = "course, clinic, QIDS"
_SITES = 200  # so that each is large


def further_text(n_courses: int, seed: int) -> str:
    """Return what is simulated without a published range: ceilings, course of the effect, odds ratios, pressure."""
    made = Imitations(n_courses, seed)
    lines = ["Further, without a published range:"]
    aucs = bayes_optimal_aucs(n_courses, seed)
    for outcome in ("response", "remission"):
        found = [f"{mark} {auc:.3f}" for (name, mark), auc in aucs.items() if name == outcome]
        lines.append(f"Bayes-optimal AUC, {outcome}: {', '.join(found)}")
    low, high = CORRELATION_RANGE
    found = []
    for wanted in (low, high):
        at = bayes_optimal_aucs(min(n_courses, _TRUTHS), seed, wanted)["response", "24h"]
        found.append(f"{at:.3f} at {wanted}")
    lines.append(f"Bayes-optimal AUC, response, 24h, early-to-end correlation: {', '.join(found)}")
    found = []
    for scale in ("MADRS", "PHQ-9"):
        strong = replace(SCENARIOS["default"], scale=scale, early_end_correlation=high)
        found.append(f"{scale} {stat.correlation(imitate(strong, n_courses, seed), '24h', 'end'):.2f}")
    lines.append(f"Correlation of observed improvements, 24h and end, where {high} was asked for: {', '.join(found)}")
    for name, control in ((_SALINE, "saline"), (_MIDAZOLAM, "midazolam")):
        found = [f"{point} {stat.effect_size(made[name], point):.2f}" for point in ("24h", "72h", "7d", "10d", "12d")]
        lines.append(f"One infusion against {control}, d: {', '.join(found)}")
    found = [f"{point} {stat.response(made[_MIDAZOLAM], point):.0f}%" for point in ("24h", "72h", "7d", "14d")]
    lines.append(f"One infusion, response: {', '.join(found)}")
    for name, cut in ((_OPEN, 9), ("default", 9), (_QIDS, 5)):
        trials = made[name].table["failed_trials"].to_numpy(float)
        ratios = [
            np.exp(stat.log_odds_slope(trials, happened)[0]) for happened in stat.outcomes(made[name], "end", cut)
        ]
        lines.append(f"Odds ratio per failed trial, {name}: response {ratios[0]:.3f}, remission {ratios[1]:.3f}")
    sensitivity, specificity = stat.early_rule(made[_OPEN], "4h", "end")
    lines.append(
        f"Response at 4 h for response at the end, {_OPEN}: sensitivity {sensitivity:.0f}%, "
        f"specificity {specificity:.0f}%"
    )
    found = [f"{name} {_spread_between_sites(name, n_courses, seed):.2f}" for name in ("default", _QIDS)]
    lines.append(f"SD of the log-odds of response between simulated sites: {'; '.join(found)}")
    systolic, diastolic = stat.pressure_rise(made[_QIDS])
    lines.append(f"Mean rise of blood pressure at 40 min, mmHg: systolic {systolic:.1f}, diastolic {diastolic:.1f}")
    return "\n".join(lines)


def _spread_between_sites(name: str, n_courses: int, seed: int) -> float:
    made = imitate(replace(SCENARIOS[name], n_sites=_SITES), n_courses, seed)
    responded = pd.Series(stat.outcomes(made, "end", 0)[0])
    places = responded.groupby(made.table["site"].to_numpy()).agg(["mean", "count"])
    half = 0.5 / places["count"]
    return log_odds_spread(places["mean"].clip(half, 1.0 - half).to_numpy(), places["count"].to_numpy(float))
