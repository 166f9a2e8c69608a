"""The rules held against one course."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.protocols import PRE, Protocol
from ketapredict.monitoring.conditions import Moment
from ketapredict.monitoring.rules import Rule, monitoring_questions, monitoring_rules

State = Literal["holds", "unknown", "clear"]


@dataclass(frozen=True, slots=True)
class Note:
    """What one rule says of one course.

    Attributes
    ----------
    rule : Rule
    state : {"holds", "unknown", "clear"}
        `unknown`: it could not be checked, which is no all-clear.
    missing : tuple of str
        For `unknown`, what is not known, in a clinician's words.
    """

    rule: Rule
    state: State
    missing: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What to tell: the rule's words, or what to ask so that it can be checked."""
        if self.state == "unknown":
            return (
                f"Could not be checked: not known: {'; '.join(self.missing)}. Not known is not normal: ask or measure."
            )
        return self.rule.words


def monitoring_notes(values: Mapping[str, object], protocol: Protocol, landmark: str) -> tuple[Note, ...]:
    """Hold every rule against one course.

    Parameters
    ----------
    values : mapping of str to object
        A row of the cohort table: yes/no as 1.0 and 0.0, NaN or None where missing. Answers to
        `monitoring_questions` under their names.
    protocol : Protocol
    landmark : str
        Only what is known by then is looked at.

    Returns
    -------
    tuple of Note
        One for each rule, the most urgent first. None for a protocol that does not give ketamine: the rules are for
        ketamine, and say nothing of what to watch under another treatment.
    """
    if not protocol.gives_ketamine:
        return ()
    moment = Moment(values, protocol, landmark)
    columns = declared_columns(protocol) | {question.name: question for question in monitoring_questions()}
    return tuple(_note(rule, moment, columns) for rule in monitoring_rules())


def latest_rated(values: Mapping[str, object], protocol: Protocol) -> str:
    """Return the latest time point with a score: what to watch follows from what is known now, not from a landmark."""
    now = Moment(values, protocol, PRE)
    rated = [name for name in protocol.names if now.value(f"score_{name}") is not None]
    return rated[-1] if rated else PRE


def _note(rule: Rule, moment: Moment, columns: dict[str, Column]) -> Note:
    holds = rule.condition.judge(moment)
    if holds is None:
        return Note(rule, "unknown", tuple(_label(name, columns) for name in rule.condition.unknown(moment)))
    return Note(rule, "holds" if holds else "clear")


def _label(name: str, columns: dict[str, Column]) -> str:
    return columns[name].label if name in columns else name
