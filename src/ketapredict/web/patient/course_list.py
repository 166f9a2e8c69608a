"""The courses of a cohort as a list: searched, filtered, sorted, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import outcome_labels
from ketapredict.explain.since import since_landmark
from ketapredict.response_model import Scored

PER_PAGE = 25
SORTS = {
    "course": "Course, A to Z",
    "probability": "Probability, lowest first",
    "probability-down": "Probability, highest first",
    "landmark": "Landmark, earliest first",
}
_NOTHING = ("", None, None, None, None)
SCOPES = {"": "all", "in": "in scope", "out": "out of scope", "none": "without an estimate"}


@dataclass(frozen=True, slots=True)
class CourseRow:
    """One course of the list.

    Attributes
    ----------
    course_id, site : str
        `site` is empty where it is not known.
    patient_id : str
        Likewise.
    landmark : str
        Empty where there is no estimate.
    probability, p_low, p_high : float or None
    in_scope : bool or None
    refusal : str
        Why there is no estimate.
    since : str
        Which later ratings are not in the estimate, and the outcome where it is known; empty where nothing is.
    """

    course_id: str
    site: str
    landmark: str
    probability: float | None
    p_low: float | None
    p_high: float | None
    in_scope: bool | None
    refusal: str
    since: str = ""
    patient_id: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a user asked for; anything that is not understood is no condition."""

    search: str = ""
    landmark: str = ""
    scope: str = ""
    lowest: float | None = None
    highest: float | None = None
    sort: str = "course"
    page: int = 1


@dataclass(frozen=True, slots=True)
class CoursePage:
    """One page of the list: its rows, how many courses were found, the number of this page and of all."""

    rows: tuple[CourseRow, ...]
    found: int
    page: int
    pages: int


def course_rows(scored: Scored, cohort: Cohort) -> tuple[CourseRow, ...]:
    """Return every course of a cohort with its estimate at the latest landmark, or the reason why it has none."""
    sites, patients = _texts(cohort, "site"), _texts(cohort, "patient_id")
    labels = outcome_labels(cohort, scored.table["outcome"].iloc[0]) if len(scored.table) else np.empty(0)
    known = {str(v["course_id"]): (v, n) for v, n in zip(cohort.courses.plain_rows(), labels.tolist(), strict=False)}
    rows = {
        str(row["course_id"]): CourseRow(
            course_id=str(row["course_id"]),
            site=sites.get(str(row["course_id"]), ""),
            landmark=str(row["landmark"]),
            probability=float(row["probability"]),
            p_low=_number(row["p_low"]),
            p_high=_number(row["p_high"]),
            in_scope=None if is_missing(row["in_scope"]) else bool(row["in_scope"]),
            refusal="",
            since=since_landmark(
                known[str(row["course_id"])][0],
                cohort.protocol,
                str(row["landmark"]),
                str(row["outcome"]),
                known[str(row["course_id"])][1],
            ).words,
            patient_id=patients[str(row["course_id"])],
        )
        for row in scored.table.to_dict("records")
    }
    for course_id, expected in zip(scored.refused["course_id"], scored.refused["expected"], strict=True):
        reason = f"no estimate: expected {expected}"
        name = str(course_id)
        rows.setdefault(
            name, CourseRow(name, sites.get(name, ""), *_NOTHING, reason, patient_id=patients.get(name, ""))
        )
    return tuple(rows[str(course_id)] for course_id in cohort.table["course_id"])


def select(rows: Sequence[CourseRow], asked: Selection, landmarks: Sequence[str]) -> CoursePage:
    """Return the page of the list that was asked for; beyond the last it is the last.

    Parameters
    ----------
    rows : sequence of CourseRow
    asked : Selection
    landmarks : sequence of str
        In the order of time.
    """
    found = [row for row in rows if _matches(row, asked)]
    match asked.sort:
        case "probability" | "probability-down":
            down = -1.0 if asked.sort == "probability-down" else 1.0
            # Those without an estimate stand last either way.
            found.sort(key=lambda r: (r.probability is None, down * (r.probability or 0.0), r.course_id))
        case "landmark":
            found.sort(key=lambda r: (landmarks.index(r.landmark) if r.landmark else len(landmarks), r.course_id))
        case _:
            found.sort(key=lambda r: r.course_id)
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(max(asked.page, 1), pages)
    return CoursePage(tuple(found[(page - 1) * PER_PAGE : page * PER_PAGE]), len(found), page, pages)


def _texts(cohort: Cohort, column: str) -> dict[str, str]:
    named = zip(cohort.table["course_id"], cohort.table[column], strict=True)
    return {str(course_id): "" if is_missing(text) else str(text) for course_id, text in named}


def _matches(row: CourseRow, asked: Selection) -> bool:
    text = asked.search.casefold().strip()
    if text and not any(text in name.casefold() for name in (row.course_id, row.patient_id, row.site)):
        return False
    if asked.landmark and row.landmark != asked.landmark:
        return False
    if asked.scope == "none":
        return row.probability is None
    if asked.scope and row.in_scope is not (asked.scope == "in"):
        return False
    if asked.lowest is None and asked.highest is None:
        return True
    if row.probability is None:
        return False
    low, high = asked.lowest or 0.0, 1.0 if asked.highest is None else asked.highest
    return low <= row.probability <= high


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
