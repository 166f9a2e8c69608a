"""The rules held against one course."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.protocols import PRE, Protocol
from ketapredict.monitoring.conditions import TODAY, Moment
from ketapredict.monitoring.rules import URGENCIES, Rule, monitoring_questions, monitoring_rules

State = Literal["holds", "unknown", "clear", "not applicable"]


@dataclass(frozen=True, slots=True)
class Note:
    """What one rule says of one course.

    Attributes
    ----------
    rule : Rule
    state : {"holds", "unknown", "clear", "not applicable"}
        `unknown`: it could not be checked, which is no all-clear. `not applicable`: not to a course of this protocol.
    missing : tuple of str
        For `unknown`, what is not known, in a clinician's words.
    known_at : str
        `pre` or a time point: when the latest of what it was judged by was known. A blood pressure of before infusion
        1 says nothing of today's. Empty where no input decided.
    """

    rule: Rule
    state: State
    missing: tuple[str, ...] = ()
    known_at: str = ""

    @property
    def words(self) -> str:
        """What to tell: the rule's words, what to ask so that it can be checked, or why it does not apply."""
        match self.state:
            case "unknown":
                asked = "; ".join(self.missing)
                return f"Could not be checked: not known: {asked}. Not known is not normal: ask or measure."
            case "not applicable":
                return f"Does not apply: {self.rule.otherwise}"
        return self.rule.words


def monitoring_notes(
    values: Mapping[str, object], protocol: Protocol, landmark: str, extras: tuple[Column, ...] = ()
) -> tuple[Note, ...]:
    """Hold every rule against one course.

    Parameters
    ----------
    values : mapping of str to object
        A row of the cohort table: yes/no as 1.0 and 0.0, NaN or None where missing. Answers to
        `monitoring_questions` under their names.
    protocol : Protocol
    landmark : str
        Only scores of by then are looked at.
    extras : tuple of Column
        Extra covariates of the cohort, which may answer questions.

    Returns
    -------
    tuple of Note
        One for each rule, the most urgent first. None for a protocol that does not give ketamine: the rules are for
        ketamine, and say nothing of what to watch under another treatment.
    """
    if not protocol.gives_ketamine:
        return ()
    moment = Moment(values, protocol, landmark)
    columns = {question.name: question for question in monitoring_questions()} | declared_columns(protocol, extras)
    return tuple(_note(rule, moment, columns) for rule in monitoring_rules())


def held_by_urgency(notes: Iterable[Note]) -> dict[str, int]:
    """Return how many notes hold by their urgency, the most urgent first; urgencies without any are left out."""
    held = Counter(note.rule.urgency for note in notes if note.state == "holds")
    return {urgency: held[urgency] for urgency in URGENCIES if held[urgency]}


def latest_rated(values: Mapping[str, object], protocol: Protocol) -> str:
    """Return the latest time point with a score: what to watch follows from what is known now, not from a landmark."""
    now = Moment(values, protocol, PRE)
    rated = [name for name in protocol.names if now.value(f"score_{name}") is not None]
    return rated[-1] if rated else PRE


def _note(rule: Rule, moment: Moment, columns: dict[str, Column]) -> Note:
    if rule.requires and not set(rule.requires) & set(moment.protocol.names):
        return Note(rule, "not applicable")
    holds = rule.condition.judge(moment)
    if holds is None:
        return Note(rule, "unknown", tuple(_label(name, columns) for name in rule.condition.unknown(moment)))
    judged_by = [
        moment.landmark if name.endswith(TODAY) else columns[name].known_at
        for name in rule.condition.settled_by(moment)
        if name in columns
    ]
    known_at = max(judged_by, key=moment.protocol.position, default="")
    return Note(rule, "holds" if holds else "clear", known_at=known_at)


def _label(name: str, columns: dict[str, Column]) -> str:
    return columns[name].label if name in columns else name
