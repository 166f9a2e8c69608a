import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketapredict.cohort import Column, read_cohort
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.errors import CohortError, FileError, ProtocolError

Write = Callable[..., Path]
TableText = Callable[..., str]
SECRET = "Xq7Zw"


def test_a_good_table(write: Write, table_text: TableText) -> None:
    cohort = read_cohort(write(table_text(5)))
    assert len(cohort) == 5
    assert cohort.rows.tolist() == [1, 2, 3, 4, 5]
    assert cohort.rejects.empty
    assert list(cohort.rejects) == ["row", "course_id", "column", "rule", "expected"]
    assert cohort.sources[0].name == "cohort.csv"
    assert len(cohort.sources[0].sha256) == 64


@pytest.mark.parametrize("content", ["", "\n", "course_id,diagnosis\n"])
def test_an_empty_file(write: Write, content: str) -> None:
    with pytest.raises(FileError, match=r"cohort\.csv: expected"):
        read_cohort(write(content))


def test_a_wrong_delimiter(write: Write, table_text: TableText) -> None:
    with pytest.raises(FileError, match="one column only") as caught:
        read_cohort(write(table_text().replace(",", ":")))
    assert "k1" not in str(caught.value)


def test_missing_required_columns_are_all_named(write: Write) -> None:
    with pytest.raises(CohortError, match="missing: diagnosis, scale, score_baseline") as caught:
        read_cohort(write(f"course_id,site\n{SECRET},{SECRET}\n"))
    assert SECRET not in str(caught.value)


def test_unknown_columns_are_all_named(write: Write, table_text: TableText) -> None:
    with pytest.raises(CohortError, match=r"no column weight, mood\..*mapping") as caught:
        read_cohort(write(table_text(header="course_id,diagnosis,scale,score_baseline,weight,mood,age_years,sex,site")))
    assert "k1" not in str(caught.value)


def test_scores_of_900_text_and_dates_where_numbers_belong(write: Write, table_text: TableText) -> None:
    lines = {
        2: f"k2,MDD,MADRS,{SECRET},20,12,47,female,no",
        3: "k3,MDD,MADRS,34,987,12,47,female,no",
        4: "k4,MDD,MADRS,34,2024-03-17,12,47,female,no",
        5: f"k5,MDD,MADRS,34,20,12,{SECRET},{SECRET},{SECRET}",
    }
    cohort = read_cohort(write(table_text(6, lines)))
    assert cohort.table["course_id"].tolist() == ["k1", "k6"]
    assert cohort.rejects[["row", "course_id", "column", "rule"]].to_numpy().tolist() == [
        [2, "k2", "score_baseline", "number"],
        [3, "k3", "score_24h", "range"],
        [4, "k4", "score_24h", "number"],
        [5, "k5", "age_years", "number"],
        [5, "k5", "sex", "level"],
        [5, "k5", "failed_ect", "yes or no"],
    ]
    printed = cohort.rejects.drop(columns="course_id").to_csv() + str(cohort.notices)
    assert not any(value in printed for value in (SECRET, "987", "2024"))


def test_values_are_shown_only_on_request(write: Write, table_text: TableText) -> None:
    path = write(table_text(2, {2: f"k2,MDD,MADRS,34,20,12,47,{SECRET},no"}))
    assert read_cohort(path, show_values=True).rejects["found"].tolist() == [SECRET]
    assert "found" not in read_cohort(path).rejects


def test_duplicate_course_ids(write: Write, table_text: TableText) -> None:
    cohort = read_cohort(write(table_text(4, {3: "k1,MDD,MADRS,34,20,12,47,female,no"})))
    assert cohort.rejects[["row", "rule"]].to_numpy().tolist() == [[1, "unique"], [3, "unique"]]
    assert cohort.table["course_id"].tolist() == ["k2", "k4"]


def test_bom_semicolons_and_decimal_commas(write: Write, table_text: TableText) -> None:
    text = "\ufeff" + table_text(3).replace(",", ";").replace("34", "34,5")
    cohort = read_cohort(write(text))
    assert cohort.table["score_baseline"].tolist() == [34.5] * 3
    assert "semicolon as delimiter, decimal commas" in cohort.notices[0]


def test_decimal_commas_in_quotes_say_how_they_are_read(write: Write) -> None:
    header = "course_id,diagnosis,scale,score_baseline,score_end,bmi_kg_m2\n"
    path = write(header + 'a,MDD,MADRS,"34,5",12,"22,5"\nb,MDD,MADRS,x,12,\nc,MDD,MADRS,34.5,12,22.5\n')
    cohort = read_cohort(path)
    hint = ' (if commas are decimal: decimal = "," in a mapping)'
    told = cohort.rejects.sort_values(["row", "column"])[["row", "column", "expected"]].to_numpy().tolist()
    score, bmi = "a number within the scale, in points", cohort.columns["bmi_kg_m2"].expectation
    assert told == [[1, "bmi_kg_m2", bmi + hint], [1, "score_baseline", score + hint], [2, "score_baseline", score]]
    assert "22,5" not in str(told)
    mapping = {
        "same_names": True,
        "columns": {
            "bmi_kg_m2": {"expr": "bmi_kg_m2 * 1"},
            "score_baseline": {"from": "score_baseline", "times": 1, "plus": 0.5},
        },
    }
    rejects = read_cohort(path, mapping_from_plain(mapping)).rejects
    assert rejects["expected"].str.endswith(hint).tolist() == [True, True, False]
    found = read_cohort(path, mapping_from_plain(mapping | {"decimal": ","}))
    assert found.table[["score_baseline", "bmi_kg_m2"]].to_numpy().tolist() == [[35, 22.5]]


