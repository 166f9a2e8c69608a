"""How many courses the development of a model needs: Riley's criteria for a binary outcome."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm

SHRINKAGE = 0.9
# Under the first nothing is discriminated, over the second share of the largest possible all is.
LEAST_R2, MOST_OF_R2 = 1e-4, 0.999
OPTIMISM_SHARE = 0.05  # of the largest possible R2
RISK_MARGIN = 0.05
_Z = 1.96  # as published


@dataclass(frozen=True, slots=True)
class RequiredSampleSize:
    """Courses that each criterion asks for.

    Attributes
    ----------
    shrinkage : int
        For predictor effects that need shrinking by no more than a tenth.
    optimism : int
        For an apparent Nagelkerke R2 that is at most 0.05 too high.
    overall_risk : int
        For an overall risk that is known to within 0.05.
    parameters : int
    prevalence : float
    r2 : float
        Anticipated Cox-Snell R2.
    """

    shrinkage: int
    optimism: int
    overall_risk: int
    parameters: int
    prevalence: float
    r2: float

    @property
    def courses(self) -> int:
        """The largest of the three."""
        return max(self.shrinkage, self.optimism, self.overall_risk)

    @property
    def events_per_parameter(self) -> float:
        """Events per parameter in a sample of that size."""
        return self.courses * self.prevalence / self.parameters


def cox_snell_r2(c: float, prevalence: float) -> float:
    """Return the Cox-Snell R2 of a model with some c-statistic.

    The linear predictor is taken as normal with the same variance in events and others: N(d, 1) and N(0, 1)
    with d = sqrt(2) Phi^-1(c). Then log-odds = log(prevalence / (1 - prevalence)) - d^2 / 2 + d x exactly,
    and R2 = 1 - exp(-2 (l - l0)) with l, l0 the expected log-likelihood per course of that model and of the
    prevalence. Riley 2021 simulates a large sample from this model; the expectation is integrated here, so
    that there is no Monte Carlo error.

    Parameters
    ----------
    c : float
        0.5 to under 1.
    prevalence : float
        Over 0 and under 1.

    References
    ----------
    Riley, Van Calster and Collins, Stat Med 2021;40:859 (doi:10.1002/sim.8806).
    """
    if not (0.5 <= c < 1 and 0 < prevalence < 1):
        raise ValueError("expected a c-statistic from 0.5 to under 1 and a prevalence between 0 and 1")
    distance = np.sqrt(2) * norm.ppf(c)
    constant = np.log(prevalence / (1 - prevalence)) - distance**2 / 2

    def among_events(x: float) -> float:
        return float(-norm.pdf(x - distance) * np.logaddexp(0.0, -(constant + distance * x)))

    def among_others(x: float) -> float:
        return float(-norm.pdf(x) * np.logaddexp(0.0, constant + distance * x))

    reached = prevalence * quad(among_events, distance - 10, distance + 10)[0]
    reached += (1 - prevalence) * quad(among_others, -10, 10)[0]
    return float(1 - np.exp(-2 * (reached - _null_log_likelihood(prevalence))))


def largest_cox_snell_r2(prevalence: float) -> float:
    """Return the Cox-Snell R2 of a perfect model, 1 - [phi^phi (1 - phi)^(1 - phi)]^2."""
    return float(1 - np.exp(2 * _null_log_likelihood(prevalence)))


def required_sample_size(parameters: int, prevalence: float, r2: float) -> RequiredSampleSize:
    """Return the sample size that Riley's criteria ask for.

    With P parameters, prevalence phi and S = 0.9: n1 = P / [(S - 1) log(1 - R2 / S)]; n2 the same with
    S = R2 / (R2 + 0.05 max R2); n3 = (1.96 / 0.05)^2 phi (1 - phi); each rounded up. pmsampsize (R) rounds
    max R2 to two and S of n2 to three digits on the way and so differs by about 1% in n2.

    Parameters
    ----------
    parameters : int
        Candidate predictor parameters, at least 1: every coefficient that could have been chosen.
    prevalence : float
        Over 0 and under 1.
    r2 : float
        Anticipated Cox-Snell R2, over 0; from `cox_snell_r2` where only a c-statistic is known.

    References
    ----------
    Riley et al., Stat Med 2019;38:1276 (doi:10.1002/sim.7992); Riley et al., BMJ 2020;368:m441.
    """
    largest = largest_cox_snell_r2(prevalence)
    if parameters < 1 or not 0 < r2 < largest:
        raise ValueError("expected at least one parameter and an R2 over 0 and under that of a perfect model")
    by_optimism = r2 / (r2 + OPTIMISM_SHARE * largest)
    return RequiredSampleSize(
        ceil(_courses_for(SHRINKAGE, parameters, r2)),
        ceil(_courses_for(by_optimism, parameters, r2)),
        ceil((_Z / RISK_MARGIN) ** 2 * prevalence * (1 - prevalence)),
        parameters,
        prevalence,
        r2,
    )


def expected_shrinkage(courses: int, parameters: int, r2: float) -> float:
    """Return the S that n courses give: the solution of n = P / [(S - 1) log(1 - R2 / S)], R2 to 1."""

    def excess(shrinkage: float) -> float:
        return float((shrinkage - 1) * np.log1p(-r2 / shrinkage) - parameters / courses)

    nearest = r2 * (1 + 1e-12)
    return float(brentq(excess, nearest, 1.0)) if excess(nearest) > 0 else r2


def courses_are_enough(courses: int, parameters: int, prevalence: float, c: float) -> bool:
    """Return whether Riley's criteria are met; parameters as `sample_size_statement`."""
    r2 = cox_snell_r2(max(c, 0.5), prevalence)
    if not LEAST_R2 <= r2 < largest_cox_snell_r2(prevalence) * MOST_OF_R2:
        return False
    return courses >= required_sample_size(parameters, prevalence, r2).courses


