"""Wide tables of any size, one row a course, read in batches; the columns are those of the cohort table."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Protocol as Interface

import numpy as np

from ketapredict.cohort.arrow_cells import (
    UNREADABLE,
    UnreadableColumnError,
    as_type,
    declared_cells,
    refuse_unreadable,
    unreadable_columns,
)
from ketapredict.cohort.cells import MARKERS, Cells, text_cells, without_markers
from ketapredict.cohort.cohort import Source
from ketapredict.cohort.columns import Column
from ketapredict.cohort.headers import refuse_repeated
from ketapredict.cohort.parquet import SEVERAL_TYPES, schema_of
from ketapredict.cohort.validation import refuse_unknown_columns
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BYTES_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class WideBatch:
    """Some rows of a wide table.

    Attributes
    ----------
    cells : dict of str to array
        Columns of cells as `cohort.tables.Table` has them, without ragged rows; columns of levels may be categories.
    rows : numpy.ndarray of int64
        Number of each row in the source.
    ragged : numpy.ndarray of int64
        Numbers of rows of a wrong number of fields.
    """

    cells: dict[str, Cells]
    rows: np.ndarray
    ragged: np.ndarray


class WideTable(Interface):
    """What scoring asks of an input: facts about the whole of it, then its rows.

    Attributes
    ----------
    sources : tuple of Source
    row_count : int
        Rows of the input, those of a wrong number of fields included.
    decimal_comma : bool
    notices : tuple of str
    names : list of str
        Of the columns.
    """

    row_count: int
    decimal_comma: bool
    notices: tuple[str, ...]

    @property
    def sources(self) -> tuple[Source, ...]: ...

    @property
    def names(self) -> list[str]: ...

    def ids(self) -> "Iterator[pa.Array]":
        """Yield the course ids of all rows that have the header's number of fields, null where there is none."""
        ...

    def batches(self, rows: int, start: int = 0) -> Iterator[WideBatch]:
        """Yield the rows in order, `rows` at a time (the last may be fewer), without the first `start` batches."""
        ...


