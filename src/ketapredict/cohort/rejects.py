"""The rejects: every broken rule of every cell, collected as they are found."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import Cells, text_cells
from ketapredict.cohort.cohort import REJECT_COLUMNS

FOUND = "found"
WHOLE_ROW = ""


@dataclass
class RejectLog:
    """Broken rules of the courses of one table.

    `courses` are positions of courses, -1 for rows that belong to no course.
    """

    parts: list[pd.DataFrame] = field(default_factory=list)

    def add(
        self,
        courses: np.ndarray,
        rows: np.ndarray,
        column: str,
        rule: str,
        expected: str | np.ndarray,
        found: pd.Series | Cells | None = None,
    ) -> None:
        """Add one rule broken by several courses; `rows` are their row numbers in the main source table."""
        if not len(courses):
            return
        self.parts.append(
            pd.DataFrame(
                {
                    "course": np.asarray(courses, dtype=np.int64),
                    "row": np.asarray(rows, dtype=np.int64),
                    "column": column,
                    "rule": rule,
                    "expected": expected,
                    FOUND: None if found is None else text_cells(found).to_numpy(dtype=object),
                }
            )
        )

    def extend(self, other: "RejectLog", first_course: int) -> None:
        """Add the entries of another log whose courses follow from `first_course` on."""
        for part in other.parts:
            moved = part.copy()
            moved["course"] = np.where(part["course"] < 0, -1, part["course"] + first_course)
            self.parts.append(moved)

    def cells(self, column: str, courses: int) -> np.ndarray:
        """Whether each of `courses` courses already broke a rule in a column, (courses,) bool."""
        flagged = np.zeros(courses + 1, dtype=bool)
        for part in self.parts:
            flagged[part.loc[part["column"].isin([column, WHOLE_ROW]), "course"].to_numpy()] = True
        return flagged[:-1]

    def broken(self, courses: int) -> np.ndarray:
        """Whether each of `courses` courses broke any rule, (courses,) bool."""
        flagged = np.zeros(courses + 1, dtype=bool)
        for part in self.parts:
            flagged[part["course"].to_numpy()] = True
        return flagged[:-1]

    def frame(self, course_ids: pd.Series | Cells, *, show_values: bool = False) -> pd.DataFrame:
        """Return the rejects table in the order of rows; with the offending cells only where asked."""
        columns = [*REJECT_COLUMNS, FOUND] if show_values else list(REJECT_COLUMNS)
        if not self.parts:
            return no_rejects(tuple(columns)).copy()
        table = pd.concat(self.parts, ignore_index=True)
        ids = np.array([*text_cells(course_ids), None], dtype=object)
        table["course_id"] = pd.Series(ids[table["course"].to_numpy()], dtype="str")
        for name in ("column", "rule", "expected", FOUND):
            table[name] = table[name].astype("str")
        order = np.argsort(table["row"].to_numpy(), kind="stable")
        return table.iloc[order][columns].reset_index(drop=True)


@cache
def no_rejects(columns: tuple[str, ...] = REJECT_COLUMNS) -> pd.DataFrame:
    """Return the rejects of nobody; not to be changed."""
    return pd.DataFrame({name: pd.Series(dtype="int64" if name == "row" else "str") for name in columns})
