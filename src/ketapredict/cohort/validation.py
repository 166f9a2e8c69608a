"""The rules of the cohort table: raw courses in, a typed table and all broken rules out."""

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import TEXT, Cells, as_level, as_number, commas_apart, text_cells
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.headers import holds_any, listed
from ketapredict.cohort.observed import Observed, looking_back
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.raw_courses import RawCourses
from ketapredict.cohort.scales import (
    RECALL_REFUSED_BEFORE_HOURS,
    RECALL_WARNED_BEFORE_HOURS,
    SCALES,
)
from ketapredict.errors import CohortError

_YES = ("yes", "y", "true", "1", "1.0")
_NO = ("no", "n", "false", "0", "0.0")
# The last is for what is missing or invalid, position -1.
_YES_NO_VALUES = np.array([1.0] * len(_YES) + [0.0] * len(_NO) + [np.nan])
# By position of the scale among the declared ones; the last is for a scale that is itself refused, which the widest
# bounds. Where the highest value of the scale's own item is not known, the highest of any item bounds it.
_HIGHEST_ITEM = max(max(scale.item_maxima, default=0) for scale in SCALES.values())
_ITEMS = [
    _HIGHEST_ITEM if scale.suicidality_maximum is None else scale.suicidality_maximum for scale in SCALES.values()
]
_HIGHEST_SUICIDALITY = np.array([*_ITEMS, max(_ITEMS)], dtype=float)
_TOTALS = [scale.maximum for scale in SCALES.values()]
_HIGHEST_SCORE = np.array([*_TOTALS, max(_TOTALS)], dtype=float)


def validate(raw: RawCourses, protocol: Protocol, extras: tuple[Column, ...] = ()) -> tuple[CourseColumns, Observed]:
    """Type every column and add every broken rule to `raw.log`.

    Parameters
    ----------
    raw : RawCourses
        Its columns are declared ones; its log receives the rejects.
    protocol : Protocol
    extras : tuple of Column

    Returns
    -------
    courses : CourseColumns
        All courses, the broken ones included, every declared column in the declared order: numbers,
        scores and yes/no float64, levels Categorical, text `str`; what breaks a rule is missing.
    observed : Observed
        Recall windows and scales.

    Raises
    ------
    CohortError
        If required columns are absent, or a self-rating that looks back over days is to be judged at an
        outcome within hours.
    """
    declared = declared_columns(protocol, extras)
    require_columns(list(raw.cells), declared)
    checker = _Checker(raw)
    typed: dict[str, Cells] = {}
    scales = checker.level(declared["scale"])
    given = _Scales.of(scales.codes)
    for name, column in declared.items():
        if name == "scale":
            typed[name] = scales
        elif name not in raw.cells:
            typed[name] = _absent(column, checker.count)
        elif column.kind == "text":
            typed[name] = text_cells(raw.cells[name])
        elif column.kind == "level":
            typed[name] = checker.level(column)
        elif column.kind == "yes_no":
            typed[name] = checker.yes_no(column)
        elif column.kind == "score":
            typed[name] = checker.score(column, given)
        elif name == "suicidality_item":
            typed[name] = checker.suicidality(column, given)
        else:
            typed[name] = checker.number(column)
        if column.required:
            checker.require(column, typed[name])
    checker.unique("course_id", typed["course_id"])
    courses = CourseColumns(typed)
    seen = frozenset(name for place, name in enumerate(SCALES) if place in given.places)
    return courses, Observed(seen, _recall_windows(checker, courses, protocol, seen))


