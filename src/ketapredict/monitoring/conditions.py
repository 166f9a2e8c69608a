"""Conditions of monitoring rules: plain data, judged in three values: true, false, not known.

`all` and `any` follow Kleene's logic: a part that is not known leaves the whole unknown unless the other parts
settle it. A missing blood pressure is not a normal one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ketapredict.cohort.cells import is_missing
from ketapredict.cohort.protocols import BASELINE, Protocol
from ketapredict.cohort.scales import SCALES

_COMPARISONS = ("above", "at_least", "is", "one_of", "is_item_share", "below")
_MOMENTS = ("before", "reached")
TODAY = "_today"
# One measurement: today's value of the one never stands beside an earlier value of the other.
_TOGETHER = ("systolic_mmhg", "diastolic_mmhg")
_ANSWERS = {"1.0": "yes", "0.0": "no", "yes": "yes", "no": "no"}


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of one course at one landmark.

    Attributes
    ----------
    values : mapping of str to object
        A row of the cohort table, perhaps with answers to monitoring questions; NaN or None where missing.
    protocol : Protocol
    landmark : str
        Scores after it are not looked at.
    """

    values: Mapping[str, object]
    protocol: Protocol
    landmark: str

    def value(self, column: str) -> object | None:
        """Return the value of a column, None where it is missing or no such column exists."""
        found = self.values.get(column)
        return None if is_missing(found) else found

    def latest(self, column: str) -> str:
        """Return the name of today's answer to what a column asks, where there is one; else the column's own."""
        together = _TOGETHER if column in _TOGETHER else (column,)
        is_today = any(self.value(name + TODAY) is not None for name in together)
        return column + TODAY if is_today else column

    def reached(self, time_point: str) -> bool:
        """Whether the landmark is at or after a time point of the protocol."""
        if time_point not in self.protocol.names:
            return False
        return self.protocol.position(self.landmark) >= self.protocol.position(time_point)

    def improvement(self, time_point: str) -> float | None:
        """Return 1 - score / baseline at a time point that the landmark has reached; None where it is not known."""
        score, baseline = self.value(f"score_{time_point}"), self.value(f"score_{BASELINE}")
        if not self.reached(time_point) or score is None or baseline is None:
            return None
        return 1.0 - float(str(score)) / float(str(baseline))


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison.

    Attributes
    ----------
    subject : str
        A column; or a time point, for `below` (improvement), `before` and `reached`.
    comparison : {"above", "at_least", "is", "one_of", "is_item_share", "below", "before", "reached"}
    bound : float, str, tuple of str or None
    latest : bool
        Whether today's answer is looked at first.
    """

    subject: str
    comparison: str
    bound: float | str | tuple[str, ...] | None = None
    latest: bool = False

    @property
    def column(self) -> str | None:
        """The column that is needed; None for a check of the landmark alone."""
        if self.comparison in _MOMENTS:
            return None
        return f"score_{self.subject}" if self.comparison == "below" else self.subject

    def judge(self, moment: Moment) -> bool | None:
        """Return whether it holds, None where that is not known."""
        if self.comparison in _MOMENTS:
            return moment.reached(self.subject) == (self.comparison == "reached")
        if self.comparison == "below":
            improvement = moment.improvement(self.subject)
            # Scores are whole points; the small amount keeps a fall of exactly the bound from counting as less.
            return None if improvement is None else improvement < float(str(self.bound)) - 1e-9
        value = moment.value(self._looked_at(moment))
        if value is None:
            return None
        match self.comparison:
            case "is" if self.bound in ("yes", "no"):
                answer = _ANSWERS.get(str(value))
                return None if answer is None else answer == self.bound
            case "is":
                return str(value) == self.bound
            case "one_of":
                return isinstance(self.bound, tuple) and str(value) in self.bound
            case "is_item_share":
                scale = SCALES.get(str(moment.value("scale")))
                highest = scale.suicidality_maximum if scale else None
                if highest is None:  # an item that was rated is never passed over for want of its range
                    return float(str(value)) > 0.0
                return float(str(value)) >= float(str(self.bound)) * highest
            case "above":
                return float(str(value)) > float(str(self.bound))
        return float(str(value)) >= float(str(self.bound))

    def unknown(self, moment: Moment) -> tuple[str, ...]:
        """Return the column whose absence leaves the check open."""
        return (self._looked_at(moment),) if self.column and self.judge(moment) is None else ()

    def settled_by(self, moment: Moment) -> tuple[str, ...]:
        """Return the column that it was judged by; none for a check of the landmark alone."""
        return (self._looked_at(moment),) if self.column else ()

    def _looked_at(self, moment: Moment) -> str:
        column = self.column or ""
        return moment.latest(column) if self.latest else column


@dataclass(frozen=True, slots=True)
class Combination:
    """`all` or `any` of several conditions; `all` of none always holds."""

    how: str
    parts: tuple["Condition", ...]

    def judge(self, moment: Moment) -> bool | None:
        """Return whether it holds, None where that is not known."""
        found = {part.judge(moment) for part in self.parts}
        settling = self.how == "any"
        if settling in found:
            return settling
        return None if None in found else not settling

    def unknown(self, moment: Moment) -> tuple[str, ...]:
        """Return the columns whose absence leaves it open."""
        if self.judge(moment) is not None:
            return ()
        return tuple(dict.fromkeys(name for part in self.parts for name in part.unknown(moment)))

    def settled_by(self, moment: Moment) -> tuple[str, ...]:
        """Return the columns of the parts that settle it."""
        judged = self.judge(moment)
        settling = [part for part in self.parts if part.judge(moment) is judged]
        return tuple(dict.fromkeys(name for part in settling for name in part.settled_by(moment)))


Condition = Check | Combination
ALWAYS = Combination("all", ())


def condition_from_plain(plain: dict[str, Any]) -> Condition:
    """Build a condition from the data of a rules file.

    Raises
    ------
    ValueError
        If it has another form.
    """
    match plain:
        case {"all": [*parts], **rest} | {"any": [*parts], **rest} if parts and not rest:
            return Combination(next(iter(plain)), tuple(condition_from_plain(part) for part in parts))
        case {"before": str(point), **rest} | {"reached": str(point), **rest} if not rest:
            return Check(point, next(iter(plain)))
        case {"improvement_at": str(point), "below": float(bound), **rest} if not rest:
            return Check(point, "below", bound)
        case {"column": str(column), **rest} | {"latest": str(column), **rest} if len(rest) == 1:
            ((comparison, bound),) = rest.items()
            if comparison in _COMPARISONS and comparison != "below":
                limit = tuple(bound) if isinstance(bound, list) else bound
                return Check(column, comparison, limit, latest="latest" in plain)
    raise ValueError(f"not a condition: {sorted(plain)}")
