"""Columns of courses as plain arrays, of all courses or of some; a data frame of them only where one is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import Cells, columns_of

# Different combinations of cells that are worth telling apart, and courses that must come to each of them.
_MOST_DIFFERENT, _COURSES_EACH = 8192, 16
# Under so many courses there is nothing to gain.
FEWEST_TOLD_APART = 2 * _COURSES_EACH
_FIRST_CELLS = 256


class CourseColumns:
    """Typed columns of the cohort table.

    Parameters
    ----------
    cells : mapping of str to array
        Columns of equal length in the order of the table: numbers float64, levels Categorical, text `str`.
    rows : numpy.ndarray or None
        Positions of the courses; None for all.
    """

    def __init__(self, cells: Mapping[str, Cells], rows: np.ndarray | None = None) -> None:
        self._cells = cells
        self._rows = rows
        self._chosen: dict[str, Cells] = {}
        self._missing: dict[str, np.ndarray] = {}
        self._levels: dict[str, tuple[str, ...]] = {}
        self._few: dict[str, _FewCells | None] = {}
        self._places: dict[str, np.ndarray] = {}

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Self:
        """Return the columns of a data frame that has the types of a cohort's table."""
        return cls(columns_of(table))

    def __len__(self) -> int:
        return len(next(iter(self._cells.values()))) if self._rows is None else len(self._rows)

    def __contains__(self, name: str) -> bool:
        return name in self._cells

    def cells(self, name: str) -> Cells:
        """Return a column as it is."""
        if self._rows is None:
            return self._cells[name]
        if name not in self._chosen:
            self._chosen[name] = self._cells[name][self._rows]
        return self._chosen[name]

    def number(self, name: str) -> np.ndarray:
        """Return a column of numbers, scores or yes/no as float64 (n,), NaN for missing."""
        return np.asarray(self.cells(name), dtype=float)

    def codes(self, name: str) -> np.ndarray:
        """Return the positions (n,) of the levels of a column of levels, -1 for missing."""
        return np.asarray(self.cells(name).codes)

    def levels(self, name: str) -> tuple[str, ...]:
        """Return the levels that `codes` are positions in."""
        if name not in self._levels:
            self._levels[name] = tuple(self._cells[name].categories)
        return self._levels[name]

    def missing(self, name: str) -> np.ndarray:
        """Return where a column is missing, (n,) bool."""
        if name not in self._missing:
            few = self._few.get(name) if self._rows is None or name in self._places else None
            found = _is_missing(self.cells(name)) if few is None else self._place_of(name, few) == 0
            self._missing[name] = np.asarray(found)
        return self._missing[name]

    @property
    def active(self) -> np.ndarray:
        """Whether each course had the active treatment (n,) bool; an absent arm is active."""
        levels = self.levels("arm")
        control = levels.index("control") if "control" in levels else -2
        return np.asarray(self.codes("arm") != control)

    def some(self, places: np.ndarray) -> "CourseColumns":
        """Return some of the courses: positions, or (n,) bool."""
        rows = np.flatnonzero(places) if places.dtype == bool else places
        some = CourseColumns(self._cells, rows if self._rows is None else self._rows[rows])
        some._few = self._few
        return some

    def different(self, names: Sequence[str]) -> "tuple[CourseColumns, np.ndarray] | None":
        """Tell courses apart by some columns of numbers and levels alone.

        Returns
        -------
        courses : CourseColumns
            m combinations of cells of these columns, each once; some may belong to no course.
        places : numpy.ndarray of int16
            (n,) which of them each course has, to the bit.
        None
            If they are so many that it saves nothing.
        """
        if len(self) < FEWEST_TOLD_APART:
            return None
        most = min(_MOST_DIFFERENT, len(self) // _COURSES_EACH)
        found: dict[str, _FewCells] = {}
        for name in names:
            few = self._few_cells(name)
            most = 0 if few is None else most // len(few.cells)
            if few is None or not most:
                return None
            found[name] = few
        places: np.ndarray | None = None
        for name, few in found.items():
            own = self._place_of(name, few)
            places = own if places is None else places * np.int16(len(few.cells)) + own
        assert places is not None
        axes = np.indices([len(few.cells) for few in found.values()]).reshape(len(found), -1)
        cells = {name: few.cells[axis] for (name, few), axis in zip(found.items(), axes, strict=True)}
        return CourseColumns(cells), places

    def tell_apart(self, names: Iterable[str]) -> None:
        """Do beforehand what `different` needs of columns; another thread may have time for it."""
        if len(self) >= FEWEST_TOLD_APART:
            for name in names:
                self._few_cells(name)

    def _few_cells(self, name: str) -> "_FewCells | None":
        if name not in self._few:
            self._few[name] = _few_cells(self._cells[name])
        return self._few[name]

    def _place_of(self, name: str, few: "_FewCells") -> np.ndarray:
        if self._rows is None:
            return few.places
        if name not in self._places:
            self._places[name] = few.places.take(self._rows)
        return self._places[name]

    def plain_rows(self) -> list[dict[str, Any]]:
        """Return each course as a dictionary of Python's own values; NaN or None where one is missing."""
        columns = [self._plain(name) for name in self._cells]
        return [dict(zip(self._cells, row, strict=True)) for row in zip(*columns, strict=True)]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The columns as a data frame with a RangeIndex."""
        return pd.DataFrame({name: self.cells(name) for name in self._cells}, copy=False)

    def _plain(self, name: str) -> list[Any]:
        cells = self.cells(name)
        if not isinstance(cells, pd.Categorical):
            return list(cells.tolist())
        texts = (*self.levels(name), None)
        return [texts[code] for code in cells.codes.tolist()]


def _is_missing(cells: Cells) -> np.ndarray:
    if isinstance(cells, pd.Categorical):
        return np.asarray(cells.codes < 0)
    return np.isnan(cells) if cells.dtype == float else np.asarray(pd.isna(cells))


@dataclass(frozen=True, slots=True)
class _FewCells:
    """The different cells of a column, the missing one first, and the places (n,) int16 of the courses' among them."""

    cells: Cells
    places: np.ndarray


def _few_cells(cells: Cells) -> _FewCells | None:
    """Tell the cells of a column of numbers or levels apart; None where they are too many."""
    if isinstance(cells, pd.Categorical):
        if len(cells.categories) >= _MOST_DIFFERENT:
            return None
        each = pd.Categorical.from_codes(np.arange(-1, len(cells.categories)), dtype=cells.dtype)
        return _FewCells(each, cells.codes.astype(np.int16) + np.int16(1))
    for told_apart in (_whole_numbers, _tenths):
        # Most of what is not such a column shows it at once.
        if told_apart(cells[:_FIRST_CELLS]) is not None and (found := told_apart(cells)) is not None:
            return found
    return None


def _whole_numbers(cells: np.ndarray) -> _FewCells | None:
    low, count = _span(cells)
    if count is None or not low.is_integer():
        return None
    with np.errstate(invalid="ignore"):
        places = (cells - low).astype(np.int16)
    missing = np.isnan(cells)
    # To the bit: neither what is next to a whole number nor -0 is the number that would be told.
    same = (places + low).view(np.int64) == cells.view(np.int64)
    if np.count_nonzero(same | missing) < len(cells):
        return None
    return _FewCells(np.append(np.nan, low + np.arange(count)), _behind_missing(places, missing))


def _tenths(cells: np.ndarray) -> _FewCells | None:
    low, count = _span(cells, 10)
    if count is None:
        return None
    with np.errstate(invalid="ignore"):
        places = ((cells - low) * 10.0 + 0.5).astype(np.int16)
    missing = np.isnan(cells)
    places = _behind_missing(places, missing)
    each = np.full(count + 1, np.nan)
    each[places] = cells
    # Different cells at one place would be found here.
    same = each.take(places).view(np.int64) == cells.view(np.int64)
    return _FewCells(each, places) if np.count_nonzero(same | missing) == len(cells) else None


def _behind_missing(places: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return places one further, and the first for what is missing."""
    places += np.int16(1)
    places *= ~missing
    return places


def _span(cells: np.ndarray, steps: int = 1) -> tuple[float, int | None]:
    """Return the lowest cell, and how many steps there are from it to above the highest; None for too many."""
    low, high = (float(ufunc.reduce(cells, initial=np.nan)) for ufunc in (np.fmin, np.fmax))
    if np.isnan(low):
        return 0.0, 0
    width = (high - low) * steps
    return low, int(width + 0.5) + 1 if width < _MOST_DIFFERENT else None
