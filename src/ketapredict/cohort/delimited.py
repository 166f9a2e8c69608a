"""Delimited text: encoding, delimiter and rows of a wrong number of fields."""

import codecs
import csv
import gzip
import io
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort.swallowed import LONGEST_CELL, long_cell, records_of, refuse_swallowed_rows
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_LINES_LOOKED_AT = 50
DAMAGED_GZIP = "{name}: expected a gzip file, found a damaged one."
OTHER_BINARY = "{name}: expected CSV, TSV, Parquet, Excel (.xlsx) or SAS (.xpt, .sas7bdat), found another binary file."
EMPTY = "{name}: expected a table with a header, found an empty file."
NOT_A_TABLE = "{name}: the file cannot be read as a table; check its quotation marks."


def read_delimited(content: bytes, name: str) -> tuple[pd.DataFrame, np.ndarray, str, list[str]]:
    """Read the bytes of a delimited text file, gzip or not.

    Returns
    -------
    frame : pandas.DataFrame
        Every cell as text, empty text where nothing stands.
    ragged : numpy.ndarray of int64
        Numbers of the rows of a wrong number of fields (first after the header is 1); not in `frame`.
    delimiter : str
    notices : list of str

    Raises
    ------
    FileError
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv

    notices: list[str] = []
    text = _as_utf8(_decompressed(content, name), name, notices)
    delimiter, header = delimiter_and_header(text, name)
    if delimiter not in ",\t":
        notices.append(f"{DELIMITERS[delimiter]} as delimiter")
    places = [str(position) for position in range(len(header))]
    ragged: list[int] = []

    def skip(row: "pacsv.InvalidRow") -> str:
        ragged.append(row.number - 1)
        return "skip"

    try:
        table = pacsv.read_csv(
            pa.BufferReader(text),
            read_options=pacsv.ReadOptions(use_threads=False, column_names=places, block_size=1 << 24),
            parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowException:
        # Names the row where a cell is too long for a block of the file.
        for _ in records_of(_lines(text), delimiter, name):
            pass
        raise FileError(NOT_A_TABLE.format(name=name)) from None
    if b'"' in text:
        lines = sum(1 for line in text.splitlines() if line)
        records = table.num_rows + len(ragged)
        refuse_swallowed_rows(lambda: _lines(text), lines, records, header, delimiter, name)
    rows = np.setdiff1d(np.arange(table.num_rows + len(ragged)), ragged, assume_unique=True)
    refuse_long_cells(table, rows, name)
    frame = table.slice(1).to_pandas()
    frame.columns = pd.Index(header, dtype=object)
    return frame, np.array(ragged, dtype=np.int64), delimiter, notices


def _decompressed(content: bytes, name: str) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise FileError(DAMAGED_GZIP.format(name=name)) from None


def _as_utf8(content: bytes, name: str, notices: list[str]) -> bytes:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            notices.append("encoding UTF-16")
            try:
                return content.decode(encoding).encode()
            except UnicodeDecodeError:
                raise FileError(f"{name}: expected text in UTF-16, found damaged text.") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    if b"\x00" in content:
        raise FileError(OTHER_BINARY.format(name=name))
    try:
        content.decode()
    except UnicodeDecodeError:
        try:
            content = content.decode("cp1252").encode()
        except UnicodeDecodeError:
            raise FileError(f"{name}: expected text in UTF-8, found an unknown encoding.") from None
        notices.append("encoding Windows-1252 assumed, the file is not UTF-8")
    if not content.strip():
        raise FileError(EMPTY.format(name=name))
    return content


def delimiter_and_header(content: bytes, name: str) -> tuple[str, list[str]]:
    """Choose the delimiter on which header and first lines agree best."""
    head = content[: 1 << 18].decode(errors="ignore")
    lines = [line for line in head.splitlines() if line.strip("\r\n")][: _LINES_LOOKED_AT + 1]
    best: tuple[float, int] = (0.0, 1)
    chosen: tuple[str, list[str]] | None = None
    header_too_long = False
    long_row: int | None = None
    for delimiter in DELIMITERS:
        records: list[list[str]] = []
        too_long = False
        try:
            for record in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter):
                records.append(record)
        except csv.Error:
            too_long = True
            header_too_long |= not records
        if not records or len(records[0]) < 2:
            continue
        agreeing = sum(len(record) == len(records[0]) for record in records[1:])
        rank = (agreeing / max(1, len(records) - 1), len(records[0]))
        if chosen is None or rank > best:
            best, chosen = rank, (delimiter, records[0])
            long_row = len(records) if too_long else None
    if long_row is not None:
        raise long_cell(name, long_row)
    if chosen is None and header_too_long:
        raise long_cell(name, 0)
    if chosen is None:
        raise FileError(
            f"{name}: expected columns separated by {', '.join(DELIMITERS.values())}; found one column only. "
            "Save the table with one of these delimiters."
        )
    return chosen


def _lines(content: bytes) -> io.StringIO:
    return io.StringIO(content.decode(), newline="")


def refuse_long_cells(table: "pa.Table", rows: np.ndarray, name: str) -> None:
    """Refuse cells over the limit, in rows of these numbers; 0 is the header."""
    import pyarrow.compute as pc

    for column in table.columns:
        if (pc.max(pc.binary_length(column)).as_py() or 0) > LONGEST_CELL:
            place = int(np.argmax(pc.binary_length(column).to_numpy() > LONGEST_CELL))
            raise long_cell(name, int(rows[place]))
