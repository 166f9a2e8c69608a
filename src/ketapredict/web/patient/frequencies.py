"""A probability as a clinician says it: so many in ten."""

import math

from ketapredict.explain.words import moment_words

_OUTCOMES = {
    "response": "respond (a fall of at least 50% from the baseline)",
    "remission": "be in remission (at or under the scale's cut)",
}


def outcome_words(outcome: str, time_point: str) -> str:
    """Return what is estimated: the outcome, its rule and when it is judged."""
    return f"{_OUTCOMES[outcome]} at {moment_words(time_point)}"


def in_ten(probability: float) -> str:
    """Return a probability as the nearest number in ten; the ends claim neither never nor always."""
    if probability < 0.05:
        return "fewer than 1 in 10"
    if probability > 0.95:
        return "more than 9 in 10"
    # Half a patient is rounded up, not to the even number: 2.5 in ten is about 3.
    return f"about {max(1, math.floor(probability * 10 + 0.5 + 1e-9))} in 10"


def between_in_ten(low: float, high: float) -> str:
    """Return an interval in tenths, rounded outward so that the words never promise more than the numbers."""
    first, last = math.floor(low * 10 + 1e-9), math.ceil(high * 10 - 1e-9)
    least = "fewer than 1" if first == 0 else str(first)
    most = "nearly all" if last == 10 else f"{last} in 10"
    if first == 0 and last <= 1:
        return "fewer than 1 in 10"
    if first >= 9:
        return "9 in 10 or more"
    return f"between {least} and {most}" if last < 10 else f"between {least} in 10 and {most}"
