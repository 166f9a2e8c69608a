"""Delimited text of any size as a wide table."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ketapredict.cohort.cohort import Source
from ketapredict.cohort.columns import Column
from ketapredict.cohort.text_source import TextSource
from ketapredict.cohort.validation import refuse_unknown_columns
from ketapredict.cohort.wide_table import WideBatch, cells_of, file_sha256, ids_of

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
        self.sources: tuple[Source, ...] = (Source(text.name, file_sha256(path), self.row_count),)

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

        ragged: list[int] = []
        waiting: list[pa.Table] = []
        held = batch = taken = 0

        def wanted() -> int:
            first = batch * rows
            return rows - sum(first < number <= first + rows for number in ragged[taken:])

        for table, found in self._text.tables(self._text.names):
            ragged = found
            while len(table) and held + len(table) > wanted():
                part = table.slice(0, wanted() - held)
                table = table.slice(len(part))
                own = [number for number in ragged[taken:] if number <= (batch + 1) * rows]
                taken += len(own)
                if batch >= start:
                    yield self._batch([*waiting, part], batch * rows, rows, own)
                batch, waiting, held = batch + 1, [], 0
            waiting.append(table)
            held += len(table)
        for first in range(batch * rows, self.row_count, rows):
            # What is left fills one batch, unless only rows of a wrong number of fields follow.
            own = [number for number in ragged[taken:] if number <= first + rows]
            taken += len(own)
            if first // rows >= start:
                yield self._batch(waiting, first, min(rows, self.row_count - first), own)
            waiting = [table.slice(0, 0) for table in waiting[:1]]

    def _batch(self, parts: "list[pa.Table]", first: int, rows: int, ragged: list[int]) -> WideBatch:
        import pyarrow as pa

        numbers = np.arange(first + 1, first + rows + 1)
        wrong = np.array(ragged, dtype=np.int64)
        cells = cells_of(pa.concat_tables(parts), self._text.names, self._declared)
        return WideBatch(cells, np.setdiff1d(numbers, wrong, assume_unique=True), wrong)
