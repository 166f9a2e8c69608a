"""How sure the estimated probability is: the spread of models that the training data leave possible.

The committee is shrunken on purpose: its members differ little from bootstrap sample to bootstrap sample,
and percentile intervals of it are far too narrow. What the data leave open shows in the posterior of a
logistic regression on the committee's own design (values, missingness, curves) under a wide prior, by the
Laplace approximation (MacKay 1992, doi:10.1162/neco.1992.4.5.720; Rasmussen and Williams 2006, section 3.4):

    b ~ N(0, P^-1),  b^ = argmax of the log posterior,  C = (X' W X + P)^-1,  W = diag(p (1 - p)),
    log-odds of x ~ N(x' b^, x' C x).

In directions that the data do not determine, the prior's own variance stays: shrinkage is covered on
average, and the interval widens with the distance from the training courses. The prior is fixed and says how
far log-odds can differ between patients at all: all columns of early improvement together have a standard
deviation of 1.75, all others together 0.75 (alone an AUC of 0.69, together 0.85: more than the 0.65 and 0.80
that EVIDENCE.md calls believable), in equal parts for each standardised column. Both numbers were chosen on
two simulated truths and held up on others, where they err on the wide side (coverage 0.89 to 1.00 of a nominal
0.90): `benchmarks/interval_coverage.py`.

The committee's own log-odds z are the better point estimate in some truths, x' b^ in others. The interval is
the central 90% of a normal distribution with the mean and the variance of both in equal parts,

    (z + x' b^) / 2    and    x' C x + (z - x' b^)^2 / 4,

which always holds z. It is about the probability given the model's inputs. It says nothing about what the
inputs leave out, nor about patients of another kind. Courses of one patient count as independent.
"""

import base64
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ketapredict.features.preparation import DesignColumn
from ketapredict.model.log_odds import expit

