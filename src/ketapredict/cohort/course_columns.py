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
        return list(self._table[name].array.categories)

    def missing(self, name: str) -> np.ndarray:
        """Return where a column is missing, (n,) bool."""
        column = self._table[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            return self._kept("missing", name, lambda: self.codes(name) < 0, taken=True)
        if column.dtype == float:
            return self._kept("missing", name, lambda: np.isnan(self.number(name)), taken=True)
        return self._kept("missing", name, lambda: column.isna().to_numpy())

    @property
    def active(self) -> np.ndarray:
        """Whether each course had the active treatment (n,) bool; an absent arm is active."""
        control = self.levels("arm").index("control") if "control" in self.levels("arm") else -2
        return np.asarray(self.codes("arm") != control)

    def _kept(self, kind: str, name: str, make: Callable[[], np.ndarray], *, taken: bool = False) -> np.ndarray:
        key = kind, name
        if key not in self._found:
            values = make()
            self._found[key] = values if taken or self._rows is None else values[self._rows]
        return self._found[key]
