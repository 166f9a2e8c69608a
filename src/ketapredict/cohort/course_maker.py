"""Cells of the cohort table for the courses of one block, from source rows grouped into courses."""

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_number, as_text
from ketapredict.cohort.columns import Column
from ketapredict.cohort.derivations import Derivation, Derived, derive
from ketapredict.cohort.rejects import RejectLog


class CourseMaker:
    """Columns of the cohort table for the courses of one block, from rows grouped into courses."""

    def __init__(
        self,
        frame: pd.DataFrame,
        rows: np.ndarray,
        source_commas: frozenset[str],
        declared: dict[str, Column],
        place: str,
    ) -> None:
        self.frame = frame
        self.rows = rows
        self.source_commas = source_commas
        self.declared = declared
        self.place = place
        self.cells: dict[str, pd.Series] = {}
        self.cell_rows: dict[str, np.ndarray] = {}
        self.decimal_commas: set[str] = set()
        self.log = RejectLog()
        self.flagged_rows = np.zeros(len(frame), dtype=bool)
        self._waiting: list[tuple[str, np.ndarray, str, str]] = []
        self._scales: pd.Series | None = None

    def group(self, courses: np.ndarray) -> None:
        """Say to which course each row belongs."""
        self.courses = courses
        self.n_courses = int(courses.max()) + 1 if len(courses) else 0
        self.course_rows = np.zeros(self.n_courses, dtype=np.int64)
        self.course_rows[courses[::-1]] = self.rows[::-1]
        for column, mask, rule, expected in self._waiting:
            self.flag_rows(column, mask, rule, expected)
        self._waiting = []

    def flag_rows(self, column: str, mask: np.ndarray, rule: str, expected: str) -> None:
        """Reject the courses of some rows."""
        if not hasattr(self, "courses"):
            self._waiting.append((column, mask, rule, expected))
            return
        rows = np.flatnonzero(mask)
        self.flagged_rows[rows] = True
        found = self.frame[column].iloc[rows] if column in self.frame.columns else None
        self.log.add(self.courses[rows], self.rows[rows], column, rule, expected, found)

    def derived(self, name: str, derivation: Derivation, columns: dict[str, Derivation]) -> Derived:
        """Make a column's cells, one per source row."""
        scales = None
        if derivation.items:
            if self._scales is None and "scale" in columns:
                self._scales = derive(columns["scale"], self.frame, self.source_commas).cells
            scales = self._scales
        return derive(derivation, self.frame, self.source_commas, scales, f"{self.place}: {name}")

    def take_all(self, name: str, derivation: Derivation, columns: dict[str, Derivation]) -> None:
        """Take a column where every row is a course."""
        derived = self.derived(name, derivation, columns)
        self._keep(name, derived.cells, derived)
        for problem in derived.problems:
            rows = np.flatnonzero(problem.rows)
            self.log.add(rows, self.rows[rows], name, problem.rule, problem.expected, self._found(derivation, rows))

    def take_visit(self, name: str, derivation: Derivation, derived: Derived, row_of: np.ndarray) -> None:
        """Take a column at each course's row of one visit, -1 for no visit."""
        self._keep(name, taken_rows(derived.cells, row_of), derived)
        self.cell_rows[name] = np.where(row_of >= 0, self.rows[row_of], self.course_rows)
        for problem in derived.problems:
            courses = np.flatnonzero((row_of >= 0) & problem.rows[row_of])
            rows = row_of[courses]
            self.log.add(courses, self.rows[rows], name, problem.rule, problem.expected, self._found(derivation, rows))

    def take_constant(self, name: str, derivation: Derivation, columns: dict[str, Derivation]) -> None:
        """Take a column that is the same in all rows of a course; missing cells do not count."""
        if derivation.constant is not None:
            self.cells[name] = pd.Series([derivation.constant] * self.n_courses)
            return
        derived = self.derived(name, derivation, columns)
        codes = self._codes(name, derived)
        valid = np.flatnonzero(codes >= 0)
        first = np.full(self.n_courses, -1, dtype=np.int64)
        first[self.courses[valid][::-1]] = valid[::-1]
        self._keep(name, taken_rows(derived.cells, first), derived)
        differing = valid[codes[valid] != codes[first[self.courses[valid]]]]
        courses, places = np.unique(self.courses[differing], return_index=True)
        self.log.add(
            courses,
            self.rows[differing[places]],
            name,
            "varies within course",
            "the same in all rows of a course",
            derived.cells.iloc[differing[places]],
        )
        for problem in derived.problems:
            rows = np.flatnonzero(problem.rows)
            courses, places = np.unique(self.courses[rows], return_index=True)
            rows = rows[places]
            self.log.add(courses, self.rows[rows], name, problem.rule, problem.expected, self._found(derivation, rows))

    def _codes(self, name: str, derived: Derived) -> np.ndarray:
        """Return equal codes for equal cells, -1 for missing; numbers are equal as numbers."""
        cells = derived.cells
        if self.declared[name].kind not in {"number", "score"}:
            return np.asarray(pd.factorize(as_text(cells))[0])
        values, invalid = as_number(cells, decimal_comma=derived.decimal_comma)
        codes = np.asarray(pd.factorize(values)[0])
        # What is no number is compared as text, cell by cell: other courses have no say in it.
        codes[invalid] = codes.max(initial=-1) + 1 + pd.factorize(as_text(cells[invalid]))[0]
        return codes

    def _keep(self, name: str, cells: pd.Series, derived: Derived) -> None:
        cells = cells.reset_index(drop=True)
        # As text already: ids of several blocks, or of several types, are put into one column later.
        self.cells[name] = as_text(cells) if self.declared[name].kind == "text" else cells
        if derived.decimal_comma:
            self.decimal_commas.add(name)

    def _found(self, derivation: Derivation, rows: np.ndarray) -> pd.Series | None:
        return self.frame[derivation.source].iloc[rows] if derivation.source else None


def taken_rows(cells: pd.Series, row_of: np.ndarray) -> pd.Series:
    """Take cells by position, missing where the position is -1."""
    if not len(cells):
        return pd.Series([None] * len(row_of), dtype="str")
    taken = cells.reset_index(drop=True).reindex(np.where(row_of < 0, len(cells), row_of))
    return taken.reset_index(drop=True)
