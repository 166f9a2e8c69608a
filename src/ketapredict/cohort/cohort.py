"""The cohort: accepted courses, rejected cells, and counts that add up."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import Cells, plain_cells
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import Protocol

# Ids of simulated courses start with this, so that a table keeps saying what it is however it is passed on.
SIMULATED_PREFIX = "simulated-"
SIMULATED_NOTICE = "SIMULATED courses: no patient is in this table"
REJECT_COLUMNS = ("row", "course_id", "column", "rule", "expected")


def holds_simulated(columns: pd.DataFrame | Mapping[str, Cells]) -> bool:
    """Whether any cell of a text column starts with the mark of simulated courses."""
    return any(_marked(plain_cells(cells)) for _, cells in columns.items())


def _marked(cells: Cells) -> bool:
    if isinstance(cells, pd.Categorical):
        cells = plain_cells(cells.categories.array)
    if isinstance(cells.dtype, pd.StringDtype):
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pa.array(cells, type=pa.large_string())
        return bool(pc.any(pc.starts_with(texts, SIMULATED_PREFIX, ignore_case=True)).as_py())
    if cells.dtype != object:
        return False
    return any(isinstance(cell, str) and cell.strip().casefold().startswith(SIMULATED_PREFIX) for cell in cells)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a cohort was read from: name without folder, SHA-256 of its bytes, number of rows."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of every row of the main source table and of every course.

    `source_rows = used + filtered + unmatched` and `courses = accepted + rejected`, always.
    """

    source_rows: int
    used: int
    filtered: int
    unmatched: int
    courses: int
    accepted: int
    rejected: int

    def __post_init__(self) -> None:
        """Stop at once if a row was lost: a defect of the program, never of the data."""
        if self.source_rows != self.used + self.filtered + self.unmatched:
            raise AssertionError("source rows do not add up")
        if self.courses != self.accepted + self.rejected:
            raise AssertionError("courses do not add up")


@dataclass(frozen=True)
class Cohort:
    """A validated table of courses.

    Attributes
    ----------
    courses : CourseColumns
        The accepted courses, every declared column present in the declared order. Numbers, scores and yes/no
        (1.0, 0.0) are float64 with NaN for missing; levels are Categorical with the declared levels; text is str
        with None for missing.
    rows : numpy.ndarray of int64
        For each accepted course the number of its first row in the main source table; the first row
        after the header is 1.
    protocol : Protocol
    extras : tuple of Column
        Extra covariates that the mapping declared.
    rejects : pandas.DataFrame
        One row per broken rule: `row`, `course_id`, `column`, `rule`, `expected`; never a value.
    counts : Counts
    notices : tuple of str
        What a reader of results must be told (recall windows, several scales, unused rows...).
    sources : tuple of Source
    simulated : bool
        Whether any course is marked as simulated: by a cell of the source files, accepted or not, or by its
        course, patient or site.
    """

    courses: CourseColumns
    rows: np.ndarray
    protocol: Protocol
    extras: tuple[Column, ...]
    rejects: pd.DataFrame
    counts: Counts
    notices: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    simulated: bool = False

    def __post_init__(self) -> None:
        """Look for the mark of simulated courses, however the table was made."""
        named = {name: self.courses.cells(name) for name in ("course_id", "patient_id", "site")}
        if not self.simulated and holds_simulated(named):
            object.__setattr__(self, "simulated", True)

    def __len__(self) -> int:
        """Return the number of accepted courses."""
        return len(self.courses)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """Declarations of the table's columns."""
        return declared_columns(self.protocol, self.extras)

    @property
    def table(self) -> pd.DataFrame:
        """One row per accepted course, RangeIndex; made when it is first asked for."""
        return self.courses.table

    @property
    def active(self) -> np.ndarray:
        """Whether each course had the active treatment (n,) bool; an absent arm is active."""
        return self.courses.active

    @property
    def sha256(self) -> str:
        """Hash of the accepted courses: equal for equal tables, however they were stored."""
        return self.digest()

    def digest(self, purpose: str = "") -> str:
        """Return the hash of the accepted courses behind a text: another, unrelated one for each purpose."""
        digest = hashlib.sha256(purpose.encode())
        digest.update("\x1f".join(self.table.columns).encode())
        for name in self.table:
            column = self.table[name]
            values = column.to_numpy(object) if column.dtype != float else column.to_numpy(float)
            digest.update(pd.util.hash_array(values).tobytes())
        return digest.hexdigest()

    @property
    def patients(self) -> np.ndarray:
        """Return a number per course that is equal for courses of one patient, (n,) int64.

        A course without a patient id counts as a patient of its own.
        """
        ids = self.table["patient_id"].astype(object)
        ids = ids.where(ids.notna(), "\0course " + self.table["course_id"].astype(object))
        return pd.factorize(ids)[0].astype(np.int64)

    def subset(self, keep: np.ndarray) -> "Cohort":
        """Return the courses where `keep` (n,) bool is true; rejects and counts stay those of the source."""
        return replace(self, courses=self.courses.some(keep), rows=self.rows[keep])
