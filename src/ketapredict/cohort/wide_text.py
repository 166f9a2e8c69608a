"""Delimited text of any size as a wide table."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ketapredict.cohort.cohort import Source
from ketapredict.cohort.columns import Column
from ketapredict.cohort.text_source import TextSource
from ketapredict.cohort.unchanged import CHANGED
from ketapredict.cohort.validation import refuse_unknown_columns
from ketapredict.cohort.wide_table import WideBatch, cells_of, file_sha256, ids_of
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa


class TextTable:
    """A CSV, TSV or other delimited file, gzip or not.

    Parameters
    ----------
    path : Path
    declared : dict of str to Column
        The columns of the cohort table.

    Raises
    ------
    FileError, CohortError
        As `read_table` and a table in the form of the cohort table.
    """

    def __init__(self, path: Path, declared: dict[str, Column]) -> None:
        self._text = text = TextSource(path)
        self._declared = declared
        self.row_count = text.row_count
        self.decimal_comma = text.decimal_comma
        refuse_unknown_columns(text.names, declared, text.name)
        told = [f"{text.name}: read with {', '.join(text.notices)}"] if text.notices else []
        self.notices: tuple[str, ...] = tuple(told)
        self._path = path

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The file."""
        return (Source(self._text.name, file_sha256(self._path), self.row_count),)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return self._text.names

    def ids(self) -> "Iterator[pa.Array]":
        """Yield the course ids."""
        for table, _ in self._text.tables(["course_id"]):
            if len(table):
                yield ids_of(table.column(0))

    def batches(self, rows: int, start: int = 0) -> Iterator[WideBatch]:
        """Yield the rows in order; a batch has `rows` rows with those of a wrong number of fields."""
        import pyarrow as pa

        # What has been told and is in no batch yet.
        table: pa.Table | None = None
        ragged = np.empty(0, dtype=np.int64)
        batch = 0
        for further, found in self._text.tables(self._text.names):
            table = further if table is None else pa.concat_tables([table, further])
            ragged = np.concatenate([ragged, found])
            own = int(np.searchsorted(ragged, (batch + 1) * rows, "right"))
            # As many as a batch lacks are there only if all its rows of a wrong number of fields have been told.
            while len(table) >= rows - own:
                if (batch + 1) * rows > self.row_count:
                    raise FileError(CHANGED.format(name=self._text.name))
                if batch >= start:
                    yield self._batch(table.slice(0, rows - own), batch * rows, rows, ragged[:own])
                table, ragged, batch = table.slice(rows - own), ragged[own:], batch + 1
                own = int(np.searchsorted(ragged, (batch + 1) * rows, "right"))
        left = len(ragged) + (len(table) if table is not None else 0)
        if batch * rows + left != self.row_count:
            raise FileError(CHANGED.format(name=self._text.name))
        if table is not None and left and batch >= start:
            yield self._batch(table, batch * rows, left, ragged)

    def _batch(self, table: "pa.Table", first: int, rows: int, ragged: np.ndarray) -> WideBatch:
        numbers = np.arange(first + 1, first + rows + 1)
        cells = cells_of(table, self._text.names, self._declared)
        return WideBatch(cells, np.setdiff1d(numbers, ragged, assume_unique=True), ragged)
