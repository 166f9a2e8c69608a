"""The fitted preparation as plain data: how a frame of features becomes the design matrix.

A design column is the value of a feature (missing filled with the training mean), an indicator of its
being missing, or one monotone curve of it. Curves are sums of quadratic B-splines from one index on
(I-splines without their constant), continued as straight lines outside the outer knots; they rise
from 0 to 1, so that a sign of their coefficients is a direction of the effect (Ramsay 1988,
doi:10.1214/ss/1177012761).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

SPLINE_DEGREE = 2


@dataclass(frozen=True, slots=True)
class DesignColumn:
    """One column of the design matrix.

    Attributes
    ----------
    name, feature, concept : str
        Its own name, the feature that it is computed from, the concept that it belongs to.
    kind : {"value", "missing", "curve"}
    fill : float
        Training mean that takes the place of a missing value.
    mean : float
        Mean of the column over the training courses, from which contributions are counted.
    knots : tuple of float
        For curves: the inner knots in ascending order.
    index : int
        For curves: the first B-spline of the sum.
    """

    name: str
    feature: str
    concept: str
    kind: Literal["value", "missing", "curve"]
    fill: float
    mean: float = 0.0
    knots: tuple[float, ...] = ()
    index: int = 0


def design_matrix(frame: pd.DataFrame, columns: Sequence[DesignColumn]) -> np.ndarray:
    """Compute the design matrix.

    Parameters
    ----------
    frame : pandas.DataFrame
        (n, features) float64, NaN for missing.
    columns : sequence of DesignColumn
        p columns.

    Returns
    -------
    numpy.ndarray
        (n, p) float64 without NaN.
    """
    matrix = np.empty((len(frame), len(columns)), order="F")
    curves: dict[tuple[str, tuple[float, ...]], np.ndarray] = {}
    for position, column in enumerate(columns):
        values = frame[column.feature].to_numpy(float)
        missing = np.isnan(values)
        if column.kind == "missing":
            matrix[:, position] = missing
            continue
        filled = np.where(missing, column.fill, values)
        if column.kind == "value":
            matrix[:, position] = filled
            continue
        key = (column.feature, column.knots)
        if key not in curves:
            curves[key] = monotone_curves(filled, np.array(column.knots))
        matrix[:, position] = curves[key][:, column.index - 1]
    return matrix


def monotone_curves(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Evaluate all monotone curves over some knots.

    Parameters
    ----------
    values : numpy.ndarray
        (n,) without NaN.
    knots : numpy.ndarray
        (k,) strictly ascending, k >= 2.

    Returns
    -------
    numpy.ndarray
        (n, k); column j - 1 is the sum of the B-splines j, j + 1, ..., k of degree 2 over the knots
        continued at their outer spacing, linear outside the outer knots.
    """
    low, high = knots[0], knots[-1]
    inside = np.clip(values, low, high)
    basis, slope = _quadratic_splines(inside, knots)
    basis += slope * (values - inside)[:, None]
    return np.cumsum(basis[:, ::-1], axis=1)[:, ::-1][:, 1:]


def _quadratic_splines(values: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the k + 1 quadratic B-splines and their derivatives at values inside the knots."""
    before, after = knots[1] - knots[0], knots[-1] - knots[-2]
    t = np.r_[knots[0] - before * np.array([2.0, 1.0]), knots, knots[-1] + after * np.array([1.0, 2.0])]
    span = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
    rows = np.arange(len(values))
    left = span + SPLINE_DEGREE  # index in t of the knot at or below the value
    x = values
    # de Boor's recursion for the three splines that are not zero on the span, and the derivative of each.
    w1 = (x - t[left]) / (t[left + 1] - t[left])
    linear = np.stack([1.0 - w1, w1], axis=1)
    width_low, width_high = t[left + 1] - t[left - 1], t[left + 2] - t[left]
    a, b = (x - t[left - 1]) / width_low, (x - t[left]) / width_high
    quadratic = (
        (1.0 - a) * linear[:, 0],
        a * linear[:, 0] + (1.0 - b) * linear[:, 1],
        b * linear[:, 1],
    )
    steep_low, steep_high = 2.0 * linear[:, 0] / width_low, 2.0 * linear[:, 1] / width_high
    derivative = (-steep_low, steep_low - steep_high, steep_high)
    basis = np.zeros((len(values), len(knots) + 1))
    slope = np.zeros_like(basis)
    for offset in range(SPLINE_DEGREE + 1):
        basis[rows, span + offset] = quadratic[offset]
        slope[rows, span + offset] = derivative[offset]
    return basis, slope
