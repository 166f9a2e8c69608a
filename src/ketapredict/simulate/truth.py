r"""The known truth: the probability of response and remission given what the table holds by a landmark.

For a course with covariates x (some empty), baseline score B and early scores s (some missing), and with
c running over the 16 pairs of steps (`classes`),

.. math:: P(Y = 1 \mid x, B, s) =
    \frac{\int \sum_c \pi_c(x)\, f_c(y)\, \Phi\{(\mu_c(y) - \theta_B) / \sigma\} \, dy}
         {\int \sum_c \pi_c(x)\, f_c(y) \, dy}

over the latent improvements y that round to the scores s.

* pi_c(x): shares of the pairs, with the site's effect and the empty covariates integrated by
  quadrature (`classes.joint_shares`, `effects.liability`).
* f_c: the Gaussian density of y given the pair, rater's leniency in its covariance; the dissociation
  score at 40 min is one more coordinate. mu_c(y), sigma: the end's conditional mean and SD. Both closed.
* theta_B: the improvement at which the end score rounds to the highest total that counts.
* The integral over rounding, of the dissociation score too: `DRAWS` points of a randomly shifted lattice inside
  the rounding cells of each course, a ratio estimate. Its standard error is by the delta method, as if the
  points were independent.

Site and rater are averaged out. Ratings and covariates are missing at random given the table, so that they need
no model. Approximation: empty covariates by linear projection. The tests compare with a brute-force simulation
and with the outcomes.
"""

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.outcomes import OUTCOMES, RESPONSE_FALL, Outcome
from ketapredict.cohort.protocols import BASELINE, PRE
from ketapredict.cohort.scales import Scale
from ketapredict.simulate.classes import SITE_SPREAD, STEPS, joint_shares
from ketapredict.simulate.columns import Columns, Words
from ketapredict.simulate.courses import Chunk
from ketapredict.simulate.effects import liability
from ketapredict.simulate.model import Model, model_of
from ketapredict.simulate.peri_infusion import dissociation_cells
from ketapredict.simulate.ratings import improvement_from, standard_severity
from ketapredict.simulate.scenario import Scenario

DRAWS = 16
_HALF_POINT = 0.5
_SMALLEST, _TINY = 1e-6, 1e-12


def true_probabilities(chunk: Chunk, scenario: Scenario) -> Columns:
    """Return the known truth of a chunk's courses.

    Returns
    -------
    Columns
        `course_id`; what is hidden (`courses.Chunk.hidden`); `response`, `remission`: the outcome had it been
        rated (1, 0; NaN where the scale has no remission cut); for each landmark L and outcome Y the
        probability `Y_at_L` and its Monte Carlo standard error `Y_at_L_se`.
    """
    model = model_of(scenario)
    truth: Columns = dict(chunk.hidden)
    baseline = np.asarray(chunk.table[f"score_{BASELINE}"], float)
    end = np.asarray(chunk.hidden[f"complete_score_{scenario.protocol.outcome}"], float)
    highest = {outcome: highest_end_score(baseline, scenario.rating_scale, outcome) for outcome in OUTCOMES}
    for outcome, limit in highest.items():
        truth[outcome] = np.where(np.isnan(limit), np.nan, (end <= limit).astype(float))
    shares = _class_shares(model, chunk.table, baseline).reshape(-1, STEPS**2)
    rng = np.random.default_rng(chunk.seed)
    for landmark in scenario.protocol.landmarks:
        for outcome, (value, error) in _at_landmark(model, chunk.table, baseline, shares, highest, landmark, rng):
            truth[f"{outcome}_at_{landmark}"] = value
            truth[f"{outcome}_at_{landmark}_se"] = error
    return truth


def highest_end_score(baseline: np.ndarray, scale: Scale, outcome: Outcome) -> np.ndarray:
    """Return the highest whole end score that counts, (n,); NaN where the course is not part of the analysis."""
    if outcome == "response":
        return np.floor(baseline * (1.0 - RESPONSE_FALL))
    if scale.remission_cut is None:
        return np.full(len(baseline), np.nan)
    return np.where(baseline > scale.remission_cut, float(scale.remission_cut), np.nan)


def _class_shares(model: Model, table: Columns, baseline: np.ndarray) -> np.ndarray:
    """Return the probability of each pair of steps given the covariates, (n, 4, 4)."""
    known = liability(table, standard_severity(baseline, model.scenario), model.scenario)
    control = _control(table)
    first = np.where(control, model.control.first, model.active.first)[:, None] + known.slowing + known.mean
    late = np.where(control, model.control.late, model.active.late)[:, None] + known.mean
    return joint_shares(first, late, np.sqrt(SITE_SPREAD**2 + known.variance), model.same)


def _control(table: Columns) -> np.ndarray:
    arm = table.get("arm")
    return arm.codes == 1 if isinstance(arm, Words) else np.zeros(len(table["course_id"]), dtype=bool)