def refuse_unknown_columns(names: list[str], declared: dict[str, Column], file: str) -> None:
    """Raise CohortError if a table in the contract's form has columns that the contract does not.

    Names are listed only where the first row is a header: it holds a name of the contract.
    """
    if not holds_any(names, declared):
        required = [name for name, column in declared.items() if column.required]
        raise CohortError(
            f"{file}: expected a header with the column names {', '.join(required)} (and perhaps others); the first "
            f"row looks like data, none of its {len(names)} cells is the name of a column. Add the header; if it is "
            "one with other names, describe the file in a mapping (--mapping); `ketapredict check --draft-mapping` "
            "writes a first one."
        )
    unknown = [name for name in names if name not in declared]
    if unknown:
        raise CohortError(
            f"{file}: the cohort table has no column {listed(unknown, names)}. It may have: {', '.join(declared)}. "
            "Rename or leave out the others, or describe the file in a mapping (--mapping), which can also "
            "declare extra columns; `ketapredict check --draft-mapping` writes a first one."
        )


def require_columns(names: list[str], declared: dict[str, Column]) -> None:
    """Raise CohortError if a required column of the cohort table is absent."""
    absent = [name for name, column in declared.items() if column.required and name not in names]
    if absent:
        raise CohortError(
            f"Expected the required columns; missing: {', '.join(absent)}. Add them to the table, "
            "or to the mapping under [columns], or under [constants] where all courses have the same."
        )


def _absent(column: Column, count: int) -> Cells:
    if column.kind == "text":
        return pd.array([None] * count, dtype=TEXT)
    if column.kind == "level":
        return _levels(np.full(count, -1), column)
    return np.full(count, np.nan)


def _levels(positions: np.ndarray, column: Column) -> pd.Categorical:
    # The positions are in range: `as_level` made them.
    return pd.Categorical.from_codes(positions, dtype=_level_type(column.levels), validate=False)


