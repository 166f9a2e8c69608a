"""The tree member: shallow, regularised gradient boosting, monotone where the direction is beyond doubt."""

from collections.abc import Sequence

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from ketapredict.features.design import Feature

# Depth 2 is what the exact lookup tables of the contributions need; deeper trees were worse.
TREE_DEPTH = 2
MOST_TREES = 200
TREE_COUNTS = (25, 50, 100, MOST_TREES)


def tree_pipeline(features: Sequence[Feature], n_trees: int, event_rate: float, seed: int) -> Pipeline:
    """Build the scikit-learn pipeline of the tree member.

    Values are rounded down to the feature's resolution before fitting: thresholds then lie on that grid,
    hold no patient's own value, and mean the same for values that were not rounded.
    """
    from xgboost import XGBClassifier

    resolution = np.array([feature.resolution for feature in features])
    booster = XGBClassifier(
        n_estimators=n_trees,
        max_depth=TREE_DEPTH,
        learning_rate=0.05,
        min_child_weight=3.0,
        reg_lambda=5.0,
        subsample=0.8,
        colsample_bytree=0.7,
        tree_method="hist",
        max_bin=64,
        monotone_constraints=tuple(feature.direction for feature in features),
        base_score=event_rate,
        random_state=seed,
        n_jobs=1,
    )
    grid = FunctionTransformer(round_down, kw_args={"resolution": resolution}, check_inverse=False)
    return Pipeline([("grid", grid), ("trees", booster)])


def round_down(values: np.ndarray, resolution: np.ndarray) -> np.ndarray:
    """Round values (n, p) down to multiples of the resolution (p,); NaN stays."""
    # The small amount keeps multiples that floating point puts just under the grid where they belong.
    return np.round(np.floor(values / resolution + 1e-9) * resolution, 10)
