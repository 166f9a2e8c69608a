"""What the training courses looked like, as counts: what a later cohort is compared with.

Of every input at a landmark the counts over bins or levels, of at least five courses each, and how many lacked it;
the same of the estimates. No patient's value follows from them: edges lie on the grid of the input's resolution, and
what fewer than five courses had is counted with its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.outcomes import scale_maxima
from ketapredict.cohort.protocols import Protocol
from ketapredict.features.design import features_at
from ketapredict.features.plan import FEWEST_ON_EITHER_SIDE

MOST_BINS = 10
PROBABILITY_STEP = 0.01
SCORE_STEP = 0.01
OTHERS = ""


@dataclass(frozen=True, slots=True)
class InputProfile:
    """Counts of one input.

    Attributes
    ----------
    name : str
        Column of the cohort table, or `probability`.
    edges : tuple of float
        Inner edges of the bins of a number, ascending: a bin holds what is at or above its lower edge; empty for
        levels.
    levels : tuple of str
        Levels with a count of their own; the last, if it is empty, stands for all others. Empty for numbers.
    counts : tuple of int
        Courses of each bin or level, at least five each.
    missing : int
        Courses without a value; 0 where they are fewer than five, who are then counted in the largest bin.
    """

    name: str
    edges: tuple[float, ...]
    levels: tuple[str, ...]
    counts: tuple[int, ...]
    missing: int

    @property
    def is_number(self) -> bool:
        """Whether the bins have an order."""
        return not self.levels

    def count(self, cells: pd.Series) -> tuple[np.ndarray, int]:
        """Count other courses in the same bins.

        Parameters
        ----------
        cells : pandas.Series
            Numbers (yes/no as 1 and 0), or levels.

        Returns
        -------
        counts : numpy.ndarray of int64
            (bins,)
        missing : int
        """
        if self.is_number:
            values = cells.to_numpy(float)
            known = values[~np.isnan(values)]
            places = np.searchsorted(np.array(self.edges), known, side="right")
            return np.bincount(places, minlength=len(self.counts)), len(values) - len(known)
        texts = cells.astype(object)
        present = texts[texts.notna()].astype(str)
        places = {level: place for place, level in enumerate(self.levels)}
        found = present.map(places).fillna(len(self.levels) - 1).to_numpy(int)
        return np.bincount(found, minlength=len(self.levels)), int(texts.isna().sum())


@dataclass(frozen=True, slots=True)
class TrainingProfile:
    """The training courses that reached a landmark, their outcome known or not.

    Attributes
    ----------
    courses : int
    inputs : tuple of InputProfile
        Of the inputs that are first known at this landmark, among the model's landmarks.
    probability : InputProfile
        Of the estimates at this landmark.
    outside : int
        Courses out of the scope that the others draw; 0 where they are fewer than five.
    """

    courses: int
    inputs: tuple[InputProfile, ...]
    probability: InputProfile
    outside: int


def training_profile(
    courses: Cohort, columns: Sequence[Column], probabilities: np.ndarray, outside: int
) -> TrainingProfile | None:
    """Describe the training courses that reached a landmark.

    Parameters
    ----------
    courses : Cohort
        n courses.
    columns : sequence of Column
        Inputs.
    probabilities : numpy.ndarray
        (n,) estimates.
    outside : int
        Courses out of scope.

    Returns
    -------
    TrainingProfile or None
        None where the courses are too few to tell anything of them.
    """
    inputs = []
    for column in columns:
        cells = input_cells(courses, column)
        if column.kind == "level":
            inputs.append(level_profile(column.name, cells, column.levels))
        else:
            step = SCORE_STEP if column.kind == "score" else column.resolution
            inputs.append(number_profile(column.name, cells.to_numpy(float), step))
    probability = number_profile("probability", probabilities, PROBABILITY_STEP)
    if probability is None:
        return None
    return TrainingProfile(
        len(courses), tuple(found for found in inputs if found is not None), probability, few_are_none(outside)
    )


def input_cells(courses: Cohort, column: Column) -> pd.Series:
    """Return the cells that are counted for a column: scores as shares of the scale's highest total."""
    cells = courses.table[column.name]
    return cells / scale_maxima(courses.courses) if column.kind == "score" else cells


