import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from pandas.testing import assert_frame_equal
from tests.cohort.sas7bdat_writer import ROWS_COMPRESSED, write_sas7bdat
from tests.cohort.trial_files import write_xpt

from ketapredict.cohort import Cohort, read_cohort
from ketapredict.cohort.batches import SourceBatches
from ketapredict.cohort.cells import MISSING_MARKERS, as_days
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.sas_source import SasSource
from ketapredict.cohort.tables import Table, read_table
from ketapredict.errors import FileError

FRAME = pd.DataFrame({"ID": ["a", "b", "c"], "X": [24.8, np.nan, 0.1], "DAY": [23410.0, np.nan, -1793.0]})
EPOCH = pd.Timestamp("1960-01-01")


@pytest.fixture(scope="module")
def sample(mappings: Path) -> Cohort:
    return read_cohort(mappings.parent / "sample-cohort.csv")


@pytest.mark.parametrize("version", [5, 8])
def test_transport_files(tmp_path: Path, version: int) -> None:
    dates = FRAME.assign(
        DAY=[datetime.date(2024, 2, 4), None, datetime.date(1955, 2, 3)],
        AT=pd.to_datetime(["2024-02-04 13:05:06", None, "1955-02-03 00:00:00"]),
    )
    pyreadstat.write_xport(dates, tmp_path / "t.xpt", file_format_version=version, table_name="T")
    frame = read_table(tmp_path / "t.xpt").frame
    assert frame["X"].tolist()[::2] == [24.8, 0.1]
    assert np.isnan(frame["X"][1])
    days, invalid = as_days(frame["DAY"])
    expected = [(pd.Timestamp(day) - pd.Timestamp(0)).days for day in ("2024-02-04", "1955-02-03")]
    assert days[::2].tolist() == expected
    assert not invalid.any()
    assert as_days(frame["AT"])[0][0] == expected[0] + (13 * 3600 + 5 * 60 + 6) / 86400


def test_special_missing_values_of_a_transport_file_are_missing(tmp_path: Path) -> None:
    pyreadstat.write_xport(FRAME[["ID", "X"]], tmp_path / "t.xpt", file_format_version=5, table_name="T")
    content = (tmp_path / "t.xpt").read_bytes()
    plain = b"\x2e" + bytes(7)
    assert content.count(plain) == 1
    for code in (b"A", b"Z", b"_"):
        (tmp_path / "t.xpt").write_bytes(content.replace(plain, code + bytes(7)))
        assert read_table(tmp_path / "t.xpt").frame["X"].isna().tolist() == [False, True, False]


def test_text_of_a_transport_file_that_is_not_utf8(tmp_path: Path) -> None:
    frame = pd.DataFrame({"ID": ["aé", "b"], "X": [1.0, 2.0]})
    pyreadstat.write_xport(frame, tmp_path / "t.xpt", file_format_version=5, table_name="T")
    content = (tmp_path / "t.xpt").read_bytes()
    (tmp_path / "t.xpt").write_bytes(content.replace("é".encode(), b"\xe9 "))
    table = read_table(tmp_path / "t.xpt")
    assert table.frame["ID"].tolist() == ["aé", "b"]
    assert any("Windows-1252" in notice for notice in table.notices)


@pytest.mark.parametrize("compression", [0, ROWS_COMPRESSED])
def test_sas7bdat_beside_another_reader(tmp_path: Path, compression: int) -> None:
    rng = np.random.default_rng(1)
    rows = 3000
    frame = pd.DataFrame(
        {
            "USUBJID": [f"case-{number}" for number in range(rows)],
            "AVAL": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "ADT": np.where(rng.random(rows) < 0.1, np.nan, rng.integers(-4000, 30000, rows)),
        }
    )
    path = tmp_path / "t.sas7bdat"
    write_sas7bdat(frame, path, {"ADT": "DATE9"}, tagged="B", compression=compression)
    found = read_table(path).frame
    other = pd.read_sas(path, encoding="utf-8")
    assert found["USUBJID"].tolist() == frame["USUBJID"].tolist() == other["USUBJID"].tolist()
    np.testing.assert_array_equal(found["AVAL"], frame["AVAL"])
    np.testing.assert_array_equal(found["AVAL"], other["AVAL"])
    days = (found["ADT"] - EPOCH).dt.days
    np.testing.assert_array_equal(days, frame["ADT"])
    np.testing.assert_array_equal(days, (other["ADT"] - EPOCH).dt.days)


def test_codes_are_not_replaced_by_labels(tmp_path: Path) -> None:
    write_sas7bdat(FRAME, tmp_path / "t.sas7bdat", {"X": "SEXF", "DAY": "E8601DA"})
    table = read_table(tmp_path / "t.sas7bdat")
    assert table.frame["X"].tolist()[0] == 24.8
    assert [notice for notice in table.notices if "codes" in notice] == [
        "the stored codes of X, not the labels of their SAS formats"
    ]


