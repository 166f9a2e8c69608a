"""What the model has seen: is a course within its experience, and if not, why, in words.

Ranges are those of the training courses, pushed outward to a coarse grid and cut off half a spread (5% to
95%) beyond the 5% and 95% points, so that no course's own extreme value is stored. The distance of a course
as a whole is the standard deviation of its log-odds, sqrt(x' C x): a Mahalanobis distance in the metric of the
posterior covariance C (`model.uncertainty`), in which directions count by what they could do to the estimate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
import pandas as pd

from ketapredict.cohort.columns import Column
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.features.design import Feature
from ketapredict.features.feature_column import FeatureColumn
from ketapredict.features.plan import FEWEST_ON_EITHER_SIDE
from ketapredict.model.phrases import Phrases, joined_phrases

FENCE_QUANTILES = (0.05, 0.95)
FENCE_BEYOND = 0.5
STEPS_PER_SPREAD = 10
MOST_MISSING_QUANTILE = 0.99
FARTHEST_QUANTILE = 0.995
BIPOLAR = ("BD-I", "BD-II", "BD")
CONTROL_REASON = "control arm: the model knows active treatment only"
STABILIZER_REASON = "bipolar without a mood stabiliser: outside the evidence"
STABILIZER_UNKNOWN = "bipolar, and whether with a mood stabiliser is unknown: without one it is outside the evidence"
DISTANCE_REASON = "the inputs taken together are unlike those of the training courses"
MISSING_REASON = "more inputs missing than in nearly all training courses"


@dataclass(frozen=True, slots=True)
class InputRange:
    """Lowest and highest value of a feature that training covers, on a coarse grid."""

    feature: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SeenLevels:
    """Levels of a column (`yes` and `no` of a yes/no column) that at least five training courses had."""

    column: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """The experience of one landmark's model.

    Attributes
    ----------
    ranges : tuple of InputRange
        Of every numeric feature that at least five training courses had.
    levels : tuple of SeenLevels
    never_missing : tuple of str
        Early scores that fewer than five training courses lacked.
    inputs : tuple of str
        Columns of the cohort table that are counted for `most_missing`.
    most_missing : int
        Number of missing inputs that 99% of the training courses do not exceed.
    largest_deviation : float
        99.5% point of the training courses' out-of-sample standard deviation of the log-odds.
    """

    ranges: tuple[InputRange, ...]
    levels: tuple[SeenLevels, ...]
    never_missing: tuple[str, ...]
    inputs: tuple[str, ...]
    most_missing: int
    largest_deviation: float


@dataclass(frozen=True, slots=True)
class ScopeJudgement:
    """For n courses: whether each is within the model's experience (n,), and what to say about it."""

    in_scope: np.ndarray
    notes: Phrases


def fit_scope(frame: pd.DataFrame, features: Sequence[Feature], deviations: np.ndarray) -> Scope:
    """Describe the training courses.

    Parameters
    ----------
    frame : pandas.DataFrame
        (n, features) float64, NaN for missing.
    features : sequence of Feature
        All that a model may use at the landmark, also those that this one does not.
    deviations : numpy.ndarray
        (n,) from `model.uncertainty.out_of_sample_deviations`.

    Returns
    -------
    Scope
    """
    ranges: list[InputRange] = []
    levels: dict[str, list[str]] = {}
    inputs: dict[str, str] = {}
    for feature in features:
        values = frame[feature.name].to_numpy(float)
        known = values[~np.isnan(values)]
        if len(known) < FEWEST_ON_EITHER_SIDE or feature.concept == "treatment_arm":
            continue
        inputs[feature.columns[0]] = feature.name
        if not feature.binary:
            ranges.append(_range(known, feature))
            continue
        seen = levels.setdefault(feature.columns[0], [])
        ones = int(known.sum())
        if ones >= FEWEST_ON_EITHER_SIDE:
            seen.append(feature.level or "yes")
        if not feature.level and len(known) - ones >= FEWEST_ON_EITHER_SIDE:
            seen.append("no")
    for column in levels:
        of_column = [f.name for f in features if f.columns[0] == column and f.rule == "level"]
        # The reference level has no feature of its own: all of the others are 0.
        if of_column and int((frame[of_column].sum(axis=1, skipna=False) == 0).sum()) >= FEWEST_ON_EITHER_SIDE:
            levels[column].insert(0, "")
    missing = frame[list(inputs.values())].isna()
    scores = {f.columns[0]: f.name for f in features if f.concept == "early_improvement" and f.rule == "relative_score"}
    return Scope(
        ranges=tuple(ranges),
        levels=tuple(SeenLevels(column, tuple(seen)) for column, seen in levels.items()),
        never_missing=tuple(c for c, name in scores.items() if frame[name].isna().sum() < FEWEST_ON_EITHER_SIDE),
        inputs=tuple(inputs),
        most_missing=int(np.ceil(np.quantile(missing.sum(axis=1), MOST_MISSING_QUANTILE))),
        largest_deviation=float(f"{np.quantile(deviations, FARTHEST_QUANTILE):.2g}"),
    )


