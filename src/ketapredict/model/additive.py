"""A landmark's model made ready for many courses: functions of the inputs, lookups, one triangular matrix.

What it computes is defined elsewhere (`LandmarkModel`, `Uncertainty`); here it is only arranged for speed. The standard
deviation of the log-odds is the length of L' z with a triangular L: of x' C x with x = T' z + c (`model.linear_form`)
and C = F F', the QR decomposition of (T F)' leaves the triangle alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ketapredict.features.preparation import DesignColumn
from ketapredict.model.linear_form import LinearForm, linear_form
from ketapredict.model.tree_tables import TreeLookups, TreeTables
from ketapredict.model.uncertainty import Uncertainty

# Rows that are computed at a time: what they need stays in the processor's cache.
_ROWS_OF_FUNCTIONS, _ROWS_OF_LOOKUPS = 2048, 16384
# Columns of the triangle that are multiplied at a time, without the zeros above them.
_COLUMNS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Triangle:
    """Standard deviation and mean of the log-odds as a matrix product.

    Attributes
    ----------
    blocks : tuple of (int, numpy.ndarray, numpy.ndarray)
        First function, matrix (columns, functions from the first on), constants (columns,).
    weights : numpy.ndarray
        (q,) of the mean.
    constant : float
    """

    blocks: tuple[tuple[int, np.ndarray, np.ndarray], ...]
    weights: np.ndarray
    constant: float

    def log_odds(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the log-odds, (n,) each, for functions z (q, n)."""
        variance = np.zeros(z.shape[1])
        for first, matrix, constants in self.blocks:
            spread = matrix @ z[first:]
            spread += constants[:, None]
            variance += np.einsum("ij,ij->j", spread, spread)
        return self.weights @ z + self.constant, np.sqrt(variance)


@dataclass(frozen=True)
class AdditiveModel:
    """Contributions by concept of one landmark's model.

    Attributes
    ----------
    concepts : tuple of str
        k concepts, in the order in which they first appear.
    linear : LinearForm
    owners, functions, weights : numpy.ndarray
        Concept, function and coefficient of those coefficients that are not 0.
    constants : numpy.ndarray
        (k,) what is left of the linear part at z = 0.
    tree_features : tuple of str
    lookups : TreeLookups or None
        By concept, weighted.
    triangle : Triangle or None
    """

    concepts: tuple[str, ...]
    linear: LinearForm
    owners: np.ndarray
    functions: np.ndarray
    weights: np.ndarray
    constants: np.ndarray
    tree_features: tuple[str, ...]
    lookups: TreeLookups | None
    triangle: Triangle | None

    def contributions(
        self, values: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return contributions by concept, and mean and standard deviation of the log-odds.

        Parameters
        ----------
        values : mapping of str to numpy.ndarray
            Features (n,) float64, NaN for missing.

        Returns
        -------
        by_concept : numpy.ndarray
            (k, n).
        centre, deviation : numpy.ndarray or None
            (n,); None where the model has no uncertainty.
        """
        rows = len(next(iter(values.values())))
        totals = np.empty((len(self.concepts), rows))
        totals[:] = self.constants[:, None]
        centre = deviation = None
        if self.triangle is not None:
            centre, deviation = np.empty(rows), np.empty(rows)
        space = np.empty((len(self.linear.concepts), min(rows, _ROWS_OF_FUNCTIONS)))
        for start in range(0, rows, _ROWS_OF_FUNCTIONS):
            block = slice(start, start + _ROWS_OF_FUNCTIONS)
            total = totals[:, block]
            z = self.linear.functions([values[n][block] for n in self.linear.features], space[:, : total.shape[1]])
            self._add_linear(z, total)
            if self.triangle is not None and centre is not None and deviation is not None:
                centre[block], deviation[block] = self.triangle.log_odds(z)
        if self.lookups is not None:
            for start in range(0, rows, _ROWS_OF_LOOKUPS):
                block = slice(start, start + _ROWS_OF_LOOKUPS)
                self.lookups.add([values[name][block] for name in self.tree_features], totals[:, block])
        return totals, centre, deviation

    @cached_property
    def terms(self) -> list[tuple[int, int, float]]:
        """Concept, function and coefficient, one by one."""
        return list(zip(self.owners.tolist(), self.functions.tolist(), self.weights.tolist(), strict=True))

    def _add_linear(self, z: np.ndarray, totals: np.ndarray) -> None:
        if z.shape[1] == 1:
            # One after the other, as below: the sum of a course does not depend on how many there are.
            np.add.at(totals[:, 0], self.owners, self.weights * z[self.functions, 0])
            return
        part = np.empty(z.shape[1])
        for owner, function, weight in self.terms:
            np.multiply(z[function], weight, out=part)
            total = totals[owner]
            total += part


def additive_model(
    columns: Sequence[DesignColumn],
    coefficients: np.ndarray,
    tree_concepts: Mapping[str, str],
    tables: TreeTables | None,
    tree_weight: float,
    uncertainty: Uncertainty | None,
) -> AdditiveModel:
    """Arrange a landmark's model.

    Parameters
    ----------
    columns : sequence of DesignColumn
        p columns.
    coefficients : numpy.ndarray
        (p,).
    tree_concepts : mapping of str to str
        The concept of each of the booster's features, in its order.
    tables : TreeTables or None
    tree_weight : float
    uncertainty : Uncertainty or None
    """
    linear = linear_form(columns)
    concepts = tuple(dict.fromkeys([*(column.concept for column in columns), *tree_concepts.values()]))
    constants = np.zeros(len(concepts))
    for column, value in zip(columns, linear.constant * coefficients, strict=True):
        constants[concepts.index(column.concept)] += value
    weights = linear.transform @ coefficients
    used = np.flatnonzero(weights)
    lookups = None
    if tables is not None:
        owners = np.array([concepts.index(concept) for concept in tree_concepts.values()])
        lookups = tables.lookups(owners, tree_weight)
    return AdditiveModel(
        concepts,
        linear,
        np.array([concepts.index(linear.concepts[function]) for function in used], dtype=np.intp),
        used,
        weights[used],
        constants,
        tuple(tree_concepts),
        lookups,
        _triangle(linear, uncertainty) if uncertainty is not None else None,
    )


def _triangle(linear: LinearForm, uncertainty: Uncertainty) -> Triangle:
    root = uncertainty.factor[1:] / uncertainty.scales[:, None]
    matrix = np.vstack([linear.transform @ root, linear.constant @ root + uncertainty.factor[0]])
    lower = np.linalg.qr(matrix.T, mode="r").T
    width = lower.shape[1]
    blocks = []
    for first in range(0, width, _COLUMNS_AT_ONCE):
        columns = slice(first, min(first + _COLUMNS_AT_ONCE, width))
        blocks.append((first, np.ascontiguousarray(lower[first:-1, columns].T), lower[-1, columns]))
    per_column = uncertainty.coefficients[1:] / uncertainty.scales
    constant = uncertainty.coefficients[0] + float(linear.constant @ per_column)
    return Triangle(tuple(blocks), linear.transform @ per_column, constant)
