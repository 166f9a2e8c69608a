"""Whatever goes through the disk gives the cohort that memory gives: cells, rejects, counts, notices."""

import gzip
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from tests.cohort import redcap_files, trial_files

from ketapredict.cohort import Cohort, draft_redcap, load_mapping, read_cohort
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.mapping import Mapping
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.out_of_core import (
    LARGEST_IN_MEMORY_BYTES,
    LARGEST_IN_MEMORY_CELLS,
    WideCourses,
    is_large,
    make_courses,
)
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.errors import CohortError, FileError, KetapredictError, MappingError

PROTOCOL = BUILT_IN["induction-course"]


def typed(wide: WideCourses, mapping: Mapping | None) -> pd.DataFrame:
    """The table of courses with the types that a cohort's table has."""
    table = pd.read_parquet(wide.courses)
    for name, column in declared_columns(PROTOCOL, mapping.extras if mapping else ()).items():
        if column.kind == "level":
            table[name] = pd.Categorical(table[name], categories=list(column.levels))
        elif column.kind == "text":
            table[name] = table[name].astype("str")
    return table


def same(path: Path, mapping: Mapping | None, folder: Path, rows: int = 7) -> Cohort:
    """Both ways give the same; returns the cohort."""
    cohort = read_cohort(path, mapping, PROTOCOL)
    folder.mkdir(exist_ok=True)
    wide = make_courses(mapping, path, PROTOCOL, folder, batch_rows=rows)
    table = typed(wide, mapping)
    assert_frame_equal(table.drop(columns="source_row"), cohort.table)
    assert table["source_row"].tolist() == cohort.rows.tolist()
    rejects = pd.read_parquet(wide.rejects)
    order = list(rejects.columns)
    by_cell = {"ignore_index": True, "kind": "stable"}
    assert_frame_equal(
        rejects.astype(cohort.rejects.dtypes).sort_values(order, **by_cell),
        cohort.rejects.sort_values(order, **by_cell),
    )
    assert rejects["row"].is_monotonic_increasing
    assert wide.counts == cohort.counts
    assert wide.simulated == cohort.simulated
    assert wide.sources == cohort.sources
    assert sorted(wide.notices) == sorted(cohort.notices)
    assert sorted(file.name for file in folder.iterdir()) == ["courses.parquet", "rejects.parquet"]
    return cohort


VISITS: dict[str, Any] = {
    "label": "visit",
    "days": "day",
    "score": "score",
    "points": {"baseline": "base", "24h": ["d1", "1"]},
}
BASE = {"constants": {"scale": "MADRS", "diagnosis": "MDD"}, "columns": {"age_years": "age"}}
MAPPINGS: dict[str, dict[str, Any]] = {
    "labels and days": {**BASE, "course": [{"course_id": "{id}", "visits": VISITS}]},
    "two courses of a patient": {
        **BASE,
        "course": [
            {"course_id": "{id}-a", "where": "group >= 1", "arm": "ketamine", "visits": VISITS},
            {"course_id": "{id}-b", "where": 'group != "2"', "arm": "control", "visits": VISITS},
            {"course_id": "{id}-a", "where": "group == 2", "visits": {**VISITS, "points": {"baseline": "d1"}}},
        ],
    },
    "time alone": {
        **BASE,
        "columns": {"age_years": "age", "suicidality_item": {"from": "item", "visit": "baseline"}},
        "course": [{"course_id": "{id}", "visits": {"study_day": "day", "score": "score"}}],
    },
    "items in rows": {
        **BASE,
        "constants": {"scale": "HAMD-6", "diagnosis": "MDD"},
        "course": [
            {
                "course_id": "{id}",
                "visits": {**VISITS, "item": "name", "value": "score", "score": {"items": list("uvwxyz")}},
            }
        ],
    },
    "one row a course": {
        **BASE,
        "columns": {"age_years": "age", "score_baseline": "score"},
        "course": [{"course_id": "{id}"}],
    },
    "a joined table": {
        **BASE,
        "tables": {"rows": "rows.csv", "people": "people.csv"},
        "join": [{"table": "people", "on": "id"}],
        "columns": {"age_years": "people.age", "sex": {"from": "sex", "levels": {"f": "female", "m": "male"}}},
        "course": [{"course_id": "{id}", "visits": VISITS}],
    },
}
PHASES = (Phase.explicit, Phase.generate)  # shrinking takes minutes
ROW = st.tuples(
    st.sampled_from(["p1", "p2", "p3", "p4", ""]),
    st.sampled_from(["base", "d1", "1", "other", ""]),
    st.sampled_from(["-1", "0", "1", "2", "12", "x", ""]),
    st.sampled_from(["30", "20", "3", "900", "x", ""]),
    st.sampled_from(["40", "40.0", "41", "x", ""]),
    st.sampled_from(["1", "2", "x", ""]),
    st.sampled_from(list("uvwxyz")),
)