def profiled_columns(
    landmark: str, earlier: Sequence[str], protocol: Protocol, extras: tuple[Column, ...]
) -> list[Column]:
    """Return the inputs of a landmark that none of the earlier landmarks has; the arm is none."""
    declared = declared_columns(protocol, extras)

    def inputs(moment: str) -> set[str]:
        return {name for feature in features_at(moment, protocol, extras) for name in feature.columns} - {"scale"}

    new = inputs(landmark).difference(*(inputs(moment) for moment in earlier))
    return [column for name, column in declared.items() if name in new]


def number_profile(name: str, values: np.ndarray, step: float) -> InputProfile | None:
    """Count numbers in bins of about a tenth of the courses, with edges on a grid.

    Parameters
    ----------
    name : str
    values : numpy.ndarray
        (n,) NaN for missing.
    step : float
        Of the grid, > 0.

    Returns
    -------
    InputProfile or None
        None where fewer than ten courses had a value, or all in one bin.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2 * FEWEST_ON_EITHER_SIDE:
        return None
    bins = min(MOST_BINS, len(known) // FEWEST_ON_EITHER_SIDE)
    quantiles = np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1])
    edges = np.unique(np.round((np.floor(quantiles / step) + 0.5) * step, 10))
    kept: list[float] = []
    for edge in edges:
        low = kept[-1] if kept else -np.inf
        inside = int(((known >= low) & (known < edge)).sum())
        if inside >= FEWEST_ON_EITHER_SIDE and int((known >= edge).sum()) >= FEWEST_ON_EITHER_SIDE:
            kept.append(float(edge))
    if not kept:
        return None
    counts = np.bincount(np.searchsorted(np.array(kept), known, side="right"), minlength=len(kept) + 1)
    return _told(InputProfile(name, tuple(kept), (), tuple(counts.tolist()), len(values) - len(known)))


def level_profile(name: str, cells: pd.Series, levels: Sequence[str]) -> InputProfile | None:
    """Count levels; those of fewer than five courses are counted together, or with the rarest of the others.

    Parameters
    ----------
    name : str
    cells : pandas.Series
        (n,) missing where missing.
    levels : sequence of str
        All that there are.

    Returns
    -------
    InputProfile or None
        None where fewer than two counts are left.
    """
    present = cells[cells.notna()].astype(str)
    counts = present.value_counts().reindex(list(levels), fill_value=0)
    common = [level for level in levels if counts[level] >= FEWEST_ON_EITHER_SIDE]
    rare = int(sum(counts[level] for level in levels if level not in common))
    if not common:
        return None
    numbers = [int(counts[level]) for level in common]
    if rare and rare < FEWEST_ON_EITHER_SIDE:
        # The rarest of the common ones gives up its name: what it is counted with could else be told from the total.
        last = int(np.argmin(numbers))
        rare += numbers.pop(last)
        common.pop(last)
    if rare:
        common.append(OTHERS)
        numbers.append(rare)
    if len(common) < 2:
        return None
    return _told(InputProfile(name, (), tuple(common), tuple(numbers), len(cells) - len(present)))


def few_are_none(number: int) -> int:
    """Return a number of courses, 0 where it is under five."""
    return number if number >= FEWEST_ON_EITHER_SIDE else 0


def profile_from_plain(plain: dict[str, object]) -> TrainingProfile:
    """Build a profile from JSON values, the inverse of `dataclasses.asdict`."""
    inputs = plain["inputs"]
    assert isinstance(inputs, list)
    return TrainingProfile(
        int(plain["courses"]),  # type: ignore[call-overload]
        tuple(_input_from_plain(found) for found in inputs),
        _input_from_plain(plain["probability"]),  # type: ignore[arg-type]
        int(plain["outside"]),  # type: ignore[call-overload]
    )


def _input_from_plain(plain: dict[str, list[float]]) -> InputProfile:
    return InputProfile(
        str(plain["name"]),
        tuple(float(edge) for edge in plain["edges"]),
        tuple(str(level) for level in plain["levels"]),
        tuple(int(count) for count in plain["counts"]),
        int(plain["missing"]),  # type: ignore[call-overload]
    )


def _told(profile: InputProfile) -> InputProfile:
    """Count fewer than five courses without a value in the largest bin, so that no total gives them away."""
    if few_are_none(profile.missing) == profile.missing:
        return profile
    counts = list(profile.counts)
    counts[int(np.argmax(counts))] += profile.missing
    return InputProfile(profile.name, profile.edges, profile.levels, tuple(counts), 0)
