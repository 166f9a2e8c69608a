"""A landmark's model made ready for many courses: functions of the inputs, lookups, one triangular matrix.

What it computes is defined elsewhere (`LandmarkModel`, `Uncertainty`); here it is only arranged for speed. The standard
deviation of the log-odds is the length of L' z with a triangular L: of x' C x with x = T' z + c (`model.linear_form`)
and C = F F', the QR decomposition of (T F)' leaves the triangle alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ketapredict.features.feature_column import FeatureColumn
from ketapredict.features.preparation import DesignColumn
from ketapredict.model.linear_form import InputFunctions, LinearForm, linear_form
from ketapredict.model.tree_tables import TreeLookups, TreeTables
from ketapredict.model.uncertainty import Uncertainty

# Rows that are computed at a time. Few stay in the processor's cache; where all that is done with them is to look them
# up, many calls cost more than that saves.
_ROWS_OF_FUNCTIONS, _ROWS_OF_FEATURE, _ROWS_OF_LOOKUPS = 2048, 8192, 131072
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


@dataclass(frozen=True, slots=True)
class FeaturePart:
    """What one feature contributes to the linear part, but for a constant: a weighted sum of functions of it.

    Attributes
    ----------
    feature : str
    owner : int
        Position of its concept.
    functions : InputFunctions
        Of this feature alone.
    terms : tuple of (int, float)
        Position and coefficient of those functions whose coefficient is not 0.
    """

    feature: str
    owner: int
    functions: InputFunctions
    terms: tuple[tuple[int, float], ...]

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the contribution (m,) of values (m,), NaN for missing."""
        found = np.zeros(len(values))
        space = np.empty((len(self.functions.owners), min(len(values), _ROWS_OF_FEATURE)))
        for start in range(0, len(values), _ROWS_OF_FEATURE):
            x = values[start : start + _ROWS_OF_FEATURE]
            z = self.functions([x] * len(self.functions.features), space[:, : len(x)])
            total = found[start : start + _ROWS_OF_FEATURE]
            for function, weight in self.terms:
                total += weight * z[function]
        return found


