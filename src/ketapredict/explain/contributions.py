"""Exact contributions of one landmark's model: per design column, summed per concept, checked."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from ketapredict.errors import ModelError
from ketapredict.model.landmark_model import LandmarkModel
from ketapredict.model.uncertainty import probability_interval

# Contributions are sums of double-precision numbers, the booster's own margin one of single-precision ones.
LARGEST_RESIDUAL = 1e-4
ROWS_CHECKED = 1000


@dataclass(frozen=True, slots=True)
class Contributions:
    """Log-odds = base_logit + the sum of contributions, for n courses.

    Attributes
    ----------
    base_logit : float
        Linear part at the training means plus the trees' cover-weighted expectation; not an average
        patient's, and not comparable between landmarks.
    columns : tuple of str
        Names of the p contributing terms: design columns, then `trees: <feature>`.
    column_concepts : tuple of str
        The concept of each.
    by_column : numpy.ndarray
        (n, p).
    concepts : tuple of str
        The k concepts, in the order in which they first appear.
    by_concept : numpy.ndarray
        (n, k).
    largest_residual : float
        Largest difference from log-odds computed by another way, over the rows that were checked: all of
        up to 1,000, an even sample of 1,000 of more.
    p_low, p_high : numpy.ndarray
        (n,) 90% interval of the probability; NaN where the model has none.
    deviations : numpy.ndarray
        (n,) standard deviation of the log-odds; NaN where the model has none.
    """

    base_logit: float
    columns: tuple[str, ...]
    column_concepts: tuple[str, ...]
    by_column: np.ndarray
    concepts: tuple[str, ...]
    by_concept: np.ndarray
    largest_residual: float
    p_low: np.ndarray
    p_high: np.ndarray
    deviations: np.ndarray

    @property
    def log_odds(self) -> np.ndarray:
        """Log-odds (n,)."""
        return add_up(self.base_logit, self.by_concept)

    @property
    def probability(self) -> np.ndarray:
        """Probability (n,)."""
        return np.asarray(expit(self.log_odds))


def add_up(base_logit: float, by_concept: np.ndarray) -> np.ndarray:
    """Return log-odds (n,): the base value plus the contributions (n, k), added from left to right."""
    total = np.full(len(by_concept), base_logit)
    for column in by_concept.T:
        total += column
    return total


def contributions(model: LandmarkModel, frame: pd.DataFrame) -> Contributions:
    """Compute the contributions for courses and check that they add up.

    Parameters
    ----------
    model : LandmarkModel
    frame : pandas.DataFrame
        (n, features) from `features.design.design_frame` with the model's features.

    Returns
    -------
    Contributions

    Raises
    ------
    ModelError
        If contributions and independently computed log-odds differ by more than 1e-4.
    """
    centred = model.centred_design(frame)
    linear, trees = model.contributions(frame, centred)
    concept_of_feature = {feature.name: feature.concept for feature in model.features}
    names = [column.name for column in model.columns] + [f"trees: {name}" for name in model.tree_features]
    owners = [column.concept for column in model.columns]
    owners += [concept_of_feature[name] for name in model.tree_features]
    by_column = np.hstack([linear, trees])
    concepts = tuple(dict.fromkeys(owners))
    # Column by column: the sum of a course then does not depend on how many others it is computed with.
    by_concept = np.zeros((len(frame), len(concepts)))
    for position, owner in enumerate(owners):
        by_concept[:, concepts.index(owner)] += by_column[:, position]
    log_odds = add_up(model.base_logit, by_concept)
    p_low = p_high = deviations = np.full(len(frame), np.nan)
    if model.uncertainty is not None:
        centre, deviations = model.uncertainty.log_odds(centred)
        p_low, p_high = probability_interval(centre, deviations, log_odds)
    result = Contributions(
        model.base_logit,
        tuple(names),
        tuple(owners),
        by_column,
        concepts,
        by_concept,
        _largest_residual(model, frame, log_odds),
        p_low,
        p_high,
        deviations,
    )
    if result.largest_residual > LARGEST_RESIDUAL:
        raise ModelError(
            f"Landmark {model.landmark}: contributions and log-odds differ by {result.largest_residual:.1e}, more "
            f"than {LARGEST_RESIDUAL:g}. The model is damaged or of another XGBoost: do not use these numbers."
        )
    return result


def _largest_residual(model: LandmarkModel, frame: pd.DataFrame, log_odds: np.ndarray) -> float:
    if not len(frame):
        return 0.0
    rows = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), ROWS_CHECKED)).astype(int))
    independent = model.independent_log_odds(frame.iloc[rows])
    return float(np.abs(independent - log_odds[rows]).max())
