"""What to watch in a patient: rules with their sources, apart from every prediction."""

from ketapredict.monitoring.notes import Note, monitoring_notes
from ketapredict.monitoring.rules import Rule, Source, monitoring_questions, monitoring_rules

__all__ = ["Note", "Rule", "Source", "monitoring_notes", "monitoring_questions", "monitoring_rules"]