def test_hours_with_decimal_commas_in_quotes_say_how_they_are_read(write: Write) -> None:
    path = write('id,h,s\na,0,30\na,"0,7",20\na,24,10\nb,0,30\nb,x,20\n')
    visits = {"hours": "h", "score": "s"}
    mapping = {"constants": {"scale": "MADRS", "diagnosis": "MDD"}, "course": [{"course_id": "id", "visits": visits}]}
    rejects = read_cohort(path, mapping_from_plain(mapping)).rejects
    told = ['a number in h (if commas are decimal: decimal = "," in a mapping)', "a number in h"]
    assert rejects["expected"].tolist() == told


def test_rows_with_a_wrong_number_of_fields(write: Write, table_text: TableText) -> None:
    cohort = read_cohort(write(table_text(4, {2: "k2,MDD,MADRS", 3: f"k3{',' * 20}{SECRET}"})))
    assert cohort.rejects[["row", "column", "rule"]].to_numpy().tolist() == [[2, "", "fields"], [3, "", "fields"]]
    assert cohort.rows.tolist() == [1, 4]
    assert cohort.counts.rejected == 2


def test_a_tenth_of_the_rows_wrong(write: Write, table_text: TableText) -> None:
    lines = {10 * k: f"k{10 * k},MDD,MADRS,34,{SECRET},12,47,female,no" for k in range(1, 11)}
    cohort = read_cohort(write(table_text(100, lines)))
    assert (cohort.counts.accepted, cohort.counts.rejected) == (90, 10)
    assert cohort.rejects["row"].tolist() == list(range(10, 101, 10))


def test_nothing_accepted_is_still_a_cohort(write: Write, table_text: TableText) -> None:
    cohort = read_cohort(write(table_text(1, {1: "k1,X,MADRS,34,20,12,47,female,no"})))
    assert len(cohort) == 0
    assert cohort.counts.rejected == 1


def test_an_unknown_protocol(write: Write, table_text: TableText) -> None:
    with pytest.raises(ProtocolError):
        read_cohort(write(table_text()), protocol="weekly")


def test_extras_of_a_model(write: Write, table_text: TableText) -> None:
    sleep = Column("sleep", "number", "sleep", "sleep", unit="h", minimum=0, maximum=12)
    text = table_text().replace("failed_ect", "sleep").replace(",no", ",8")
    assert read_cohort(write(text), extras=(sleep,)).table["sleep"].tolist() == [8.0] * 5
    assert read_cohort(write(table_text()), extras=(sleep,)).table["sleep"].isna().all()
    other = {"kind": "number", "concept": "sleep", "known_at": "24h", "unit": "h", "resolution": 0.5}
    mapping = mapping_from_plain({"same_names": True, "extra": {"sleep": other}})
    with pytest.raises(CohortError, match="Expected the same declaration"):
        read_cohort(write(text), mapping, extras=(sleep,))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "xlsx", "csv.gz"])
def test_all_formats_give_the_same_cohort(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(
        {
            "course_id": ["a", "b", "c"],
            "diagnosis": ["MDD", "BD-I", "XX"],
            "scale": ["MADRS"] * 3,
            "score_baseline": [34.0, 28.5, 30.0],
            "score_24h": [20.0, np.nan, 10.0],
            "failed_ect": [True, False, None],
        }
    )
    path = tmp_path / f"t.{suffix}"
    match suffix:
        case "parquet":
            frame.to_parquet(path)
        case "xlsx":
            frame.to_excel(path, index=False)
        case _:
            frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    cohort = read_cohort(path)
    assert cohort.table["score_baseline"].tolist() == [34.0, 28.5]
    assert cohort.table["failed_ect"].tolist() == [1.0, 0.0]
    assert cohort.rejects["row"].tolist() == [3]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 60), st.one_of(st.none(), st.integers(0, 60)), st.sampled_from(["MDD", "BD", "BD-II"])
        ),
        min_size=1,
        max_size=20,
    )
)
def test_a_cohort_written_and_read_again_is_the_same(tmp_path: Path, rows: list[tuple[int, int | None, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["score_baseline", "score_24h", "diagnosis"]).assign(scale="MADRS")
    frame.insert(0, "course_id", [f"c{number}" for number in range(len(frame))])
    frame.to_csv(tmp_path / "a.csv", index=False)
    first = read_cohort(tmp_path / "a.csv")
    first.table.to_csv(tmp_path / "b.csv", index=False)
    first.table.to_parquet(tmp_path / "b.parquet")
    for name in ("b.csv", "b.parquet"):
        pd.testing.assert_frame_equal(read_cohort(tmp_path / name).table, first.table)


def test_a_protocol_costs_no_import_of_a_file_reader() -> None:
    code = (
        "import sys, ketapredict.cohort.protocols; "
        "assert not {'pyarrow', 'openpyxl', 'pandas'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_rows_with_a_wrong_number_of_fields(write: Write) -> None:
    cohort = read_cohort(write("course_id,diagnosis,scale,score_baseline\na\nb\n"))
    assert cohort.rejects["rule"].tolist() == ["fields", "fields"]
    assert cohort.counts.rejected == 2


def test_a_spreadsheet_with_dates_as_scores(tmp_path: Path) -> None:
    frame = pd.DataFrame({"course_id": [101, 102], "diagnosis": "MDD", "scale": "MADRS", "score_baseline": [30, 31]})
    frame["score_24h"] = [pd.Timestamp("2024-03-17"), 20]
    frame["score_end"] = pd.to_datetime(["2024-03-17", None])
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    cohort = read_cohort(tmp_path / "t.xlsx")
    assert cohort.table["course_id"].tolist() == ["102"]
    assert cohort.rejects[["row", "column", "rule"]].to_numpy().tolist() == [
        [1, "score_24h", "number"],
        [1, "score_end", "number"],
    ]
