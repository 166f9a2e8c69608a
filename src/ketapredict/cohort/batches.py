"""A source table read in batches: what does not fit into memory.

Cells are the same as those of `tables.read_table`. What it can do only with the whole file in memory is refused here:
other encodings than UTF-8, and quotation marks that join lines.
"""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pandas as pd

from ketapredict.cohort import parquet, sas
from ketapredict.cohort.cells import as_text, has_decimal_comma
from ketapredict.cohort.delimited import DELIMITERS, delimiter_and_header
from ketapredict.cohort.headers import refuse_repeated
from ketapredict.cohort.tables import UNNAMED, Table, without_markers
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1 << 23
_HEAD_BYTES = 1 << 18
_GZIP = b"\x1f\x8b"


class SourceBatches:
    """Batches of rows of one table.

    Attributes
    ----------
    name : str
    header : list of str
    decimal_comma : bool
    notices : list of str
    ragged : list of int
        Numbers of the rows with another number of fields than the header; complete after the last batch.
    row_count : int
        Complete after the last batch.
    sha256 : str
        Set after the last batch.

    Parameters
    ----------
    path : Path
        Delimited text in UTF-8 (gzip too), Parquet (file or folder) or SAS.
    missing : tuple of str
        Cells that mean missing.
    rows : int
        At most so many rows a batch.

    Raises
    ------
    FileError
    """

    def __init__(self, path: Path, missing: tuple[str, ...], rows: int) -> None:
        self.name = path.name
        self.decimal_comma = False
        self.notices: list[str] = []
        self.ragged: list[int] = []
        self.row_count = 0
        self.sha256 = ""
        self._path = path
        self._markers = frozenset(missing)
        self._rows = rows
        self._delimiter = ""
        head = b"" if path.is_dir() else _head(path)
        self._parts = parquet.parts_of(path) if path.is_dir() else [path] * head.startswith(b"PAR1")
        self._schema: pa.Schema | None = None
        if self._parts:
            self._schema = parquet.schema_of(path, self._parts)
            self.header = list(self._schema.names)
        elif sas.is_sas(head):
            self.header = sas.header_of(path)
        elif head.startswith(b"PK\x03\x04"):
            raise FileError(
                f"{path.name}: an Excel file is read as a whole; it is too large. Save it as CSV or Parquet."
            )
        else:
            self._read_text_header(head)
        refuse_repeated(self.header, path.name)

    def arrow(self) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        """Yield the raw cells of each batch and the numbers of its rows; the first row after the header is 1."""
        self.ragged.clear()
        self.row_count = 0
        if self._parts:
            yield from self._parquet()
        elif self._delimiter:
            yield from self._text()
        else:
            yield from self._sas()
        if not self.row_count:
            raise FileError(f"{self.name}: expected rows below the header, found none.")

    def table(self, raw: "pa.Table", rows: np.ndarray) -> Table:
        """Return a batch's raw cells, all columns or some, as a source table."""
        frame = raw.to_pandas(date_as_object=False, ignore_metadata=True)
        frame = frame.apply(without_markers, args=(self._markers,)) if len(frame) else frame
        return Table(self.name, frame, rows, np.empty(0, dtype=np.int64), self.sha256, self.decimal_comma)

    def _read_text_header(self, head: bytes) -> None:
        if b"\x00" in head or head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise FileError(
                f"{self.name}: expected text in UTF-8. A file of this size is read in UTF-8 only; convert it."
            )
        self._delimiter, header = delimiter_and_header(head.removeprefix(b"\xef\xbb\xbf"), self.name)
        self.header = [name.strip() or f"{UNNAMED}{place}" for place, name in enumerate(header, 1)]
        if self._delimiter not in ",\t":
            self.decimal_comma = any(
                any(has_decimal_comma(column) for _, column in self.table(raw, rows).frame.items())
                for raw, rows in self.arrow()
            )
            self.notices = [f"{DELIMITERS[self._delimiter]} as delimiter", *["decimal commas"] * self.decimal_comma]

    def _numbered(self, raw: "pa.Table") -> "tuple[pa.Table, np.ndarray]":
        first = self.row_count + 1
        self.row_count += raw.num_rows
        return raw, np.arange(first, first + raw.num_rows, dtype=np.int64)

    def _parquet(self) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        digest = hashlib.sha256()
        for part in self._parts:
            try:
                with pq.ParquetFile(part, memory_map=True) as file:
                    for batch in file.iter_batches(self._rows):
                        yield self._numbered(pa.Table.from_batches([batch]).select(self.header).cast(self._schema))
            except (pa.ArrowException, OSError):
                raise FileError(f"{part.name}: expected a Parquet file, found a damaged one.") from None
            digest.update(f"{part.name}\x1f{_digest(part)}\n".encode())
        self.sha256 = digest.hexdigest() if self._path.is_dir() else _digest(self._path)

    def _sas(self) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        import pyarrow as pa

        schema = None
        for frame in sas.read_in_chunks(self._path, self._rows):
            texts = [name for name in frame if frame[name].dtype == object]
            raw = pa.Table.from_pandas(frame.assign(**{name: as_text(frame[name]) for name in texts}))
            raw = raw.replace_schema_metadata(None)
            schema = schema or raw.schema
            yield self._numbered(raw.cast(schema))
        self.sha256 = _digest(self._path)

    def _text(self) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        import pyarrow as pa
        import pyarrow.csv as pacsv

        places = [str(position) for position in range(len(self.header))]
        pending: list[int] = []

        def skip(row: "pacsv.InvalidRow") -> str:
            pending.append(row.number - 1)
            return "skip"

        records = 0
        compressed = _head(self._path, raw=True)[:2] == _GZIP
        try:
            reader = pacsv.open_csv(
                pa.input_stream(str(self._path), compression="gzip" if compressed else None),
                read_options=pacsv.ReadOptions(use_threads=False, column_names=places, block_size=_BLOCK_BYTES),
                parse_options=pacsv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
                ),
            )
            for batch in reader:
                raw = pa.Table.from_batches([batch]).rename_columns(self.header)
                # Rows of a wrong number of fields keep their numbers; the header is row 0.
                numbers = np.arange(records, records + raw.num_rows + len(pending))
                numbers = np.setdiff1d(numbers, pending, assume_unique=True)[: raw.num_rows]
                records += raw.num_rows + len(pending)
                self.ragged += pending
                pending.clear()
                self.row_count = records - 1
                body = numbers > 0
                raw, numbers = (raw.slice(1), numbers[1:]) if not body.all() else (raw, numbers)
                for first in range(0, raw.num_rows, self._rows):
                    yield raw.slice(first, self._rows), numbers[first : first + self._rows]
        except (pa.ArrowException, OSError):
            raise FileError(
                f"{self.name}: the file cannot be read as a table in UTF-8; check its encoding and quotation marks."
            ) from None
        self.ragged += pending
        self.row_count += len(pending)
        _refuse_joined_lines(self._path, records + len(pending), self.name)
        self.sha256 = _digest(self._path)