class ParquetTable:
    """One Parquet file or several parts of one table.

    Parameters
    ----------
    paths : list of Path
    declared : dict of str to Column
        The columns of the cohort table.
    row_column : str
        Column with the number of each row in another source that the file was made from; empty: rows are counted.
    sources : tuple of Source
        Those other sources; empty: the files themselves.

    Attributes
    ----------
    row_groups : list of (Path, int, int)
        Each row group of the files: file, place in it, number of rows in front of it.

    Raises
    ------
    FileError
        If a file is damaged, has no rows in all, or the parts have different columns, or one of several types.
    CohortError
        If columns are unknown.
    """

    decimal_comma = False
    notices: tuple[str, ...] = ()

    def __init__(
        self,
        paths: list[Path],
        declared: dict[str, Column],
        row_column: str = "",
        sources: tuple[Source, ...] = (),
    ) -> None:
        self.paths = paths
        self.row_column = row_column
        # Few different texts: read as codes.
        self._levels = few_texts(declared)
        counts = []
        self.row_groups: list[tuple[Path, int, int]] = []
        before = 0
        for path in paths:
            file = opened_parquet(path, self._levels)
            refuse_repeated(file.schema_arrow.names, path.name)
            refuse_unreadable(unreadable_columns(file.schema_arrow), declared, path.name)
            counts.append(file.metadata.num_rows)
            for group in range(file.metadata.num_row_groups):
                self.row_groups.append((path, group, before))
                before += file.metadata.row_group(group).num_rows
            file.close()
        self.row_count = sum(counts)
        if not self.row_count:
            raise FileError(f"{paths[0].name}: expected rows below the header, found none.")
        numbers = [name for name, column in declared.items() if column.kind in ("number", "score")]
        schema = schema_of(paths[0].parent, paths, numbers)
        names = [name for name in schema.names if name != row_column]
        refuse_unknown_columns(names, declared, paths[0].name)
        self._declared = declared
        self._names = names
        # Parts may write an id as numbers of several types: each turns into text by itself.
        own_text = {name for name in names if declared[name].kind == "text"}
        self._types = {field.name: _text_type(field.type) if field.name in own_text else field.type for field in schema}
        self._counts = counts
        self._others = sources

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The files, or those that they were made from."""
        hashed = zip(self.paths, self._counts, strict=True)
        return self._others or tuple(Source(path.name, file_sha256(path), count) for path, count in hashed)

    def ids(self) -> "Iterator[pa.Array]":
        """Yield the course ids."""
        for path in self.paths:
            for batch in read_parquet_batches(path, _ROWS_OF_IDS, ["course_id"], self._levels):
                yield ids_of(self._of_one_type(batch).column(0))

    def batches(self, rows: int, start: int = 0) -> Iterator[WideBatch]:
        """Yield the rows in order."""
        import pyarrow as pa

        names = self.names
        number = 0
        waiting: list[pa.RecordBatch] = []
        held = 0
        for path in self.paths:
            for batch in read_parquet_batches(path, rows, names, self._levels):
                batch = self._of_one_type(batch)
                while len(batch):
                    part = batch.slice(0, rows - held)
                    batch = batch.slice(len(part))
                    waiting.append(part)
                    held += len(part)
                    if held == rows:
                        if number >= start:
                            yield self._batch(waiting, number * rows)
                        number, waiting, held = number + 1, [], 0
        if held and number >= start:
            yield self._batch(waiting, number * rows)

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return [*self._names, *([self.row_column] if self.row_column else [])]

    def _of_one_type(self, batch: "pa.RecordBatch") -> "pa.RecordBatch":
        """Return a batch of one part with the types that the columns have in all parts."""
        import pyarrow as pa

        if len(self.paths) == 1:
            return batch
        names = [name for name in self.names if name in batch.schema.names]
        columns = []
        for name in names:
            try:
                columns.append(_as_type(batch.column(name), self._types[name], name in self._levels))
            except UnreadableColumnError:
                raise FileError(UNREADABLE.format(file=self.paths[0].parent.name, names=name)) from None
            except pa.ArrowException:
                raise FileError(SEVERAL_TYPES.format(name=self.paths[0].parent.name)) from None
        return pa.RecordBatch.from_arrays(columns, names)

    def _batch(self, parts: "list[pa.RecordBatch]", first: int) -> WideBatch:
        import pyarrow as pa

        table = pa.Table.from_batches(parts) if len(parts) > 1 else parts[0]
        if isinstance(table, pa.Table):
            table = table.unify_dictionaries()
        if self.row_column:
            rows = np.asarray(table.column(self.row_column)).astype(np.int64)
        else:
            rows = np.arange(first + 1, first + 1 + len(table))
        return WideBatch(cells_of(table, self._names, self._declared), rows, np.empty(0, dtype=np.int64))


_ROWS_OF_IDS = 1 << 18


def _as_type(column: "pa.Array", kind: "pa.DataType", coded: bool) -> "pa.Array":
    """Return a column with a type; text perhaps as codes, which every part has then."""
    import pyarrow as pa

    coded = coded and (pa.types.is_string(kind) or pa.types.is_large_string(kind))
    if column.type == (pa.dictionary(pa.int32(), kind) if coded else kind):
        return column
    column = as_type(column, kind)
    return column.dictionary_encode() if coded else column


def _text_type(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    return kind if pa.types.is_large_string(kind) else pa.string()


def read_parquet_batches(
    path: Path, rows: int, names: list[str], levels: list[str], groups: list[int] | None = None
) -> "Iterator[pa.RecordBatch]":
    """Yield columns of a Parquet file, `rows` rows at a time; texts of few levels as codes.

    Parameters
    ----------
    path : Path
    rows : int
    names : list of str
    levels : list of str
        Columns in which few different texts stand.
    groups : list of int or None
        Row groups; None: all.

    Raises
    ------
    FileError
    """
    import pyarrow as pa

    with opened_parquet(path, levels) as file:
        try:
            yield from file.iter_batches(rows, row_groups=groups, columns=names, use_threads=False)
        except (pa.ArrowException, OSError):
            raise FileError(f"{path.name}: expected a Parquet file, found a damaged one.") from None


def opened_parquet(path: Path, levels: list[str]) -> "pq.ParquetFile":
    """Open a Parquet file; texts of few levels will be read as codes. Raises FileError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        few = [name for name in levels if name in texts]
        # With a buffer, a row group of any size is read page by page.
        return pq.ParquetFile(path, read_dictionary=few, buffer_size=_BYTES_AT_ONCE, pre_buffer=False)
    except FileNotFoundError:
        raise FileError(f"Expected a table file, found nothing at {path}.") from None
    except (pa.ArrowException, OSError):
        raise FileError(f"{path.name}: expected a Parquet file, found a damaged one.") from None


def few_texts(declared: dict[str, Column]) -> list[str]:
    """Return the columns in which few different texts stand."""
    return [name for name, column in declared.items() if column.kind in ("level", "yes_no")] + ["site"]


def cells_of(table: "pa.Table | pa.RecordBatch", names: list[str], declared: dict[str, Column]) -> dict[str, Cells]:
    """Return columns of an Arrow table as the cells of a cohort table, before its rules. Raises FileError."""
    columns = {name: declared_cells(table.column(name), declared[name].kind, name) for name in names}
    return {name: without_markers(cells, MARKERS) for name, cells in columns.items()}


def ids_of(column: "pa.Array") -> "pa.Array":
    """Return course ids as Arrow text, null where there is none, as validation sees them. Raises FileError."""
    import pyarrow as pa

    ids = without_markers(declared_cells(column, "text", "course_id"), MARKERS)
    return pa.array(text_cells(ids), type=pa.large_string())


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes. Raises FileError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path.name}: the file cannot be read ({error.strerror}).") from None