def _at_landmark(
    model: Model,
    table: Columns,
    baseline: np.ndarray,
    shares: np.ndarray,
    highest: dict[Outcome, np.ndarray],
    landmark: str,
    rng: np.random.Generator,
) -> list[tuple[Outcome, tuple[np.ndarray, np.ndarray]]]:
    """Return value and standard error of each outcome at a landmark, (n,) each."""
    scenario, n = model.scenario, len(baseline)
    points = [] if landmark == PRE else scenario.protocol.points_until(landmark)
    scores = np.full((n, model.n_points + 1), np.nan)
    cells = np.zeros((n, 2))
    for number, point in enumerate(points):
        scores[:, number] = table[f"score_{point.name}"]
    known_at = declared_columns(scenario.protocol)["cadss_40min"].known_at
    if "cadss_40min" in table and known_at in [point.name for point in points]:
        scores[:, -1] = np.asarray(table["cadss_40min"], float)
        cells = ndtr(np.column_stack(dissociation_cells(scores[:, -1], _control(table))))
    thresholds = {}
    for outcome, limit in highest.items():
        cell = np.where(np.isnan(limit), 0.0, limit) + _HALF_POINT
        thresholds[outcome] = improvement_from(cell, baseline, scenario.rating_scale)[0]
    result = {outcome: (np.empty(n), np.empty(n)) for outcome in highest}
    seen = ~np.isnan(scores)
    bits = seen @ (1 << np.arange(seen.shape[1]))
    _, first, group = np.unique(bits, return_index=True, return_inverse=True)
    for number, example in enumerate(first):
        rows = np.flatnonzero(group == number)
        part = _Pattern(model, seen[example])
        numerators, denominators = part.integrate(
            scores[rows], cells[rows], baseline[rows], shares[rows], {o: t[rows] for o, t in thresholds.items()}, rng
        )
        for outcome, numerator in numerators.items():
            value = numerator.sum(axis=0) / denominators.sum(axis=0)
            spread = numerator - value * denominators
            error = np.sqrt((spread**2).sum(axis=0)) / denominators.sum(axis=0)
            result[outcome][0][rows] = np.clip(value, _SMALLEST, 1.0 - _SMALLEST)
            result[outcome][1][rows] = error if len(spread) > 1 else 0.0
    for outcome, limit in highest.items():
        for values in result[outcome]:
            values[np.isnan(limit)] = np.nan
    return list(result.items())


class _Pattern:
    """Courses that have the same scores: one Gaussian conditioning for all of them.

    Parameters
    ----------
    model : Model
    seen : numpy.ndarray of bool
        (T + 1,) which scores, and last the dissociation, are known.
    """

    def __init__(self, model: Model, seen: np.ndarray) -> None:
        self.scale = model.scenario.rating_scale
        self.seen = seen
        protocol = model.scenario.protocol
        end = protocol.position(protocol.outcome) - 1
        means = model.means.reshape(STEPS**2, -1)
        covariance = model.covariance
        inverse_root = np.linalg.inv(np.linalg.cholesky(covariance[np.ix_(seen, seen)]))
        self.inverse_root = inverse_root
        self.whitened_means = means[:, seen] @ inverse_root.T  # (pairs, observed)
        self.weights = inverse_root @ covariance[seen, end]  # of the whitened deviations
        self.end_means = means[:, end]
        self.end_spread = float(np.sqrt(covariance[end, end] - self.weights @ self.weights))

    def integrate(
        self,
        scores: np.ndarray,
        cells: np.ndarray,
        baseline: np.ndarray,
        shares: np.ndarray,
        thresholds: dict[Outcome, np.ndarray],
        rng: np.random.Generator,
    ) -> tuple[dict[Outcome, np.ndarray], np.ndarray]:
        """Return numerators and denominators at each lattice point, (draws, n), up to a factor per course."""
        rated = self.seen[:-1]
        draws = DRAWS if self.seen.any() else 1
        log_weights = np.empty((draws, len(baseline)))
        chances = {outcome: np.empty((draws, len(baseline))) for outcome in thresholds}
        shift = rng.random((len(baseline), int(self.seen.sum())))
        for draw in range(draws):
            place = _lattice(draw, shift)
            at, dissociated = place[:, : int(rated.sum())], place[:, int(rated.sum()) :]
            improvement, log_slope = self._inside_cells(scores[:, :-1][:, rated], baseline, at)
            if self.seen[-1]:
                # Even in probability inside the cell of the total, so that 0 and everything above it are alike.
                normal = ndtri(np.clip(cells[:, :1] + dissociated * (cells[:, 1:] - cells[:, :1]), _TINY, 1.0 - _TINY))
                improvement = np.hstack([improvement, normal])
                log_slope = log_slope + 0.5 * normal[:, 0] ** 2
            observed = improvement
            whitened = observed @ self.inverse_root.T
            apart = whitened[:, None, :] - self.whitened_means
            log_density = np.log(shares + 1e-300) - 0.5 * (apart**2).sum(axis=2)
            log_weights[draw] = logsumexp(log_density, axis=1)
            posterior = np.exp(log_density - log_weights[draw][:, None])
            log_weights[draw] += log_slope
            ends = self.end_means + apart @ self.weights
            for outcome, threshold in thresholds.items():
                chance = ndtr((ends - threshold[:, None]) / self.end_spread)
                chances[outcome][draw] = (posterior * chance).sum(axis=1)
        weights = np.exp(log_weights - log_weights.max(axis=0))
        return {outcome: chance * weights for outcome, chance in chances.items()}, weights

    def _inside_cells(
        self, scores: np.ndarray, baseline: np.ndarray, place: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return latent improvements (n, rated) that round to the scores, and the log of their slopes (n,)."""
        totals = np.where(scores > 0, scores + place - _HALF_POINT, np.maximum(_HALF_POINT * place, _SMALLEST))
        improvement, log_slope = improvement_from(totals, baseline[:, None], self.scale)
        return improvement, log_slope.sum(axis=1)


def _lattice(draw: int, shift: np.ndarray) -> np.ndarray:
    """Return a point of a rank-one lattice shifted by (n, d): powers of the root of x^(d + 1) = x + 1."""
    dimension = shift.shape[1]
    root = 2.0
    for _ in range(30):
        root = (1.0 + root) ** (1.0 / (dimension + 1.0))
    place: np.ndarray = np.mod(shift + draw * root ** -np.arange(1.0, dimension + 1.0), 1.0)
    return place