def scope_of_either(first: Scope, second: Scope) -> Scope:
    """Return the experience of a model that has met two cohorts: what either has seen.

    Ranges and levels are joined; a score counts as never missing if both say so. Of the inputs that only one counts,
    a course of the other lacked nearly all, so they are added to the other's number of missing inputs.
    """
    ranges = {found.feature: found for found in first.ranges}
    for found in second.ranges:
        known = ranges.get(found.feature, found)
        ranges[found.feature] = InputRange(found.feature, min(known.low, found.low), max(known.high, found.high))
    levels = {seen.column: seen.levels for seen in first.levels}
    for seen in second.levels:
        levels[seen.column] = tuple(dict.fromkeys((*levels.get(seen.column, ()), *seen.levels)))
    inputs = tuple(dict.fromkeys((*first.inputs, *second.inputs)))
    most_missing = max(scope.most_missing + len(inputs) - len(scope.inputs) for scope in (first, second))
    return Scope(
        ranges=tuple(ranges.values()),
        levels=tuple(SeenLevels(column, seen) for column, seen in levels.items()),
        never_missing=tuple(name for name in first.never_missing if name in second.never_missing),
        inputs=inputs,
        most_missing=most_missing,
        largest_deviation=max(first.largest_deviation, second.largest_deviation),
    )


@dataclass(frozen=True)
class ScopeRules:
    """What is out of scope, ready to be looked for.

    Attributes
    ----------
    features : tuple of Feature
        Those whose range is judged.
    ranges : tuple of (str, float, float)
        For each of these the reason, and the lowest and highest value in range.
    before, behind : tuple of (str, callable)
        Told before and behind these: a reason, and which courses it holds for; the callable gets courses and
        deviations.
    """

    features: tuple[Feature, ...]
    ranges: tuple[tuple[str, float, float], ...]
    before: tuple[tuple[str, "_Rule"], ...]
    behind: tuple[tuple[str, "_Rule"], ...]

    def judge(
        self, courses: CourseColumns, features: Mapping[str, FeatureColumn], deviations: np.ndarray
    ) -> ScopeJudgement:
        """Judge whether courses are within a model's experience.

        Parameters
        ----------
        courses : CourseColumns
            n courses.
        features : mapping of str to FeatureColumn
            Of the courses; the rules' features are among them.
        deviations : numpy.ndarray
            (n,) standard deviations of the log-odds.
        """
        flags = [
            *(holds(courses, deviations) for _, holds in self.before),
            *self._outside([features[feature.name] for feature in self.features]),
            *(holds(courses, deviations) for _, holds in self.behind),
        ]
        outside = np.zeros(len(courses), dtype=bool)
        for flag in flags:
            outside |= flag
        reasons = [rule[0] for rule in (*self.before, *self.ranges, *self.behind)]
        texts = [f"out of scope: {reason}" for reason in reasons]
        unknown = _bipolar(courses) & np.isnan(courses.number("mood_stabilizer"))
        notes = joined_phrases([*flags, unknown], [*texts, STABILIZER_UNKNOWN], "; ", len(courses))
        return ScopeJudgement(~outside, notes)

    def _outside(self, columns: Sequence[FeatureColumn]) -> Sequence[np.ndarray]:
        """Return for each feature which of the courses are out of its range."""
        if columns and len(columns[0]) == 1:
            # One comparison for all; a course alone would wait for dozens.
            lowest, highest = self._bounds
            given = np.concatenate([column.different for column in columns])
            return list(((given < lowest) | (given > highest))[:, None])
        flags = []
        for column, (_, low, high) in zip(columns, self.ranges, strict=True):
            outside = (column.different < low) | (column.different > high)
            flags.append(column.of_courses(outside) if outside.any() else np.zeros(len(column), dtype=bool))
        return flags

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array([low for _, low, _ in self.ranges]), np.array([high for *_, high in self.ranges])


_Rule = Callable[[CourseColumns, np.ndarray], np.ndarray]


