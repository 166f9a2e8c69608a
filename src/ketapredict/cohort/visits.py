"""From one row a visit to one course: which row is the rating at which time point."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_days, as_number, as_text
from ketapredict.cohort.derivations import Problem, date_expectation, no_numbers
from ketapredict.cohort.evaluation import evaluate_condition
from ketapredict.cohort.headers import listed
from ketapredict.cohort.mapping import Visits
from ketapredict.cohort.protocols import BASELINE, HOURS_PER_DAY, Protocol
from ketapredict.errors import MappingError

# Hours are compared after rounding, so that days divided and multiplied by 24 still meet a window's edge.
_DECIMALS = 6
LABEL_JOINT = " / "
_FRACTION = re.compile(r"[+-]?\d*\.\d+")


@dataclass(frozen=True)
class Placement:
    """Rows placed at time points.

    Attributes
    ----------
    row_of : numpy.ndarray of int64
        (n_courses, 1 + n_time_points) position of the row that is the visit, -1 for none; the first
        column is the baseline, then the protocol's time points.
    repeated : numpy.ndarray of bool
        (n_courses, 1 + n_time_points) whether more than one row claims the place equally.
    placed : numpy.ndarray of bool
        (n,) whether a row is a visit, or claims the place of one equally with another.
    problems : tuple of (str, Problem)
        Source column and the rows whose time cannot be read.
    """

    row_of: np.ndarray
    repeated: np.ndarray
    placed: np.ndarray
    problems: tuple[tuple[str, Problem], ...]


def place_visits(
    visits: Visits,
    frame: pd.DataFrame,
    courses: np.ndarray,
    scored: np.ndarray,
    protocol: Protocol,
    *,
    baseline_by_time: bool,
    decimal_commas: frozenset[str] = frozenset(),
) -> Placement:
    """Place rows at time points: by the baseline's condition, by label where the label is mapped, else by time.

    By time a row belongs to the time point whose window holds it (the nearest hour, the earlier of two
    equally near); of several rows of one course the nearest wins (one with a score before one without,
    then the earlier). Rows at or before hour 0 are the baseline, of which the latest wins.

    Parameters
    ----------
    visits : Visits
    frame : pandas.DataFrame
        Source rows.
    courses : numpy.ndarray of int64
        (n,) course of each row, from 0.
    scored : numpy.ndarray of bool
        (n,) whether the row has a score.
    protocol : Protocol
    baseline_by_time : bool
        Whether a baseline may be found by time: no label and no column gives it.
    decimal_commas : frozenset of str
        Columns in which `12,5` is a number.
    """
    labelled = place_by_label(visits, frame, protocol, decimal_commas)
    points = (BASELINE, *protocol.names)
    n_courses = int(courses.max()) + 1 if len(courses) else 0
    row_of = np.full((n_courses, len(points)), -1, dtype=np.int64)
    repeated = np.zeros_like(row_of, dtype=bool)
    rows = np.flatnonzero(labelled >= 0)
    counts = np.zeros_like(row_of)
    np.add.at(counts, (courses[rows], labelled[rows]), 1)
    repeated |= counts > 1
    row_of[courses[rows][::-1], labelled[rows][::-1]] = rows[::-1]
    placed = labelled >= 0
    if not visits.has_time:
        return Placement(row_of, repeated, placed, ())
    hours, problems = _hours(visits, frame, decimal_commas, labelled < 0)
    timed, distance = _timed(hours, protocol, baseline_by_time)
    rows = np.flatnonzero((timed >= 0) & (labelled < 0))
    rows = rows[row_of[courses[rows], timed[rows]] < 0]
    place = courses[rows] * len(points) + timed[rows]
    order = np.lexsort((hours[rows], distance[rows], ~scored[rows], place))
    rows, place = rows[order], place[order]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = place[1:] != place[:-1]
    row_of[courses[rows[first]], timed[rows[first]]] = rows[first]
    # Two rows at the very same moment cannot be told apart.
    after = np.flatnonzero(first[:-1] & ~first[1:]) + 1
    twins = after[(hours[rows[after]] == hours[rows[after - 1]]) & (scored[rows[after]] == scored[rows[after - 1]])]
    repeated[courses[rows[twins]], timed[rows[twins]]] = True
    placed[rows[first]] = True
    placed[rows[twins]] = True
    return Placement(row_of, repeated, placed, problems)


def place_by_label(
    visits: Visits, frame: pd.DataFrame, protocol: Protocol, decimal_commas: frozenset[str] = frozenset()
) -> np.ndarray:
    """Return the place of each row by the baseline's condition or the row's label.

    Returns
    -------
    numpy.ndarray of int64
        (n,) 0 for the baseline, then the protocol's time points, -1 where neither says it.

    Raises
    ------
    MappingError
        If a column does not exist.
    """
    _require(visits, frame)
    places = _labelled(visits, frame, (BASELINE, *protocol.names))
    if visits.baseline is not None:
        places[evaluate_condition(visits.baseline, frame, decimal_commas)[0].true] = 0
    return places


def _require(visits: Visits, frame: pd.DataFrame) -> None:
    absent = [name for name in visits.columns if name not in frame.columns]
    if absent:
        raise MappingError(
            f"[course.visits]: the table has no column {', '.join(absent)}. It has: {listed(frame.columns)}."
        )


def _labelled(visits: Visits, frame: pd.DataFrame, points: tuple[str, ...]) -> np.ndarray:
    """Return the place of each row by its label, -1 where the label is none of the mapping's."""
    if not visits.labels:
        return np.full(len(frame), -1, dtype=np.int64)
    places = {label: points.index(point) for label, point in visits.points}
    codes, labels = pd.factorize(visit_label(visits, frame), use_na_sentinel=True)
    # A label, or a part of one, that is a number may be written 4 in one file and 4.0 in another.
    plain: dict[str, int] = {}
    for label, place in places.items():
        plain.setdefault(_plain(label), place)
    found = [places.get(label, plain.get(_plain(label), -1)) for label in labels]
    return np.array([*found, -1], dtype=np.int64)[codes]


