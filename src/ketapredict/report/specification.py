r"""The whole model in tables, and one invented course computed from them step by step.

.. math:: \mathrm{logit}\,p = b + \sum_j c_j (x_j - m_j) + \sum_t T_t

b is the start of the model (`base_logit`), c_j the coefficient, x_j the value and m_j the training mean of
design column j, and T_t what tree table t holds in the row into which the course falls.
"""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ketapredict.features.preparation import design_matrix
from ketapredict.model.landmark_model import LandmarkModel

COEFFICIENT_COLUMNS = ["landmark", "column", "concept", "kind", "feature", "fill", "knots", "index", "mean"]
COEFFICIENT_COLUMNS += ["coefficient"]
TREE_COLUMNS = ["landmark", "table", "first", "first_from", "first_to", "second", "second_from", "second_to"]
TREE_COLUMNS += ["log_odds"]
MISSING = "missing"


def coefficient_table(landmarks: Iterable[LandmarkModel]) -> pd.DataFrame:
    """Return every design column with all that its value and contribution are computed from.

    Returns
    -------
    pandas.DataFrame
        `landmark, column, concept, kind, feature, fill, knots, index, mean, coefficient`; `knots` as text,
        separated by blanks.
    """
    records = [
        (
            model.landmark,
            column.name,
            column.concept,
            column.kind,
            column.feature,
            column.fill,
            " ".join(f"{knot!r}" for knot in column.knots),
            column.index,
            column.mean,
            float(coefficient),
        )
        for model in landmarks
        for column, coefficient in zip(model.columns, model.coefficients, strict=True)
    ]
    return pd.DataFrame(records, columns=COEFFICIENT_COLUMNS)


def tree_table(landmarks: Iterable[LandmarkModel]) -> pd.DataFrame:
    """Return the trees as lookup tables: one row per bin of a feature or pair of features.

    Returns
    -------
    pandas.DataFrame
        `landmark, table, first, first_from, first_to, second, second_from, second_to, log_odds`. A value x is
        in the row with from <= x < to, as single-precision numbers; a missing value where both say "missing".
        A course gets one row of each table; `log_odds` has the trees' weight in it and is the sum of the
        contributions of both features.
    """
    parts = [_trees_of(model) for model in landmarks if model.tables is not None]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=TREE_COLUMNS)


def worked_example(model: LandmarkModel, frame: pd.DataFrame) -> pd.DataFrame:
    """Compute the log-odds of one course term by term.

    Parameters
    ----------
    model : LandmarkModel
    frame : pandas.DataFrame
        (1, features) from `features.design.design_frame`.

    Returns
    -------
    pandas.DataFrame
        `term, value, mean, coefficient, log_odds`: the start, then the linear terms with a coefficient, then
        one row per tree table whose `value` says into which bins the course falls. The column adds up to the
        log-odds.
    """
    rows: list[tuple[str, str, float, float, float]] = [
        ("start of the model", "", np.nan, np.nan, float(model.base_logit))
    ]
    values = design_matrix(frame, model.columns)[0]
    for column, value, coefficient in zip(model.columns, values, model.coefficients, strict=True):
        if coefficient != 0.0:
            moved = float(coefficient * (value - column.mean))
            rows.append((column.name, f"{value:.6g}", column.mean, float(coefficient), moved))
    if model.tables is not None:
        tables = model.tables
        found = tables.bins(frame[list(model.tree_features)].to_numpy(float))[0]
        for feature, singles in tables.single.items():
            rows.append(_looked_up(model, (feature,), found, float(singles[found[feature]])))
        for (i, j), pairs in tables.pairs.items():
            rows.append(_looked_up(model, (i, j), found, float(pairs[:, found[i], found[j]].sum())))
    return pd.DataFrame(rows, columns=["term", "value", "mean", "coefficient", "log_odds"])


def _looked_up(
    model: LandmarkModel, features: Sequence[int], found: np.ndarray, value: float
) -> tuple[str, str, float, float, float]:
    assert model.tables is not None
    names = [model.tree_features[feature] for feature in features]
    places = []
    for feature, name in zip(features, names, strict=True):
        low, high = _bins(model.tables.thresholds[feature])[found[feature]]
        places.append(
            f"{name} {MISSING}" if low == MISSING else f"{name} from {low or '-inf'} to under {high or 'inf'}"
        )
    return (f"tree table {' x '.join(names)}", "; ".join(places), np.nan, np.nan, model.tree_weight * value)


def _trees_of(model: LandmarkModel) -> pd.DataFrame:
    tables = model.tables
    assert tables is not None
    records: list[tuple[object, ...]] = []
    for feature, values in tables.single.items():
        name = model.tree_features[feature]
        for ends, value in zip(_bins(tables.thresholds[feature]), values, strict=True):
            records.append((model.landmark, name, name, *ends, "", "", "", model.tree_weight * float(value)))
    for (i, j), both in tables.pairs.items():
        first, second = model.tree_features[i], model.tree_features[j]
        total = model.tree_weight * both.sum(axis=0)
        for row, ends in enumerate(_bins(tables.thresholds[i])):
            for column, other in enumerate(_bins(tables.thresholds[j])):
                value = float(total[row, column])
                records.append((model.landmark, f"{first} x {second}", first, *ends, second, *other, value))
    return pd.DataFrame(records, columns=TREE_COLUMNS)


def _bins(thresholds: np.ndarray) -> list[tuple[str, str]]:
    """Return the ends of every bin as text, open ends empty, the bin of missing values last."""
    ends = ["", *(repr(float(value)) for value in thresholds), ""]
    return [*itertools.pairwise(ends), (MISSING, MISSING)]