def scope_rules(
    scope: Scope, features: Sequence[Feature], columns: Mapping[str, Column], *, with_arm: bool
) -> ScopeRules:
    """Return the rules of a model's experience.

    Outside are: values beyond the training range, levels that fewer than five training courses had, an early
    score missing that hardly any training course lacked, more missing inputs than nearly all training courses,
    a combination of inputs far from them, control courses under a model of the active treatment, and always a
    bipolar course without a mood stabiliser.

    Parameters
    ----------
    scope : Scope
    features : sequence of Feature
        All that a model may use at the landmark.
    columns : mapping of str to Column
        Declarations of the cohort table.
    with_arm : bool
        Whether the model was trained on all arms.
    """
    by_name = {feature.name: feature for feature in features}
    given = [found for found in scope.ranges if found.feature in by_name]
    before: list[tuple[str, _Rule]] = []
    if not with_arm:
        before.append((CONTROL_REASON, lambda courses, _: ~courses.active))
    before.append((STABILIZER_REASON, lambda courses, _: _bipolar(courses) & (courses.number("mood_stabilizer") == 0)))
    ranges = []
    for found in given:
        feature = by_name[found.feature]
        words = f"{feature.label} outside the training range ({_range_words(found, feature, columns)})"
        slack = 1e-6 * max(abs(found.low), abs(found.high), 1e-3)
        ranges.append((words, found.low - slack, found.high + slack))
    behind: list[tuple[str, _Rule]] = []
    for seen in scope.levels:
        column = columns[seen.column]
        levels = ("yes", "no") if column.kind == "yes_no" else ("", *column.levels[1:])
        few = f"fewer than {FEWEST_ON_EITHER_SIDE} training courses had it"
        for level in levels:
            if level not in seen.levels:
                behind.append(
                    (f"{column.label} {level or column.levels[0]}: {few}", partial(_has_level, column, level))
                )
    for name in scope.never_missing:
        words = f"{columns[name].label} missing, which training courses had"
        behind.append((words, partial(_is_missing, name)))
    behind.append((MISSING_REASON, lambda courses, _: _number_missing(courses, scope.inputs) > scope.most_missing))
    behind.append((DISTANCE_REASON, lambda _, deviations: deviations > scope.largest_deviation))
    return ScopeRules(tuple(by_name[found.feature] for found in given), tuple(ranges), tuple(before), tuple(behind))


def _bipolar(courses: CourseColumns) -> np.ndarray:
    return _are_bipolar(courses.levels("diagnosis"))[courses.codes("diagnosis")]


@lru_cache
def _are_bipolar(diagnoses: tuple[str, ...]) -> np.ndarray:
    return np.array([diagnosis in BIPOLAR for diagnosis in diagnoses] + [False])


def _has_level(column: Column, level: str, courses: CourseColumns, _: np.ndarray) -> np.ndarray:
    if column.kind == "yes_no":
        return courses.number(column.name) == (1.0 if level == "yes" else 0.0)
    return courses.codes(column.name) == courses.levels(column.name).index(level or column.levels[0])


def _is_missing(name: str, courses: CourseColumns, _: np.ndarray) -> np.ndarray:
    return courses.missing(name)


def _number_missing(courses: CourseColumns, names: Sequence[str]) -> np.ndarray:
    number = np.zeros(len(courses), dtype=np.int16)
    for name in names:
        number += courses.missing(name)
    return number


def _range(known: np.ndarray, feature: Feature) -> InputRange:
    first, last = np.quantile(known, FENCE_QUANTILES)
    spread = float(last - first)
    low = max(float(known.min()), float(first) - FENCE_BEYOND * spread)
    high = min(float(known.max()), float(last) + FENCE_BEYOND * spread)
    step = _round_step(max(spread / STEPS_PER_SPREAD, feature.resolution))
    # The small amounts keep numbers that floating point puts just off the grid where they belong.
    return InputRange(
        feature.name,
        round(float(np.floor(low / step + 1e-6)) * step, 10),
        round(float(np.ceil(high / step - 1e-6)) * step, 10),
    )


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, ... times a power of ten that is not less."""
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9)))


def _range_words(found: InputRange, feature: Feature, columns: Mapping[str, Column]) -> str:
    match feature.rule:
        case "value":
            unit = columns[feature.columns[0]].unit
            return f"{found.low:g} to {found.high:g} {unit}".rstrip()
        case "log1p":
            unit = columns[feature.columns[0]].unit
            return f"{max(np.expm1(found.low), 0):.0f} to {np.expm1(found.high):.0f} {unit}".rstrip()
        case "early_improvement":
            return f"{found.low:.0%} to {found.high:.0%}"
        case "improvement_per_day":
            return f"{found.low:.0%} to {found.high:.0%} a day"
    return f"{found.low:.0%} to {found.high:.0%} of the highest"
