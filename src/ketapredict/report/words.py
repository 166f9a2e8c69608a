"""Words that several documents share."""

from ketapredict.cohort.outcomes import Outcome

OUTCOME_WORDS: dict[Outcome, str] = {
    "response": "a fall of at least 50% from the score before treatment",
    "remission": "a score at or under the scale's remission cut",
}
