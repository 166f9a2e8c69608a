"""Simulated imitations of published studies: which scenario stands for which population.

Schedules are those of the studies where they are published (`arms.json`), on the scale of the study.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ketapredict.cohort.protocols import HOURS_PER_DAY, PRE, Protocol, TimePoint
from ketapredict.simulate.columns import to_frame
from ketapredict.simulate.courses import simulate_chunks
from ketapredict.simulate.scenario import Scenario

_MDD = (1.0, 0.0, 0.0, 0.0)
_BIPOLAR = (0.0, 0.45, 0.50, 0.05)
_MANY_SITES = 2_000  # so that the average over sites is that of all sites


def _protocol(name: str, hours: dict[str, float], outcome: str) -> Protocol:
    points = tuple(TimePoint(point, at, (at, at)) for point, at in hours.items())
    return Protocol(name, points, (PRE,), outcome)


def _course(name: str, days: tuple[float, ...], end_day: float) -> tuple[Protocol, tuple[float, ...]]:
    """Return ratings 24 h after each infusion, the last of them or a later one called `end`."""
    hours = {"2h": 2.0, "4h": 4.0, "24h": 24.0}
    hours |= {f"inf{k}": (day + 1.0) * HOURS_PER_DAY for k, day in enumerate(days, 1) if k > 1 and day + 1.0 < end_day}
    return _protocol(name, hours | {"end": end_day * HOURS_PER_DAY}, "end"), days


_SINGLE = _protocol(
    "one-infusion",
    {
        "40min": 0.67,
        "2h": 2.0,
        "4h": 4.0,
        "24h": 24.0,
        "48h": 48.0,
        "72h": 72.0,
        "5d": 120.0,
        "7d": 168.0,
        "10d": 240.0,
        "12d": 288.0,
        "14d": 336.0,
    },
    "7d",
)
_SIX = _course("six-infusions", (0, 2, 4, 7, 9, 11), 12)
_SIX_TWICE_WEEKLY = _course("six-twice-weekly", (0, 3, 7, 10, 14, 17), 18)
_EIGHT_TWICE_WEEKLY = _course("eight-twice-weekly", (0, 3, 7, 10, 14, 17, 21, 24), 25)
_FOUR = _course("four-infusions", (0, 3, 7, 10), 11)
_SIX_AND_LATER = _course("six-and-later", (0, 2, 4, 7, 9, 11), 25)
_SIX_IN_21_DAYS = _course("six-in-21-days", (0, 4, 8, 12, 16, 20), 42)


def _scenario(schedule: Protocol | tuple[Protocol, tuple[float, ...]], **options: object) -> Scenario:
    protocol, days = (schedule, ()) if isinstance(schedule, Protocol) else schedule
    return Scenario(protocol=protocol, infusion_days=days, n_sites=_MANY_SITES, **options)  # type: ignore[arg-type]


SCENARIOS: dict[str, Scenario] = {
    "single, midazolam trial": _scenario(
        _SINGLE, setting="trial", control="midazolam", control_share=0.5, diagnosis_shares=_MDD
    ),
    "single, saline trial": _scenario(
        _SINGLE, setting="trial", control="saline", control_share=0.5, diagnosis_shares=_MDD
    ),
    "single, anaesthesia trial": _scenario(
        _SINGLE, setting="trial", control="anaesthesia", control_share=0.5, diagnosis_shares=_MDD
    ),
    "single, bipolar, saline trial": _scenario(
        _SINGLE, setting="trial", control="saline", control_share=0.5, diagnosis_shares=_BIPOLAR
    ),
    "single, trial, HAMD-17": _scenario(
        _SINGLE, setting="trial", control="saline", control_share=0.5, diagnosis_shares=_MDD, scale="HAMD-17"
    ),
    "single, clinic": _scenario(_SINGLE, setting="clinic", diagnosis_shares=_MDD),
    "course, open research": _scenario(_SIX, setting="trial", diagnosis_shares=_MDD),
    "course, open research, bipolar": _scenario(_EIGHT_TWICE_WEEKLY, setting="trial", diagnosis_shares=_BIPOLAR),
    "course, open research, mixed": _scenario(_SIX, setting="trial", diagnosis_shares=(0.79, 0.1, 0.1, 0.01)),
    "course, open research, QIDS": _scenario(
        _SIX_TWICE_WEEKLY, setting="trial", scale="QIDS-SR16", diagnosis_shares=_MDD
    ),
    "course, midazolam trial": _scenario(_EIGHT_TWICE_WEEKLY, setting="trial", control="midazolam", control_share=0.5),
    "course, clinic, QIDS": _scenario(_FOUR, setting="clinic", scale="QIDS-SR16"),
    "course, clinic, QIDS, bipolar": _scenario(_FOUR, setting="clinic", scale="QIDS-SR16", diagnosis_shares=_BIPOLAR),
    "course, clinic, PHQ-9": _scenario(_SIX_AND_LATER, setting="clinic", scale="PHQ-9"),
    "course, clinic, PHQ-9, six weeks": _scenario(_SIX_IN_21_DAYS, setting="clinic", scale="PHQ-9"),
    "course, clinic, MADRS": _scenario(_SIX, setting="clinic", diagnosis_shares=_MDD),
    "default": Scenario(n_sites=_MANY_SITES),
}


@dataclass(frozen=True)
class Imitation:
    """Simulated courses of one scenario.

    Attributes
    ----------
    table : pandas.DataFrame
        The cohort table.
    hidden : pandas.DataFrame
        What no table holds (`courses.Chunk.hidden`).
    """

    table: pd.DataFrame
    hidden: pd.DataFrame

    @cached_property
    def baseline(self) -> np.ndarray:
        """Baseline scores, (n,)."""
        return self.table["score_baseline"].to_numpy(float)

    @property
    def control(self) -> np.ndarray:
        """Whether each course got the control, (n,)."""
        if "arm" not in self.table:
            return np.zeros(len(self.table), dtype=bool)
        return (self.table["arm"] == "control").to_numpy()

    def score(self, point: str) -> np.ndarray:
        """Scores at a time point, (n,), NaN where not rated."""
        return self.table[f"score_{point}"].to_numpy(float)

    def improvement(self, point: str) -> np.ndarray:
        """Return 1 - score / baseline, (n,)."""
        return 1.0 - self.score(point) / self.baseline


def imitate(scenario: Scenario, n_courses: int, seed: int) -> Imitation:
    """Simulate the courses of a scenario."""
    chunks = list(simulate_chunks(scenario, n_courses, seed))
    return Imitation(
        pd.concat([to_frame(chunk.table) for chunk in chunks], ignore_index=True),
        pd.concat([to_frame(chunk.hidden) for chunk in chunks], ignore_index=True),
    )


class Imitations:
    """Imitations by name, each simulated when it is first asked for.

    Parameters
    ----------
    n_courses : int
        Courses of each scenario.
    seed : int
    """

    def __init__(self, n_courses: int, seed: int) -> None:
        self.n_courses = n_courses
        self.seed = seed
        self._made: dict[str, Imitation] = {}

    def __getitem__(self, name: str) -> Imitation:
        """Return the imitation of that name."""
        if name not in self._made:
            self._made[name] = imitate(SCENARIOS[name], self.n_courses, self.seed)
        return self._made[name]
