"""Weights that let the courses with an outcome stand for those that reached the landmark but have none."""

import numpy as np

from ketapredict.model.uncertainty import logistic_mode

TRUNCATION = (1.0, 99.0)  # percentiles
RIDGE = 1.0  # on standardised columns: a standard normal prior of each log odds ratio
FEWEST_MISSING = 5


def completion_weights(features: np.ndarray, completed: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return stabilised, truncated weights of the completers, and the ends that they were truncated at.

    P(completed) / P(completed | features), the latter by logistic regression with a ridge on standardised
    features, missing values at the mean with an indicator beside them; truncated at the 1st and 99th percentile.
    With fewer than five courses without an outcome all weights are 1. They remove the bias of dropout that
    depends on what the model sees, not of dropout that depends on the outcome itself.

    Parameters
    ----------
    features : numpy.ndarray (n, k)
        NaN where missing.
    completed : numpy.ndarray of bool (n,)

    References
    ----------
    Robins, Hernan and Brumback, Epidemiology 2000;11:550 (stabilised weights); Cole and Hernan, Am J Epidemiol
    2008;168:656 (truncation).
    """
    if (~completed).sum() < FEWEST_MISSING or not completed.any():
        return np.ones(int(completed.sum())), (1.0, 1.0)
    missing = np.isnan(features)
    known = (~missing).any(axis=0)
    means = np.nansum(features, axis=0) / np.maximum((~missing).sum(axis=0), 1)
    filled = np.where(missing, means, features)[:, known]
    columns = np.hstack([filled, missing.astype(float)])
    spread = columns.std(axis=0)
    varied = spread > 1e-12
    standard = (columns[:, varied] - columns[:, varied].mean(axis=0)) / spread[varied]
    design = np.column_stack([np.ones(len(standard)), standard])
    precision = np.r_[0.0, np.full(standard.shape[1], RIDGE)]
    coefficients, _ = logistic_mode(design, completed.astype(float), precision)
    raw = completed.mean() * (1.0 + np.exp(-(design @ coefficients)))[completed]
    low, high = np.percentile(raw, TRUNCATION)
    return np.clip(raw, low, high), (float(low), float(high))
