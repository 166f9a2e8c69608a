"""Boosted trees of depth <= 2 as lookup tables: the margin and its exact TreeSHAP contributions.

Path-dependent TreeSHAP is linear in the leaf values, so each leaf is taken alone. A leaf of value v has
on its path one feature i, or two, i and j. Let I be 1 where the course meets the leaf's conditions on
that feature and R the product of the cover ratios (child over parent) of the splits on it. Then

    phi_i = v (I_i - R_i)                       for one feature,
    phi_i = v (I_i - R_i) (I_j + R_j) / 2       for two,

and v R_i (R_j) goes to the expectation (Lundberg 2020, doi:10.1038/s42256-019-0138-9, written out for two
features). Summed over all leaves this is one table per feature and one per pair of features, over the
bins between their thresholds with one more bin for missing.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketapredict.errors import ModelError


@dataclass(frozen=True, slots=True)
class TreeTables:
    """An ensemble of trees, written out.

    Attributes
    ----------
    thresholds : tuple of numpy.ndarray
        For each feature its split values, ascending float32 (t,). Bin b holds values x with
        thresholds[b - 1] <= x < thresholds[b]; bin t + 1 holds missing values.
    expectation : float
        Cover-weighted mean margin, base score included.
    single : dict of int to numpy.ndarray
        For each feature the contribution of its single-feature leaves, by bin.
    pairs : dict of (int, int) to numpy.ndarray
        For each pair of features, contributions (2, bins of the first, bins of the second): row 0
        belongs to the first feature, row 1 to the second.
    """

    thresholds: tuple[np.ndarray, ...]
    expectation: float
    single: dict[int, np.ndarray]
    pairs: dict[tuple[int, int], np.ndarray]

    def bins(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of every value (n, features); NaN is the last bin."""
        # XGBoost compares single-precision numbers; so must the bins.
        narrow = values.astype(np.float32)
        found = np.empty(values.shape, dtype=np.int32, order="F")
        for feature, thresholds in enumerate(self.thresholds):
            column = narrow[:, feature]
            places = np.searchsorted(thresholds, column, side="right")
            found[:, feature] = np.where(np.isnan(column), len(thresholds) + 1, places)
        return found

    def contributions(self, values: np.ndarray) -> np.ndarray:
        """Return exact path-dependent TreeSHAP contributions (n, features) in log-odds.

        Parameters
        ----------
        values : numpy.ndarray
            (n, features) float64, NaN for missing.
        """
        found = self.bins(values)
        phi = np.zeros(values.shape, order="F")
        for feature, table in self.single.items():
            phi[:, feature] += table[found[:, feature]]
        for (first, second), tables in self.pairs.items():
            flat = found[:, first] * tables.shape[2] + found[:, second]
            phi[:, first] += tables[0].ravel()[flat]
            phi[:, second] += tables[1].ravel()[flat]
        return phi


def tree_tables(model_json: bytes, n_features: int) -> TreeTables:
    """Write an XGBoost model of trees of depth <= 2 out as tables.

    Parameters
    ----------
    model_json : bytes
        What `Booster.save_raw("json")` returns.
    n_features : int

    Raises
    ------
    ModelError
        If a tree is deeper than 2, splits on categories, or the objective is not binary logistic.
    """
    learner = json.loads(model_json)["learner"]
    if learner["objective"]["name"] != "binary:logistic":
        raise ModelError("Expected trees with a logistic objective; this bundle was not made by ketapredict.")
    leaves = [leaf for tree in learner["gradient_booster"]["model"]["trees"] for leaf in _leaves(tree, node=0, path=())]
    splits: list[set[np.float32]] = [set() for _ in range(n_features)]
    for _, path in leaves:
        for feature, threshold, *_ in path:
            splits[feature].add(threshold)
    thresholds = tuple(np.array(sorted(values), dtype=np.float32) for values in splits)
    expectation = _base_margin(learner["learner_model_param"]["base_score"])
    single: dict[int, np.ndarray] = {}
    pairs: dict[tuple[int, int], np.ndarray] = {}
    for value, path in leaves:
        conditions: dict[int, tuple[np.ndarray, float]] = {}
        for feature, threshold, goes_left, missing_goes_left, ratio in path:
            meets, ratios = conditions.get(feature, (1.0, 1.0))
            mask = _meets(thresholds[feature], threshold, goes_left, missing_goes_left)
            conditions[feature] = (meets * mask, ratios * ratio)
        if not conditions:
            expectation += value
        elif len(conditions) == 1:
            (i, (meets, ratio)), *_ = conditions.items()
            single.setdefault(i, np.zeros(len(thresholds[i]) + 2))
            single[i] += value * (meets - ratio)
            expectation += value * ratio
        else:
            (i, (meets_i, ratio_i)), (j, (meets_j, ratio_j)) = sorted(conditions.items())
            shape = (2, len(meets_i), len(meets_j))
            table = pairs.setdefault((i, j), np.zeros(shape))
            table[0] += value * np.outer(meets_i - ratio_i, meets_j + ratio_j) / 2.0
            table[1] += value * np.outer(meets_i + ratio_i, meets_j - ratio_j) / 2.0
            expectation += value * ratio_i * ratio_j
    return TreeTables(thresholds, float(expectation), single, pairs)


_Split = tuple[int, np.float32, bool, bool, float]


def _leaves(tree: dict[str, Any], node: int, path: tuple[_Split, ...]) -> list[tuple[float, tuple[_Split, ...]]]:
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left < 0:
        return [(float(np.float32(tree["split_conditions"][node])), path)]
    if len(path) == 2:
        raise ModelError("Expected trees of depth 2 at most; this bundle was not made by ketapredict.")
    if tree["split_type"][node] != 0:
        raise ModelError("Expected splits on numbers; this bundle was not made by ketapredict.")
    found = []
    for child, goes_left in ((left, True), (right, False)):
        split = (
            int(tree["split_indices"][node]),
            np.float32(tree["split_conditions"][node]),
            goes_left,
            bool(tree["default_left"][node]) == goes_left,
            float(tree["sum_hessian"][child]) / float(tree["sum_hessian"][node]),
        )
        found.extend(_leaves(tree, child, (*path, split)))
    return found


def _meets(thresholds: np.ndarray, threshold: np.float32, goes_left: bool, missing_too: bool) -> np.ndarray:
    """Return for each bin whether it meets a condition, as 1.0 or 0.0."""
    place = int(np.searchsorted(thresholds, threshold))
    bins = np.arange(len(thresholds) + 1)
    mask = (bins <= place) if goes_left else (bins > place)
    return np.append(mask, missing_too).astype(float)


def _base_margin(base_score: str) -> float:
    # XGBoost writes a vector of one number since 3.1.
    rate = float(np.float32(base_score.strip("[]")))
    return float(np.log(rate / (1.0 - rate)))