def _refuse_joined_lines(path: Path, records: int, name: str) -> None:
    """Refuse a file whose quotation marks may have swallowed rows: only a file in memory can be looked through."""
    lines, quoted = 0, False
    with _opened(path) as file:
        for line in file:
            lines += bool(line.strip(b"\r\n"))
            quoted = quoted or b'"' in line
    if quoted and lines != records:
        raise FileError(
            f"{name}: quotation marks hold lines together ({lines - 1} lines below the header, {records - 1} rows). "
            "In a file of this size each row must stand on a line of its own; take the line breaks out, or save it as "
            "Parquet."
        )


def _opened(path: Path) -> BinaryIO:
    compressed = _head(path, raw=True)[:2] == _GZIP
    return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]


def _head(path: Path, *, raw: bool = False) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if raw or head[:2] != _GZIP:
            return head
        with gzip.open(path) as file:
            return file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise FileError(f"Expected a table file, found nothing at {path}.") from None
    except (OSError, EOFError) as error:
        raise FileError(f"{path.name}: the file cannot be read ({type(error).__name__}).") from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def header_only(source: SourceBatches) -> Table:
    """Return the table without rows: its name and columns."""
    none = np.empty(0, dtype=np.int64)
    return Table(source.name, pd.DataFrame(columns=source.header), none, none, "", source.decimal_comma)