@pytest.mark.parametrize("suffix", ["xpt", "sas7bdat"])
def test_the_sample_cohort_in_the_form_of_the_contract(sample: Cohort, tmp_path: Path, suffix: str) -> None:
    """The contract's names are longer than version 5 allows: version 8, or sas7bdat."""
    frame = sample.table.drop(columns=[name for name in sample.table if sample.table[name].isna().all()])
    plain = frame.astype({name: str for name in frame if frame[name].dtype != float})
    texts = [name for name in plain if plain[name].dtype != float]
    plain[texts] = plain[texts].where(frame[texts].notna(), "")
    path = tmp_path / f"cohort.{suffix}"
    if suffix == "xpt":
        pyreadstat.write_xport(plain, path, file_format_version=8, table_name="COHORT")
    else:
        write_sas7bdat(plain, path)
    found = read_cohort(path)
    assert_frame_equal(found.table, sample.table)
    assert found.counts == sample.counts


def test_dates_and_codes_through_a_mapping(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "ID": ["a"] * 2,
            "ON": [datetime.date(2024, 3, 1), datetime.date(2024, 3, 2)],
            "START": [datetime.date(2024, 3, 1)] * 2,
            "SCORE": [30.0, 20.0],
            "SEX": [1.0, 1.0],
        }
    )
    write_xpt(rows, tmp_path / "t.xpt")
    mapping = mapping_from_plain(
        {
            "constants": {"scale": "MADRS", "diagnosis": "MDD"},
            "columns": {"sex": {"from": "SEX", "levels": {"1": "male", "2": "female"}}},
            "course": [{"course_id": "{ID}", "visits": {"date": "ON", "start": "START", "score": "SCORE"}}],
        }
    )
    course = read_cohort(tmp_path / "t.xpt", mapping).table.iloc[0]
    assert course[["score_baseline", "score_24h", "sex"]].tolist() == [30, 20, "male"]


def test_what_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    write_sas7bdat(FRAME, tmp_path / "t.sas7bdat")
    write_xpt(FRAME, tmp_path / "t.xpt")
    for name in ("t.sas7bdat", "t.xpt"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 4])
        with pytest.raises(FileError, match=r"damaged|rows below|cut short"):
            read_table(tmp_path / name)
    (tmp_path / "c.xpt").write_bytes(b"**COMPRESSED** **COMPRESSED** **COMPRESSED**")
    with pytest.raises(FileError, match="PROC CPORT"):
        read_table(tmp_path / "c.xpt")
    write_sas7bdat(FRAME.assign(DAY=1e15), tmp_path / "d.sas7bdat", {"DAY": "DATE9"})
    with pytest.raises(FileError, match="no date") as refused:
        read_table(tmp_path / "d.sas7bdat")
    assert "1000000" not in str(refused.value)


@pytest.mark.parametrize("version", [5, 8])
@pytest.mark.parametrize("long_text", [5, 190])
def test_a_transport_file_that_is_cut_anywhere_in_its_rows(tmp_path: Path, version: int, long_text: int) -> None:
    frame = pd.concat([FRAME] * 20, ignore_index=True).assign(NOTE=["x" * long_text] * 60)
    pyreadstat.write_xport(frame, tmp_path / "t.xpt", file_format_version=version, table_name="T")
    content = (tmp_path / "t.xpt").read_bytes()
    first = content.index(b"HEADER RECORD*******OBS") + 80
    row = 1 + 8 + 8 + long_text
    assert len(read_table(tmp_path / "t.xpt").frame) == len(next(SasSource(tmp_path / "t.xpt").chunks(90))) == 60
    for size in (*range(first + 80, len(content), 240), first + 7 * row + 3):
        rest = (size - first) % row
        if size % 80 == 0 and not content[size - rest : size].strip(b" ") and rest < 80:
            continue
        (tmp_path / "t.xpt").write_bytes(content[:size])
        with pytest.raises(FileError, match="cut short"):
            read_table(tmp_path / "t.xpt")
        with pytest.raises(FileError, match="cut short"):
            SasSource(tmp_path / "t.xpt")


def in_chunks(path: Path, rows: int) -> Table:
    """The file as one table again, from batches."""
    source = SourceBatches(path, MISSING_MARKERS, rows)
    tables = [source.table(raw, numbers) for raw, numbers in source.arrow()]
    assert {str(table.frame.dtypes.to_dict()) for table in tables} == {str(tables[0].frame.dtypes.to_dict())}
    frame = pd.concat([table.frame for table in tables], ignore_index=True)
    rows_read = np.concatenate([table.rows for table in tables])
    return Table(source.name, frame, rows_read, rows_read[:0], source.sha256, notices=tuple(source.notices))


