"""Results of a validation as plain tables."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from ketapredict.validate.cross_validation import MODEL, PREVALENCE, LandmarkValidation
from ketapredict.validate.measures import MEASURES

OBSERVED_OVER_EXPECTED = "observed_over_expected"


def measures_table(validations: Iterable[LandmarkValidation]) -> pd.DataFrame:
    """Return one row per landmark, predictor and measure, with 95% intervals.

    Returns
    -------
    pandas.DataFrame
        `landmark, predictor, courses, events, measure, estimate, low, high`. Calibration is only given for
        the model; discrimination of the prevalence is 0.5 by definition.
    """
    records = []
    for validation in validations:
        for predictor, intervals in validation.measures.items():
            for name, interval in intervals.items():
                if predictor != MODEL and name.startswith("calibration"):
                    continue
                numbers = (interval.estimate, interval.low, interval.high)
                if predictor == PREVALENCE and name == "auc":
                    numbers = (0.5, 0.5, 0.5)
                records.append((validation.landmark, predictor, validation.courses, validation.events, name, *numbers))
    columns = ["landmark", "predictor", "courses", "events", "measure", "estimate", "low", "high"]
    return pd.DataFrame(records, columns=columns)


def differences_table(validations: Iterable[LandmarkValidation]) -> pd.DataFrame:
    """Return the model minus each comparator, paired, with 95% intervals.

    Returns
    -------
    pandas.DataFrame
        `landmark, comparator, measure, difference, se, low, high`.
    """
    records = [
        (validation.landmark, comparator, name, d.estimate, d.se, d.low, d.high)
        for validation in validations
        for comparator, differences in validation.differences.items()
        for name, d in differences.items()
        if not (comparator == PREVALENCE and name == "auc")
    ]
    return pd.DataFrame(records, columns=["landmark", "comparator", "measure", "difference", "se", "low", "high"])


def as_text(table: pd.DataFrame) -> str:
    """Return a measures table as text: one line per landmark and predictor, `estimate (low to high)`."""
    shown = table.assign(text=[_interval_text(*row) for row in table[["estimate", "low", "high"]].to_numpy(float)])
    wide = shown.pivot_table(
        index=["landmark", "predictor"], columns="measure", values="text", aggfunc="first", sort=False
    )
    order = [*MEASURES, OBSERVED_OVER_EXPECTED]
    wide = wide[[name for name in order if name in wide]].fillna("").reset_index()
    wide["landmark"] = wide["landmark"].where(~wide["landmark"].duplicated(), "")
    labels = {name: MEASURES[name].label for name in MEASURES} | {OBSERVED_OVER_EXPECTED: "observed / expected"}
    return str(wide.rename(columns=labels).rename_axis(columns=None).to_string(index=False))


def differences_as_text(table: pd.DataFrame) -> str:
    """Return the log-loss differences of a differences table as text, one line per landmark and comparator."""
    chosen = table[table["measure"] == "log_loss"]
    shown = chosen[["landmark", "comparator"]].assign(
        difference=[
            f"{e:+.3f} ({low:+.3f} to {high:+.3f})" for e, low, high in chosen[["difference", "low", "high"]].to_numpy()
        ]
    )
    return str(shown.to_string(index=False))


def _interval_text(estimate: float, low: float, high: float) -> str:
    if np.isnan(estimate):
        return "not estimable"
    if np.isnan(low):
        return f"{estimate:.3f} (no interval)"
    return f"{estimate:.3f} ({low:.3f} to {high:.3f})"
