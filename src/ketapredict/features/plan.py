"""Which features a set of training courses can carry: values, missingness indicators, curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.features.design import Feature

KNOT_QUANTILES = (0.05, 0.35, 0.65, 0.95)
# An indicator of missingness or a rare level with fewer courses on either side cannot be told from noise.
FEWEST_ON_EITHER_SIDE = 5
FEWEST_DISTINCT_FOR_CURVE = 8


@dataclass(frozen=True, slots=True)
class DesignPlan:
    """The features that enter, in the order of the design.

    Attributes
    ----------
    values : tuple of Feature
        Features that vary enough to enter.
    missing : tuple of Feature
        Those of them whose missingness enters as well.
    curves : tuple of Feature
        Those of them that also enter as curves.
    knots : tuple of tuple of float
        Inner knots of each curve, rounded to the feature's resolution: no patient's own value.
    """

    values: tuple[Feature, ...]
    missing: tuple[Feature, ...]
    curves: tuple[Feature, ...]
    knots: tuple[tuple[float, ...], ...]


def plan_design(frame: pd.DataFrame, features: Sequence[Feature]) -> DesignPlan:
    """Decide which features enter, from training courses and without looking at the outcome.

    Parameters
    ----------
    frame : pandas.DataFrame
        (n, features) float64 with NaN for missing.
    features : sequence of Feature

    Returns
    -------
    DesignPlan
    """
    values, missing, curves, knots = [], [], [], []
    for feature in features:
        column = frame[feature.name].to_numpy(float)
        known = column[~np.isnan(column)]
        if not _varies(known, feature):
            continue
        values.append(feature)
        n_missing = len(column) - len(known)
        if min(n_missing, len(known)) >= FEWEST_ON_EITHER_SIDE and feature.direction == 0:
            missing.append(feature)
        inner = _knots(known, feature)
        if inner:
            curves.append(feature)
            knots.append(inner)
    return DesignPlan(tuple(values), tuple(missing), tuple(curves), tuple(knots))


def _varies(known: np.ndarray, feature: Feature) -> bool:
    if len(known) < FEWEST_ON_EITHER_SIDE:
        return False
    if feature.binary:
        ones = int(known.sum())
        return min(ones, len(known) - ones) >= FEWEST_ON_EITHER_SIDE
    most_common = np.unique(known, return_counts=True)[1].max()
    return bool(len(known) - most_common >= FEWEST_ON_EITHER_SIDE)


def _knots(known: np.ndarray, feature: Feature) -> tuple[float, ...]:
    if feature.binary or len(np.unique(known)) < FEWEST_DISTINCT_FOR_CURVE:
        return ()
    quantiles = np.quantile(known, KNOT_QUANTILES)
    steps = np.round(quantiles / feature.resolution).astype(int)
    if len(np.unique(steps)) < len(steps):
        return ()
    return tuple(round(float(step) * feature.resolution, 10) for step in steps)
