"""What is in a cohort: counts that add up, patients, means and responders per arm and time point."""

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import RESPONSE_FALL, remission_cuts


def summarise(cohort: Cohort) -> pd.DataFrame:
    """Summarise the scores per arm and time point.

    Returns
    -------
    pandas.DataFrame
        One row per arm with courses and time point: `arm`, `time_point`, `n_both` (courses with baseline
        and score), `baseline_mean` and `score_mean` of these (points), `responders` (a fall of at least
        half), `remission_n` (courses that start above the remission cut of a scale that has one) and
        `remitters` of these. Empty where no course was accepted.
    """
    table = cohort.table
    baseline = table["score_baseline"].to_numpy(float)
    cuts = remission_cuts(cohort.courses) if len(cohort) else np.empty(0)
    lines = []
    for arm in reversed(cohort.columns["arm"].levels):
        in_arm = cohort.active if arm == cohort.protocol.active_treatment else ~cohort.active
        for point in cohort.protocol.names:
            score = table[f"score_{point}"].to_numpy(float)
            both = in_arm & ~np.isnan(score) & ~np.isnan(baseline)
            if not in_arm.any():
                continue
            above_cut = both & (baseline > cuts)
            lines.append(
                {
                    "arm": arm,
                    "time_point": point,
                    "n_both": int(both.sum()),
                    "baseline_mean": float(baseline[both].mean()) if both.any() else np.nan,
                    "score_mean": float(score[both].mean()) if both.any() else np.nan,
                    "responders": int((score[both] <= (1 - RESPONSE_FALL) * baseline[both]).sum()),
                    "remission_n": int(above_cut.sum()),
                    "remitters": int((score[above_cut] <= cuts[above_cut]).sum()),
                }
            )
    columns = [
        "arm",
        "time_point",
        "n_both",
        "baseline_mean",
        "score_mean",
        "responders",
        "remission_n",
        "remitters",
    ]
    return pd.DataFrame(lines, columns=columns)


def count_lines(cohort: Cohort) -> list[str]:
    """Return the counts as two lines of text, one more if nothing was accepted, then one per rule that was broken."""
    counts = cohort.counts
    lines = [
        f"source rows {counts.source_rows} = used {counts.used} + filtered {counts.filtered} "
        f"+ unmatched {counts.unmatched}",
        f"courses {counts.courses} = accepted {counts.accepted} + rejected {counts.rejected}",
    ]
    if not len(cohort):
        lines.append("no course was accepted: there is nothing to summarise")
    if len(cohort.rejects):
        by_rule = cohort.rejects.groupby(["column", "rule"], sort=True).size()
        for (column, rule), number in by_rule.items():
            lines.append(f"rejected cells: {column or 'whole row'}, rule {rule}: {number}")
    return lines