@cache
def _level_type(levels: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(list(levels))


@dataclass(frozen=True, slots=True)
class _Scales:
    """Positions of the courses' scales (n,), and those that there are; -1 where one is refused."""

    codes: np.ndarray
    places: list[int]

    @classmethod
    def of(cls, codes: np.ndarray) -> Self:
        return cls(codes, (np.flatnonzero(np.bincount(codes.astype(np.intp) + 1)) - 1).tolist())

    def least(self, highest: np.ndarray) -> float:
        """Return the least of what is highest on the scales that there are."""
        return float(highest[self.places].min(initial=np.inf))


class _Checker:
    """Rules of single cells; each method returns the typed column and logs what breaks a rule."""

    def __init__(self, raw: RawCourses) -> None:
        self.raw = raw
        self.count = len(raw.rows)

    def reject(self, name: str, broken: np.ndarray, rule: str, expected: str | np.ndarray) -> None:
        """Log the courses whose cell breaks a rule, unless the cell was refused before."""
        if not broken.any():
            return
        courses = np.flatnonzero(broken & ~self.raw.log.cells(name, self.count))
        rows = self.raw.cell_rows.get(name, self.raw.rows)
        found = self.raw.cells[name][courses] if name in self.raw.cells else None
        if isinstance(expected, np.ndarray):
            expected = expected[courses]
        self.raw.log.add(courses, rows[courses], name, rule, expected, found)

    def level(self, column: Column) -> pd.Categorical:
        positions, invalid = as_level(self.raw.cells[column.name], column.levels)
        self.reject(column.name, invalid, "level", column.expectation)
        return _levels(positions, column)

    def yes_no(self, column: Column) -> np.ndarray:
        values, invalid = as_level(self.raw.cells[column.name], (*_YES, *_NO), _YES_NO_VALUES)
        self.reject(column.name, invalid, "yes or no", column.expectation)
        return values

    def number(self, column: Column) -> np.ndarray:
        values = self._numbers(column, column.expectation)
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        if _within(values, low, high):
            return values
        return self._bounded(column, values, (values < low) | (values > high), column.expectation)

    def score(self, column: Column, scales: _Scales) -> np.ndarray:
        values = self._numbers(column, "a number within the scale, in points")
        low = np.nextafter(0.0, 1.0) if column.required else 0.0
        if _within(values, low, scales.least(_HIGHEST_SCORE)):
            return values
        highest = _HIGHEST_SCORE[scales.codes]
        above = "above 0, up to" if column.required else "from 0 to"
        expected = np.array([f"a total {above} {maximum:g} points" for maximum in _HIGHEST_SCORE], dtype=object)
        return self._bounded(column, values, (values < low) | (values > highest), expected[scales.codes])

    def suicidality(self, column: Column, scales: _Scales) -> np.ndarray:
        values = self._numbers(column, column.expectation)
        if _within(values, 0.0, scales.least(_HIGHEST_SUICIDALITY)):
            return values
        highest = _HIGHEST_SUICIDALITY[scales.codes]
        expected = np.array(
            [f"the scale's own item, from 0 to {bound:g} points" for bound in _HIGHEST_SUICIDALITY], dtype=object
        )
        return self._bounded(column, values, (values < 0) | (values > highest), expected[scales.codes])

    def require(self, column: Column, typed: Cells) -> None:
        """Log the courses whose cell is empty; a cell refused by another rule is not empty."""
        empty = pd.isna(typed) & pd.isna(self.raw.cells[column.name])
        self.reject(column.name, empty, "required", column.expectation)

    def unique(self, name: str, typed: Cells) -> None:
        repeated = self.raw.repeated
        if repeated is None:
            repeated = pd.Series(typed).duplicated(keep=False).to_numpy() & ~pd.isna(typed)
        self.reject(name, repeated, "unique", "an id of its own for each course")

    def _numbers(self, column: Column, expected: str) -> np.ndarray:
        name = column.name
        comma = name in self.raw.decimal_commas
        values, invalid = as_number(self.raw.cells[name], decimal_comma=comma)
        if comma:
            self.reject(name, invalid, "number", expected + ", with a decimal comma")
        elif invalid.any():
            told = np.full(self.count, expected, dtype=object)
            for rows, words in commas_apart(self.raw.cells[name], invalid, expected):
                told[rows] = words
            self.reject(name, invalid, "number", told)
        return values

    def _bounded(
        self, column: Column, values: np.ndarray, outside: np.ndarray, expected: str | np.ndarray
    ) -> np.ndarray:
        self.reject(column.name, outside, "range", expected)
        return np.where(outside, np.nan, values)


def _within(values: np.ndarray, low: float, high: float) -> bool:
    """Whether no value is outside a range; two passes over the column, where finding which are takes many."""
    if not len(values):
        return True
    return not (np.fmin.reduce(values) < low or np.fmax.reduce(values) > high)


def _recall_windows(
    checker: _Checker, courses: CourseColumns, protocol: Protocol, seen: frozenset[str]
) -> tuple[tuple[str, int], ...]:
    """Refuse self-ratings that look back over days where hours are to be judged, count those that are doubtful."""
    names = [scale.name for scale in looking_back() if scale.name in seen]
    if not names:
        return ()
    concerned = np.isin(courses.codes("scale"), [list(SCALES).index(name) for name in names])
    outcome = protocol.time_point(protocol.outcome)
    if outcome.hours < RECALL_WARNED_BEFORE_HOURS:
        raise CohortError(
            f"{', '.join(names)} looks back over 7 days or more and cannot be judged at {outcome.name} "
            f"({outcome.hours:g} h). Expected an outcome at {RECALL_WARNED_BEFORE_HOURS:g} h or later; "
            "use another protocol or a scale rated by a clinician."
        )
    recalled = []
    for point in protocol.time_points:
        name = f"score_{point.name}"
        scored = concerned & ~courses.missing(name)
        if not scored.any():
            continue
        if point.hours < RECALL_REFUSED_BEFORE_HOURS:
            expected = (
                f"no score before {RECALL_REFUSED_BEFORE_HOURS:g} h on a self-rating "
                "that looks back over 7 days or more"
            )
            checker.reject(name, scored, "recall window", expected)
        elif point.hours < RECALL_WARNED_BEFORE_HOURS:
            recalled.append((point.name, int(scored.sum())))
    return tuple(recalled)
