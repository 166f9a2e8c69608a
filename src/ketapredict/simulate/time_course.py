r"""How the effect of the treatment comes, accumulates and goes over a protocol's time points.

The mean improvement of a course with first-infusion class j and course class k is

.. math:: \mu_t(j, k) = r\,\{a_t\,[(1 - w_t)\,d^{first}_j + w_t\,d^{late}_k] + g_t\}

with a_t the share of the full effect that is present, w_t the weight of the later class, g_t the drift of all
courses and r what the rater sees (`ratings`).

* Onset after an infusion: 0.40 at 40 min, 1 at 24 h (from 40 min on, peak at day 1: Kishimoto 2016,
  PMC5116384; Zarate 2006 separates from 110 min; 40 min d 0.52 to 0.89, PMC3000408, PMID 22297150).
* One infusion: a_t = o_t times 1, 0.90, 0.70, 0.15, 0.02, 0 at days 1, 3, 7, 10, 12, 14, linear between, o_t the
  onset: response 52, 48, 40% at 24 h, 72 h, day 7 (Han 2016, PMC5098773), effect 0.58 at 24 h and 0.38 at day 7
  (Price 2022), lost by day 10 to 12 (Kishimoto 2016), 13% at day 14 (Pennybaker 2017, PMID 27839782). What is
  left then is a drift of both arms, up to DRIFT of the baseline at day 14 (assumed). The later class takes over
  from 24 h to day 7 on a logarithmic scale.
* A course: w_t = 0, 0.17, 0.46, 0.74, 0.91, 1 after infusion 1 to 6 (linear between while the onset of the
  last one lasts), so that the median responder responds after infusion 3 (Phillips 2019, PMID 30922101) and
  many who miss twice improve by infusion 4 (58%, Lipsitz 2021, PMID 33031861). After the last infusion
  a_t = 1 / (1 + (day / 25)^3.5) (assumed).
* Gradual (a protocol in weeks of a treatment other than ketamine): a_t rises with a time constant of two weeks;
  assumed.

The curves' formulas are assumed; what they meet is in the fidelity report.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ketapredict.cohort.protocols import HOURS_PER_DAY, Protocol
from ketapredict.simulate.scenario import Scenario
from ketapredict.simulate.schedule import numbered_infusions

EARLY_FROM_HOURS = 18.0  # the early rating is the first one from here on: `24h` with its window
GRADUAL_FROM_HOURS = 5 * HOURS_PER_DAY  # a first rating that late: a treatment that works over weeks
STANDARD_DAYS = (0.0, 2.0, 4.0, 7.0, 9.0, 11.0)
_SAME_DAY = 0.5

_ONSET_HOURS = (0.0, 0.67, 2.0, 4.0, 24.0)
_ONSET_SHARES = (0.0, 0.40, 0.65, 0.80, 1.0)
_SINGLE_DAYS = (0.0, 1.0, 3.0, 7.0, 10.0, 12.0, 14.0)
_SINGLE_KEPT = (1.0, 1.0, 0.90, 0.70, 0.15, 0.02, 0.0)
DRIFT, _DRIFT_DAYS = 0.13, (1.0, 14.0)
_COURSE_FADE_DAYS, _FADE_POWER = 25.0, 3.5
_ACCUMULATED = (0.0, 0.17, 0.46, 0.74, 0.91, 1.0)
_GRADUAL_DAYS = 14.0


@dataclass(frozen=True)
class TimeCourse:
    """Shares at each time point, (time points,) each.

    Attributes
    ----------
    hours : numpy.ndarray
        Hours after the start of the first infusion.
    present : numpy.ndarray
        a_t, 0 to 1.
    later : numpy.ndarray
        w_t, 0 to 1.
    onset : numpy.ndarray
        o_t, 0 to 1.
    drift : numpy.ndarray
        Improvement of all courses alike, share of the baseline.
    """

    hours: np.ndarray
    present: np.ndarray
    later: np.ndarray
    onset: np.ndarray
    drift: np.ndarray


def design_of(scenario: Scenario) -> Literal["single", "course", "gradual"]:
    """Return the design: as asked for, else read from the protocol.

    A course where infusions are numbered (`inf2`, ...) or their days are given; gradual where the treatment is
    not ketamine and the first rating comes after five days or more; else a single infusion.
    """
    if scenario.design != "auto":
        return scenario.design
    if len(scenario.infusion_days) > 1 or numbered_infusions(scenario.protocol):
        return "course"
    in_weeks = scenario.protocol.time_points[0].hours >= GRADUAL_FROM_HOURS
    return "gradual" if in_weeks and not scenario.protocol.gives_ketamine else "single"


def infusion_days(scenario: Scenario) -> tuple[float, ...]:
    """Return the days of the infusions, the first at 0; a course without more words is day 0, 2, 4, 7, 9, 11.

    Where the protocol numbers infusions, number k is 24 h before time point `inf<k>`, those between are
    interpolated, and the course ends at the last of them: ratings after it add none. One exception, for which the
    built-in course stands: with an outcome called `end` 24 h after a later infusion of the standard days, on which
    the numbered ones are, the course goes on up to it. A course without numbers has the standard days up to a day
    before the outcome.
    """
    if scenario.infusion_days:
        return scenario.infusion_days
    if design_of(scenario) != "course":
        return (0.0,)
    protocol, numbered = scenario.protocol, numbered_infusions(scenario.protocol)
    last = protocol.time_point(protocol.outcome).hours / HOURS_PER_DAY - 1.0
    if not numbered:
        return tuple(day for day in STANDARD_DAYS if day <= max(last, 0.0) + _SAME_DAY)
    count, known = max(numbered), {1: 0.0} | numbered
    standard = dict(enumerate(STANDARD_DAYS, 1))
    if all(abs(standard.get(k, -9.0) - day) < _SAME_DAY for k, day in known.items()):
        if protocol.outcome == "end":
            count = max([count, *(k for k, day in standard.items() if abs(day - last) < _SAME_DAY)])
        return STANDARD_DAYS[:count]
    days = np.interp(range(1, count + 1), sorted(known), [known[k] for k in sorted(known)])
    return tuple(float(day) for day in days)


def treatment_text(scenario: Scenario) -> str:
    """Return the design and the days of the infusions in words."""
    design = design_of(scenario)
    origin = "read from the protocol" if scenario.design == "auto" else "as asked"
    days = ", ".join(f"{day:g}" for day in np.round(infusion_days(scenario), 1))
    given = "a treatment that works over weeks" if design == "gradual" else f"infusions on day {days}"
    return f"Design {design}, {origin}: {given}."


def time_course(scenario: Scenario, hours: np.ndarray | None = None) -> TimeCourse:
    """Return the shares at the protocol's time points, or at the hours given (T,)."""
    if hours is None:
        hours = np.array([point.hours for point in scenario.protocol.time_points])
    days = hours / HOURS_PER_DAY
    onset = np.interp(hours, _ONSET_HOURS, _ONSET_SHARES)
    design, none = design_of(scenario), np.zeros(len(hours))
    if design == "single":
        later = np.clip(np.log(np.maximum(days, 1.0)) / np.log(7.0), 0.0, 1.0)
        kept = np.interp(days, _SINGLE_DAYS, _SINGLE_KEPT)
        drift = DRIFT * np.interp(days, _DRIFT_DAYS, (0.0, 1.0))
        return TimeCourse(hours, onset * kept, later, onset, drift)
    if design == "gradual":
        end = scenario.protocol.time_point(scenario.protocol.outcome).hours / HOURS_PER_DAY
        first = min(scenario.protocol.time_points[0].hours / HOURS_PER_DAY, 0.5 * end)
        grown = (1.0 - np.exp(-days / _GRADUAL_DAYS)) / (1.0 - np.exp(-end / _GRADUAL_DAYS))
        present = np.minimum(grown, 1.0)
        return TimeCourse(hours, present, np.clip((days - first) / (end - first), 0.0, 1.0), present, none)
    given = np.array(infusion_days(scenario))
    number = np.searchsorted(given, days, side="right")
    since = hours - HOURS_PER_DAY * given[np.maximum(number - 1, 0)]
    so_far = np.maximum(number - 1 + np.interp(since, _ONSET_HOURS, _ONSET_SHARES), 1.0)
    later = np.interp(so_far, np.arange(1, 1 + len(_ACCUMULATED)), _ACCUMULATED)
    present = onset * np.where(number == len(given), _fade(since / HOURS_PER_DAY - 1.0, _COURSE_FADE_DAYS), 1.0)
    return TimeCourse(hours, present, later, onset, none)


def early_point(protocol: Protocol) -> int:
    """Return the position of the early rating: the first from 18 h on and before the outcome, else the first."""
    outcome = protocol.position(protocol.outcome) - 1
    late = [i for i, point in enumerate(protocol.time_points) if point.hours >= EARLY_FROM_HOURS and i < outcome]
    return late[0] if late else 0


def _fade(days: np.ndarray, scale_days: float) -> np.ndarray:
    kept: np.ndarray = 1.0 / (1.0 + (np.maximum(days, 0.0) / scale_days) ** _FADE_POWER)
    return kept
