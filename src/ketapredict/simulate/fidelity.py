"""The fidelity report: simulated cohorts beside the published figures."""

from typing import Any

import numpy as np
import pandas as pd

from ketapredict.simulate.evidence import compared_targets, evidence_table
from ketapredict.simulate.fidelity_arms import FIGURES, compare_arm
from ketapredict.simulate.fidelity_targets import OUTSIDE, TARGETS, bayes_optimal_aucs
from ketapredict.simulate.imitations import Imitations

COLUMNS = ("figure", "kind", "unit", "certainty", "central", "low", "high", "simulated", "inside", "source")
# What the project asks of its default settings (issue 3).
LEAST_INSIDE = 0.9
BAYES_AUC_BANDS = {"pre": (0.58, 0.66), "24h": (0.67, 0.83)}


def fidelity_table(n_courses: int = 100_000, seed: int = 0) -> pd.DataFrame:
    """Compare simulated courses with the published figures.

    Compared are the targets of high or moderate certainty whose figures are confirmed or derived from
    confirmed ones, the arms that the options can imitate, and the Bayes-optimal AUC of the defaults.

    Parameters
    ----------
    n_courses : int
        Courses of each imitated population.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row per figure: `figure`, `kind` (target, arm, requirement), `unit`, `certainty`, `central`, `low`,
        `high`, `simulated`, `inside` (yes, no, or empty where the simulator does not cover it), `source`.
    """
    made = Imitations(n_courses, seed)
    rows = [_target(row, made) for row in compared_targets().itertuples()]
    sources = evidence_table("arms").set_index("arm_id")["doi_or_pmid"]
    for figure in FIGURES:
        low, high, value = compare_arm(figure, made)
        unit = "%" if figure.spread is None else "points"
        name = f"{figure.arm}: {figure.label}"
        rows.append((name, "arm", unit, "", figure.published, low, high, value, sources[figure.arm]))
    aucs = bayes_optimal_aucs(n_courses, seed)
    for landmark, (low, high) in BAYES_AUC_BANDS.items():
        name = f"Bayes-optimal AUC of the defaults, {landmark}"
        rows.append((name, "requirement", "AUC", "", (low + high) / 2, low, high, aucs[landmark], "issue 3"))
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "inside"])
    table.insert(COLUMNS.index("inside"), "inside", _inside(table))
    numbers = ["central", "low", "high", "simulated"]
    return table.assign(**{name: table[name].astype(float).round(3) for name in numbers})


def misses(table: pd.DataFrame, certainty: str | None = None) -> list[str]:
    """Return the figures that are outside their range, of one certainty or of all."""
    outside = table["inside"] == "no"
    if certainty is not None:
        outside &= table["certainty"] == certainty
    return table.loc[outside, "figure"].tolist()


def accepted(table: pd.DataFrame) -> bool:
    """Return whether the simulator passes: nothing of high certainty and no requirement outside, 90% inside."""
    compared = table[table["inside"] != ""]
    required = compared[(compared["certainty"] == "high") | (compared["kind"] == "requirement")]
    return bool((required["inside"] == "yes").all() and (compared["inside"] == "yes").mean() >= LEAST_INSIDE)


def summary(table: pd.DataFrame) -> str:
    """Return what is inside, by kind, and name the rest.

    The ranges of arms hold the spread between clinics and are wide: they are counted apart from the targets.
    """
    compared = table[table["inside"] != ""]

    def count(rows: pd.DataFrame) -> str:
        return f"{int((rows['inside'] == 'yes').sum())} of {len(rows)}"

    text = (
        f"Inside: targets {count(compared[compared['kind'] == 'target'])} (of high certainty "
        f"{count(compared[compared['certainty'] == 'high'])}), arms {count(compared[compared['kind'] == 'arm'])}, "
        f"requirements {count(compared[compared['kind'] == 'requirement'])}; together "
        f"{100 * (compared['inside'] == 'yes').mean():.0f}%."
    )
    if outside := misses(table):
        text += " Outside: " + "; ".join(outside) + "."
    if uncovered := table.loc[table["inside"] == "", "figure"].tolist():
        text += " Not covered: " + "; ".join(f"{name} ({OUTSIDE[name]})" for name in uncovered) + "."
    return text


def _target(row: Any, made: Imitations) -> tuple[Any, ...]:
    value = float("nan") if row.target in OUTSIDE else TARGETS[row.target](made)
    head = (row.target, "target", row.unit, row.certainty, row.central, row.low, row.high)
    return (*head, value, row.source)


def _inside(table: pd.DataFrame) -> np.ndarray:
    within = table["simulated"].between(table["low"], table["high"])
    return np.where(table["simulated"].isna(), "", np.where(within, "yes", "no"))
