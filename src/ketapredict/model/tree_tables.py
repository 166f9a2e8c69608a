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

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ketapredict.model.booster import Booster

# Rows that are computed at a time: what they need stays in the processor's cache.
_ROWS_AT_ONCE = 16384
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
        for start in range(0, len(values), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            lookups.add([values[rows, feature] for feature in range(values.shape[1])], phi[:, rows])
        return phi.T

    def lookups(self, owners: np.ndarray, weight: float = 1.0) -> "TreeLookups":
        """Return the tables summed by owner, times a weight.

        Parameters
        ----------
        owners : numpy.ndarray
            (features,) of int: contributions of features with one owner are added up.
        weight : float
        """
        single: list[tuple[int, int, np.ndarray]] = []
        pairs: list[tuple[int, int, list[tuple[int, np.ndarray]]]] = []
        # What belongs to one feature goes into the table of a pair that has it, where there is one.
        left = dict(self.single)
        for (i, j), both in self.pairs.items():
            tables = {int(owners[i]): np.zeros(both.shape[1:]), int(owners[j]): np.zeros(both.shape[1:])}
            tables[int(owners[i])] += both[0]
            tables[int(owners[j])] += both[1]
            if i in left:
                tables[int(owners[i])] += left.pop(i)[:, None]
            if j in left:
                tables[int(owners[j])] += left.pop(j)
            pairs.append((i, j, [(owner, weight * table.ravel()) for owner, table in tables.items()]))
        for i, table in left.items():
            single.append((i, int(owners[i]), weight * table))
        return TreeLookups(self.thresholds, tuple(single), tuple(pairs))

    @cached_property
    def _by_feature(self) -> "TreeLookups":
        return self.lookups(np.arange(len(self.thresholds)))


@dataclass(frozen=True)
class TreeLookups:
    """Tables for contributions by owner (a feature, or the concept of several): one index a pair, one lookup an owner.

    Attributes
    ----------
    thresholds : tuple of numpy.ndarray
    single : tuple of (int, int, numpy.ndarray)
        Feature, owner, table by bin.
    pairs : tuple of (int, int, list of (int, numpy.ndarray))
        Two features; for each owner the table over both, in one dimension.
    """

    thresholds: tuple[np.ndarray, ...]
    single: tuple[tuple[int, int, np.ndarray], ...]
    pairs: tuple[tuple[int, int, list[tuple[int, np.ndarray]]], ...]

    def add(self, values: Sequence[np.ndarray], totals: np.ndarray) -> None:
        """Add the contributions of m courses to totals (owners, m).

        Parameters
        ----------
        values : sequence of numpy.ndarray
            For each feature (m,) float64, NaN for missing; m should be some thousands at most.
        totals : numpy.ndarray
        """
        if totals.shape[1] == 1:
            # Table after table, as below: the sum of a course does not depend on how many there are.
            np.add.at(totals[:, 0], *self._flat.owners_and_values(np.array([value[0] for value in values])))
            return
        bins = {feature: _bins(values[feature], self.thresholds[feature]).astype(np.intp) for feature in self._used}
        for feature, owner, table in self.single:
            totals[owner] += table.take(bins[feature])
        scaled: dict[tuple[int, int], np.ndarray] = {}
        for first, second, tables in self.pairs:
            width = len(self.thresholds[second]) + 2
            if (first, width) not in scaled:
                scaled[first, width] = bins[first] * width
            place = scaled[first, width] + bins[second]
            for owner, table in tables:
                totals[owner] += table.take(place)

    @cached_property
    def _used(self) -> list[int]:
        pairs = [feature for first, second, _ in self.pairs for feature in (first, second)]
        return list(dict.fromkeys([*(feature for feature, _, _ in self.single), *pairs]))

    @cached_property
    def _flat(self) -> "_FlatTables":
        entries = [(feature, feature, 0, owner, table) for feature, owner, table in self.single]
        for first, second, tables in self.pairs:
            width = len(self.thresholds[second]) + 2
            entries += [(first, second, width, owner, table) for owner, table in tables]
        sizes = [len(table) for *_, table in entries]
        most = max((len(t) for t in self.thresholds), default=0)
        padded = np.full((len(self.thresholds), most), np.inf, dtype=np.float32)
        for row, thresholds in zip(padded, self.thresholds, strict=True):
            row[: len(thresholds)] = thresholds
        numbers = [np.array([entry[part] for entry in entries], dtype=np.intp) for part in range(4)]
        return _FlatTables(
            padded,
            np.array([len(t) + 1 for t in self.thresholds]),
            numbers[0],
            numbers[1],
            numbers[2],
            numbers[3],
            np.cumsum([0, *sizes])[:-1].astype(np.intp),
            np.concatenate([table for *_, table in entries]) if entries else np.empty(0),
        )


@dataclass(frozen=True, slots=True)
class _FlatTables:
    """All tables one after the other: a single course is looked up in all of them at once."""

    thresholds: np.ndarray
    missing: np.ndarray
    first: np.ndarray
    second: np.ndarray
    width: np.ndarray
    owners: np.ndarray
    offsets: np.ndarray
    values: np.ndarray

    def owners_and_values(self, course: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        narrow = course.astype(np.float32)
        bins = (narrow[:, None] >= self.thresholds).sum(axis=1)
        # Above the last threshold, infinity included.
        bins = np.where(np.isnan(narrow), self.missing, np.minimum(bins, self.missing - 1))
        return self.owners, self.values[self.offsets + bins[self.first] * self.width + bins[self.second]]


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