INTERVAL_LEVEL = 0.90
# Standard normal quantile of 0.95: 5% on either side.
NORMAL_QUANTILE = 1.6448536269514722
PRIOR_SD_EARLY, PRIOR_SD_OTHERS = 1.75, 0.75
EARLY = "early_improvement"
_INTERCEPT_PRECISION = 1e-4
# How far a new site may be from the parent: log-odds of the rate, slope, all other changes of a patient together.
SITE_SD_INTERCEPT, SITE_SD_SLOPE, SITE_SD_CHANGES = 1.0, 0.5, 0.4
_MOST_STEPS, _CONVERGED = 100, 1e-9
# Blocks of this size stay in the processor's cache.
_ROWS_AT_ONCE = 4096
# Ends of intervals have six decimals.
_STEPS = 1e6


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Posterior of the log-odds, as plain data; no course's value is in it.

    Attributes
    ----------
    scales : numpy.ndarray
        (p,) standard deviations of the design columns; 1 for constant ones.
    coefficients : numpy.ndarray
        (p + 1,) posterior mode: intercept at the training means, then per standard deviation.
    factor : numpy.ndarray
        (p + 1, p + 1) lower triangular L with L L' = posterior covariance, half-precision numbers.
    """

    scales: np.ndarray
    coefficients: np.ndarray
    factor: np.ndarray

    def log_odds(self, centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the log-odds, (n,) each.

        Parameters
        ----------
        centred : numpy.ndarray
            (n, p) design matrix less the training means.
        """
        centre = self.coefficients[0] + centred @ (self.coefficients[1:] / self.scales)
        # x' L L' x is the squared length of x' L.
        root = self.factor[1:] / self.scales[:, None]
        variance = np.empty(len(centred))
        for start in range(0, len(centred), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            spread = centred[rows] @ root + self.factor[0]
            variance[rows] = np.einsum("ij,ij->i", spread, spread)
        return centre, np.sqrt(variance)

    def to_plain(self) -> dict[str, Any]:
        """Return JSON values: numbers, and the factor's lower triangle by rows as base64 of little-endian float16."""
        rows = self.factor[np.tril_indices(len(self.factor))]
        return {
            "level": INTERVAL_LEVEL,
            "prior_sd": {"early_improvement": PRIOR_SD_EARLY, "others": PRIOR_SD_OTHERS},
            "scales": self.scales.tolist(),
            "coefficients": self.coefficients.tolist(),
            "factor": base64.b64encode(rows.astype("<f2").tobytes()).decode("ascii"),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Self:
        """Read what `to_plain` wrote; raises ValueError if the sizes do not agree."""
        coefficients = np.array(plain["coefficients"], dtype=float)
        size = len(coefficients)
        stored = base64.b64decode(plain["factor"], validate=True)
        if len(stored) != size * (size + 1) or len(plain["scales"]) != size - 1:
            raise ValueError("sizes of the uncertainty")
        rows = np.frombuffer(stored, "<f2").astype(float)
        factor = np.zeros((size, size))
        factor[np.tril_indices(size)] = rows
        return cls(np.array(plain["scales"], dtype=float), coefficients, factor)


def fit_uncertainty(
    centred: np.ndarray,
    columns: tuple[DesignColumn, ...],
    labels: np.ndarray,
    weights: np.ndarray | None = None,
) -> Uncertainty:
    """Find the posterior of the log-odds.

    Parameters
    ----------
    centred : numpy.ndarray
        (n, p) design matrix of the training courses less its means.
    columns : tuple of DesignColumn
        p columns: their concepts say which part of the prior is theirs.
    labels : numpy.ndarray
        (n,) of 0 and 1.
    weights : numpy.ndarray (n,) or None
        How much each course counts.

    Returns
    -------
    Uncertainty
        The same input gives the same numbers.
    """
    spread = centred.std(axis=0)
    scales = _rounded(np.where(spread > 1e-9, spread, 1.0))
    early = np.array([column.concept == EARLY for column in columns], dtype=bool)
    variance = np.where(early, PRIOR_SD_EARLY**2 / max(early.sum(), 1), PRIOR_SD_OTHERS**2 / max((~early).sum(), 1))
    design = np.column_stack([np.ones(len(labels)), centred / scales])
    precision = np.r_[_INTERCEPT_PRECISION, 1.0 / variance]
    coefficients, information = logistic_mode(design, labels, precision, weights)
    factor = np.linalg.cholesky(np.linalg.inv(information))
    return Uncertainty(scales, _rounded(coefficients), factor.astype(np.float16).astype(float))


def updated_uncertainty(parent: Uncertainty, centred: np.ndarray, labels: np.ndarray) -> Uncertainty:
    """Return the posterior of the log-odds at a new site: the parent's, loosened, and drawn to the new courses.

    With b0 ~ N(b^, C) the parent's posterior, (i) for the part of a vector without the intercept and e0 for the
    intercept alone, the site's coefficients are

        b = b0 + a e0 + (s - 1) (i) b0 + (i) d,    a ~ N(0, 1),  s ~ N(1, 0.5),  d ~ N(0, 0.4 / sqrt(p)) each,

    or, to first order, b ~ N(b^, C + e0 e0' + 0.5^2 (i) b^ ((i) b^)' + 0.4^2 / p (i) I). The likelihood of the new
    courses turns this prior into the posterior, by the Laplace approximation as for training. So what the parent's
    courses left open and what the shift, the slope and the changes leave open are carried on together, less what
    the new courses say of either; and in the same way whichever update was chosen, so that a choice that was nearly
    another does not look certain. Approximations: how far sites differ is given and not estimated; the trees have no
    part in it (the updated log-odds enter by `probability_interval`); courses of one patient count as independent.
    On two simulated truths (parent of 300 courses; site of 80 or 200 courses with the same, a shifted, a flatter or
    other effects) it held the true probability in 0.89 to 1.00 of patients; the parent's own intervals held it in 0.69
    to 0.98, the least where the log-odds were 0.8 higher (`benchmarks/updating.py`).

    Parameters
    ----------
    parent : Uncertainty
    centred : numpy.ndarray
        (n, p) design matrix of the new courses less the means of the parent's training.
    labels : numpy.ndarray
        (n,) of 0 and 1.

    Returns
    -------
    Uncertainty
        The same input gives the same numbers.
    """
    from ketapredict.model.penalised_logistic import penalised_logistic  # imports SciPy

    p = len(parent.scales)
    slope = np.r_[0.0, parent.coefficients[1:]]
    covariance = parent.factor @ parent.factor.T + SITE_SD_SLOPE**2 * np.outer(slope, slope)
    covariance += np.diag(np.r_[SITE_SD_INTERCEPT**2, np.full(p, SITE_SD_CHANGES**2 / max(p, 1))])
    design = np.column_stack([np.ones(len(labels)), centred / parent.scales])
    coefficients, information = penalised_logistic(design, labels, np.linalg.inv(covariance), parent.coefficients)
    factor = np.linalg.cholesky(np.linalg.inv(information))
    return Uncertainty(parent.scales, _rounded(coefficients), factor.astype(np.float16).astype(float))


def probability_interval(
    centre: np.ndarray, deviation: np.ndarray, log_odds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and the upper end of the 90% interval of the probability, (n,) each, to six decimals.

    Parameters
    ----------
    centre, deviation : numpy.ndarray
        (n,) from `Uncertainty.log_odds`.
    log_odds : numpy.ndarray
        (n,) of the committee: its probabilities always lie inside.
    """
    middle = 0.5 * (centre + log_odds)
    reach = NORMAL_QUANTILE * np.hypot(deviation, 0.5 * (centre - log_odds))
    # The committee's log-odds lie inside by the formula; the outer functions see to the last digit. Rounding
    # outward makes the ends of a course the same however many others it is computed with.
    low, high = expit(np.minimum(middle - reach, log_odds)), expit(np.maximum(middle + reach, log_odds))
    return np.floor(low * _STEPS) / _STEPS, np.ceil(high * _STEPS) / _STEPS


def out_of_sample_deviations(uncertainty: Uncertainty, centred: np.ndarray) -> np.ndarray:
    """Return what the standard deviation of each training course (n,) would be had it not been trained on.

    v / (1 - w v) by the Sherman-Morrison formula, with v the variance and w = p (1 - p).
    """
    centre, deviation = uncertainty.log_odds(centred)
    weight = expit(centre) * expit(-centre)
    return np.asarray(deviation / np.sqrt(np.maximum(1.0 - weight * deviation**2, 1e-6)))


def logistic_mode(
    design: np.ndarray, labels: np.ndarray, precision: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode of a logistic regression with normal priors, and the negative Hessian there.

    Newton's method with halved steps.

    Parameters
    ----------
    design : numpy.ndarray (n, p)
    labels : numpy.ndarray (n,)
        0 or 1.
    precision : numpy.ndarray (p,)
        1 / variance of each prior.
    weights : numpy.ndarray (n,) or None
        How much each row counts.
    """
    w = np.ones(len(labels)) if weights is None else weights

    def loss(b: np.ndarray) -> float:
        eta = design @ b
        return float(w @ (np.logaddexp(0.0, eta) - labels * eta) + 0.5 * precision @ b**2)

    found = np.zeros(design.shape[1])
    value = loss(found)
    information = np.diag(precision)
    for _ in range(_MOST_STEPS):
        p = expit(design @ found)
        information = (design.T * (w * p * (1.0 - p))) @ design + np.diag(precision)
        step = np.linalg.solve(information, design.T @ (w * (labels - p)) - precision * found)
        if np.abs(step).max() < _CONVERGED:
            break
        size = 1.0
        while loss(found + size * step) > value + 1e-12 and size > 1e-6:
            size /= 2.0
        found = found + size * step
        value = loss(found)
    return found, information


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round to six significant digits: what is computed with is what is printed in the bundle."""
    return np.array([float(f"{value:.6g}") for value in values])
