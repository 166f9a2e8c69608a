"""Courses that nobody had, made from the declarations alone: for examples in documents and in the registry."""

import pandas as pd

from ketapredict.cohort.columns import Column, declared_columns, score_column
from ketapredict.cohort.protocols import BASELINE, PRE
from ketapredict.cohort.scales import SCALES
from ketapredict.model.bundle import Bundle

# Shares of the scale's highest total: nobody's scores.
_BASELINE_SHARE, _FALL_A_LANDMARK = 0.5, 0.1


def invented_example(bundle: Bundle) -> pd.DataFrame:
    """Return two courses that nobody had, made from the declarations alone: one rated, one before treatment."""
    scale = SCALES[bundle.scales[0]]
    rated: dict[str, object] = {
        name: _invented(column)
        for name, column in declared_columns(bundle.protocol, bundle.extras).items()
        if column.kind != "score"
    }
    rated["scale"] = scale.name
    share = _BASELINE_SHARE
    rated[score_column(BASELINE).name] = float(round(share * scale.maximum))
    scores = [score_column(model.landmark).name for model in bundle.landmarks if model.landmark != PRE]
    for name in scores:
        share = max(share - _FALL_A_LANDMARK, 0.0)
        rated[name] = float(round(share * scale.maximum))
    untreated = rated | dict.fromkeys(scores, float("nan"))
    names = ("course_id", "patient_id")
    courses = [rated, untreated]
    for number, course in enumerate(courses, 1):
        course |= dict.fromkeys(names, f"example-{number}")
    return pd.DataFrame(courses)


def _invented(column: Column) -> str | float:
    match column.kind:
        case "yes_no":
            return "no"
        case "level":
            # The control comes first among arms; an example is of the treatment.
            return column.levels[-1] if column.name == "arm" else column.levels[0]
        case "text":
            return "example"
    low = 0.0 if column.minimum is None else column.minimum
    if column.maximum is None:
        return low + 1.0
    return float(round((low + column.maximum) / 2)) if column.maximum - low > 2 else (low + column.maximum) / 2
