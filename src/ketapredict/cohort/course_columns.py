"""Columns of a cohort's table as plain arrays, of all courses or of some."""

from collections.abc import Callable

import numpy as np
import pandas as pd


class CourseColumns:
    """Columns as arrays, made when they are first asked for.

    Parameters
    ----------
    table : pandas.DataFrame
        A cohort's table.
    rows : numpy.ndarray or None
        Positions of the courses; None for all.
    """

    def __init__(self, table: pd.DataFrame, rows: np.ndarray | None = None) -> None:
        self._table = table
        self._rows = rows
        self._found: dict[tuple[str, str], np.ndarray] = {}
        self._levels: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._table) if self._rows is None else len(self._rows)

    def number(self, name: str) -> np.ndarray:
        """Return a column of numbers, scores or yes/no as float64 (n,), NaN for missing."""
        return self._kept("number", name, lambda: self._table[name].to_numpy(float))

    def codes(self, name: str) -> np.ndarray:
        """Return the positions (n,) of the levels of a column of levels, -1 for missing."""
        return self._kept("codes", name, lambda: self._table[name].array.codes)

    def levels(self, name: str) -> list[str]:
        """Return the levels that `codes` are positions in."""
        if name not in self._levels:
            self._levels[name] = list(self._table[name].array.categories)
        return self._levels[name]

    def missing(self, name: str) -> np.ndarray:
        """Return where a column is missing, (n,) bool."""
        return self._kept("missing", name, lambda: _missing(self._table[name]))

    @property
    def active(self) -> np.ndarray:
        """Whether each course had the active treatment (n,) bool; an absent arm is active."""
        control = self.levels("arm").index("control") if "control" in self.levels("arm") else -2
        return np.asarray(self.codes("arm") != control)

    def _kept(self, kind: str, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        key = kind, name
        if key not in self._found:
            values = make()
            self._found[key] = values if self._rows is None else values[self._rows]
        return self._found[key]


def _missing(column: pd.Series) -> np.ndarray:
    cells = column.array
    if isinstance(cells, pd.Categorical):
        return np.asarray(cells.codes < 0)
    return np.isnan(column.to_numpy(float)) if column.dtype == float else column.isna().to_numpy()
