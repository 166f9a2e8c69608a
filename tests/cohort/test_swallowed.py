"""Quotation marks: cells with line breaks are read, swallowed rows are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ketapredict.cohort.tables import read_table
from ketapredict.errors import FileError

Write = Callable[..., Path]
HEADER = "id,dx,scale,base,age"


def lines(count: int, replaced: dict[int, str] | None = None) -> str:
    rows = [f"S{number},MDD,MADRS,33,40" for number in range(1, count + 1)]
    for number, line in (replaced or {}).items():
        rows[number - 1] = line
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({5: '"S5,MDD,MADRS,33,40', 20: 'S20",MDD,MADRS,33,40'}, "row 5 to row 20"),
        ({5: '"S5,MDD,MADRS,33,40', 6: 'S6",MDD,MADRS,33,40'}, "row 5 to row 6"),
        ({5: 'S5,MDD,MADRS,33,"40', 20: 'S20,MDD,MADRS,33,40"'}, "row 5 to row 20"),
        # The marks stand in different columns: the row would have another number of fields.
        ({5: '"S5,MDD,MADRS,33,40', 9: 'S9,MDD,"MADRS,33,40'}, "row 5 to row 9"),
        # The mark of a cell in order closes the stray one, and the second stray one stays open.
        ({5: '"S5,MDD,MADRS,33,40', 9: 'S9,"M, D",MADRS,33,40', 12: '"S12,MDD,MADRS,33,40'}, "from row 5 on"),
        # A row among them is short.
        ({5: '"S5,MDD,MADRS,33,40', 6: "S6,MDD", 7: 'S7",MDD,MADRS,33,40'}, "row 5 to row 7"),
        ({5: '"S5,MDD,MADRS,33,40', 6: "S6,MDD", 9: 'S9",MDD,MADRS,33,40'}, "row 5 to row 9"),
        (
            {2: '"S2,MDD,MADRS,33,40', 4: 'S4",MDD,MADRS,33,40', 8: '"S8,MDD,MADRS,3,4', 9: 'S9",MDD,MADRS,3,4'},
            "row 2 to row 4, row 8 to row 9",
        ),
    ],
)
def test_rows_between_stray_quotation_marks_are_not_lost(write: Write, replaced: dict[int, str], message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        read_table(write(lines(25, replaced)))
    assert not any(value in str(caught.value) for value in ("S5", "MDD", "MADRS"))


def test_the_header_may_be_swallowed_too(write: Write) -> None:
    text = lines(5, {2: 'S2",MDD,MADRS,33,40'}).replace("id,", '"id,', 1)
    with pytest.raises(FileError, match="the header to row 2"):
        read_table(write(text))


NOTES = [
    "first line\nsecond line",
    "slept badly, ate little\nmood, sleep, appetite, drive and so on\n\nseen again, later, by us",
    "a, b\nc, d, e, f, g\nh",
    'said ""no"", twice\n- one\n- two, three',
]


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_cells_with_line_breaks_are_read(write: Write, note: str, place: int) -> None:
    fields = ["S2", "MDD", "MADRS", "33", "40"]
    fields[place] = f'"{note}"'
    table = read_table(write(lines(4, {2: ",".join(fields)})))
    assert table.rows.tolist() == [1, 2, 3, 4]
    assert table.frame.iloc[1, place] == note.replace('""', '"')


def test_notes_of_a_table_of_two_columns_are_read(write: Write) -> None:
    table = read_table(write('id,note\na,"slept\nbadly, again"\nb,"x\ny, z\nw"\n'))
    assert table.frame["note"].tolist() == ["slept\nbadly, again", "x\ny, z\nw"]


def test_a_quotation_mark_within_text_beside_cells_with_line_breaks(write: Write) -> None:
    table = read_table(write(lines(3, {1: 'S1,5" 7,MADRS,33,40', 2: 'S2,"a\nb",MADRS,33,40'})))
    assert table.frame["dx"].tolist() == ['5" 7', "a\nb", "MDD"]


def test_a_quotation_mark_that_stays_open_is_told_with_its_row(write: Write) -> None:
    with pytest.raises(FileError, match="never closed, so rows run together from row 3 on"):
        read_table(write(lines(9, {3: '"S3,MDD,MADRS,33,40'})))


LONG = "x" * 200_000


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (lines(5, {3: f"S3,{LONG},MADRS,33,40"}), "row 3"),
        (lines(200, {150: f"S150,{LONG},MADRS,33,40"}), "row 150"),
        (lines(200, {100: "short", 150: f"S150,{LONG},MADRS,33,40"}), "row 150"),
        (lines(200, {150: f'S150,"{LONG * 100}",MADRS,33,40'}), "row 150"),
        (lines(3).replace("dx", LONG), "the header"),
        (LONG, "the header"),
    ],
)
def test_a_cell_that_is_too_long_is_told_with_its_row(write: Write, text: str, row: str) -> None:
    with pytest.raises(FileError, match=f"{row} holds a cell of more than 131,072 characters") as caught:
        read_table(write(text))
    assert "xx" not in str(caught.value)
