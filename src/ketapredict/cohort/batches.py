"""A source table read in batches: what does not fit into memory.

Cells are the same as those of `tables.read_table`.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort import parquet
from ketapredict.cohort.arrow_cells import frame_of
from ketapredict.cohort.headers import refuse_repeated
from ketapredict.cohort.row_numbers import RowNumbers
from ketapredict.cohort.sas import is_sas
from ketapredict.cohort.sas_source import SasSource
from ketapredict.cohort.table_files import expected_parts, is_parquet
from ketapredict.cohort.tables import Table, frame_without_markers
from ketapredict.cohort.text_source import TextSource
from ketapredict.cohort.wide_table import file_sha256, opened_parquet
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

_HEAD_BYTES = 1 << 10


class SourceBatches:
    """Batches of rows of one table.

    Attributes
    ----------
    name : str
    header : list of str
    decimal_comma : bool
    notices : list of str
    row_count : int
        Complete after the last batch.
    sha256 : str
        Set after the last batch.
    unreadable : set of str
        Columns of which no cell can be made; complete after the last batch.

    Parameters
    ----------
    path : Path
        Delimited text (gzip too), Parquet (file or folder) or SAS.
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
        self._ragged = np.empty(0, dtype=np.int64)
        self.row_count = 0
        self.sha256 = ""
        self.unreadable: set[str] = set()
        self._path = path
        self._markers = frozenset(missing)
        self._rows = rows
        self._schema: pa.Schema | None = None
        self._text: TextSource | None = None
        self._sas: SasSource | None = None
        head = b"" if path.is_dir() else _head(path)
        self._parts = expected_parts(path) if path.is_dir() else [path] * is_parquet(path)
        if self._parts:
            self._schema = parquet.schema_of(path, self._parts)
            self.header = list(self._schema.names)
        elif is_sas(head):
            self._sas = SasSource(path)
            self.header = list(self._sas.kinds)
            self.notices = self._sas.notices
        elif head.startswith(b"PK\x03\x04"):
            raise FileError(
                f"{path.name}: expected a file that can be read in batches, as large inputs and Spark need; found "
                "an Excel file, which cannot. Save it as CSV or Parquet."
            )
        else:
            self._text = TextSource(path)
            self.header = self._text.names
            self.decimal_comma = self._text.decimal_comma
            self.notices = self._text.notices
        refuse_repeated(self.header, path.name)

    def arrow(self) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        """Yield the raw cells of each batch and the numbers of its rows; the first row after the header is 1.

        A batch may be empty, where rows of another number of fields than the header are told.
        """
        self.row_count = 0
        if self._parts:
            yield from self._parquet()
        elif self._text is not None:
            yield from self._blocks(self._text)
        elif self._sas is not None:
            yield from self._chunks(self._sas)
        if not self.row_count:
            raise FileError(f"{self.name}: expected rows below the header, found none.")

    def further_ragged(self) -> np.ndarray:
        """Return the numbers of rows with another number of fields that were found since this was asked last."""
        found, self._ragged = self._ragged, self._ragged[:0]
        return found

    def table(self, raw: "pa.Table", rows: np.ndarray) -> Table:
        """Return a batch's raw cells, all columns or some, as a source table."""
        frame = frame_without_markers(frame_of(raw), self._markers)
        none = np.empty(0, dtype=np.int64)
        unreadable = frozenset(self.unreadable)
        return Table(self.name, frame, rows, none, self.sha256, self.decimal_comma, unreadable=unreadable)

    def _numbered(self, raw: "pa.Table") -> "tuple[pa.Table, np.ndarray]":
        first = self.row_count + 1
        self.row_count += raw.num_rows
        return raw, np.arange(first, first + raw.num_rows, dtype=np.int64)

    def _parquet(self) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        digest = hashlib.sha256()
        for part in self._parts:
            for batch in self._batches_of(part):
                raw, unreadable = parquet.readable(batch, self._schema, self.name)
                self.unreadable |= unreadable
                yield self._numbered(raw)
            digest.update(f"{part.name}\x1f{file_sha256(part)}\n".encode())
        self.sha256 = digest.hexdigest() if self._path.is_dir() else file_sha256(self._path)

    def _batches_of(self, part: Path) -> Iterator["pa.Table"]:
        import pyarrow as pa

        try:
            # Not mapped into memory: a part that is cut short meanwhile would end the process.
            with opened_parquet(part, []) as file:
                for batch in file.iter_batches(self._rows):
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError):
            raise FileError(f"{part.name}: expected a Parquet file, found a damaged one.") from None

    def _chunks(self, source: SasSource) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        import pyarrow as pa

        types = {"text": pa.string(), "time": pa.string(), "number": pa.float64(), "date": pa.timestamp("us")}
        schema = pa.schema([(name, types[kind]) for name, kind in source.kinds.items()])
        for frame in source.chunks(self._rows):
            yield self._numbered(
                pa.Table.from_pandas(frame, schema, preserve_index=False).replace_schema_metadata(None)
            )
        self.sha256 = file_sha256(self._path)

    def _blocks(self, text: TextSource) -> Iterator["tuple[pa.Table, np.ndarray]"]:
        numbers = RowNumbers()
        for raw, ragged in text.tables(self.header):
            # Rows of a wrong number of fields keep their numbers.
            numbers.leave_out(ragged)
            rows = numbers.of_next(len(raw))
            self._ragged = np.concatenate([self._ragged, ragged])
            for first in range(0, max(len(raw), 1), self._rows):
                yield raw.slice(first, self._rows), rows[first : first + self._rows]
        self.row_count = text.row_count
        self.sha256 = file_sha256(self._path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise FileError(f"Expected a table file, found nothing at {path}.") from None
    except OSError as error:
        raise FileError(f"{path.name}: the file cannot be read ({type(error).__name__}).") from None


def header_only(source: SourceBatches) -> Table:
    """Return the table without rows: its name and columns."""
    none = np.empty(0, dtype=np.int64)
    return Table(source.name, pd.DataFrame(columns=source.header), none, none, "", source.decimal_comma)
