"""What figures must be said out loud: plain sentences where a reader could be misled."""

import numpy as np
import pandas as pd

from ketapredict.validate.cross_validation import BASELINE_ONLY, EARLY_ONLY, PREVALENCE, RULE, LandmarkValidation
from ketapredict.validate.intervals import Difference, Interval

# What is simpler than the model, and how it is called in a sentence.
_SIMPLER = {
    RULE: "the simple rule (at least 20% improvement so far)",
    EARLY_ONLY: "early improvement alone, by logistic regression",
    BASELINE_ONLY: "the baseline score alone, by logistic regression",
}
# Compatible with a slope in this range, predictions need no stretching; the gate asks for the same.
SLOPE_RANGE = (0.8, 1.2)


def skill_verdicts(validation: LandmarkValidation) -> tuple[str, ...]:
    """Say where a model is not shown to beat by log-loss what is simpler.

    That is the prevalence, and, with an early score, the 20% rule and early improvement alone; before it, the
    baseline score alone. "Not shown" is a paired 95% interval of the log-loss difference that reaches 0 or more.
    """
    found = []
    landmark = validation.landmark
    difference = validation.differences[PREVALENCE]["log_loss"]
    if not difference.high < 0:
        found.append(
            f"{landmark}: NO SKILL SHOWN. The model is not shown to predict better than the overall rate of the "
            f"outcome does for everybody {_in_words(difference)}."
        )
    simpler = (RULE, EARLY_ONLY) if EARLY_ONLY in validation.differences else (BASELINE_ONLY,)
    for comparator in simpler:
        if comparator not in validation.differences:
            continue
        difference = validation.differences[comparator]["log_loss"]
        if difference.low > 0:
            found.append(f"{landmark}: WORSE than {_SIMPLER[comparator]} {_in_words(difference)}.")
        elif not difference.high < 0:
            found.append(f"{landmark}: not shown to be better than {_SIMPLER[comparator]} {_in_words(difference)}.")
    return tuple(found)


def calibration_verdicts(landmark: str, slope: Interval | None, subgroups: pd.DataFrame) -> tuple[str, ...]:
    """Say where predictions are certainly too timid or too bold, or off in a subgroup.

    Parameters
    ----------
    landmark : str
    slope : Interval or None
        Out-of-fold calibration slope.
    subgroups : pandas.DataFrame
        From `subgroups.subgroup_table`.
    """
    found = []
    low, high = SLOPE_RANGE
    if slope is not None and np.isfinite(slope.low):
        interval = f"(calibration slope {slope.estimate:.2f}, {slope.low:.2f} to {slope.high:.2f})"
        if slope.low > high:
            found.append(f"{landmark}: predictions are too timid, too close to the overall rate {interval}.")
        if slope.high < low:
            found.append(f"{landmark}: predictions are too bold, too far from the overall rate {interval}.")
    off = subgroups[subgroups["certainly_miscalibrated"] & (subgroups["measure"] == "observed_over_expected")]
    found += [
        f"{landmark}: certainly miscalibrated for {row.variable} {row.level}: observed / expected {row.estimate:.2f}."
        for row in off.itertuples()
    ]
    return tuple(found)


def _in_words(difference: Difference) -> str:
    ends = f"{difference.low:+.3f} to {difference.high:+.3f}"
    return f"(log-loss difference {difference.estimate:+.3f}, 95% interval {ends})"
