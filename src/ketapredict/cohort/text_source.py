"""Delimited text of any size, read block by block: what `cohort.delimited` does with a whole file."""

import codecs
import gzip
import io
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import has_decimal_comma
from ketapredict.cohort.delimited import (
    DAMAGED_GZIP,
    DELIMITERS,
    EMPTY,
    NOT_A_TABLE,
    OTHER_BINARY,
    delimiter_and_header,
    refuse_long_cells,
)
from ketapredict.cohort.headers import refuse_repeated
from ketapredict.cohort.row_numbers import RowNumbers
from ketapredict.cohort.swallowed import records_of, refuse_swallowed_rows
from ketapredict.cohort.tables import UNNAMED
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES_AT_ONCE = 1 << 20
_LONGEST_BLOCK = 1 << 24
_HEAD = 1 << 18


class TextSource:
    """A CSV, TSV or other delimited file, gzip or not, in UTF-8, UTF-16 or Windows-1252.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    names : list of str
        Of the columns that count: all but empty ones without a name.
    row_count : int
        Rows below the header, those of a wrong number of fields included.
    decimal_comma : bool
    notices : list of str
        What was assumed in reading.

    Raises
    ------
    FileError
        As `read_table`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.notices: list[str] = []
        self._encoding, lines, quoted = self._looked_through(self.notices)
        head = b"".join(_first(self._chunks(), _HEAD))
        self._delimiter, header = delimiter_and_header(head, self.name)
        if self._delimiter not in ",\t":
            self.notices.append(f"{DELIMITERS[self._delimiter]} as delimiter")
        self._names = [name.strip() for name in header]
        refuse_repeated(self._names, self.name)
        kept = [place for place, name in enumerate(self._names) if name]
        unnamed = [place for place, name in enumerate(self._names) if not name]
        for place in unnamed:
            self._names[place] = f"{UNNAMED}{place + 1}"
        self.row_count, filled, self.decimal_comma = self._parsed_through(unnamed)
        if quoted:
            records = self.row_count + 1
            refuse_swallowed_rows(self._lines, lines, records, header, self._delimiter, self.name)
        if not self.row_count:
            raise FileError(f"{self.name}: expected rows below the header, found none.")
        self.notices += ["an empty column without a name left out"] * (len(unnamed) - len(filled))
        self._kept = sorted([*kept, *filled])
        self.names = [self._names[place] for place in self._kept]
        if self.decimal_comma:
            self.notices.append("decimal commas")

    def tables(self, names: list[str]) -> "Iterator[tuple[pa.Table, np.ndarray]]":
        """Yield columns block by block, and the numbers of further rows of a wrong number of fields (n,) int64.

        Rows are counted from 1 below the header. Rows of a wrong number of fields are not in the tables; those in
        front of a block's last row have been told with it, others perhaps too.
        """
        for table, ragged in self._tables([self._names.index(name) for name in names]):
            yield table.rename_columns(names), ragged

    def _parsed_through(self, unnamed: list[int]) -> tuple[int, set[int], bool]:
        """Return the number of rows, the columns without a name that hold something, and whether commas are decimal."""
        import pyarrow.compute as pc

        places = list(range(len(self._names)))
        count = 0
        numbers = RowNumbers()
        filled: set[int] = set()
        commas = False
        for table, ragged in self._tables(places):
            count += len(table) + len(ragged)
            numbers.leave_out(ragged)
            refuse_long_cells(table, numbers.of_next(len(table)), self.name)
            filled |= {
                place for place in unnamed if pc.any(pc.not_equal(pc.utf8_trim_whitespace(table[place]), "")).as_py()
            }
            if self._delimiter != "," and not commas:
                commas = any(has_decimal_comma(_trimmed(table[place])) for place in places)
        return count, filled, commas

    def _tables(self, places: list[int]) -> "Iterator[tuple[pa.Table, np.ndarray]]":
        """Yield the rows below the header block by block, and further rows of a wrong number of fields."""
        import pyarrow as pa
        import pyarrow.csv as pacsv

        # Told while blocks are read ahead: they are kept until one of these is given.
        ragged = array("q")

        def skip(row: "pacsv.InvalidRow") -> str:
            ragged.append(row.number - 1)
            return "skip"

        def told() -> np.ndarray:
            numbers = np.array(ragged, dtype=np.int64)
            del ragged[: len(numbers)]
            return numbers

        names = [str(place) for place in range(len(self._names))]
        used = [str(place) for place in places]
        stream = pa.PythonFile(io.BufferedReader(_Stream(self._chunks()), _BYTES_AT_ONCE), mode="r")
        try:
            reader = pacsv.open_csv(
                stream,
                read_options=pacsv.ReadOptions(use_threads=False, column_names=names, block_size=_LONGEST_BLOCK),
                parse_options=pacsv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), include_columns=used, strings_can_be_null=False
                ),
            )
            header = True
            for batch in reader:
                table = pa.Table.from_batches([batch])
                if header and len(table):
                    table, header = table.slice(1), False
                yield table, told()
            yield reader.schema.empty_table(), told()
        except pa.ArrowException:
            # Names the row where a cell is too long for a block of the file.
            for _ in records_of(self._lines(), self._delimiter, self.name):
                pass
            raise FileError(NOT_A_TABLE.format(name=self.name)) from None

    def _looked_through(self, notices: list[str]) -> tuple[str, int, bool]:
        """Return the encoding, the number of lines that are not empty, and whether there are quotation marks."""
        self._encoding = ""
        start = b"".join(_first(self._raw_chunks(), 4))[:4]
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            notices.append("encoding UTF-16")
            self._encoding = "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        utf8, blank, quoted, lines, rest = True, True, False, 0, b""
        for chunk in self._chunks():
            if not self._encoding and b"\x00" in chunk:
                raise FileError(OTHER_BINARY.format(name=self.name))
            blank = blank and not chunk.strip()
            quoted = quoted or b'"' in chunk
            *whole, rest = (rest + chunk).splitlines(keepends=True) or [b""]
            lines += sum(1 for line in whole if line.strip(b"\r\n"))
            if utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    utf8 = False
        lines += bool(rest.strip(b"\r\n"))
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
        if blank:
            raise FileError(EMPTY.format(name=self.name))
        if self._encoding:
            return self._encoding, lines, quoted
        if utf8:
            return "", lines, quoted
        notices.append("encoding Windows-1252 assumed, the file is not UTF-8")
        self._encoding = "cp1252"
        for _ in self._chunks():
            pass
        return self._encoding, lines, quoted

    def _chunks(self) -> Iterator[bytes]:
        """Yield the text as UTF-8."""
        if not self._encoding:
            for number, chunk in enumerate(self._raw_chunks()):
                yield chunk if number else chunk.removeprefix(codecs.BOM_UTF8)
            return
        decoder = codecs.getincrementaldecoder(self._encoding)()
        found = (
            "text in UTF-16, found damaged text"
            if self._encoding == "utf-16"
            else "text in UTF-8, found an unknown encoding"
        )
        try:
            for chunk in self._raw_chunks():
                yield decoder.decode(chunk).encode()
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError:
            raise FileError(f"{self.name}: expected {found}.") from None

    def _raw_chunks(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                zipped = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if zipped else file
                while chunk := stream.read(_BYTES_AT_ONCE):
                    yield chunk
        except FileNotFoundError:
            raise FileError(f"Expected a table file, found nothing at {self.path}.") from None
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise FileError(DAMAGED_GZIP.format(name=self.name)) from None
        except OSError as error:
            raise FileError(f"{self.name}: the file cannot be read ({error.strerror}).") from None

    def _lines(self) -> Iterable[str]:
        return io.TextIOWrapper(io.BufferedReader(_Stream(self._chunks())), encoding="utf-8", newline="")


class _Stream(io.RawIOBase):
    """Bytes from an iterator as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        while not self._left:
            found = next(self._chunks, None)
            if found is None:
                return 0
            self._left = found
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _first(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return


def _trimmed(column: "pa.ChunkedArray") -> pd.Series:
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(column).to_pandas()