def sample_size_statement(courses: int, parameters: int, prevalence: float, c: float) -> str:
    """Say in words whether the courses at hand are enough, which criterion asks for most, and for how many more.

    Parameters
    ----------
    courses : int
        At hand.
    parameters : int
    prevalence : float
    c : float
        Anticipated c-statistic, over 0.5; from other data or by cross-validation, never the apparent one.
    """
    counted = f"{courses} courses, {parameters} parameter{'s' if parameters != 1 else ''}"
    r2 = cox_snell_r2(max(c, 0.5), prevalence)
    if r2 < LEAST_R2:
        return f"{counted}: an AUC of {c:.2f} is no discrimination; no number of courses is enough."
    if r2 >= largest_cox_snell_r2(prevalence) * MOST_OF_R2:
        return f"{counted}: an AUC of {c:.2f} is too good to plan by; suspect leakage."
    needed = required_sample_size(parameters, prevalence, r2)
    basis = f"for an AUC of {c:.2f} at a prevalence of {prevalence:.2f}"
    if courses_are_enough(courses, parameters, prevalence, c):
        return f"{counted}: enough {basis} (at least {needed.courses} by Riley's criteria)."
    reasons = {
        f"to keep overfitting small (expected shrinkage now {expected_shrinkage(courses, parameters, r2):.2f}, "
        f"{SHRINKAGE:g} is asked for)": needed.shrinkage,
        "to keep the optimism of the apparent R2 small": needed.optimism,
        "to know the overall risk to within 0.05": needed.overall_risk,
    }
    reason = max(reasons, key=lambda name: reasons[name])
    return (
        f"{counted}: not enough {basis}; {needed.courses - courses} more are needed ({needed.courses} in all), "
        f"above all {reason}."
    )


def _courses_for(shrinkage: float, parameters: int, r2: float) -> float:
    return float(parameters / ((shrinkage - 1) * np.log1p(-r2 / shrinkage)))


def _null_log_likelihood(prevalence: float) -> float:
    return float(prevalence * np.log(prevalence) + (1 - prevalence) * np.log(1 - prevalence))
