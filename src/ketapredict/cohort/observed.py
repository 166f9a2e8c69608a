"""What a reader of results must be told about a cohort: observations that add up from batch to batch."""

from dataclasses import dataclass
from typing import Any, Self

from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.scales import SCALES, Scale


@dataclass(frozen=True, slots=True)
class Observed:
    """Observations of some courses.

    Attributes
    ----------
    scales : frozenset of str
        Scales that any course has.
    recalled : tuple of (str, int)
        For each time point at which a self-rating that looks back over days says little: number of such scores.
    in_remission : int
        Accepted courses that start at or under the remission cut.
    simulated : bool
        Whether any cell carries the mark of simulated courses.
    """

    scales: frozenset[str] = frozenset()
    recalled: tuple[tuple[str, int], ...] = ()
    in_remission: int = 0
    simulated: bool = False

    def plus(self, other: "Observed") -> "Observed":
        """Return the observations of both."""
        recalled = dict(self.recalled)
        for point, number in other.recalled:
            recalled[point] = recalled.get(point, 0) + number
        return Observed(
            self.scales | other.scales,
            tuple(recalled.items()),
            self.in_remission + other.in_remission,
            self.simulated or other.simulated,
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the observations as JSON values."""
        return {
            "scales": sorted(self.scales),
            "recalled": [list(pair) for pair in self.recalled],
            "in_remission": self.in_remission,
            "simulated": self.simulated,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Return the observations that `to_plain` gave."""
        recalled = tuple((str(point), int(number)) for point, number in plain["recalled"])
        return cls(frozenset(plain["scales"]), recalled, plain["in_remission"], plain["simulated"])

    def notices(self, protocol: Protocol) -> list[str]:
        """Return what must be told, in sentences."""
        told = []
        recalled = dict(self.recalled)
        names = ", ".join(scale.name for scale in looking_back() if scale.name in self.scales)
        for point in protocol.time_points:
            if point.name in recalled:
                told.append(
                    f"{names} looks back over 7 days or more: its {recalled[point.name]} scores at {point.name} "
                    f"({point.hours:g} h) say little about that moment"
                )
        if len(self.scales) > 1:
            told.append(f"several scales in one cohort: {', '.join(name for name in SCALES if name in self.scales)}")
        if self.in_remission:
            told.append(
                f"{self.in_remission} courses start at or under the remission cut: accepted, but no part of a "
                "remission analysis"
            )
        return told


def looking_back() -> list[Scale]:
    """Return the scales that cannot be judged within hours."""
    return [scale for scale in SCALES.values() if scale.looks_back_too_far_for_hours]
