"""What to watch in a patient: rules with their sources, apart from every prediction."""

from ketapredict.monitoring.conditions import TODAY
from ketapredict.monitoring.notes import Note, held_by_urgency, latest_rated, monitoring_notes
from ketapredict.monitoring.rules import Rule, Source, monitoring_questions, monitoring_rules, open_questions

__all__ = [
    "TODAY",
    "Note",
    "Rule",
    "Source",
    "held_by_urgency",
    "latest_rated",
    "monitoring_notes",
    "monitoring_questions",
    "monitoring_rules",
    "open_questions",
]
