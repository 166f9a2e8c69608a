"""Words that several documents share."""

from ketapredict.cohort.outcomes import Outcome
from ketapredict.cohort.protocols import Protocol

OUTCOME_WORDS: dict[Outcome, str] = {
    "response": "a fall of at least 50% from the score before treatment",
    "remission": "a score at or under the scale's remission cut",
}


def treatment_words(protocol: Protocol) -> str:
    """Return what the courses are of, as far as the protocol says."""
    if protocol.gives_ketamine:
        return "ketamine infusions for depression"
    return f"NOT ketamine: the protocol's active treatment is `{protocol.active_treatment}`"
