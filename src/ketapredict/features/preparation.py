"""The fitted preparation as plain data: how a frame of features becomes the design matrix.

A design column is the value of a feature (missing filled with the training mean), an indicator of its
being missing, or one monotone curve of it. Curves are sums of quadratic B-splines from one index on
(I-splines without their constant), continued as straight lines outside the outer knots; they rise
from 0 to 1, so that a sign of their coefficients is a direction of the effect (Ramsay 1988,
doi:10.1214/ss/1177012761).
"""

from collections.abc import Mapping, Sequence
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


def design_matrix(frame: Mapping[str, np.ndarray] | pd.DataFrame, columns: Sequence[DesignColumn]) -> np.ndarray:
    """Compute the design matrix.

    Parameters
    ----------
    frame : pandas.DataFrame or mapping of str to numpy.ndarray
        (n, features) float64, NaN for missing.
    columns : sequence of DesignColumn
        p columns.

    Returns
    -------
    numpy.ndarray
        (n, p) float64 without NaN.
    """
    given = {name: np.asarray(frame[name], dtype=float) for name in dict.fromkeys(c.feature for c in columns)}
    rows = len(next(iter(given.values()), ()))
    matrix = np.empty((rows, len(columns)), order="F")
    curves = _all_curves(given, columns)
    for position, column in enumerate(columns):
        values = given[column.feature]
        if column.kind == "missing":
            matrix[:, position] = np.isnan(values)
        elif column.kind == "value":
            matrix[:, position] = np.where(np.isnan(values), column.fill, values)
        else:
            matrix[:, position] = curves[column.feature, column.fill, column.knots][column.index - 1]
    return matrix


_Curves = dict[tuple[str, float, tuple[float, ...]], np.ndarray]


def _all_curves(given: Mapping[str, np.ndarray], columns: Sequence[DesignColumn]) -> _Curves:
    """Return the curves (k, n) of every feature that has some; those over as many knots are evaluated together."""
    keys = dict.fromkeys((c.feature, c.fill, c.knots) for c in columns if c.kind == "curve")
    curves: _Curves = {}
    for number in dict.fromkeys(len(knots) for _, _, knots in keys):
        alike = [key for key in keys if len(key[2]) == number]
        filled = np.array([np.where(np.isnan(given[name]), fill, given[name]) for name, fill, _ in alike])
        found = monotone_curves(filled, np.array([knots for _, _, knots in alike])[:, None, :])
        curves.update(zip(alike, np.moveaxis(found, 2, 1), strict=True))
    return curves


def monotone_curves(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Evaluate all monotone curves over some knots.

    Parameters
    ----------
    values : numpy.ndarray
        (..., n) without NaN.
    knots : numpy.ndarray
        (..., k) strictly ascending, k >= 2; what stands before k is broadcast with the values.

    Returns
    -------
    numpy.ndarray
        (..., n, k); column j - 1 is the sum of the B-splines j, j + 1, ..., k of degree 2 over the knots
        continued at their outer spacing, linear outside the outer knots.
    """
    low, high = knots[..., 0], knots[..., -1]
    inside = np.clip(values, low, high)
    basis, slope = _quadratic_splines(inside, knots)
    basis += slope * (values - inside)[..., None]
    return np.cumsum(basis[..., ::-1], axis=-1)[..., ::-1][..., 1:]


def _quadratic_splines(values: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the k + 1 quadratic B-splines and their derivatives at values inside the knots."""
    before, after = knots[..., 1:2] - knots[..., :1], knots[..., -1:] - knots[..., -2:-1]
    low, high = knots[..., :1], knots[..., -1:]
    t = np.concatenate([low - 2.0 * before, low - before, knots, high + after, high + 2.0 * after], axis=-1)
    count = knots.shape[-1]
    span = np.clip((values[..., None] >= knots).sum(axis=-1) - 1, 0, count - 2)
    left = span + SPLINE_DEGREE  # index in t of the knot at or below the value
    x = values
    wide = np.broadcast_to(t, (*x.shape, t.shape[-1]))

    def knot(offset: int) -> np.ndarray:
        return np.take_along_axis(wide, (left + offset)[..., None], axis=-1)[..., 0]

    # de Boor's recursion for the three splines that are not zero on the span, and the derivative of each.
    w1 = (x - knot(0)) / (knot(1) - knot(0))
    width_low, width_high = knot(1) - knot(-1), knot(2) - knot(0)
    a, b = (x - knot(-1)) / width_low, (x - knot(0)) / width_high
    quadratic = ((1.0 - a) * (1.0 - w1), a * (1.0 - w1) + (1.0 - b) * w1, b * w1)
    steep_low, steep_high = 2.0 * (1.0 - w1) / width_low, 2.0 * w1 / width_high
    derivative = (-steep_low, steep_low - steep_high, steep_high)
    basis = np.zeros((*x.shape, count + 1))
    slope = np.zeros_like(basis)
    for offset in range(SPLINE_DEGREE + 1):
        place = (span + offset)[..., None]
        np.put_along_axis(basis, place, quadratic[offset][..., None], axis=-1)
        np.put_along_axis(slope, place, derivative[offset][..., None], axis=-1)
    return basis, slope
