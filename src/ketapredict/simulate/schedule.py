"""What a protocol says about the treatment: numbered infusions."""

from itertools import pairwise

from ketapredict.cohort.protocols import HOURS_PER_DAY, Protocol

MAXIMUM_INFUSIONS = 30


def numbered_infusions(protocol: Protocol) -> dict[int, float]:
    """Return the day of each infusion that a time point `inf<k>` names, k from 2: the point is 24 h after it."""
    return {
        int(point.name[3:]): point.hours / HOURS_PER_DAY - 1.0
        for point in protocol.time_points
        if point.name.startswith("inf") and point.name[3:].isdecimal() and int(point.name[3:]) > 1
    }


def in_order(numbered: dict[int, float]) -> bool:
    """Return whether numbered infusions come after day 0 and in the order of their numbers."""
    days = [0.0, *(numbered[number] for number in sorted(numbered))]
    return all(earlier < later for earlier, later in pairwise(days))
