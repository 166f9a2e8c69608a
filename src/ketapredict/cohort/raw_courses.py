"""What reading a cohort's files ends with: raw courses, before the rules of the cohort table."""

from dataclasses import dataclass, field

import numpy as np

from ketapredict.cohort.cells import Cells
from ketapredict.cohort.cohort import Source
from ketapredict.cohort.rejects import RejectLog

# What is expected of a row that has another number of cells.
NO_FIELD = "the number of fields of the header"


@dataclass
class RawCourses:
    """One raw row per course, before the cohort's own rules.

    Attributes
    ----------
    cells : dict of str to array
        Columns of the cohort table, of any type.
    rows : numpy.ndarray of int64
        Number of each course's first row in the main source table.
    cell_rows : dict of str to numpy.ndarray of int64
        Row numbers of the cells of a column, where they are not those of `rows`.
    log : RejectLog
        Rules broken on the way.
    decimal_commas : frozenset of str
        Columns in which `12,5` is a number.
    used, filtered, unmatched : int
        What became of the rows of the main source table.
    notices : list of str
    sources : tuple of Source
    simulated : bool
        Whether a cell of any source file carries the mark of simulated courses.
    repeated : numpy.ndarray of bool or None
        Courses whose id stands more than once in the whole input, where these are only some of its courses;
        None where they are all, so that it can be seen from them.
    """

    cells: dict[str, Cells]
    rows: np.ndarray
    log: RejectLog
    used: int
    filtered: int = 0
    unmatched: int = 0
    cell_rows: dict[str, np.ndarray] = field(default_factory=dict)
    decimal_commas: frozenset[str] = frozenset()
    notices: list[str] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    simulated: bool = False
    repeated: np.ndarray | None = None
