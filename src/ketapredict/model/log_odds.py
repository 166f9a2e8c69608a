"""Log-odds and probabilities, without the cost of importing SciPy."""

import numpy as np


def expit(log_odds: np.ndarray | float) -> np.ndarray:
    """Return the probability of each log-odds, 1 / (1 + exp(-x)), without overflow."""
    shrunk = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(np.asarray(log_odds) >= 0, 1.0, shrunk) / (1.0 + shrunk))


def logit(probability: np.ndarray | float) -> np.ndarray:
    """Return the log-odds of each probability in (0, 1)."""
    p = np.asarray(probability, dtype=float)
    return np.asarray(np.log(p) - np.log1p(-p))
