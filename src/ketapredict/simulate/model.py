"""The model of one scenario with its numbers worked out: means, covariance, coupling of the classes."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from ketapredict.simulate.classes import Shifts, population_shares, shifts
from ketapredict.simulate.ratings import FIRST_DEPTHS, LATE_DEPTHS, RATER_SHARE, RATER_SPREAD, noise_covariance
from ketapredict.simulate.scenario import Scenario
from ketapredict.simulate.time_course import design_of, early_point, infusion_days, time_course

# CADSS at 40 min: its normal correlates with the latent improvement at day 1 (`peri_infusion`).
DISSOCIATION_CORRELATION = 0.20
_DAY = 24.0


@dataclass(frozen=True)
class Model:
    """What drawing and the known truth share.

    Attributes
    ----------
    scenario : Scenario
    means : numpy.ndarray
        (4, 4, T + 1) mean latent improvement by step (`classes`) at the first infusion and of the course; the last
        place is the normal behind the dissociation score.
    covariance : numpy.ndarray
        (T + 1, T + 1) covariance around them, raters included.
    same : float
        lambda, the probability that first infusion and course share their epsilon.
    active, control : Shifts
        Shifts of the liability by arm.
    infusions : tuple of float
        Days of the infusions.
    """

    scenario: Scenario
    means: np.ndarray
    covariance: np.ndarray
    same: float
    active: Shifts
    control: Shifts
    infusions: tuple[float, ...]

    @property
    def n_points(self) -> int:
        """Number of the protocol's time points, T."""
        return len(self.scenario.protocol.time_points)


@lru_cache(maxsize=64)
def model_of(scenario: Scenario) -> Model:
    """Work out the model of a scenario."""
    course = time_course(scenario)
    hours = np.append(course.hours, _DAY)
    day_one = time_course(scenario, np.array([_DAY]))
    names = ("present", "later", "onset", "drift")
    present, later, onset, drift = (np.append(getattr(course, name), getattr(day_one, name)) for name in names)
    # One infusion has no more to give later; its effect only fades.
    late_depths = FIRST_DEPTHS if design_of(scenario) == "single" else LATE_DEPTHS
    depths = (1.0 - later) * FIRST_DEPTHS[:, None, None] + later * late_depths[None, :, None]
    means = RATER_SHARE[scenario.rating_scale.rater] * (present * depths + drift)
    covariance = noise_covariance(hours, onset, scenario)
    same = _coupling(scenario, means, covariance)
    return Model(
        scenario,
        *_with_dissociation(scenario, means, covariance, same),
        same,
        shifts(scenario, control=False),
        shifts(scenario, control=True),
        infusion_days(scenario),
    )


def moments(shares: np.ndarray, means: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean (T,) and covariance (T, T) over steps with the shares (4, 4)."""
    weights = shares.reshape(-1)
    values = means.reshape(len(weights), -1)
    mean = weights @ values
    apart = values - mean
    return mean, covariance + (apart * weights[:, None]).T @ apart


def _coupling(scenario: Scenario, means: np.ndarray, covariance: np.ndarray) -> float:
    """Solve lambda for the early-to-end correlation; the nearest of 0 and 1 where it cannot be met."""
    protocol = scenario.protocol
    early, end = early_point(protocol), protocol.position(protocol.outcome) - 1
    if early == end:
        return scenario.early_end_correlation

    def excess(same: float) -> float:
        spread = moments(population_shares(scenario, same), means, covariance)[1]
        return float(spread[early, end] / np.sqrt(spread[early, early] * spread[end, end]))

    wanted = scenario.early_end_correlation
    if excess(0.0) >= wanted:
        return 0.0
    if excess(1.0) <= wanted:
        return 1.0
    return float(brentq(lambda same: excess(same) - wanted, 0.0, 1.0, xtol=1e-6))


def _with_dissociation(
    scenario: Scenario, means: np.ndarray, covariance: np.ndarray, same: float
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the last place (day 1) into the normal behind the dissociation score, without the rater's part."""
    mean, spread = moments(population_shares(scenario, same), means, covariance)
    slope = DISSOCIATION_CORRELATION / np.sqrt(spread[-1, -1])
    turned_means, turned = means.copy(), covariance - RATER_SPREAD**2
    turned_means[..., -1] = slope * (means[..., -1] - mean[-1])
    visit = turned[-1, -1]
    turned[-1, :] *= slope
    turned[:, -1] *= slope
    turned[-1, -1] = slope**2 * visit + 1.0 - DISSOCIATION_CORRELATION**2
    turned[:-1, :-1] += RATER_SPREAD**2
    return turned_means, turned
