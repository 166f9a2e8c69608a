"""The readers in batches against the reader of whole files."""

import gzip
import tracemalloc
import uuid
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.cohort import arrow_cells, text_source
from ketapredict.cohort.cells import as_number, text_cells
from ketapredict.cohort.columns import declared_columns
from ketapredict.cohort.protocols import BUILT_IN
from ketapredict.cohort.tables import read_table
from ketapredict.cohort.wide_table import ParquetTable, cells_of
from ketapredict.cohort.wide_text import TextTable
from ketapredict.errors import FileError, KetapredictError

DECLARED = declared_columns(BUILT_IN["induction-course"])
NAMES = ("course_id", "diagnosis", "scale", "score_baseline", "sex", "site")
CELL = st.sampled_from(["", " a ", "NA", "12,5", "12.5", "x", "MADRS", "ü", '"q, q"', '"two\nlines"', "-"])
ROW = st.lists(CELL, min_size=5, max_size=7)


def refusal(read) -> str:
    try:
        read()
    except FileError as error:
        return str(error)
    return ""


def as_declared(cells):
    """What validation sees: numbers or text, whatever type holds them."""
    if DECLARED[cells.name].kind in ("number", "score"):
        values, invalid = as_number(cells)
        return [None if np.isnan(value) else value for value in values], invalid.tolist()
    return [None if pd.isna(cell) else cell for cell in text_cells(cells)]


def frame_of(batch):
    return pd.DataFrame(batch.cells, index=range(len(batch.rows)))


def in_batches(table, rows):
    batches = list(table.batches(rows))
    assert sum(len(batch.rows) + len(batch.ragged) for batch in batches) == table.row_count
    assert all(len(batch.rows) + len(batch.ragged) == rows for batch in batches[:-1])
    for start in range(len(batches) + 1):
        again = list(table.batches(rows, start))
        assert [batch.rows.tolist() for batch in again] == [batch.rows.tolist() for batch in batches[start:]]
    frame = pd.concat([frame_of(batch) for batch in batches], ignore_index=True)
    return frame, np.concatenate([b.rows for b in batches]), np.concatenate([b.ragged for b in batches])


@given(st.lists(ROW, min_size=1, max_size=12), st.sampled_from(",;\t"), st.integers(1, 9), st.booleans())
@settings(max_examples=60, deadline=None)
def test_text_as_the_whole_file(tmp_path_factory, rows, delimiter, at_once, zipped):
    lines = [delimiter.join(NAMES), *(delimiter.join(row) for row in rows)]
    path = tmp_path_factory.mktemp("text") / "a.csv"
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if zipped else content)
    if refused := refusal(lambda: read_table(path)):
        assert refusal(lambda: TextTable(path, DECLARED)) == refused
        return
    whole = read_table(path)
    table = TextTable(path, DECLARED)
    frame, numbers, ragged = in_batches(table, at_once)
    pd.testing.assert_frame_equal(frame, whole.frame, check_column_type=False)
    assert numbers.tolist() == whole.rows.tolist()
    assert ragged.tolist() == whole.ragged.tolist()
    assert table.row_count == whole.row_count
    assert table.decimal_comma == whole.decimal_comma
    assert table.notices == ((f"a.csv: read with {', '.join(whole.notices)}",) if whole.notices else ())
    assert table.sources[0].sha256 == whole.sha256
    ids = [one for batch in table.ids() for one in batch.to_pylist()]
    assert ids == [None if pd.isna(one) else one for one in whole.frame["course_id"]]


