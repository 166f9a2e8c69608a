"""The end score by ridge regression, turned into log-odds of reaching a threshold.

The yes/no outcome throws away how far a patient got. With the end score predicted as m and errors that
follow a logistic distribution of scale s, P(end score <= threshold) = expit((threshold - m) / s): linear
in the features, like the other members. End scores of responders and non-responders make two heaps rather
than one, so a shift brings the mean of the out-of-fold probabilities to the observed rate.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.base import BaseEstimator

from ketapredict.model.signed_quadratic import signed_minimum

# Standard deviation of the standard logistic distribution.
LOGISTIC_SD = np.pi / np.sqrt(3.0)


class EndScoreRegression(BaseEstimator):  # type: ignore[misc]
    """Ridge regression of the end score; log-odds of an end score at or under a threshold.

    The last column of X is the threshold, on the scale of the end score; the others are standardised.

    Parameters
    ----------
    penalty : float
        Ridge penalty: minimises mean squared error + penalty * |b - towards|_2^2; the intercept is free.
    residual_sd : float
        Standard deviation of out-of-fold residuals, on the scale of the end score.
    shift : float
        Added to the log-odds.
    signs : tuple of int or None
        Sign of the effect on the *log-odds* for each column but the last: a positive sign keeps the
        coefficient for the end score at or under zero.
    towards : tuple of float or None
        What the coefficients are drawn to instead of 0.
    """

    def __init__(
        self,
        penalty: float = 0.1,
        residual_sd: float = 0.1,
        shift: float = 0.0,
        signs: tuple[int, ...] | None = None,
        towards: tuple[float, ...] | None = None,
    ) -> None:
        self.penalty = penalty
        self.residual_sd = residual_sd
        self.shift = shift
        self.signs = signs
        self.towards = towards

    def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None) -> Self:
        """Fit to X (n, p + 1) and end scores y (n,)."""
        self.intercept_, self.coef_ = ridge_with_signs(
            X[:, :-1], y, self.penalty, self.signs, sample_weight, self.towards
        )
        self.logistic_scale_ = self.residual_sd / LOGISTIC_SD
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return predicted end scores (n,)."""
        return self.intercept_ + X[:, :-1] @ self.coef_

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Return log-odds (n,)."""
        return (X[:, -1] - self.predict(X)) / self.logistic_scale_ + self.shift


def shift_to_rate(log_odds: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return what must be added to log-odds (n,) for their mean probability to be the rate of the labels (n,)."""
    rate = np.average(labels, weights=weights)
    # Beyond these ends every probability is on one side of the rate.
    low, high = logit(rate) - log_odds.max() - 1.0, logit(rate) - log_odds.min() + 1.0
    return float(brentq(lambda shift: np.average(expit(log_odds + shift), weights=weights) - rate, low, high))


def ridge_with_signs(
    X: np.ndarray,
    y: np.ndarray,
    penalty: float,
    signs: tuple[int, ...] | None,
    weights: np.ndarray | None = None,
    towards: Sequence[float] | None = None,
) -> tuple[float, np.ndarray]:
    """Return intercept and coefficients; see `EndScoreRegression`."""
    intercepts, coefficients = ridge_path(X, y, np.array([penalty]), signs, weights, towards)
    return float(intercepts[0]), coefficients[0]


def ridge_path(
    X: np.ndarray,
    y: np.ndarray,
    penalties: np.ndarray,
    signs: tuple[int, ...] | None,
    weights: np.ndarray | None = None,
    towards: Sequence[float] | np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return intercepts (m,) and coefficients (m, p) for m penalties; see `EndScoreRegression`."""
    n, p = X.shape
    share = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    x_mean, y_mean = share @ X, float(share @ y)
    centred = X - x_mean
    products, pull = (centred.T * share) @ centred, centred.T @ (share * (y - y_mean))
    sides = np.zeros(p) if signs is None else -np.asarray(signs)
    nothing = np.zeros(p)
    expected = nothing if towards is None else np.asarray(towards)
    coefficients = np.empty((len(penalties), p))
    start = pull
    for position, penalty in enumerate(penalties):
        curvature = products + penalty * np.eye(p)
        start = signed_minimum(curvature, pull + penalty * expected, nothing, sides, start)
        coefficients[position] = start
    return y_mean - coefficients @ x_mean, coefficients
