r"""Which ratings are there: single ratings that did not take place, and courses that stop.

After the first day a course may stop before each further rating up to the outcome, with chance

.. math:: p_t = 1 - (1 - D)^{1/m} \text{ on average, proportional to } \exp(-1.4\,y)

D the share of courses without an outcome, m the number of such ratings, y the improvement last observed
(0 where there is none): who does badly stops more often, 11% all together (Gutierrez 2024 11.3%, Oughli
2023 12%, Shiroma 2014 14.3%; range 4 to 20%). As it depends on observed scores only, it can be ignored in
the known truth. The strength 1.4 and the 3% of single ratings missed are assumed.
"""

import numpy as np

from ketapredict.simulate.classes import population_shares
from ketapredict.simulate.model import Model, moments

STRENGTH = 1.4
MISSED_RATING_SHARE = 0.03
_FIRST_DAY_HOURS = 36.0


def observed(scores: np.ndarray, baseline: np.ndarray, model: Model, rng: np.random.Generator) -> np.ndarray:
    """Return the scores (n, T) with NaN where a rating is missing; the outcome is missing by stopping only."""
    protocol = model.scenario.protocol
    outcome = protocol.position(protocol.outcome) - 1
    stays = [i for i, point in enumerate(protocol.time_points) if point.hours <= _FIRST_DAY_HOURS and i < outcome]
    first = len(stays)
    mean, covariance = moments(population_shares(model.scenario, model.same), model.means, model.covariance)
    seen = scores.astype(float)
    missed = rng.random(scores.shape, dtype=np.float32) < MISSED_RATING_SHARE
    missed[:, outcome] = False
    seen[missed] = np.nan
    gone = np.zeros(len(scores), dtype=bool)
    chance = 1.0 - (1.0 - model.scenario.dropout) ** (1.0 / (outcome - first + 1))
    latest = np.zeros(len(scores))
    for point in range(scores.shape[1]):
        if first <= point <= outcome:
            # The mean of exp(-strength x improvement), so that the chance is right on average.
            before = point - 1
            usual = np.exp(-STRENGTH * mean[before] + STRENGTH**2 * covariance[before, before] / 2) if point else 1.0
            gone |= rng.random(len(scores)) < np.minimum(chance * np.exp(-STRENGTH * latest) / usual, 0.9)
        seen[gone, point] = np.nan
        latest = np.where(np.isnan(seen[:, point]), latest, 1.0 - seen[:, point] / baseline)
    return seen
