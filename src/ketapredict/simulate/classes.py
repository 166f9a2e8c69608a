r"""Trajectory classes: robust, partial, none; one for the first infusion, one for the whole course.

A single normal cannot give both the published means and the published response rates (EVIDENCE.md), so a
course belongs to a class k with

.. math:: L^c = \eta^c + s + \epsilon + \delta^{late}, \qquad
    k = \mathrm{none, partial, robust\ by\ two\ cuts\ of\ } L^{some} \mathrm{\ and\ a\ last\ one\ of\ } L^{full}

eta from the covariates (`effects`), s ~ N(0, SITE_SPREAD^2) of the site, epsilon ~ N(0, 1) of the course,
delta of setting, design and arm. The first infusion has a class j of its own, with delta^first, the same
eta and s, and an epsilon that is the same with probability lambda and independent otherwise. lambda is
solved for the early-to-end correlation that is asked for, so the rates at each time stay what they are.

Robust courses are of two steps, with and without residual symptoms, half each, parted by the last cut: it is where
failed trials count (`effects`). The cuts before it give shares of 28, 34, 38% at delta = 0, the means of O'Brien
2019 and 2023 (poor 29.6, 26.2; robust 41.2, 34.6%). The spread between sites gives the published 26 to 54% of
four clinics (Pfeiffer 2024, McIntyre 2020, Oliver 2022, McInnes 2022). Shifts are chosen to meet the targets
(`fidelity`):

* single infusion: 45% respond at 24 h (research, often drug-free); in a course the first infusion brings
  13 to 27% (Zheng 2019, Shiroma 2014). The evidence file leaves this conflict open (population,
  medication, rater); here it is an effect of design.
* blinding lowers a course (KARMA-Dep 2: 46.9%) below open research courses (59 to 71%); single-infusion
  figures come from blinded trials already.
* controls: midazolam 18 to 28% at 24 h, saline 1 to 9%, under anaesthesia both arms 50 to 60% (Lii 2023).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from ketapredict.simulate.effects import liability_mean, liability_spread
from ketapredict.simulate.scenario import Scenario
from ketapredict.simulate.time_course import design_of

CLASSES = ("none", "partial", "robust")
STEPS = 4
CLASS_OF_STEP = np.array([0, 1, 2, 2], dtype=np.int8)  # robust with and without residual symptoms
SITE_SPREAD = 0.35
_SHARE_NONE, _SHARE_ROBUST = 0.28, 0.38
_REFERENCE_SPREAD = 1.14  # about the SD of L at the defaults: sqrt(1 + SITE_SPREAD^2 + 0.4^2)
_CUTS = np.array([-0.5828, 0.3055, 0.8779]) * _REFERENCE_SPREAD
_AT_CUTS = np.array([0, 0, 1])  # which eta counts at each cut: some, some, full
_BLINDED_COURSE = -0.55

# (first infusion, later) by design and setting.
_SHIFTS: dict[tuple[str, str], tuple[float, float]] = {
    ("single", "clinic"): (-0.05, -0.05),
    ("single", "trial"): (0.05, 0.05),
    ("course", "clinic"): (-1.00, -0.07),
    ("course", "trial"): (-1.00, 0.42),
    ("gradual", "clinic"): (0.0, 0.0),
    ("gradual", "trial"): (0.0, 0.0),
}
# (first infusion or one infusion, later in a course): with midazolam expectation works on (KARMA-Dep 2: 33%).
_CONTROL_SHIFTS = {"none": (0.0, 0.0), "midazolam": (-0.95, -0.5), "saline": (-2.1, -2.1), "anaesthesia": (-0.1, -0.1)}
_ANAESTHESIA_TRIAL = 0.25
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Shifts:
    """Shifts of the liability of one arm: for the first infusion and for the course."""

    first: float
    late: float


def shifts(scenario: Scenario, *, control: bool) -> Shifts:
    """Return the shifts of the active arm, or of the control arm."""
    design = design_of(scenario)
    first, late = _SHIFTS[design, scenario.setting]
    if scenario.control == "anaesthesia":
        first, late = first + _ANAESTHESIA_TRIAL, late + _ANAESTHESIA_TRIAL
    elif scenario.control != "none" and design == "course":
        late += _BLINDED_COURSE
    if control:
        once, repeated = _CONTROL_SHIFTS[scenario.control]
        first, late = first + once, late + (repeated if design == "course" else once)
    return Shifts(first, late)


def steps_of(liabilities: np.ndarray) -> np.ndarray:
    """Return the step of each course from its liabilities (some, full), (n, 2): 0 none, 1 partial, 2 and 3 robust."""
    above = np.logical_and.accumulate(liabilities[:, _AT_CUTS] > _CUTS, axis=1)
    assigned: np.ndarray = above.sum(axis=1, dtype=np.int8)
    return assigned


def joint_shares(first: np.ndarray, late: np.ndarray, spread: np.ndarray, same: float) -> np.ndarray:
    """Return the probability of each pair of steps, (n, 4, 4): first infusion, course.

    Parameters
    ----------
    first, late : numpy.ndarray
        Means of the liabilities (some, full) without epsilon, (n, 2).
    spread : numpy.ndarray
        SD of what is unknown in both alike (site, empty covariates), (n, 2) or (2,); integrated by
        Gauss-Hermite quadrature with nine nodes, as one normal that moves all cuts.
    same : float
        lambda, the probability that both have the same epsilon.
    """
    shares = np.zeros((len(first), STEPS, STEPS))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        below_first, below_late = _below(first + node * spread), _below(late + node * spread)
        apart_first, apart_late = np.diff(below_first), np.diff(below_late)
        lower = np.maximum(below_first[:, :-1, None], below_late[:, None, :-1])
        upper = np.minimum(below_first[:, 1:, None], below_late[:, None, 1:])
        together = np.maximum(upper - lower, 0.0)
        shares += weight * (same * together + (1.0 - same) * apart_first[:, :, None] * apart_late[:, None, :])
    return shares


def population_shares(scenario: Scenario, same: float, *, control: bool = False) -> np.ndarray:
    """Return the shares of pairs of steps over the scenario's courses, (4, 4)."""
    shift = shifts(scenario, control=control)
    mean = liability_mean(scenario)
    spread = np.hypot(SITE_SPREAD, liability_spread(scenario))
    return joint_shares((shift.first + mean)[None], (shift.late + mean)[None], spread, same)[0]


def _below(liabilities: np.ndarray) -> np.ndarray:
    """Return P(step < 0, 1, 2, 3, 4) from liabilities (n, 2), (n, 5)."""
    edge = np.zeros((len(liabilities), 1))
    below = np.maximum.accumulate(ndtr(_CUTS - liabilities[:, _AT_CUTS]), axis=1)
    return np.hstack([edge, below, edge + 1.0])
