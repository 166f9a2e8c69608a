"""What to watch, as the REST interface tells it: the page's rules and notes, beside every estimate and part of none."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.protocols import Protocol
from ketapredict.monitoring import latest_rated, monitoring_notes, monitoring_rules
from ketapredict.monitoring.rules import CERTAINTIES, URGENCIES


class RuleSource(BaseModel):
    """Where a rule comes from."""

    citation: str
    doi: str = Field(description="Empty where there is none.")


class MonitoringRule(BaseModel):
    """A rule with its sources: no prediction, and no input of any."""

    id: str
    title: str
    urgency: Literal[URGENCIES]  # type: ignore[valid-type]
    words: str
    certainty: Literal[CERTAINTIES]  # type: ignore[valid-type]
    sources: list[RuleSource]


class MonitoringNote(BaseModel):
    """What one rule says of one course."""

    rule: str = Field(description="Id of the rule in `rules`, where its sources are.")
    title: str
    urgency: Literal[URGENCIES] = Field(description="When to act on it.")  # type: ignore[valid-type]
    state: Literal["holds", "unknown", "clear", "not applicable"] = Field(
        description="`unknown` could not be checked: no all-clear. `not applicable`: to no course of this protocol."
    )
    known_at: str = Field(
        description="`pre` or a time point: when the latest of what it was judged by was known, so a finding, or none, "
        "of then; empty where no input decided."
    )
    words: str
    missing: list[str] = Field(description="For `unknown`: what to ask or measure.")


class CourseNotes(BaseModel):
    """The notes of one course, the most urgent first, whether it can be predicted or not."""

    row: int = Field(description="Place of the course in the request, from 1.")
    course_id: str
    notes: list[MonitoringNote]


def told_rules(protocol: Protocol) -> list[MonitoringRule]:
    """Return all rules, the most urgent first; none where the treatment is not ketamine."""
    if not protocol.gives_ketamine:
        return []
    return [
        MonitoringRule(
            id=rule.id,
            title=rule.title,
            urgency=rule.urgency,
            words=rule.words,
            certainty=rule.certainty,
            sources=[RuleSource(citation=source.citation, doi=source.doi) for source in rule.sources],
        )
        for rule in monitoring_rules()
    ]


def told_notes(cohort: Cohort, courses: list[dict[str, Any]]) -> list[CourseNotes]:
    """Hold the rules against courses.

    Parameters
    ----------
    cohort : Cohort
    courses : list of dict
        Its table as plain rows.
    """
    return [
        CourseNotes(row=int(row), course_id=course["course_id"], notes=_notes(course, cohort))
        for row, course in zip(cohort.rows, courses, strict=True)
    ]


def _notes(course: dict[str, Any], cohort: Cohort) -> list[MonitoringNote]:
    now = latest_rated(course, cohort.protocol)
    return [
        MonitoringNote(
            rule=note.rule.id,
            title=note.rule.title,
            urgency=note.rule.urgency,
            state=note.state,
            known_at=note.known_at,
            words=note.words,
            missing=list(note.missing),
        )
        for note in monitoring_notes(course, cohort.protocol, now, cohort.extras)
    ]
