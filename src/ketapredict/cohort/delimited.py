"""Delimited text: encoding, delimiter and rows of a wrong number of fields."""

import codecs
import csv
import gzip
import io
import zlib

import numpy as np
import pandas as pd

from ketapredict.errors import FileError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_LINES_LOOKED_AT = 50


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
    delimiter, header = _delimiter_and_header(text, name)
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
        raise FileError(f"{name}: the file cannot be read as a table; check its quotation marks.") from None
    _refuse_open_quote(text, table.num_rows + len(ragged), name)
    frame = table.slice(1).to_pandas()
    frame.columns = pd.Index(header, dtype=object)
    return frame, np.array(ragged, dtype=np.int64), delimiter, notices


def _decompressed(content: bytes, name: str) -> bytes:
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        raise FileError(f"{name}: expected a gzip file, found a damaged one.") from None


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
        raise FileError(f"{name}: expected CSV, TSV, Parquet or Excel (.xlsx), found another binary file.")
    try:
        content.decode()
    except UnicodeDecodeError:
        try:
            content = content.decode("cp1252").encode()
        except UnicodeDecodeError:
            raise FileError(f"{name}: expected text in UTF-8, found an unknown encoding.") from None
        notices.append("encoding Windows-1252 assumed, the file is not UTF-8")
    if not content.strip():
        raise FileError(f"{name}: expected a table with a header, found an empty file.")
    return content


def _delimiter_and_header(content: bytes, name: str) -> tuple[str, list[str]]:
    """Choose the delimiter on which header and first lines agree best."""
    head = content[: 1 << 18].decode(errors="ignore")
    lines = [line for line in head.splitlines() if line.strip("\r\n")][: _LINES_LOOKED_AT + 1]
    best: tuple[float, int] = (0.0, 1)
    chosen: tuple[str, list[str]] | None = None
    for delimiter in DELIMITERS:
        try:
            records = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
        except csv.Error:
            continue
        if not records or len(records[0]) < 2:
            continue
        agreeing = sum(len(record) == len(records[0]) for record in records[1:])
        rank = (agreeing / max(1, len(records) - 1), len(records[0]))
        if chosen is None or rank > best:
            best, chosen = rank, (delimiter, records[0])
    if chosen is None:
        raise FileError(
            f"{name}: expected columns separated by {', '.join(DELIMITERS.values())}; found one column only. "
            "Save the table with one of these delimiters."
        )
    return chosen


def _refuse_open_quote(content: bytes, records: int, name: str) -> None:
    """A quotation mark that is never closed swallows rows: refuse rather than lose them."""
    if content.count(b'"') % 2 == 0:
        return
    lines = sum(1 for line in content.splitlines() if line.strip(b"\r\n"))
    if lines > records:
        raise FileError(
            f"{name}: a quotation mark is opened and never closed, so rows run together "
            f"({lines - 1} lines below the header, {max(records - 1, 0)} rows found). Close or remove it."
        )
