"""What the gate decides on and what it answers, as plain figures: nothing here knows a store or a cohort."""

import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

CROSS_VALIDATION: Final = "cross-validation"
HOLD_OUT: Final = "hold-out"
# The challenger out of fold, the champion as it is, on the courses that the challenger was trained on.
CHALLENGERS_COURSES: Final = "challenger's courses"
Source = Literal["cross-validation", "hold-out", "challenger's courses"]
Verdict = Literal["pass", "fail", "not applicable"]


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with its 95% interval; NaN where it cannot be given."""

    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def told(self) -> bool:
        """Whether the figure and both ends are known."""
        return math.isfinite(self.estimate) and math.isfinite(self.low) and math.isfinite(self.high)

    def overlaps(self, low: float, high: float) -> bool:
        """Whether the interval is known and shares a value with another."""
        return self.told and self.low <= high and self.high >= low

    def plain(self) -> list[float | None]:
        """Return estimate, low and high, None for NaN: JSON has no NaN."""
        return [value if math.isfinite(value) else None for value in (self.estimate, self.low, self.high)]

    def __str__(self) -> str:
        """Return `estimate (low to high)`."""
        if not math.isfinite(self.estimate):
            return "none"
        interval = f"{self.low:.3f} to {self.high:.3f}" if self.told else "no interval"
        return f"{self.estimate:.3f} ({interval})"


@dataclass(frozen=True, slots=True)
class Figures:
    """The challenger at one landmark.

    Attributes
    ----------
    source : {"cross-validation", "hold-out"}
    landmark : str
    courses, events : int
    slope, intercept : Span
        Of calibration; the intercept in log-odds.
    log_loss_gain : Span
        Log-loss minus that of predicting the prevalence, nats, paired: under 0 the model is better.
    """

    source: Source
    landmark: str
    courses: int = 0
    events: int = 0
    slope: Span = Span()
    intercept: Span = Span()
    log_loss_gain: Span = Span()


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Calibration-in-the-large of the challenger in one subgroup.

    Attributes
    ----------
    source : {"cross-validation", "hold-out"}
    landmark, variable, level : str
    intercept : Span
        Log-odds; without an interval where the subgroup is too small to say.
    certain : bool
        Whether it differs from 0 with certainty over all subgroups of its landmark at once.
    """

    source: Source
    landmark: str
    variable: str
    level: str
    intercept: Span
    certain: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Challenger minus champion at one landmark, on the same resamples.

    Attributes
    ----------
    source : {"cross-validation", "hold-out", "challenger's courses"}
    landmark : str
    log_loss : Span
        Nats.
    slope_distance : Span
        Of |calibration slope - 1|.
    net_benefit : dict of float to Span
        By threshold, in courses with the outcome per course.
    """

    source: Source
    landmark: str
    log_loss: Span
    slope_distance: Span
    net_benefit: dict[float, Span]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the gate looks at.

    Attributes
    ----------
    origins : dict of str to str
        "simulated", "evidence" or "real", by what it is: the training data, the hold-out.
    landmarks : tuple of str
        Of the challenger.
    figures : tuple of Figures
    subgroups : dict of str to tuple of Subgroup
        By source; a source that should have a table and has none is absent.
    card : tuple of str
        What is wrong with the model card; empty where nothing is.
    suspicions : tuple of str or None
        Sentences about suspected leakage; None where the run says nothing about it.
    sources : tuple of str
        Where figures must come from: the cross-validation, and the hold-out where one is named.
    champion : str or None
        Version of the champion.
    champion_landmarks : tuple of str
    compared_on : tuple of str
        Where challenger and champion are compared.
    comparisons : tuple of Comparison
    """

    origins: dict[str, str]
    landmarks: tuple[str, ...]
    figures: tuple[Figures, ...]
    subgroups: dict[Source, tuple[Subgroup, ...]]
    card: tuple[str, ...] = ()
    suspicions: tuple[str, ...] | None = ()
    sources: tuple[Source, ...] = (CROSS_VALIDATION,)
    champion: str | None = None
    champion_landmarks: tuple[str, ...] = ()
    compared_on: tuple[Source, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement and what was found.

    Attributes
    ----------
    name : str
    verdict : {"pass", "fail", "not applicable"}
    requirement : str
    reason : str
        One sentence.
    found : dict
        Plain figures; an interval is [estimate, low, high].
    """

    name: str
    verdict: Verdict
    requirement: str
    reason: str
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer.

    Attributes
    ----------
    yes : bool
        Whether no check failed.
    word : str
        "first champion", "better", "not worse"; empty on a no.
    checks : tuple of Check
    """

    yes: bool
    word: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that say no."""
        return tuple(check for check in self.checks if check.verdict == "fail")
