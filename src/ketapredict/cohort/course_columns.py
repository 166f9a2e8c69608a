"""Columns of courses as plain arrays, of all courses or of some; a data frame of them only where one is asked for."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import Cells, columns_of


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
            self._missing[name] = _is_missing(self.cells(name))
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
        return CourseColumns(self._cells, rows if self._rows is None else self._rows[rows])

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
