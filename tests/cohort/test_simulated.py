"""Simulated courses stay marked however their table is passed on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketapredict.cohort import Cohort, read_cohort
from ketapredict.cohort.cohort import SIMULATED_NOTICE
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.read import cohort_from_frame

TABLE = pd.DataFrame(
    {
        "course_id": ["a", "b"],
        "patient_id": ["p", "q"],
        "site": ["s", "t"],
        "diagnosis": "MDD",
        "scale": "MADRS",
        "score_baseline": [30, 31],
    }
)
MAPPING = {
    "constants": {"scale": "MADRS", "diagnosis": "MDD"},
    "columns": {"course_id": "no", "score_baseline": "base"},
}


@pytest.mark.parametrize("column", ["course_id", "patient_id", "site"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_any_mark_in_a_file_counts(tmp_path: Path, column: str, suffix: str) -> None:
    marked = TABLE.assign(**{column: ["a", "simulated-7"]})
    path = tmp_path / f"t.{suffix}"
    {"csv": marked.to_csv, "xlsx": marked.to_excel}.get(suffix, marked.to_parquet)(path, index=False)
    cohort = read_cohort(path)
    assert cohort.simulated
    assert cohort.notices[0] == SIMULATED_NOTICE


def test_a_rejected_course_counts_too_and_a_part_stays_marked(tmp_path: Path) -> None:
    marked = TABLE.assign(course_id=["a", "simulated-7"], score_baseline=[30, 900])
    marked.to_csv(tmp_path / "t.csv", index=False)
    cohort = read_cohort(tmp_path / "t.csv")
    assert cohort.simulated
    assert cohort.subset(np.array([True])).simulated


def test_a_table_in_memory_and_categories() -> None:
    marked = TABLE.assign(site=pd.Categorical(["s", "Simulated-1"]))
    assert cohort_from_frame(marked, BUILT_IN["induction-course"]).simulated
    assert not cohort_from_frame(TABLE, BUILT_IN["induction-course"]).simulated


def test_a_mapping_cannot_drop_the_mark(mapped: Callable[..., Cohort]) -> None:
    rows = pd.DataFrame({"no": [1, 2], "base": [30, 31], "case": ["simulated-1", "simulated-2"]})
    assert mapped(rows, MAPPING).simulated
    joined = {"join": [{"table": "people", "on": "no"}]}
    cohort = mapped({"main": rows.drop(columns="case"), "people": rows[["no", "case"]]}, MAPPING | joined)
    assert cohort.simulated
    assert SIMULATED_NOTICE in cohort.notices


def test_patients_are_not_marked(mapped: Callable[..., Cohort]) -> None:
    cohort = mapped(pd.DataFrame({"no": [1], "base": [30], "note": ["not simulated-"]}), MAPPING)
    assert not cohort.simulated
    assert SIMULATED_NOTICE not in cohort.notices
