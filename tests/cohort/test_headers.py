"""Files without a header: told as such, and no value of their first row is told."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ketapredict.cohort import Cohort, draft_mapping, read_cohort
from ketapredict.cohort.headers import listed, looks_like_value
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.read import cohort_from_frame
from ketapredict.errors import CohortError, FileError, MappingError

Write = Callable[..., Path]
Mapped = Callable[..., Cohort]
HEADERLESS = "P17,MDD,MADRS,33\nP18,MDD,MADRS,31\n"
MAPPING = {
    "constants": {"scale": "MADRS", "diagnosis": "MDD"},
    "columns": {"course_id": "case", "score_baseline": "madrs_pre"},
}


@pytest.mark.parametrize(
    "name", ["33", "-1.5", "12,5", "1e5", "80 %", "2024-01-31", "31.01.2024", "3 Mar 2024", "", None]
)
def test_what_looks_like_a_value(name: object) -> None:
    assert looks_like_value(name)


@pytest.mark.parametrize("name", ["T1", "day 1", "score_24h", "24h", "madrs10", "d2", "visit 2024"])
def test_what_looks_like_a_name(name: str) -> None:
    assert not looks_like_value(name)


def test_names_that_look_like_values_are_told_by_their_position() -> None:
    assert listed(["weight", "33"], ["course_id", "weight", "33"]) == (
        "weight, 1 whose name looks like a value (column 3)"
    )


def test_a_table_without_header_is_told_as_such_and_no_value_is_told(write: Write) -> None:
    with pytest.raises(
        CohortError, match=r"expected a header with the column names course_id.*looks like data"
    ) as caught:
        read_cohort(write(HEADERLESS))
    assert not any(value in str(caught.value) for value in ("P17", "MDD", "33"))


def test_a_frame_without_names_is_told_as_such() -> None:
    with pytest.raises(CohortError, match="looks like data") as caught:
        cohort_from_frame(pd.DataFrame({"P17": ["P18"], "33": ["31"]}), BUILT_IN["induction-course"])
    assert "P17" not in str(caught.value)


def test_unknown_names_are_told_beside_known_ones_but_no_number_or_date(write: Write) -> None:
    with pytest.raises(
        CohortError, match=r"no column weight, 2 whose name looks like a value \(columns 3, 4\)"
    ) as caught:
        read_cohort(write("Course_ID,weight,33,31.01.2024\na,b,c,d\n".replace("Course_ID", "course_id")))
    assert "31.01" not in str(caught.value)
    with pytest.raises(CohortError, match="no column Course_ID"):
        read_cohort(write("Course_ID,Diagnosis\na,MDD\n"))


@pytest.mark.parametrize("first", ["P17,P17,MADRS,33", "P17,33,MADRS,33"])
def test_a_name_twice_is_told_by_its_position(write: Write, first: str) -> None:
    with pytest.raises(FileError, match=r"more than once \(columns .*if the first row is data, add a header") as caught:
        read_cohort(write(f"{first}\na,b,c,d\n"))
    assert "P17" not in str(caught.value)
    assert "33" not in str(caught.value)


def test_a_mapped_file_without_header(write: Write) -> None:
    with pytest.raises(
        MappingError, match=r"that mapping uses \(case, madrs_pre\); the first row looks like data"
    ) as caught:
        read_cohort(write(HEADERLESS), mapping_from_plain(MAPPING))
    assert not any(value in str(caught.value) for value in ("P17", "MDD", "33"))


def test_a_joined_file_without_header(mapped: Mapped, tmp_path: Path) -> None:
    main = pd.DataFrame({"case": ["a"], "madrs_pre": [30]})
    mapping = MAPPING | {"join": [{"table": "people", "on": "case"}]}
    people = pd.DataFrame({"P17": ["P18"], "44": [45]})
    with pytest.raises(MappingError, match=r"people\.csv: expected a header .*\(case\); the first row looks") as caught:
        mapped({"main": main, "people": people}, mapping)
    assert "P17" not in str(caught.value)


def test_what_a_mapped_table_has_is_told_without_numbers(mapped: Mapped) -> None:
    rows = pd.DataFrame({"case": ["a"], "33": [1], "note": ["x"]})
    with pytest.raises(MappingError, match=r"no column madrs_pre\. It has: case, note, 1 whose name .*\(column 2\)"):
        mapped(rows, MAPPING)


def test_a_draft_prints_no_row_of_data(write: Write) -> None:
    with pytest.raises(FileError, match="looks like data"):
        draft_mapping(write(HEADERLESS))
    text = draft_mapping(write("patient,madrs_pre,33,note\na,30,1,x\nb,31,2,y\n"))
    assert "33" not in text