@pytest.mark.parametrize(
    "content",
    [
        "course_id,sex\nä,female\n".encode("cp1252"),
        "course_id,sex\nä,female\n".encode("utf-16"),
        "course_id,sex\nä,female\n".encode("utf-8-sig"),
        b"course_id,sex\rA,female\rB,male\r",
        b"course_id,sex,\nA,female,\nB,male, \n",
        b"course_id,sex,\nA,female,\nB,male,x\n",
        b"course_id,sex\n\n\nA,female\n\n",
        b'course_id,sex\n"A,female\nB,male\n',
        b'course_id,sex,site\nA,"female,x\nB,male,y\nC,male",z\n',
        b"course_id,sex\n" + b"A" * 140_000 + b",male\n",
        b"course_id,course_id\nA,B\n",
        b"course_id,sex\n",
        b"   \n ",
        b"\x1f\x8b damaged",
        b"\x00\x01\x02\x03 binary",
        b"\x81\x8d,x\n1,2\n",
        b"course_id\nA\n",
    ],
)
def test_unusual_text_as_the_whole_file(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    if refused := refusal(lambda: read_table(path)):
        assert refusal(lambda: TextTable(path, DECLARED)) == refused
        return
    whole = read_table(path)
    if any(name.startswith("unnamed") for name in whole.frame):
        with pytest.raises(KetapredictError, match="no column"):
            TextTable(path, DECLARED)
        return
    table = TextTable(path, DECLARED)
    frame, numbers, _ = in_batches(table, 1)
    pd.testing.assert_frame_equal(frame, whole.frame, check_column_type=False)
    assert numbers.tolist() == whole.rows.tolist()
    assert table.notices == ((f"a.csv: read with {', '.join(whole.notices)}",) if whole.notices else ())


@given(
    st.lists(st.sampled_from(["a,male,s", "b,female", "c", "d,male,s,x"]), min_size=1, max_size=60), st.integers(1, 70)
)
@settings(max_examples=60, deadline=None)
def test_rows_of_a_wrong_number_of_fields_in_blocks_of_any_content(tmp_path_factory, rows, at_once):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    path.write_text("\n".join(["course_id,sex,site", *rows]) + "\n")
    whole = read_table(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_source, "_LONGEST_BLOCK", 32)
        frame, numbers, ragged = in_batches(TextTable(path, DECLARED), at_once)
    pd.testing.assert_frame_equal(frame, whole.frame, check_column_type=False, check_dtype=len(frame) > 0)
    assert numbers.tolist() == whole.rows.tolist()
    assert ragged.tolist() == whole.ragged.tolist()


def test_rows_of_a_wrong_number_of_fields_take_bounded_memory(tmp_path, monkeypatch):
    """One number takes 8 bytes: all together would be twice the bound."""
    monkeypatch.setattr(text_source, "_LONGEST_BLOCK", 1 << 14)
    monkeypatch.setattr(text_source, "_BYTES_AT_ONCE", 1 << 14)
    path = tmp_path / "a.csv"
    path.write_text("course_id,sex\nA,male\n" + "B\n" * 300_000)
    table = TextTable(path, DECLARED)
    tracemalloc.start()
    try:
        told = sum(len(batch.ragged) for batch in table.batches(5_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert told == 300_000
    assert peak < 8 * 300_000 / 2


def test_the_row_of_a_cell_that_is_too_long_is_named_as_in_the_whole_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("course_id,sex\n" + "A,male\n" * 60 + "B\n" + "C" * 140_000 + ",male\n")
    refused = refusal(lambda: read_table(path))
    assert "row 62" in refused
    assert refusal(lambda: TextTable(path, DECLARED)) == refused


def test_parquet_cells_as_the_whole_file_whatever_the_types(tmp_path):
    table = pa.table(
        {
            "course_id": pa.array([1, 2, 3, None, 5]),
            "sex": pa.array([" male", "NA", None, "female", "x"]).dictionary_encode(),
            "diagnosis": pa.array(["MDD", "", "BD ", None, "MDD"]),
            "failed_ect": pa.array([True, None, False, True, False]),
            "age_years": pa.array([None, None, None, 40, 50]),
            "bmi_kg_m2": pa.array([None, None, None, None, None], pa.float32()),
            "site": pa.array(["a", "a", " b", "-", None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    whole = read_table(tmp_path / "a.parquet")
    for rows in (1, 2, 3, 5, 9):
        frame, numbers, _ = in_batches(ParquetTable([tmp_path / "a.parquet"], DECLARED), rows)
        assert numbers.tolist() == [1, 2, 3, 4, 5]
        for name in whole.frame:
            assert as_declared(frame[name]) == as_declared(whole.frame[name]), name


def test_row_numbers_of_another_source(tmp_path):
    frame = pd.DataFrame({"course_id": ["a", "b", "c"], "source_row": [7, 9, 30]})
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    table = ParquetTable([tmp_path / "a.parquet"], DECLARED, row_column="source_row")
    found, numbers, _ = in_batches(table, 2)
    assert numbers.tolist() == [7, 9, 30]
    assert list(found) == ["course_id"]


TEXT = pa.array([" male", "NA", "female"])
PAIRS = {
    "numbers": (pa.array([1, 2, 3]), pa.array([1.5, None, 3.0])),
    "nothing first": (pa.nulls(3), TEXT),
    "nothing last": (TEXT, pa.nulls(3)),
    "codes": (TEXT, TEXT.dictionary_encode()),
    "codes of numbers": (pa.array([1, 2, 3]).dictionary_encode(), pa.array([4.5, 5.0, None])),
    "long texts": (TEXT.cast(pa.large_string()), TEXT),
    "decimals": (pa.array([1, 2, 3]), pa.array([1.5, 2.5, None]).cast(pa.decimal128(5, 2))),
    "decimals and floats": (pa.array([1.5, 2.5, None]).cast(pa.decimal128(5, 2)), pa.array([0.1, None, 3.0])),
    "decimals of two kinds": (
        pa.array([1.5, 2.5, None]).cast(pa.decimal128(5, 2)),
        pa.array([Decimal(10), Decimal("0.125"), None]),
    ),
    "bytes and text": (pa.array([b"male", b" NA", b"female"]), TEXT),
    "truth and text": (pa.array([True, None, False]), pa.array(["yes", "no", None])),
    "number and text": (pa.array([1, 2, 3]), TEXT),
}


@pytest.mark.parametrize("name", ["course_id", "sex", "age_years"])
@pytest.mark.parametrize("pair", PAIRS)
def test_parts_of_several_types_and_another_order_as_the_whole_folder(tmp_path, name, pair):
    for number, cells in enumerate(PAIRS[pair]):
        columns = {"course_id": pa.array(["a", "b", "c"]), "bmi_kg_m2": pa.array([20.5, 21.5, None]), name: cells}
        columns = dict(reversed(columns.items())) if number else columns
        pq.write_table(pa.table(columns), tmp_path / f"{number}.parquet")
    parts = sorted(tmp_path.iterdir())
    if refused := refusal(lambda: read_table(tmp_path)):
        assert "of one type in all parts" in refused
        assert refusal(lambda: ParquetTable(parts, DECLARED)) == refused
        return
    assert pair not in ("truth and text", "number and text")
    whole = read_table(tmp_path).frame
    for rows in (1, 2, 4, 9):
        table = ParquetTable(parts, DECLARED)
        frame, _, _ = in_batches(table, rows)
        assert list(frame) == list(whole)
        for column in whole:
            assert as_declared(frame[column]) == as_declared(whole[column]), column
    ids = [one for batch in table.ids() for one in batch.to_pylist()]
    assert len(ids) == 6


LONG = 1234567890123456789
IDS = {
    "whole numbers": (pa.array([LONG, None, LONG + 1, 7]), [str(LONG), None, str(LONG + 1), "7"]),
    "large ones": (pa.array([2**64 - 1, None, 2**64 - 2, 1], pa.uint64()), [f"{2**64 - 1}", None, f"{2**64 - 2}", "1"]),
    "decimals": (
        pa.array([Decimal(10**37 + 1), None, Decimal(10**37), Decimal(-3)], pa.decimal128(38, 0)),
        [str(10**37 + 1), None, str(10**37), "-3"],
    ),
    "decimals with a fraction": (
        pa.array([Decimal(LONG), None, Decimal("12.50"), Decimal("0.00")], pa.decimal128(21, 2)),
        [str(LONG), None, "12.5", "0"],
    ),
    "long fractions": (
        pa.array([Decimal("0E-20"), Decimal("1"), Decimal("10"), Decimal("1.05")], pa.decimal128(38, 20)),
        ["0", "1", "10", "1.05"],
    ),
    "bytes": (pa.array([b"k1", None, "k\u00fc".encode(), b" k3 "]), ["k1", None, "k\u00fc", "k3"]),
    "bytes of one length": (pa.array([b"k1", None, b"k2", b"k3"], pa.binary(2)), ["k1", None, "k2", "k3"]),
    "codes of whole numbers": (
        pa.array([LONG, None, LONG + 1, LONG]).dictionary_encode(),
        [str(LONG), None, str(LONG + 1), str(LONG)],
    ),
    "UUIDs": (
        pa.array([bytes(range(16)), None, bytes(16), bytes(range(1, 17))], pa.uuid()),
        [
            str(uuid.UUID(bytes=one)) if one else None
            for one in (bytes(range(16)), None, bytes(16), bytes(range(1, 17)))
        ],
    ),
}


@pytest.mark.parametrize("kind", IDS)
def test_an_id_keeps_its_digits_whatever_stands_beside_it(tmp_path, kind):
    ids, expected = IDS[kind]
    table = pa.table({"course_id": ids, "patient_id": ids, "site": ids, "sex": ["male"] * 4})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "parts").mkdir()
    for number in range(2):
        pq.write_table(table[number * 2 :][:2], tmp_path / "parts" / f"{number}.parquet")
    for path in (tmp_path / "a.parquet", tmp_path / "parts"):
        frames = [read_table(path).frame]
        for rows in (1, 2, 3, 9):
            paths = sorted(path.iterdir()) if path.is_dir() else [path]
            wide = ParquetTable(paths, DECLARED)
            frames.append(in_batches(wide, rows)[0])
            assert [one for batch in wide.ids() for one in batch.to_pylist()] == expected
        for frame in frames:
            for name in ("course_id", "patient_id", "site"):
                assert [None if pd.isna(cell) else cell for cell in text_cells(frame[name])] == expected


def test_an_id_written_as_numbers_of_several_types(tmp_path):
    for number, ids in enumerate((pa.array([LONG, 1]), pa.array([2.0, None]), pa.array([Decimal(LONG)] * 2))):
        pq.write_table(pa.table({"course_id": ids, "sex": ["male"] * 2}), tmp_path / f"{number}.parquet")
    table = ParquetTable(sorted(tmp_path.iterdir()), DECLARED)
    assert in_batches(table, 4)[0]["course_id"].tolist() == [str(LONG), "1", "2", np.nan, str(LONG), str(LONG)]
    assert "of one type in all parts" in refusal(lambda: read_table(tmp_path))


@given(st.lists(st.decimals(-(10**13) + 1, 10**13 - 1, places=2), min_size=1), st.sampled_from([15, 16, 30]))
@settings(max_examples=80, deadline=None)
def test_a_decimal_is_the_number_that_its_digits_are(tmp_path_factory, numbers, precision):
    path = tmp_path_factory.mktemp("decimals") / "a.parquet"
    cells = pa.array(numbers, pa.decimal128(precision, 2))
    pq.write_table(pa.table({"course_id": [str(n) for n in range(len(numbers))], "age_years": cells}), path)
    wide = in_batches(ParquetTable([path], DECLARED), 3)[0]["age_years"]
    assert wide.dtype == float
    assert wide.tolist() == [float(str(number)) for number in numbers]
    assert as_number(read_table(path).frame["age_years"])[0].tolist() == wide.tolist()


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([["a"], ["b"]]),
        pa.array([{"a": 1}, None]),
        pa.array([b"\xff\xfe", b"b"]),
    ],
    ids=["lists", "structures", "bytes"],
)
def test_what_is_no_cell_is_refused_with_the_name_of_its_column(tmp_path, cells):
    pq.write_table(pa.table({"course_id": cells, "sex": ["male", "female"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"course_id": cells, "sex": ["male", "female"]}), tmp_path / "b.parquet")
    for paths in ([tmp_path / "a.parquet"], sorted(tmp_path.iterdir())):
        message = refusal(lambda paths=paths: in_batches(ParquetTable(paths, DECLARED), 1))
        assert "column course_id: expected text, numbers, dates" in message
        assert "\\x" not in message
    assert read_table(tmp_path / "a.parquet").unreadable == {"course_id"}


INDEX_TYPES = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]


@pytest.mark.parametrize("index", INDEX_TYPES, ids=str)
@pytest.mark.parametrize("text", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize(
    "levels", [["a", " b", "NA"], ["a", "a", "b"], ["a", None, "b"]], ids=["plain", "twice", "null"]
)
def test_codes_of_any_kind_are_the_texts_that_they_stand_for(index, text, levels):
    column = pa.DictionaryArray.from_arrays(pa.array([0, 2, None, 1, 0], index), pa.array(levels, text))
    table = pa.table({"sex": column})
    plain = pa.table({"sex": column.dictionary_decode()})
    found, expected = (text_cells(cells_of(given, ["sex"], DECLARED)["sex"]) for given in (table, plain))
    assert [None if pd.isna(cell) else cell for cell in found] == [None if pd.isna(cell) else cell for cell in expected]


def test_levels_of_a_column_of_many_texts_are_not_kept():
    texts = [f"site {number}" for number in range(3000)]
    arrow_cells._kept_type.cache_clear()
    for start in range(0, 3000, 500):
        cells_of(pa.table({"site": pa.array(texts[start : start + 500]).dictionary_encode()}), ["site"], DECLARED)
    assert arrow_cells._kept_type.cache_info().currsize == 0
