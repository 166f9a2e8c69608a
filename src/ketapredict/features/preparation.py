"""The fitted preparation as plain data: how a frame of features becomes the design matrix.

A design column is the value of a feature (missing filled with the training mean), an indicator of its
being missing, or one monotone curve of it. Curves are sums of quadratic B-splines from one index on
(I-splines without their constant), continued as straight lines outside the outer knots; they rise
from 0 to 1, so that a sign of their coefficients is a direction of the effect (Ramsay 1988,
doi:10.1214/ss/1177012761).
"""

from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Design:
    """Design columns arranged to be computed together, kind by kind.

    Attributes
    ----------
    columns : int
        p.
    features : tuple of str
        The feature of each filled row; one that is filled in two ways stands twice.
    fills : numpy.ndarray
        (rows, 1) what a missing value is filled with.
    values, missing : tuple of numpy.ndarray
        Places of such columns in the matrix, and the filled rows that they are made of.
    curves : tuple of (numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray)
        For each number k of knots: filled rows, knots (curved rows, 1, k), then for each column its place in the
        matrix, its curved row, and its B-spline.
    """

    columns: int
    features: tuple[str, ...]
    fills: np.ndarray
    values: tuple[np.ndarray, np.ndarray]
    missing: tuple[np.ndarray, np.ndarray]
    curves: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...]

    def matrix(self, frame: Mapping[str, np.ndarray] | pd.DataFrame) -> np.ndarray:
        """Compute the design matrix as `design_matrix` does."""
        given = {name: np.asarray(frame[name], dtype=float) for name in dict.fromkeys(self.features)}
        rows = np.array([given[name] for name in self.features])
        absent = np.isnan(rows)
        filled = np.where(absent, self.fills, rows)
        matrix = np.empty((self.columns, rows.shape[1] if len(rows) else 0))
        places, of_rows = self.values
        matrix[places] = filled[of_rows]
        places, of_rows = self.missing
        matrix[places] = absent[of_rows]
        for of_rows, knots, places, curved, splines in self.curves:
            matrix[places] = monotone_curves(filled[of_rows], knots)[curved, :, splines]
        return matrix.T


def design_of(columns: Sequence[DesignColumn]) -> Design:
    """Arrange design columns, once for as many courses as may come."""
    rows = {key: row for row, key in enumerate(dict.fromkeys((c.feature, c.fill) for c in columns))}

    def of_kind(kind: str) -> tuple[np.ndarray, np.ndarray]:
        found = [(place, rows[c.feature, c.fill]) for place, c in enumerate(columns) if c.kind == kind]
        return _integers(place for place, _ in found), _integers(row for _, row in found)

    curves = []
    for count in dict.fromkeys(len(c.knots) for c in columns if c.kind == "curve"):
        alike = [(place, c) for place, c in enumerate(columns) if c.kind == "curve" and len(c.knots) == count]
        keys = {key: n for n, key in enumerate(dict.fromkeys((c.feature, c.fill, c.knots) for _, c in alike))}
        curves.append(
            (
                _integers(rows[feature, fill] for feature, fill, _ in keys),
                np.array([knots for _, _, knots in keys])[:, None, :],
                _integers(place for place, _ in alike),
                _integers(keys[c.feature, c.fill, c.knots] for _, c in alike),
                _integers(c.index - 1 for _, c in alike),
            )
        )
    fills = np.array([fill for _, fill in rows])[:, None]
    names = tuple(feature for feature, _ in rows)
    return Design(len(columns), names, fills, of_kind("value"), of_kind("missing"), tuple(curves))


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
    return design_of(columns).matrix(frame)


def _integers(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, dtype=np.intp)


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
    first, last = knots[..., :1], knots[..., -1:]
    step_down, step_up = knots[..., 1:2] - first, last - knots[..., -2:-1]
    t = np.concatenate([first - 2.0 * step_down, first - step_down, knots, last + step_up, last + 2.0 * step_up], -1)
    count = knots.shape[-1]
    span = np.clip((values[..., None] >= knots).sum(axis=-1) - 1, 0, count - 2)
    left = span + SPLINE_DEGREE  # index in t of the knot at or below the value
    x = values
    wide = np.broadcast_to(t, (*x.shape, t.shape[-1]))
    # The knot before, those on either side of the value, and the one behind.
    around = np.take_along_axis(wide, left[..., None] + np.arange(-1, 3), axis=-1)
    before, low, high, behind = (around[..., place] for place in range(4))
    # de Boor's recursion for the three splines that are not zero on the span, and the derivative of each.
    w1 = (x - low) / (high - low)
    width_low, width_high = high - before, behind - low
    a, b = (x - before) / width_low, (x - low) / width_high
    quadratic = ((1.0 - a) * (1.0 - w1), a * (1.0 - w1) + (1.0 - b) * w1, b * w1)
    steep_low, steep_high = 2.0 * (1.0 - w1) / width_low, 2.0 * w1 / width_high
    derivative = (-steep_low, steep_low - steep_high, steep_high)
    basis = np.zeros((*x.shape, count + 1))
    slope = np.zeros_like(basis)
    places = span[..., None] + np.arange(SPLINE_DEGREE + 1)
    np.put_along_axis(basis, places, np.stack(quadratic, axis=-1), axis=-1)
    np.put_along_axis(slope, places, np.stack(derivative, axis=-1), axis=-1)
    return basis, slope
