"""From a cohort to the features of a landmark: each with its rule, concept and the moment it is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column, declared_columns, score_column
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.outcomes import Outcome, outcome_thresholds, scale_maxima
from ketapredict.cohort.protocols import BASELINE, HOURS_PER_DAY, PRE, Protocol
from ketapredict.cohort.scales import SCALES
from ketapredict.errors import LeakageError
from ketapredict.features.feature_column import FeatureColumn
from ketapredict.features.guard import known_by, refuse_leakage

Rule = Literal[
    "value",
    "log1p",
    "level",
    "item_share",
    "relative_score",
    "early_improvement",
    "improvement_per_day",
    "outcome_threshold",
]
THRESHOLD = "outcome_threshold"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature, computed from the columns of the cohort table by a rule.

    Attributes
    ----------
    name : str
    rule : str
        `value`: the column; `log1p`: log(1 + column); `level`: 1 where the column has the level;
        `item_share`: item over its highest value; `relative_score`: score over the scale's highest total;
        `early_improvement`: 1 - score / baseline; `improvement_per_day`: difference of two early
        improvements over the days between their time points; `outcome_threshold`: the highest end score
        that counts as the outcome, over the scale's highest total.
    columns : tuple of str
        Columns of the cohort table that the rule reads.
    concept, label : str
        Concept its contributions belong to; what a clinician calls it.
    known_at : str
    direction : {-1, 0, 1}
        Sign that its effect on the log-odds must have where it is beyond doubt: a better latest early
        score never lowers the probability.
    resolution : float
        Step to which thresholds and knots are rounded.
    binary : bool
        Whether it only takes the values 0 and 1.
    level : str
        For the rule `level`.
    days : float
        For the rule `improvement_per_day`.
    """

    name: str
    rule: Rule
    columns: tuple[str, ...]
    concept: str
    label: str
    known_at: str
    direction: Literal[-1, 0, 1] = 0
    resolution: float = 0.01
    binary: bool = False
    level: str = ""
    days: float = 0.0


def features_at(
    landmark: str,
    protocol: Protocol,
    extras: tuple[Column, ...] = (),
    *,
    with_arm: bool = False,
) -> tuple[Feature, ...]:
    """Return the features that a model may use at a landmark.

    Parameters
    ----------
    landmark : str
        `pre` or a time point of the protocol before its outcome.
    protocol : Protocol
    extras : tuple of Column
        Extra covariates; those not known by the landmark are left out.
    with_arm : bool
        Whether the treatment arm is a feature (training on all arms).

    Raises
    ------
    LeakageError
        If the landmark is at or after the outcome.
    """
    if protocol.position(landmark) >= protocol.position(protocol.outcome):
        refuse_leakage([score_column(landmark)], protocol, landmark)
    columns = declared_columns(protocol, extras)
    used = [
        column
        for column in columns.values()
        if column.concept
        and column.kind != "score"
        and (column.name != "arm" or with_arm)
        and known_by(column, protocol, landmark)
    ]
    features = [_severity()]
    for column in used:
        features.extend(_covariate_features(column))
    features.extend(_early_features(landmark, protocol))
    names = [feature.name for feature in features]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise LeakageError(f"Expected extra covariates not called like a feature; rename {', '.join(twice)}.")
    refuse_leakage({columns[name] for f in features for name in f.columns}, protocol, landmark)
    return tuple(features)


def threshold_feature(outcome: Outcome, landmark: str) -> Feature:
    """Return the threshold that end scores are held against: half of the baseline, or the scale's cut.

    Half of the baseline is what the early scores are on their way to. Once there are early scores it belongs
    to early improvement: under severity, a high baseline would seem to help by the very fall that it allows.
    """
    of_response = "severity" if landmark == PRE else "early_improvement"
    concept = of_response if outcome == "response" else "rating_scale"
    return Feature(THRESHOLD, "outcome_threshold", ("score_baseline", "scale"), concept, f"threshold of {outcome}", PRE)


def design_frame(cohort: Cohort, features: Sequence[Feature], outcome: Outcome) -> pd.DataFrame:
    """Compute features for every course.

    Parameters
    ----------
    cohort : Cohort
        n courses.
    features : sequence of Feature
    outcome : {"response", "remission"}
        For the rule `outcome_threshold`.

    Returns
    -------
    pandas.DataFrame
        (n, number of features) float64, NaN where a value is missing.
    """
    values = {feature.name: _compute(feature, cohort.courses, outcome) for feature in features}
    return pd.DataFrame(values, columns=[feature.name for feature in features], dtype=float)