@dataclass(frozen=True)
class AdditiveModel:
    """Contributions by concept of one landmark's model.

    A course's sum is always made in the same order: the functions of a feature, then the features, then the tables of
    the trees. So it does not depend on how many courses are computed together.

    Attributes
    ----------
    concepts : tuple of str
        k concepts, in the order in which they first appear.
    functions : InputFunctions
    weights : numpy.ndarray
        (q,) coefficient of each function.
    owners : dict of str to int
        Position of the concept of each feature.
    constants : numpy.ndarray
        (k,) what is left of the linear part at z = 0.
    tree_features : tuple of str
    lookups : TreeLookups or None
        By concept, weighted.
    triangle : Triangle or None
    """

    concepts: tuple[str, ...]
    functions: InputFunctions
    weights: np.ndarray
    owners: dict[str, int]
    constants: np.ndarray
    tree_features: tuple[str, ...]
    lookups: TreeLookups | None
    triangle: Triangle | None

    def contributions(
        self, columns: Mapping[str, FeatureColumn]
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return contributions by concept, and mean and standard deviation of the log-odds.

        Parameters
        ----------
        columns : mapping of str to FeatureColumn
            Features of n courses.

        Returns
        -------
        by_concept : numpy.ndarray
            (k, n).
        centre, deviation : numpy.ndarray or None
            (n,); None where the model has no uncertainty.
        """
        rows = len(next(iter(columns.values())))
        totals = np.empty((len(self.concepts), rows))
        totals[:] = self.constants[:, None]
        if rows == 1:
            return totals, *self._add_one({name: column.values for name, column in columns.items()}, totals[:, 0])
        self._add_many(columns, totals)
        if self.triangle is None:
            return totals, None, None
        centre, deviation = np.empty(rows), np.empty(rows)
        space = np.empty((len(self.weights), min(rows, _ROWS_OF_FUNCTIONS)))
        for start in range(0, rows, _ROWS_OF_FUNCTIONS):
            block = slice(start, start + _ROWS_OF_FUNCTIONS)
            own = [columns[name].of_courses(columns[name].different, block) for name in self.functions.features]
            z = self.functions(own, space[:, : len(centre[block])])
            centre[block], deviation[block] = self.triangle.log_odds(z)
        return totals, centre, deviation

    def _add_many(self, columns: Mapping[str, FeatureColumn], totals: np.ndarray) -> None:
        """Add contributions to totals (k, n)."""
        linear = [
            (part.owner, columns[part.feature], self._once(part.feature, "linear", columns[part.feature], part.of))
            for part in self.parts
        ]
        trees = [columns[name] for name in self.tree_features]
        bins = {}
        if self.lookups is not None:
            for f in self.lookups.features:
                bins[f] = self._once(self.tree_features[f], "bins", trees[f], partial(self.lookups.bins, f))
        for start in range(0, totals.shape[1], _ROWS_OF_LOOKUPS):
            block = slice(start, start + _ROWS_OF_LOOKUPS)
            total = totals[:, block]
            for owner, column, found in linear:
                total[owner] += column.of_courses(found, block)
            if self.lookups is not None:
                self.lookups.add({f: trees[f].of_courses(found, block) for f, found in bins.items()}, total)

    def _once(
        self, name: str, what: str, column: FeatureColumn, compute: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Return what is computed of the different values of a feature; the last is kept, as the next batch has often
        the same ones.
        """
        if column.places is None:
            return compute(column.different)
        bits = column.different.view(np.int64)
        kept = self._kept.get((name, what))
        if kept is None or not np.array_equal(kept[0], bits):
            kept = self._kept[name, what] = (bits, compute(column.different))
        return kept[1]

    @cached_property
    def _kept(self) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
        return {}

    def _add_one(
        self, values: Mapping[str, np.ndarray], total: np.ndarray
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Add the contributions of a single course to total (k,): the same sums with few calls."""
        names = self.functions.features
        z = self.functions([values[name] for name in names], np.empty((len(self.weights), 1)))
        parts, owners, functions, weights = self._terms
        by_feature = np.zeros(len(owners))
        np.add.at(by_feature, parts, weights * z[functions, 0])
        np.add.at(total, owners, by_feature)
        if self.lookups is not None:
            self.lookups.add_one(np.array([values[name][0] for name in self.tree_features]), total)
        return self.triangle.log_odds(z) if self.triangle is not None else (None, None)

    @cached_property
    def parts(self) -> tuple[FeaturePart, ...]:
        """The linear part by feature, those left out whose coefficients are all 0."""
        names = np.array(self.functions.features)[self.functions.owners]
        found = []
        for name in dict.fromkeys(self.functions.features):
            weights = self.weights[names == name].tolist()
            if terms := tuple((function, weight) for function, weight in enumerate(weights) if weight):
                found.append(FeaturePart(name, self.owners[name], self.functions.of_feature(name), terms))
        return tuple(found)

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each coefficient that is not 0 its feature, function and weight; second, the concept of each feature."""
        names = list(dict.fromkeys(self.functions.features))
        functions = np.flatnonzero(self.weights)
        of_feature = np.array([names.index(name) for name in self.functions.features], dtype=np.intp)
        parts = of_feature[self.functions.owners[functions]]
        owners = np.array([self.owners[name] for name in names], dtype=np.intp)
        return parts, owners, functions, self.weights[functions]


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
    lookups = None
    if tables is not None:
        owners = np.array([concepts.index(concept) for concept in tree_concepts.values()])
        lookups = tables.lookups(owners, tree_weight)
    return AdditiveModel(
        concepts,
        linear.functions,
        linear.transform @ coefficients,
        {column.feature: concepts.index(column.concept) for column in columns},
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
