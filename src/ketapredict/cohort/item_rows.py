"""From one row for each item of a visit to one row a visit."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_text
from ketapredict.cohort.course_maker import taken_rows
from ketapredict.cohort.mapping import Visits
from ketapredict.cohort.visits import visit_label
from ketapredict.errors import MappingError


@dataclass(frozen=True)
class SpreadItems:
    """Rows that are visits, made of rows that are items.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row a visit in the order of its first row: the columns of the source, and one for each item.
    first : numpy.ndarray of int64
        Position of each visit's first row in the source.
    visit : numpy.ndarray of int64
        (n,) visit of each source row, -1 for an item that no column uses.
    repeated : tuple of (str, numpy.ndarray)
        Item and source rows that give it a second time.
    varying : tuple of (str, numpy.ndarray)
        Column that is used and source rows in which it differs from the visit's other rows.
    """

    frame: pd.DataFrame
    first: np.ndarray
    visit: np.ndarray
    repeated: tuple[tuple[str, np.ndarray], ...]
    varying: tuple[tuple[str, np.ndarray], ...]


def spread_items(
    visits: Visits, used: Collection[str], frame: pd.DataFrame, courses: np.ndarray, places: np.ndarray
) -> SpreadItems:
    """Make one row a visit.

    Rows of one course are one visit if they have the same place by label; without one, the same time.

    Parameters
    ----------
    visits : Visits
        With `item` and `value`.
    used : collection of str
        Names of all columns that the mapping uses; those that the table does not have are items.
    frame : pandas.DataFrame
    courses : numpy.ndarray of int64
        (n,) course of each row.
    places : numpy.ndarray of int64
        (n,) place by label, -1 for none.
    """
    items = wanted_items(used, frame)
    names = as_text(frame[visits.item])
    wanted = np.flatnonzero(names.isin(items).to_numpy())
    moment = _moment(visits, frame)
    keys = pd.DataFrame({"course": courses, "place": places, "moment": moment.where(places < 0, "")}).iloc[wanted]
    codes = keys.groupby(["course", "place", "moment"], sort=False, dropna=False).ngroup().to_numpy()
    visit = np.full(len(frame), -1, dtype=np.int64)
    visit[wanted] = codes
    count = int(codes.max(initial=-1)) + 1
    first = np.zeros(count, dtype=np.int64)
    first[codes[::-1]] = wanted[::-1]
    repeated, varying = [], []
    columns = {name: frame[name].iloc[first].reset_index(drop=True) for name in frame.columns}
    for name in sorted((set(used) & set(frame.columns)) - {*visits.columns}):
        texts = pd.factorize(as_text(frame[name]), use_na_sentinel=True)[0]
        present = wanted[texts[wanted] >= 0]
        told = np.full(count, -1, dtype=np.int64)
        told[visit[present][::-1]] = present[::-1]
        columns[name] = taken_rows(frame[name], told)
        differing = present[texts[present] != texts[told[visit[present]]]]
        if len(differing):
            varying.append((name, differing))
    for item in items:
        rows = np.flatnonzero((names == item).to_numpy(dtype=bool, na_value=False))
        row_of = np.full(count, -1, dtype=np.int64)
        row_of[visit[rows][::-1]] = rows[::-1]
        columns[item] = taken_rows(frame[visits.value], row_of)
        second = rows[row_of[visit[rows]] != rows]
        if len(second):
            repeated.append((item, second))
    return SpreadItems(pd.DataFrame(columns), first, visit, tuple(repeated), tuple(varying))


def wanted_items(used: Collection[str], frame: pd.DataFrame) -> list[str]:
    """Return the names that a mapping uses and the table has no column for."""
    return sorted(set(used) - set(frame.columns))


def refuse_absent_items(absent: Collection[str], visits: Visits | None, place: str) -> None:
    """Raise MappingError if there are items that no row names: they may be written otherwise."""
    if absent and visits is not None:
        raise MappingError(
            f"{place}: the table has neither a column nor an item (in {visits.item}) called "
            f"{', '.join(sorted(absent))}. Name the items as they are written there, and let `where` keep their rows."
        )


def _moment(visits: Visits, frame: pd.DataFrame) -> pd.Series:
    """Return the time of each row as text; its label where there is no time."""
    if not visits.has_time:
        return visit_label(visits, frame)
    moment = as_text(frame[visits.times[0]])
    for name in visits.times[1:]:
        moment = moment + "\x1f" + as_text(frame[name])
    return moment