def feature_columns(courses: CourseColumns, features: Sequence[Feature], outcome: Outcome) -> dict[str, FeatureColumn]:
    """Compute features as `design_frame` does, by name; those of many courses once for each different value."""
    return {feature.name: _column(feature, courses, outcome) for feature in features}


def columns_read(feature: Feature) -> tuple[str, ...]:
    """Return the columns of the cohort table that a feature depends on, the scale included."""
    return (*feature.columns, "scale") if feature.rule == "relative_score" else feature.columns


def _severity() -> Feature:
    return Feature("severity_relative", "relative_score", ("score_baseline",), "severity", "score at baseline", PRE)


def _covariate_features(column: Column) -> list[Feature]:
    common = (column.concept, column.label, column.known_at)
    if column.kind == "level":
        return [
            Feature(
                f"{column.name}_{level}",
                "level",
                (column.name,),
                column.concept,
                f"{column.label} {level}",
                column.known_at,
                binary=True,
                level=level,
            )
            for level in column.levels[1:]
        ]
    if column.kind == "yes_no":
        return [Feature(column.name, "value", (column.name,), *common, binary=True)]
    if column.name == "suicidality_item":
        return [Feature("suicidality_share", "item_share", (column.name, "scale"), *common, resolution=0.05)]
    if column.skewed:
        return [Feature(f"log_{column.name}", "log1p", (column.name,), *common, resolution=0.05)]
    return [Feature(column.name, "value", (column.name,), *common, resolution=column.resolution)]


def _early_features(landmark: str, protocol: Protocol) -> list[Feature]:
    features = []
    points = protocol.points_until(landmark)
    concept = "early_improvement"
    for point in points:
        latest = point is points[-1]
        score = f"score_{point.name}"
        features.append(
            Feature(
                f"early_improvement_{point.name}",
                "early_improvement",
                (score, "score_baseline"),
                concept,
                f"improvement at {point.name}",
                point.name,
                direction=1 if latest else 0,
            )
        )
        features.append(
            Feature(
                f"score_relative_{point.name}",
                "relative_score",
                (score,),
                concept,
                f"score at {point.name}",
                point.name,
                direction=-1 if latest else 0,
            )
        )
    if len(points) > 1:
        before, last = points[-2:]
        features.append(
            Feature(
                f"improvement_per_day_{before.name}_{last.name}",
                "improvement_per_day",
                (f"score_{before.name}", f"score_{last.name}", "score_baseline"),
                concept,
                f"slope from {before.name} to {last.name}",
                last.name,
                direction=1,
                days=(last.hours - before.hours) / HOURS_PER_DAY,
            )
        )
    return features


def _column(feature: Feature, courses: CourseColumns, outcome: Outcome) -> FeatureColumn:
    if (found := courses.different(columns_read(feature))) is None:
        return FeatureColumn(_compute(feature, courses, outcome))
    different, places = found
    return FeatureColumn(_compute(feature, different, outcome), places)


def _compute(feature: Feature, courses: CourseColumns, outcome: Outcome) -> np.ndarray:
    column = courses.number
    first = feature.columns[0]
    match feature.rule:
        case "value":
            return column(first)
        case "log1p":
            return np.log1p(column(first))
        case "level" if first == "arm":
            return courses.active.astype(float)  # an absent arm is active
        case "level":
            return _level(courses, first, feature.level)
        case "item_share":
            maxima = [SCALES[name].suicidality_maximum or np.nan for name in courses.levels("scale")]
            return column(first) / np.array(maxima, dtype=float)[courses.codes("scale")]
        case "relative_score":
            return column(first) / scale_maxima(courses)
        case "early_improvement":
            return 1.0 - column(first) / column(f"score_{BASELINE}")
        case "improvement_per_day":
            return (column(first) - column(feature.columns[1])) / column(f"score_{BASELINE}") / feature.days
        case "outcome_threshold":
            return outcome_thresholds(courses, outcome) / scale_maxima(courses)


def _level(courses: CourseColumns, name: str, level: str) -> np.ndarray:
    return _indicator(courses.levels(name), level)[courses.codes(name)]


@lru_cache(maxsize=256)
def _indicator(levels: tuple[str, ...], level: str) -> np.ndarray:
    return np.array([float(other == level) for other in levels] + [np.nan])
