from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ketapredict.cohort import Cohort
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.read import read_cohort
from ketapredict.errors import FileError, MappingError

MAIN = pd.DataFrame({"id": ["a", "b", "c", None], "base": [30, 31, 32, 33], "age": [1, 2, 3, 4]})
PEOPLE = pd.DataFrame({"pid": ["c", "a", "z"], "age": [50, 40, 60], "dx": ["MDD"] * 3})
MAPPING = {
    "join": [{"table": "people", "on": {"left": "id", "right": "pid"}}],
    "constants": {"scale": "MADRS"},
    "columns": {"course_id": "id", "score_baseline": "base", "diagnosis": "dx", "age_years": "people.age"},
}
Mapped = Callable[..., Cohort]


def test_rows_without_partner_are_unmatched_and_repeated_names_carry_their_table(mapped: Mapped) -> None:
    cohort = mapped({"main": MAIN, "people": PEOPLE}, MAPPING)
    assert cohort.table["course_id"].tolist() == ["a", "c"]
    assert cohort.table["age_years"].tolist() == [40, 50]
    assert cohort.rows.tolist() == [1, 3]
    assert (cohort.counts.used, cohort.counts.unmatched) == (2, 2)
    assert any("1 rows belong to no row of main.csv" in notice for notice in cohort.notices)


def test_an_optional_join_keeps_rows_without_partner(mapped: Mapped) -> None:
    join = {"table": "people", "on": {"left": "id", "right": "pid"}, "optional": True}
    mapping = {**MAPPING, "join": [join], "constants": {"scale": "MADRS", "diagnosis": "MDD"}}
    mapping["columns"] = {"course_id": "id", "score_baseline": "base", "age_years": "people.age"}
    cohort = mapped({"main": MAIN, "people": PEOPLE}, mapping)
    assert cohort.table["age_years"].isna().tolist() == [False, True, False]


def test_several_keys_and_several_tables(mapped: Mapped) -> None:
    main = pd.DataFrame({"site": [1, 1, 2], "no": [1, 2, 1], "base": [30, 31, 32]})
    people = pd.DataFrame({"site": [1, 2, 1], "no": [1, 1, 2], "dx": ["MDD", "BD", "BD-I"]})
    sites = pd.DataFrame({"site": [1, 2], "city": ["x", "y"]})
    mapping = {
        "join": [{"table": "people", "on": ["site", "no"]}, {"table": "sites", "on": "site"}],
        "constants": {"scale": "MADRS"},
        "columns": {"course_id": "{site}-{no}", "score_baseline": "base", "diagnosis": "dx", "site": "city"},
    }
    table = mapped({"main": main, "people": people, "sites": sites}, mapping).table
    assert table["diagnosis"].tolist() == ["MDD", "BD-I", "BD"]
    assert table["site"].tolist() == ["x", "x", "y"]


def test_a_key_must_be_unique_and_exist(mapped: Mapped) -> None:
    twice = pd.concat([PEOPLE, PEOPLE.iloc[:1]])
    with pytest.raises(MappingError, match="2 rows share theirs"):
        mapped({"main": MAIN, "people": twice}, MAPPING)
    with pytest.raises(MappingError, match=r"people\.csv has no column pid"):
        mapped({"main": MAIN, "people": PEOPLE.rename(columns={"pid": "p"})}, MAPPING)


def test_a_file_as_argument_is_the_main_table(tmp_path: Path) -> None:
    MAIN.to_csv(tmp_path / "extract of today.csv", index=False)
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    mapping = mapping_from_plain({**MAPPING, "tables": {"main": "main.csv", "people": "people.csv"}})
    assert len(read_cohort(tmp_path / "extract of today.csv", mapping)) == 2
    with pytest.raises(FileError, match=r"main\.csv"):
        read_cohort(tmp_path, mapping)


def test_a_folder_without_tables_must_hold_one_file(tmp_path: Path) -> None:
    mapping = mapping_from_plain({"columns": {"course_id": "id", "score_baseline": "base", "diagnosis": "id"}})
    with pytest.raises(FileError, match="found 0"):
        read_cohort(tmp_path, mapping)
    with pytest.raises(FileError, match="found nothing"):
        read_cohort(tmp_path / "none", mapping)


def test_rows_of_a_joined_table_that_count(mapped: Mapped) -> None:
    findings = pd.DataFrame({"id": list("aabb"), "test": ["sys", "dia"] * 2, "value": [120, 80, 130, 90]})
    mapping = {
        "join": [{"table": "findings", "on": "id", "where": 'test == "sys"', "optional": True}],
        "constants": {"scale": "MADRS", "diagnosis": "MDD"},
        "columns": {"course_id": "id", "score_baseline": "base", "systolic_mmhg": "value"},
    }
    cohort = mapped({"main": MAIN[:3], "findings": findings}, mapping)
    assert cohort.table["systolic_mmhg"].tolist()[:2] == [120, 130]
    assert not any("belong to no row" in notice for notice in cohort.notices)
    with pytest.raises(MappingError, match=r"4 rows share theirs with another\. A condition"):
        mapped({"main": MAIN, "findings": findings}, {**mapping, "join": [{"table": "findings", "on": "id"}]})


def test_a_file_joined_to_itself_is_read_once(mapped: Mapped, tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": list("aab"), "age": [40, None, 50], "base": [None, 30, 31]})
    rows.to_csv(tmp_path / "t.csv", index=False)
    mapping = mapping_from_plain(
        {
            "tables": {"rows": "t.csv", "people": "t.csv"},
            "join": [{"table": "people", "on": "id", "where": "age is not None"}],
            "constants": {"scale": "MADRS", "diagnosis": "MDD"},
            "columns": {"score_baseline": "base", "age_years": "people.age"},
            "course": [{"course_id": "id", "where": "base is not None"}],
        }
    )
    cohort = read_cohort(tmp_path, mapping)
    assert cohort.table["age_years"].tolist() == [40, 50]
    assert [source.name for source in cohort.sources] == ["t.csv"]
