"""XGBoost's trees as plain arrays, read without importing XGBoost, and their margin by walking them.

The walk knows nothing of the lookup tables (`model.tree_tables`): it is what their contributions are held against.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ketapredict.errors import ModelError
from ketapredict.model.ubjson import parse_ubjson

_FOREIGN = "this bundle was not made by ketapredict."
# The two levels of splits of a tree: its root, then the children of it.
_SPLITS, _LEAVES = 3, 4


@dataclass(frozen=True, slots=True)
class Split:
    """One step on the way to a leaf.

    Attributes
    ----------
    feature : int
    threshold : numpy.float32
        Values below it go left.
    goes_left, missing_too : bool
        Which way this path goes, and whether missing values go the same way.
    cover_ratio : float
        Cover of the child over that of the parent.
    """

    feature: int
    threshold: np.float32
    goes_left: bool
    missing_too: bool
    cover_ratio: float


@dataclass(frozen=True, slots=True)
class Booster:
    """Trees of depth <= 2 for log-odds.

    Attributes
    ----------
    base_margin : float
    leaves : tuple of (float, tuple of Split)
        Every leaf's value with the way from the root to it.
    features, thresholds, missing_left : numpy.ndarray
        (trees, 3) the splits of each tree: root, left child, right child. A node that is no split sends all left.
    values : numpy.ndarray
        (trees, 4) leaf values from left to right.
    """

    base_margin: float
    leaves: tuple[tuple[float, tuple[Split, ...]], ...]
    features: np.ndarray
    thresholds: np.ndarray
    missing_left: np.ndarray
    values: np.ndarray

    def margin(self, values: np.ndarray) -> np.ndarray:
        """Return the log-odds (n,) of values (n, features), NaN for missing, by walking every tree."""
        # XGBoost compares single-precision numbers.
        narrow = values.astype(np.float32)
        rows, trees = np.arange(len(values))[:, None], np.arange(len(self.features))
        right = self._goes_right(narrow[:, self.features[:, 0]], 0)
        node = 1 + right
        inner = narrow[rows, self.features[trees, node]]
        missing_left, threshold = self.missing_left[trees, node], self.thresholds[trees, node]
        right_again = np.where(np.isnan(inner), ~missing_left, inner >= threshold)
        return np.asarray(self.base_margin + self.values[trees, 2 * right + right_again].sum(axis=1))

    def _goes_right(self, values: np.ndarray, node: int) -> np.ndarray:
        return np.where(np.isnan(values), ~self.missing_left[:, node], values >= self.thresholds[:, node]).astype(int)


def read_booster(content: bytes) -> Booster:
    """Read the UBJSON of an XGBoost model of trees of depth <= 2.

    Raises
    ------
    ModelError
        If it is something else, a tree is deeper, splits on categories, or the objective is not binary logistic.
    """
    try:
        learner = parse_ubjson(content)["learner"]
        if learner["objective"]["name"] != "binary:logistic":
            raise ModelError(f"Expected trees with a logistic objective; {_FOREIGN}")
        trees = [_plain(tree) for tree in learner["gradient_booster"]["model"]["trees"]]
        base_margin = _base_margin(learner["learner_model_param"]["base_score"])
    except (ValueError, KeyError, TypeError):
        raise ModelError("Expected trees in XGBoost's UBJSON; found something else or damaged ones.") from None
    leaves = [leaf for tree in trees for leaf in _leaves(tree, node=0, path=())]
    features = np.zeros((len(trees), _SPLITS), dtype=np.intp)
    thresholds = np.full((len(trees), _SPLITS), np.inf, dtype=np.float32)
    missing_left = np.ones((len(trees), _SPLITS), dtype=bool)
    values = np.zeros((len(trees), _LEAVES))
    for number, tree in enumerate(trees):
        left, right = tree["left_children"], tree["right_children"]
        for place, node in enumerate((0, left[0], right[0])):
            # Below a root that is a leaf, both sides are that leaf again.
            node = max(node, 0)
            if left[node] < 0 or (place and left[0] < 0):
                ends = (node, node)
            else:
                features[number, place] = tree["split_indices"][node]
                thresholds[number, place] = tree["split_conditions"][node]
                missing_left[number, place] = tree["default_left"][node] != 0
                ends = (left[node], right[node])
            if place:
                values[number, 2 * place - 2 : 2 * place] = [tree["split_conditions"][end] for end in ends]
    return Booster(base_margin, tuple(leaves), features, thresholds, missing_left, values)


def _plain(tree: dict[str, Any]) -> dict[str, list[Any]]:
    names = (
        "left_children", "right_children", "split_indices", "split_conditions", "default_left", "sum_hessian",
        "split_type",
    )  # fmt: skip
    return {name: np.asarray(tree[name]).tolist() for name in names}


def _leaves(tree: dict[str, list[Any]], node: int, path: tuple[Split, ...]) -> list[tuple[float, tuple[Split, ...]]]:
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left < 0:
        return [(float(tree["split_conditions"][node]), path)]
    if len(path) == 2:
        raise ModelError(f"Expected trees of depth 2 at most; {_FOREIGN}")
    if tree["split_type"][node] != 0:
        raise ModelError(f"Expected splits on numbers; {_FOREIGN}")
    found = []
    for child, goes_left in ((left, True), (right, False)):
        split = Split(
            int(tree["split_indices"][node]),
            np.float32(tree["split_conditions"][node]),
            goes_left,
            (tree["default_left"][node] != 0) == goes_left,
            tree["sum_hessian"][child] / tree["sum_hessian"][node],
        )
        found.extend(_leaves(tree, child, (*path, split)))
    return found


def _base_margin(base_score: str) -> float:
    # XGBoost writes a vector of one number since 3.1.
    rate = float(np.float32(base_score.strip("[]")))
    return float(np.log(rate / (1.0 - rate)))