def the_same_in_chunks(path: Path) -> Table:
    whole = read_table(path)
    for rows in (1, 2, 3, len(whole.rows), 1000):
        found = in_chunks(path, rows)
        assert_frame_equal(found.frame, whole.frame, check_column_type=False)
        assert found.notices == whole.notices
        assert (found.rows.tolist(), found.sha256) == (whole.rows.tolist(), whole.sha256)
    return whole


KINDS = {
    "text": (["", "", "", "b", ""], None),
    "number": ([np.nan, np.nan, np.nan, 1.5, np.nan], "BEST12"),
    "code": ([np.nan, np.nan, np.nan, 2.0, np.nan], "SEXF"),
    "date": ([np.nan, np.nan, np.nan, 23410.0, np.nan], "DATE9"),
    "datetime": ([np.nan, np.nan, np.nan, 2022629106.5, np.nan], "DATETIME20"),
    "ISO datetime": ([np.nan, np.nan, np.nan, 2022629106.0, np.nan], "E8601DT"),
    "time": ([np.nan, np.nan, np.nan, 28800.0, np.nan], "TIME8"),
    "ISO time": ([np.nan, np.nan, np.nan, 28800.0, np.nan], "E8601TM"),
    "no date at all": ([np.nan] * 5, "DATETIME20"),
    "no time at all": ([np.nan] * 5, "TIME8"),
    "no text at all": ([""] * 5, None),
}


@pytest.mark.parametrize("suffix", ["xpt", "sas7bdat"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_column_that_is_missing_at_first_in_chunks_as_in_memory(tmp_path: Path, suffix: str, kind: str) -> None:
    cells, used = KINDS[kind]
    frame = pd.DataFrame({"ID": list("abcde"), "X": cells})
    path = tmp_path / f"t.{suffix}"
    if suffix == "xpt":
        formats = {"X": used} if used else {}
        pyreadstat.write_xport(frame, path, file_format_version=8, table_name="T", variable_format=formats)
    else:
        write_sas7bdat(frame, path, {"X": used} if used else {})
    found = the_same_in_chunks(path).frame["X"]
    assert found.isna().tolist() == pd.Series(cells).replace("", np.nan).isna().tolist()
    if "date" in kind:
        assert found.dtype == "datetime64[us]"
    elif kind == "time":
        assert found[3] == "08:00:00"


@pytest.mark.parametrize("suffix", ["xpt", "sas7bdat"])
@pytest.mark.parametrize(
    ("texts", "assumed"),
    [
        ([b"a", b"b", b"c", b"\xe9d"], True),
        ([b"\xe9d", b"b", b"c", b"d"], True),
        (["\u00e9d".encode(), b"b", b"c", b"\xe9d"], True),
        ([b"a", "\u00e9d".encode(), b"c", b"d"], False),
        ([b"a", b"b", b"c", b"d"], False),
    ],
    ids=["late", "at once", "after text that is UTF-8 too", "UTF-8", "ASCII"],
)
def test_one_encoding_for_the_whole_file_wherever_it_shows(
    tmp_path: Path, suffix: str, texts: list[bytes], assumed: bool
) -> None:
    marks = [f"QQQ{number}" for number in range(len(texts))]
    frame = pd.DataFrame({"ID": marks, "X": [1.0, 2.0, 3.0, 4.0]})
    path = tmp_path / f"t.{suffix}"
    if suffix == "xpt":
        pyreadstat.write_xport(frame, path, file_format_version=5, table_name="T")
    else:
        write_sas7bdat(frame, path)
    content = path.read_bytes()
    for mark, text in zip(marks, texts, strict=True):
        assert content.count(mark.encode()) == 1
        content = content.replace(mark.encode(), text.ljust(4))
    path.write_bytes(content)
    table = the_same_in_chunks(path)
    encoding = "cp1252" if assumed else "utf-8"
    assert table.frame["ID"].tolist() == [text.decode(encoding) for text in texts]
    assert any("Windows-1252" in notice for notice in table.notices) == assumed


def test_what_no_encoding_can_read_is_refused_in_chunks_too(tmp_path: Path) -> None:
    pyreadstat.write_xport(FRAME[["ID", "X"]], tmp_path / "t.xpt", file_format_version=5, table_name="T")
    content = (tmp_path / "t.xpt").read_bytes()
    place = content.rindex(b"c")
    (tmp_path / "t.xpt").write_bytes(content[:place] + b"\x81" + content[place + 1 :])
    for read in (read_table, lambda path: in_chunks(path, 1)):
        with pytest.raises(FileError, match="expected text in UTF-8 or Windows-1252, found another encoding"):
            read(tmp_path / "t.xpt")
    (tmp_path / "c.xpt").write_bytes(b"**COMPRESSED** **COMPRESSED** **COMPRESSED**")
    with pytest.raises(FileError, match="PROC CPORT"):
        in_chunks(tmp_path / "c.xpt", 1)
