"""Exact contributions of one landmark's model: per design column, summed per concept, checked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.errors import ModelError
from ketapredict.features.feature_column import EVERY, FeatureColumn
from ketapredict.model.landmark_model import Features, LandmarkModel
from ketapredict.model.log_odds import expit
from ketapredict.model.uncertainty import probability_interval

# Contributions are sums of double-precision numbers, the booster's own margin one of single-precision ones.
LARGEST_RESIDUAL = 1e-4
ROWS_CHECKED = 1000


@dataclass(frozen=True, slots=True)
class Estimates:
    """Log-odds = base_logit + the sum of contributions, for n courses.

    Attributes
    ----------
    base_logit : float
        Linear part at the training means plus the trees' cover-weighted expectation; not an average
        patient's, and not comparable between landmarks.
    concepts : tuple of str
        The k concepts, in the order in which they first appear.
    by_concept : numpy.ndarray
        (n, k).
    log_odds : numpy.ndarray
        (n,).
    largest_residual : float
        Largest difference from log-odds computed by another way, over the rows that were checked: all of a batch
        of up to 1,000; of more an even sample of 1,000, in which each landmark has its share, against XGBoost itself.
    p_low, p_high : numpy.ndarray
        (n,) 90% interval of the probability; NaN where the model has none.
    deviations : numpy.ndarray
        (n,) standard deviation of the log-odds; NaN where the model has none.
    """

    base_logit: float
    concepts: tuple[str, ...]
    by_concept: np.ndarray
    log_odds: np.ndarray
    largest_residual: float
    p_low: np.ndarray
    p_high: np.ndarray
    deviations: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """Probability (n,)."""
        return expit(self.log_odds)


@dataclass(frozen=True, slots=True)
class Contributions(Estimates):
    """Estimates with every single contribution.

    Attributes
    ----------
    columns : tuple of str
        Names of the p contributing terms: design columns, then `trees: <feature>`.
    column_concepts : tuple of str
        The concept of each.
    by_column : numpy.ndarray
        (n, p).
    """

    columns: tuple[str, ...]
    column_concepts: tuple[str, ...]
    by_column: np.ndarray


def add_up(base_logit: float, by_concept: np.ndarray) -> np.ndarray:
    """Return log-odds (n,): the base value plus the contributions (n, k), added from left to right."""
    total = np.full(len(by_concept), base_logit)
    for column in by_concept.T:
        total += column
    return total


def estimates(
    model: LandmarkModel,
    columns: Mapping[str, FeatureColumn],
    centred: np.ndarray | None = None,
    rows_of_batch: int | None = None,
) -> Estimates:
    """Compute contributions by concept for courses and check that they add up.

    Parameters
    ----------
    model : LandmarkModel
    columns : mapping of str to FeatureColumn
        n courses, from `features.design.feature_columns` with the model's features.
    centred : numpy.ndarray or None
        (n, p) from `LandmarkModel.centred_design`, where the caller has it.
    rows_of_batch : int or None
        Courses at all landmarks that are computed together, where the caller has more than these.

    Raises
    ------
    ModelError
        If contributions and independently computed log-odds differ by more than 1e-4.
    """
    by_concept, centre, deviations = model.additive.contributions(columns)
    log_odds = add_up(model.base_logit, by_concept.T)
    if centre is None or deviations is None:
        p_low = p_high = deviations = np.full(len(log_odds), np.nan)
    else:
        p_low, p_high = probability_interval(centre, deviations, log_odds)
    residual = _largest_residual(model, columns, log_odds, centred, rows_of_batch or len(log_odds))
    if residual > LARGEST_RESIDUAL:
        raise ModelError(
            f"Landmark {model.landmark}: contributions and log-odds differ by {residual:.1e}, more "
            f"than {LARGEST_RESIDUAL:g}. The model is damaged or of another XGBoost: do not use these numbers."
        )
    return Estimates(
        model.base_logit, model.additive.concepts, by_concept.T, log_odds, residual, p_low, p_high, deviations
    )


def contributions(model: LandmarkModel, frame: Features) -> Contributions:
    """Compute estimates with every single contribution; for explanations and reports.

    Parameters
    ----------
    model : LandmarkModel
    frame : pandas.DataFrame or mapping of str to numpy.ndarray
        (n, features) from `features.design` with the model's features.

    Raises
    ------
    ModelError
        As `estimates`.
    """
    values = frame if not isinstance(frame, pd.DataFrame) else {name: frame[name].to_numpy(float) for name in frame}
    centred = model.centred_design(values)
    found = estimates(model, {name: FeatureColumn(value) for name, value in values.items()}, centred)
    linear, trees = model.contributions(values, centred)
    concept_of_feature = {feature.name: feature.concept for feature in model.features}
    names = [column.name for column in model.columns] + [f"trees: {name}" for name in model.tree_features]
    owners = [column.concept for column in model.columns]
    owners += [concept_of_feature[name] for name in model.tree_features]
    return Contributions(
        found.base_logit,
        found.concepts,
        found.by_concept,
        found.log_odds,
        found.largest_residual,
        found.p_low,
        found.p_high,
        found.deviations,
        tuple(names),
        tuple(owners),
        np.hstack([linear, trees]),
    )


def _largest_residual(
    model: LandmarkModel,
    columns: Mapping[str, FeatureColumn],
    log_odds: np.ndarray,
    centred: np.ndarray | None,
    rows_of_batch: int,
) -> float:
    if not len(log_odds):
        return 0.0
    many = rows_of_batch > ROWS_CHECKED
    rows: slice | np.ndarray = EVERY
    if many:
        share = -(-ROWS_CHECKED * len(log_odds) // rows_of_batch)
        rows = np.unique(np.linspace(0, len(log_odds) - 1, share).astype(int))
        log_odds, centred = log_odds[rows], None if centred is None else centred[rows]
    values = {name: column.of_courses(column.different, rows) for name, column in columns.items()}
    independent = model.independent_log_odds(values, centred, by_xgboost=many)
    return float(np.abs(independent - log_odds).max())
