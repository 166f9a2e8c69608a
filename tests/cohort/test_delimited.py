from collections.abc import Callable
from pathlib import Path

import pytest

from ketapredict.cohort.tables import read_table

Write = Callable[..., Path]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(write: Write, delimiter: str) -> None:
    table = read_table(write(f"id{delimiter}x\na{delimiter}1\nb{delimiter}2\n"))
    assert table.frame["x"].tolist() == ["1", "2"]


def test_a_delimiter_within_names_and_text_does_not_mislead(write: Write) -> None:
    table = read_table(write("id;score, total\na;1,5\nb;2\n"))
    assert list(table.frame) == ["id", "score, total"]
    assert table.decimal_comma
    table = read_table(write('id,note\na,"x; y; z"\nb,"x;y"\n'))
    assert list(table.frame) == ["id", "note"]


def test_bom_semicolons_and_decimal_commas(write: Write) -> None:
    table = read_table(write("\ufeffid;x\na;1,5\nb;2\n"))
    assert list(table.frame) == ["id", "x"]
    assert table.notices == ("semicolon as delimiter", "decimal commas")
    assert not read_table(write("id;x\na;1.5\n")).decimal_comma


def test_encodings(write: Write) -> None:
    assert read_table(write("id\tö\na\tü\n".encode("utf-16"))).frame["ö"].tolist() == ["ü"]
    table = read_table(write("id,ö\na,ü\n".encode("cp1252")))
    assert table.frame["ö"].tolist() == ["ü"]
    assert "Windows-1252" in table.notices[0]


def test_line_ends_of_windows(write: Write) -> None:
    assert read_table(write("a,b\r\n1,2\r\n\r\n3,4\r\n")).frame["b"].tolist() == ["2", "4"]
