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

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ketapredict.model.booster import Booster

# Rows that are looked up at a time.
_ROWS_AT_ONCE = 65536
# Entries of a table over several features: it stays in the cache.
_LARGEST_TABLE = 2048
# For so many values and up to so many thresholds, comparing with each threshold is faster than searching.
_FEWEST_COMPARED, _MOST_COMPARED = 256, 40


@dataclass(frozen=True)
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
        found = np.empty(values.shape, dtype=np.int16, order="F")
        for feature, thresholds in enumerate(self.thresholds):
            found[:, feature] = _bins(values[:, feature], thresholds)
        return found

    def contributions(self, values: np.ndarray) -> np.ndarray:
        """Return exact path-dependent TreeSHAP contributions (n, features) in log-odds.

        Parameters
        ----------
        values : numpy.ndarray
            (n, features) float64, NaN for missing.
        """
        phi = np.zeros((values.shape[1], len(values)))
        lookups = self._by_feature
        if len(values) == 1:
            lookups.add_one(values[0], phi[:, 0])
            return phi.T
        for start in range(0, len(values), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            lookups.add(
                {feature: lookups.bins(feature, values[rows, feature]) for feature in lookups.features}, phi[:, rows]
            )
        return phi.T

    def lookups(self, owners: np.ndarray, weight: float = 1.0) -> "TreeLookups":
        """Return the tables summed by owner, times a weight.

        Parameters
        ----------
        owners : numpy.ndarray
            (features,) of int: contributions of features with one owner are added up.
        weight : float
        """
        bins = [len(thresholds) + 2 for thresholds in self.thresholds]
        left = dict(self.single)
        groups = []
        for features, members in _groups(list(self.pairs), bins):
            shape = [bins[feature] for feature in features]
            tables: dict[int, np.ndarray] = {}
            for i, j in members:
                for feature, values in zip((i, j), self.pairs[i, j], strict=True):
                    table = tables.setdefault(int(owners[feature]), np.zeros(shape))
                    table += _along(values, (features.index(i), features.index(j)), len(features))
            # What belongs to one feature goes into a table that has it, where there is one.
            for feature in [feature for feature in features if feature in left]:
                table = tables.setdefault(int(owners[feature]), np.zeros(shape))
                table += _along(left.pop(feature), (features.index(feature),), len(features))
            groups.append((features, tables))
        groups += [((feature,), {int(owners[feature]): values}) for feature, values in left.items()]
        return TreeLookups(
            self.thresholds,
            tuple(
                (features, [(owner, weight * table.ravel()) for owner, table in tables.items()])
                for features, tables in groups
            ),
        )

    @cached_property
    def _by_feature(self) -> "TreeLookups":
        return self.lookups(np.arange(len(self.thresholds)))


@dataclass(frozen=True)
class TreeLookups:
    """Tables for contributions by owner (a feature, or the concept of several).

    Attributes
    ----------
    thresholds : tuple of numpy.ndarray
    groups : tuple of (tuple of int, list of (int, numpy.ndarray))
        Some features; for each owner the table over their bins, in one dimension: one index a group, one lookup
        an owner.
    """

    thresholds: tuple[np.ndarray, ...]
    groups: tuple[tuple[tuple[int, ...], list[tuple[int, np.ndarray]]], ...]

    @cached_property
    def features(self) -> tuple[int, ...]:
        """Those that are looked up."""
        return tuple(dict.fromkeys(feature for features, _ in self.groups for feature in features))

    def bins(self, feature: int, values: np.ndarray) -> np.ndarray:
        """Return the bins (m,) of values of a feature (m,) float64, NaN for missing."""
        return _bins(values, self.thresholds[feature])

    def add(self, bins: Mapping[int, np.ndarray], totals: np.ndarray) -> None:
        """Add the contributions of m courses to totals (owners, m).

        Parameters
        ----------
        bins : mapping of int to numpy.ndarray
            For each feature that is looked up the bins (m,) of the courses.
        totals : numpy.ndarray
        """
        for features, tables in self.groups:
            # Where the largest place fits them, 16 bits are faster.
            few = len(tables[0][1]) <= np.iinfo(np.int16).max
            place = bins[features[0]] if few else bins[features[0]].astype(np.intp)
            for feature in features[1:]:
                place = place * np.int16(len(self.thresholds[feature]) + 2)
                place += bins[feature]
            place = place.astype(np.intp)
            for owner, table in tables:
                totals[owner] += table.take(place)

    def add_one(self, course: np.ndarray, totals: np.ndarray) -> None:
        """Add the contributions of a single course (features,) to totals (owners,), in the order of `add`."""
        np.add.at(totals, *self._flat.owners_and_values(course))

    @cached_property
    def _flat(self) -> "_FlatTables":
        entries = [(features, owner, table) for features, tables in self.groups for owner, table in tables]
        strides = np.zeros((len(entries), len(self.thresholds)), dtype=np.intp)
        for row, (features, _, _) in zip(strides, entries, strict=True):
            stride = 1
            for feature in features[::-1]:
                row[feature] = stride
                stride *= len(self.thresholds[feature]) + 2
        most = max((len(t) for t in self.thresholds), default=0)
        padded = np.full((len(self.thresholds), most), np.inf, dtype=np.float32)
        for places, thresholds in zip(padded, self.thresholds, strict=True):
            places[: len(thresholds)] = thresholds
        return _FlatTables(
            padded,
            np.array([len(t) + 1 for t in self.thresholds]),
            strides,
            np.array([owner for _, owner, _ in entries], dtype=np.intp),
            np.cumsum([0, *(len(table) for *_, table in entries)])[:-1].astype(np.intp),
            np.concatenate([table for *_, table in entries]) if entries else np.empty(0),
        )


@dataclass(frozen=True, slots=True)
class _FlatTables:
    """All tables one after the other: a single course is looked up in all of them at once."""

    thresholds: np.ndarray
    missing: np.ndarray
    strides: np.ndarray
    owners: np.ndarray
    offsets: np.ndarray
    values: np.ndarray

    def owners_and_values(self, course: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        narrow = course.astype(np.float32)
        bins = (narrow[:, None] >= self.thresholds).sum(axis=1)
        # Above the last threshold, infinity included.
        bins = np.where(np.isnan(narrow), self.missing, np.minimum(bins, self.missing - 1))
        return self.owners, self.values[self.offsets + self.strides @ bins]


def _groups(pairs: list[tuple[int, int]], bins: Sequence[int]) -> list[tuple[tuple[int, ...], list[tuple[int, int]]]]:
    """Put pairs that share features together, as long as the table over all features of a group stays small."""
    groups = []
    while pairs:
        features = set(pairs[0])
        grown = True
        while grown:
            grown = False
            for pair in pairs:
                wider = features | set(pair)
                if len(wider) == len(features) + 1 and math.prod(bins[f] for f in wider) <= _LARGEST_TABLE:
                    features, grown = wider, True
        members = [pair for pair in pairs if features.issuperset(pair)]
        pairs = [pair for pair in pairs if not features.issuperset(pair)]
        groups.append((tuple(sorted(features)), members))
    return groups


def _along(values: np.ndarray, axes: tuple[int, ...], dimensions: int) -> np.ndarray:
    """Return a table over some axes (ascending) in a shape that is broadcast over the others."""
    shape = [1] * dimensions
    for axis, size in zip(axes, values.shape, strict=True):
        shape[axis] = size
    return values.reshape(shape)


def tree_tables(booster: Booster, n_features: int) -> TreeTables:
    """Write trees of depth <= 2 out as tables."""
    splits: list[set[np.float32]] = [set() for _ in range(n_features)]
    for _, path in booster.leaves:
        for split in path:
            splits[split.feature].add(split.threshold)
    thresholds = tuple(np.array(sorted(values), dtype=np.float32) for values in splits)
    expectation = booster.base_margin
    single: dict[int, np.ndarray] = {}
    pairs: dict[tuple[int, int], np.ndarray] = {}
    for value, path in booster.leaves:
        conditions: dict[int, tuple[np.ndarray, float]] = {}
        for split in path:
            meets, ratios = conditions.get(split.feature, (1.0, 1.0))
            mask = _meets(thresholds[split.feature], split.threshold, split.goes_left, split.missing_too)
            conditions[split.feature] = (meets * mask, ratios * split.cover_ratio)
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


def _meets(thresholds: np.ndarray, threshold: np.float32, goes_left: bool, missing_too: bool) -> np.ndarray:
    """Return for each bin whether it meets a condition, as 1.0 or 0.0."""
    place = int(np.searchsorted(thresholds, threshold))
    bins = np.arange(len(thresholds) + 1)
    mask = (bins <= place) if goes_left else (bins > place)
    return np.append(mask, missing_too).astype(float)


def _bins(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the bin of each value (n,), int16."""
    # XGBoost compares single-precision numbers; so must the bins.
    narrow = values.astype(np.float32)
    if len(values) < _FEWEST_COMPARED or len(thresholds) > _MOST_COMPARED:
        found = np.searchsorted(thresholds, narrow, side="right").astype(np.int16)
    else:
        small = np.zeros(len(narrow), dtype=np.int8)
        for threshold in thresholds:
            small += narrow >= threshold
        found = small.astype(np.int16)
    found[np.isnan(narrow)] = len(thresholds) + 1
    return found
