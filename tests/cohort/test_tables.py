import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ketapredict.cohort.tables import read_table
from ketapredict.errors import FileError

Write = Callable[..., Path]


def test_missing_markers_and_white_space(write: Write) -> None:
    table = read_table(write("a,b\n x ,NA\nn/a,-\n.,999\n"))
    assert table.frame["a"].tolist()[0] == "x"
    assert table.frame["a"].isna().tolist() == [False, True, True]
    assert table.frame["b"].isna().tolist() == [True, True, False]
    assert read_table(write("a,b\n1,999\n"), ("999",)).frame["b"].isna().all()


def test_rows_with_a_wrong_number_of_fields_are_named_and_the_others_keep_their_numbers(write: Write) -> None:
    table = read_table(write('a,b\n1,2\n\n3,4,5\n"x\ny",3\n6\n7,8\n'))
    assert table.rows.tolist() == [1, 3, 5]
    assert table.ragged.tolist() == [2, 4]
    assert table.row_count == 5


def test_parquet_and_excel(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b", " NA"], "n": [1.0, 2.5, None], "mixed": [1, "x", None]})
    frame.drop(columns="mixed").to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    parquet, excel = read_table(tmp_path / "t.parquet"), read_table(tmp_path / "t.xlsx")
    assert parquet.frame["id"].isna().tolist() == [False, False, True]
    assert excel.frame["n"].tolist()[:2] == [1.0, 2.5]
    assert excel.frame["mixed"].tolist()[:2] == [1, "x"]
    assert excel.rows.tolist() == [1, 2, 3]


def test_excel_rows_keep_their_numbers_over_empty_ones(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, None, 3], "b": ["x", None, "z"]}).to_excel(tmp_path / "t.xlsx", index=False)
    assert read_table(tmp_path / "t.xlsx").rows.tolist() == [1, 3]


def test_empty_columns_without_a_name_are_left_out(write: Write) -> None:
    table = read_table(write("a,b,\n1,2,\n3,4,\n"))
    assert list(table.frame) == ["a", "b"]
    assert list(read_table(write(",a,b\n0,1,2\n")).frame) == ["unnamed_1", "a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty file"),
        ("\n \n", "empty file"),
        (b"\xef\xbb\xbf", "empty file"),
        ("a,b\n", "rows below the header"),
        ("a,a\n1,2\n", r"more than once \(columns 1, 2\)"),
        ("a^b\n1^2\n", "one column only"),
        (b"PAR1nonsense", "damaged"),
        (b"PK\x03\x04nonsense", "damaged"),
        (b"\xd0\xcf\x11\xe0old", "old Excel"),
        (b"\x1f\x8bnonsense", "damaged"),
        (b"a,b\n\x00\x01,2\n", "binary"),
        (b"a,b\n\x81\x8d,2\n", "unknown encoding"),
        ('a,b\n"x,2\n3,4\n5,6\n', "never closed"),
    ],
)
def test_files_that_cannot_be_used(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        read_table(write(content))


def test_absent_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="found nothing"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(FileError, match="found the folder"):
        read_table(tmp_path)


def test_gzip(write: Write) -> None:
    assert read_table(write(gzip.compress(b"a,b\n1,2\n"), "t.csv.gz")).frame["b"].tolist() == ["2"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(alphabet='ab1,;\t|\n\r" \ufeffé', max_size=60)))
def test_any_file_is_read_or_refused_in_words(write: Write, content: bytes | str) -> None:
    try:
        table = read_table(write(content))
    except FileError:
        return
    assert table.row_count == len(table.frame) + len(table.ragged)
    assert len(set(table.rows) | set(table.ragged)) == table.row_count