def visit_label(visits: Visits, frame: pd.DataFrame) -> pd.Series:
    """Return the label of each row: the cells that are present, joined; missing where none is."""
    label = as_text(frame[visits.labels[0]])
    for name in visits.labels[1:]:
        further = as_text(frame[name])
        both = label.notna() & further.notna()
        label = label.where(label.notna(), further).where(~both, label + LABEL_JOINT + further)
    return label


def _plain(label: str) -> str:
    """Return a label without zeros at the end of a number's fraction, in each of its parts."""
    return LABEL_JOINT.join(_plain_part(part) for part in label.split(LABEL_JOINT))


def _plain_part(part: str) -> str:
    whole, point, decimals = part.partition(".")
    if point and decimals.strip("0") == "":
        return whole
    return part.rstrip("0") if _FRACTION.fullmatch(part) else part


def _hours(
    visits: Visits, frame: pd.DataFrame, decimal_commas: frozenset[str], needed: np.ndarray
) -> tuple[np.ndarray, tuple[tuple[str, Problem], ...]]:
    problems = []
    if visits.date:
        hours = np.zeros(len(frame))
        for name, sign in ((visits.start, -HOURS_PER_DAY), (visits.date, HOURS_PER_DAY)):
            days, invalid = as_days(frame[name], visits.date_format)
            hours += sign * days
            if (invalid & needed).any():
                expected = date_expectation(name, visits.date_format)
                problems.append((name, Problem(invalid & needed, "date", expected)))
    else:
        name = visits.times[0]
        hours, invalid = as_number(frame[name], decimal_comma=name in decimal_commas)
        if (invalid & needed).any():
            told = no_numbers(
                frame[name], invalid & needed, f"a number in {name}", decimal_comma=name in decimal_commas
            )
            problems += [(name, problem) for problem in told]
        if visits.study_day:
            no_day = (hours == 0) & needed
            if no_day.any():
                problems.append((name, Problem(no_day, "study day", f"a study day other than 0 in {name}")))
            hours = np.where(hours > 0, hours - 1, hours)
            hours[no_day] = np.nan
        if not visits.hours:
            hours = hours * HOURS_PER_DAY
    return np.round(hours, _DECIMALS), tuple(problems)


def _timed(hours: np.ndarray, protocol: Protocol, baseline_by_time: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each row by its hour, -1 for none, and its distance from the nominal hour."""
    place = np.full(len(hours), -1, dtype=np.int64)
    distance = np.full(len(hours), np.inf)
    if baseline_by_time:
        before = hours <= 0
        place[before], distance[before] = 0, -hours[before]
    for number, point in enumerate(protocol.time_points, 1):
        low, high = point.window_hours
        away = np.abs(hours - point.hours)
        nearer = (hours >= low) & (hours <= high) & (away < distance) & (place != 0)
        place[nearer], distance[nearer] = number, away[nearer]
    return place, distance
