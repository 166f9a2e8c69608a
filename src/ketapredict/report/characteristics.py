"""Table 1: who the courses are, overall and by outcome."""

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import Cohort
from ketapredict.cohort.outcomes import Outcome, outcome_labels
from ketapredict.validate.small_groups import FEWEST_SHOWN, UNDER

HIDDEN = UNDER
# Names of people and places, and what is the same for all, are no characteristics.
_LEFT_OUT = ("course_id", "patient_id", "site")
COLUMNS = ["characteristic", "all", "events", "others", "not recorded"]


def characteristics(cohort: Cohort, outcome: Outcome) -> pd.DataFrame:
    """Describe the courses with a known outcome.

    Parameters
    ----------
    cohort : Cohort
    outcome : {"response", "remission"}

    Returns
    -------
    pandas.DataFrame
        Texts: `characteristic, all, events, others, not recorded`; mean (SD) of numbers, count (percent) of
        levels. A group with fewer than five known values, or a count under five that is not 0, is not told; nor how
        those of a level ended, where fewer than five did either way: none at all would tell it of each of them.
    """
    labels = outcome_labels(cohort, outcome)
    groups = [~np.isnan(labels), labels == 1, labels == 0]
    table = cohort.table
    rows = [["courses", *(str(int(group.sum())) for group in groups), ""]]
    for name, column in cohort.columns.items():
        values = table[name]
        if name in _LEFT_OUT or not values.notna().any():
            continue
        known = values.notna().to_numpy()
        missing = _counted(int((groups[0] & ~known).sum()), int(groups[0].sum()))
        if column.kind in ("number", "score"):
            unit = f", {column.unit}" if column.unit else ", points" if column.kind == "score" else ""
            numbers = values.to_numpy(float)
            rows.append([f"{column.label}{unit}", *(_spread(numbers[g & known]) for g in groups), missing])
            continue
        texts = values.astype(object).where(values.notna(), None).map(_level)
        levels = ["yes", "no"] if column.kind == "yes_no" else list(column.levels)
        levels = [level for level in levels if (texts == level).any()]
        if column.kind == "level" and len(levels) < 2:
            continue
        of = np.array([(texts == level).to_numpy() for level in levels])
        counts = np.array([[int((rows_of & group).sum()) for group in groups] for rows_of in of])
        known_in = np.array([int((known & group).sum()) for group in groups])
        for level, cells in zip(levels, _told(counts, known_in), strict=True):
            if column.kind == "yes_no" and level == "no" and "yes" in levels:
                continue
            label = column.label if column.kind == "yes_no" and level == "yes" else f"{column.label}: {level}"
            rows.append([label, *cells, missing])
    return pd.DataFrame(rows, columns=COLUMNS)


def _level(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool | np.bool_ | float | int):
        return "yes" if value else "no"
    return str(value)


def _spread(values: np.ndarray) -> str:
    if len(values) < FEWEST_SHOWN:
        return HIDDEN
    return f"{values.mean():.1f} ({values.std(ddof=1):.1f})"


def _counted(count: int, known: int) -> str:
    if known < FEWEST_SHOWN or 0 < count < FEWEST_SHOWN:
        return HIDDEN
    return f"{count} ({count / known:.0%})"


def _told(counts: np.ndarray, known: np.ndarray) -> list[list[str]]:
    """Write counts (levels, 3) of all, events and others; what a hidden one could be reckoned from is hidden too.

    Events and others add up to all; where nobody of a level ended one way, it is known how each of them did. Levels add
    up to the known courses: where one level's outcomes are hidden, so are those of the next smallest.
    """
    hidden = (counts > 0) & (counts < FEWEST_SHOWN) | (known < FEWEST_SHOWN)
    split = (counts[:, 1:] < FEWEST_SHOWN).any(axis=1) & (counts[:, 0] > 0) | hidden[:, 1] | hidden[:, 2]
    if len(counts) > 1 and split.sum() == 1:
        others = np.flatnonzero(~split)
        split[others[np.argmin(counts[others, 0])]] = True
    hidden[:, 1] |= split
    hidden[:, 2] |= split
    return [
        [
            HIDDEN if h and 0 < c < FEWEST_SHOWN else "not told" if h else _counted(int(c), int(n))
            for c, h, n in zip(row, hides, known, strict=True)
        ]
        for row, hides in zip(counts, hidden, strict=True)
    ]