@pytest.mark.parametrize("name", MAPPINGS)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=PHASES,
)
@given(rows=st.lists(ROW, min_size=1, max_size=24), size=st.integers(2, 12))
def test_any_rows_through_any_mapping(tmp_path: Path, name: str, rows: list[tuple[str, ...]], size: int) -> None:
    frame = pd.DataFrame(rows, columns=["id", "visit", "day", "score", "age", "group", "name"])
    frame["item"] = frame["score"]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    people = pd.DataFrame({"id": ["p1", "p2", "p9"], "age": [40, 50, 60], "sex": ["f", "m", "f"]})
    people.to_csv(tmp_path / "people.csv", index=False)
    mapping = mapping_from_plain(MAPPINGS[name])
    try:
        read_cohort(tmp_path / "rows.csv", mapping, PROTOCOL)
    except KetapredictError as error:
        with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
            make_courses(mapping, tmp_path / "rows.csv", PROTOCOL, tmp_path, batch_rows=size)
        return
    same(tmp_path / "rows.csv", mapping, tmp_path / "out", size)


@pytest.fixture(scope="module")
def table(mappings: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("plain")
    return read_cohort(trial_files.plain_cohort(mappings.parent / "sample-cohort.csv", folder, 25)).table


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet", "parts", "xpt"])
def test_adam_in_every_format(table: pd.DataFrame, tmp_path: Path, suffix: str) -> None:
    records = trial_files.adqs(table)
    trial_files.write_xpt(trial_files.adsl(table), tmp_path / "adsl.xpt")
    if suffix == "xpt":
        trial_files.write_xpt(records, tmp_path / "adqs.xpt")
    elif suffix == "parquet":
        records.to_parquet(tmp_path / "adqs.parquet", index=False)
    elif suffix == "parts":
        (tmp_path / "adqs").mkdir()
        for number in range(3):
            records.iloc[number::3].to_parquet(tmp_path / "adqs" / f"part-{number}.parquet", index=False)
    else:
        records.to_csv(tmp_path / f"adqs.{suffix}", index=False)
    cohort = same(tmp_path, load_mapping("adam"), tmp_path / "out", 50)
    bytes_once = (tmp_path / "out" / "courses.parquet").read_bytes()
    same(tmp_path, load_mapping("adam"), tmp_path / "out", 50)
    assert (tmp_path / "out" / "courses.parquet").read_bytes() == bytes_once
    assert len(cohort) == 25
    assert cohort.counts.filtered > 0


def test_redcap_and_the_form_of_the_contract(table: pd.DataFrame, mappings: Path, tmp_path: Path) -> None:
    export = redcap_files.longitudinal(table.drop(columns="arm"), tmp_path / "export.csv")
    frame = pd.read_csv(export, dtype="str").drop(columns="notes")
    frame.to_csv(export, index=False)
    draft = draft_redcap(export, redcap_files.dictionary(tmp_path / "d.csv"), PROTOCOL)
    (tmp_path / "m.toml").write_text(draft, "utf-8")
    assert len(same(export, load_mapping(tmp_path / "m.toml"), tmp_path / "out", 60)) == 25
    same(mappings.parent / "sample-cohort.csv", None, tmp_path / "out", 150)


def test_rows_of_a_wrong_number_of_fields(tmp_path: Path) -> None:
    text = "id,visit,score\na,base,30\na,d1\nb,base,31\nb,d1,20,7\nc,base,9\n"
    (tmp_path / "t.csv").write_text(text)
    mapping = {**BASE, "columns": {}, "course": [{"course_id": "{id}", "visits": {**VISITS}}]}
    del mapping["course"][0]["visits"]["days"]
    same(tmp_path / "t.csv", mapping_from_plain(mapping), tmp_path / "out", 2)
    wide = {**BASE, "columns": {"score_baseline": "score"}, "course": [{"course_id": "{id}-{visit}"}]}
    same(tmp_path / "t.csv", mapping_from_plain(wide), tmp_path / "out", 2)
    (tmp_path / "t.csv").write_bytes(gzip.compress(text.replace(",", ";").replace("30", "30,0").encode()))
    same(tmp_path / "t.csv", mapping_from_plain(mapping), tmp_path / "out", 2)


def test_rows_of_a_wrong_number_of_fields_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,visit,score,age\na,base\nb,base,3,4,5\n")
    wide = {**BASE, "columns": {"score_baseline": "score"}, "course": [{"course_id": "{id}-{visit}"}]}
    assert make_courses(mapping_from_plain(wide), tmp_path / "t.csv", PROTOCOL, tmp_path).counts.rejected == 2
    long = mapping_from_plain({**BASE, "columns": {}, "course": [{"course_id": "{id}", "visits": VISITS}]})
    (tmp_path / "t.csv").write_text("id,visit,score,day\na,base\nb,base,3,4,5\n")
    with pytest.raises(CohortError, match="no row became a course"):
        make_courses(long, tmp_path / "t.csv", PROTOCOL, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b'id,note,score,age\na,"two\nlines",30,40\nb,x,20,50\n',
        "id;;score;age\nä;;30;40,5\nb;;20;50\n".encode("cp1252"),
        "id,kept,score,age\na,ß,30,40\nb,x,20\nc,y,25,50\n".encode("utf-16"),
    ],
    ids=["lines in a cell", "Windows-1252", "UTF-16"],
)
def test_text_of_all_kinds(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    same(tmp_path / "t.csv", mapping_from_plain(MAPPINGS["one row a course"]), tmp_path / "out", 1)


def test_what_cannot_be_read_is_refused_in_words(table: pd.DataFrame, tmp_path: Path) -> None:
    mapping = mapping_from_plain(MAPPINGS["one row a course"])
    for content, message in (
        ('id,score,age\na,30,"40\nb,20,50\n', "quotation mark"),
        ("id,score,age\n", "rows below the header"),
        (b"PK\x03\x04", "found an Excel file"),
        (b"PAR1", "damaged"),
    ):
        (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(FileError, match=message):
            make_courses(mapping, tmp_path / "t.csv", PROTOCOL, tmp_path)
        assert [file.name for file in tmp_path.iterdir()] == ["t.csv"]
    with pytest.raises(FileError, match="found nothing"):
        make_courses(mapping, tmp_path / "none.csv", PROTOCOL, tmp_path)
    (tmp_path / "t.csv").write_text("id,score\na,30\n")
    with pytest.raises(CohortError, match="first row looks like data"):
        make_courses(None, tmp_path / "t.csv", PROTOCOL, tmp_path)
    with pytest.raises(MappingError, match="has no column age"):
        make_courses(mapping, tmp_path / "t.csv", PROTOCOL, tmp_path)


def test_what_is_large(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    assert not is_large(None, path)
    with path.open("r+b") as file:
        file.truncate(LARGEST_IN_MEMORY_BYTES + 1)
    assert is_large(None, path)
    assert is_large(mapping_from_plain({"tables": {"t": "t.csv"}}), tmp_path)
    (tmp_path / "parts").mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "parts" / "p.parquet")
    assert not is_large(None, tmp_path / "parts")


def test_what_is_large_by_what_it_unpacks_to(tmp_path: Path) -> None:
    cells = {"a": 1_000_000, "b": 1_300_000}
    for name, rows in cells.items():
        path = tmp_path / f"{name}.csv.gz"
        path.write_bytes(gzip.compress(b"1,2,3,4\n" * rows, 1))
        table = pa.table({column: pa.array([1] * rows) for column in "wxyz"})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    assert 4 * cells["a"] < LARGEST_IN_MEMORY_CELLS < 4 * cells["b"]
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(b"x" * (LARGEST_IN_MEMORY_BYTES + 1), 1))
    assert max(path.stat().st_size for path in tmp_path.iterdir()) < LARGEST_IN_MEMORY_BYTES / 10
    large = {path.name for path in tmp_path.iterdir() if is_large(None, path)}
    assert large == {"b.csv.gz", "b.parquet", "c.csv.gz"}
    (tmp_path / "c.csv.gz").write_bytes((tmp_path / "c.csv.gz").read_bytes()[:20_000])
    assert not is_large(None, tmp_path / "c.csv.gz")


def test_excel_is_refused_with_the_reason_whatever_its_size(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(FileError, match=r"t\.xlsx: expected .* read in batches, .* Spark .* Save it as CSV or Parquet"):
        make_courses(None, tmp_path / "t.xlsx", PROTOCOL, tmp_path)


LONG = 1234567890123456789


@pytest.mark.parametrize("key", ["int64", "decimal", "bytes", "text"])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_long_ids_in_keys_labels_and_templates(tmp_path: Path, key: str, size: int) -> None:
    """Next to each other, with a missing one between: as float64 all would be one course."""
    types = {"int64": pa.int64(), "decimal": pa.decimal128(38, 0), "bytes": pa.binary(), "text": pa.string()}

    def keys(values: list[int | None]) -> pa.Array:
        if key in ("bytes", "text"):
            return pa.array([None if value is None else str(value) for value in values]).cast(types[key])
        return pa.array(values).cast(types[key])

    patients = [LONG, LONG + 1, None, LONG + 2]
    rows = [(patient, visit, score) for patient in patients for visit, score in ((0, 30), (None, 7), (1, 20))]
    visits = {
        "id": keys([patient for patient, _, _ in rows]),
        "visit": pa.array([visit for _, visit, _ in rows], pa.int32()),
        "score": pa.array([score for _, _, score in rows], pa.decimal128(5, 1)),
        "tags": pa.array([["unused"]] * len(rows)),
    }
    people = {
        "no": keys([LONG, LONG + 1, LONG + 9]),
        "age": pa.array([40, None, 50]),
        "ward": keys([LONG + 3, LONG + 4, None]),
        "picture": pa.array([b"\xff\xd8", b"", None]),
    }
    pq.write_table(pa.table(visits), tmp_path / "visits.parquet")
    pq.write_table(pa.table(people), tmp_path / "people.parquet")
    mapping: dict[str, Any] = {
        "tables": {"visits": "visits.parquet", "people": "people.parquet"},
        "join": [{"table": "people", "on": {"left": "id", "right": "no"}, "optional": True}],
        "constants": {"scale": "MADRS", "diagnosis": "MDD"},
        "columns": {"patient_id": "id", "site": "ward", "age_years": "age"},
        "course": [
            {
                "course_id": "{id}-a",
                "where": f'id != "{LONG + 2}" or ward is None',
                "visits": {"label": "visit", "score": "score", "points": {"baseline": 0, "24h": 1}},
            }
        ],
    }
    cohort = same(tmp_path, mapping_from_plain(mapping), tmp_path / "out", size)
    table = cohort.table
    assert table["course_id"].tolist() == [f"{LONG}-a", f"{LONG + 1}-a", f"{LONG + 2}-a"]
    assert table["patient_id"].tolist() == [str(LONG), str(LONG + 1), str(LONG + 2)]
    assert table["site"].fillna("").tolist() == [str(LONG + 3), str(LONG + 4), ""]
    assert table["age_years"].fillna(0).tolist() == [40, 0, 0]
    assert table["score_24h"].tolist() == [20] * 3
    for column in ("tags", "picture"):
        used = mapping | {"columns": {**mapping["columns"], "site": column}}
        for read in (read_cohort, lambda path, own: make_courses(own, path, PROTOCOL, tmp_path, batch_rows=2)):
            with pytest.raises(FileError, match=f"column {column}: expected text, numbers, dates"):
                read(tmp_path, mapping_from_plain(used))


def test_an_id_of_the_contract_keeps_its_digits(tmp_path: Path) -> None:
    table = {
        "course_id": pa.array([LONG, None, LONG + 1]),
        "scale": ["MADRS"] * 3,
        "diagnosis": ["MDD"] * 3,
        "score_baseline": pa.array([30, 31, None]),
        "failed_ect": pa.array([Decimal("1.00"), None, Decimal("0.00")]),
    }
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    cohort = same(tmp_path / "t.parquet", None, tmp_path / "out", 1)
    assert cohort.table[["course_id", "failed_ect"]].to_numpy().tolist() == [[str(LONG), 1]]
    assert cohort.rejects["course_id"].fillna("").tolist() == ["", str(LONG + 1)]


def test_courses_of_two_blocks_whose_ids_are_of_two_types(tmp_path: Path) -> None:
    table = {"whole": pa.array([LONG, 1]), "broken": pa.array([0.5, 1.5]), "score": pa.array([30, 31])}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")
    blocks = [{"course_id": name} for name in ("whole", "broken")]
    mapping = {**BASE, "columns": {"score_baseline": "score"}, "course": blocks}
    found = same(tmp_path / "t.parquet", mapping_from_plain(mapping), tmp_path / "out", 1)
    assert found.table["course_id"].tolist() == [str(LONG), "1", "0.5", "1.5"]
