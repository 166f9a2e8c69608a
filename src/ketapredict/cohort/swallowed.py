"""Rows that quotation marks have swallowed: refused, so that no row is lost."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from ketapredict.errors import FileError

# The csv module's own limit; a cell that long is a defect of the file.
LONGEST_CELL = 131_072
_END = "end of the file"
_SHOWN = 5
# Prose seldom has the delimiters of a header of more columns than this.
_NARROW = 3


def refuse_swallowed_rows(
    text: Callable[[], Iterable[str]], lines: int, records: int, header: Sequence[str], delimiter: str, name: str
) -> None:
    """Refuse a file in which a quotation mark makes one row of several.

    A quoted cell may hold line breaks (notes do). It is refused where its lines look like rows: they have as many
    delimiters as the header. The slow look at every row is taken only if the file has quotation marks and other than
    one row a line.

    Parameters
    ----------
    text : callable
        Opens the lines of the text, with their ends.
    lines : int
        Lines that are not empty.
    records : int
        Rows that were read, the header and those of a wrong number of fields included.
    header : sequence of str
    delimiter : str
    name : str
        Of the file, for the message.

    Raises
    ------
    FileError
        Names the rows, never their content.
    """
    if lines == records:
        return
    joined: list[tuple[int, int]] = []
    spaced = sum(field.startswith(" ") for field in header[1:]) > 0
    record: list[str] = []
    row = next_row = 0
    for record, physical in records_of(text(), delimiter, name):
        row, next_row = next_row, next_row + 1
        if len(physical) > 1:
            alike = [_is_record(line, delimiter, len(header), spaced=spaced) for line in physical]
            if _suspicious(alike, ragged=len(record) != len(header), narrow=len(header) <= _NARROW):
                # Rows after it are numbered as if the marks were not there.
                next_row = row + len(physical)
                joined.append((row, next_row - 1))
    if record != [_END]:
        row = joined[0][0] if joined else row
        raise FileError(
            f"{name}: a quotation mark is opened and never closed, so rows run together from {_row(row)} on "
            f"({lines - 1} lines below the header, {max(records - 1, 0)} rows found). Close or remove it."
        )
    if joined:
        told = ", ".join(f"{_row(first)} to {_row(last)}" for first, last in joined[:_SHOWN])
        more = f" and {len(joined) - _SHOWN} more places" if len(joined) > _SHOWN else ""
        raise FileError(
            f"{name}: quotation marks make one row of several: {told}{more}. The lines between them look like rows of "
            "their own. Remove the stray quotation marks, or double those that belong to the text; if the lines are "
            "one cell's text, take its line breaks out."
        )


def records_of(text: Iterable[str], delimiter: str, name: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each record's fields and its lines that are not empty; last `[_END]`, unless a quotation mark is open.

    Raises
    ------
    FileError
        If a cell is longer than `LONGEST_CELL`.
    """
    consumed: list[str] = []

    def lines() -> Iterator[str]:
        for line in chain(text, ("\n", _END)):
            consumed.append(line.rstrip("\r\n"))
            yield line

    reader = csv.reader(lines(), delimiter=delimiter)
    row = -1
    try:
        for record in reader:
            if record:
                row += 1
                yield record, [line for line in consumed if line]
            consumed.clear()
    except csv.Error:
        raise long_cell(name, row + 1) from None


def long_cell(name: str, row: int) -> FileError:
    """Return the error for a cell that is too long; row 0 is the header."""
    return FileError(
        f"{name}: {_row(row)} holds a cell of more than {LONGEST_CELL:,} characters. Expected short cells; perhaps a "
        "quotation mark is opened there and never closed, or the file is no table."
    )


def _suspicious(alike: list[bool], *, ragged: bool, narrow: bool) -> bool:
    if ragged:
        return any(alike)
    most = len(alike) > 3 and sum(alike) * 2 > len(alike)
    # The first and the last line of a cell with line breaks share the record's other fields between them.
    return (alike[0] and alike[-1]) or most or (not narrow and any(alike[1:-1]))


def _is_record(line: str, delimiter: str, width: int, *, spaced: bool) -> bool:
    """Whether a line alone has the header's number of fields, and not a space after most delimiters, as prose has."""
    try:
        alone = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        alone = []
    for fields in (line.split(delimiter), alone):
        if len(fields) == width and (spaced or 2 * sum(field.startswith(" ") for field in fields[1:]) < width):
            return True
    return False


def _row(row: int) -> str:
    return f"row {row}" if row else "the header"
