"""Tables on the disk on the way: Parquet that grows, and sorted copies of it made by DuckDB in bounded memory."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from ketapredict.cohort.cohort import REJECT_COLUMNS

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY_MIB = 256
_ENTRY = "entry"


class Spool:
    """A Parquet file that grows.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
    """

    def __init__(self, path: Path, schema: "pa.Schema") -> None:
        import pyarrow.parquet as pq

        self.path, self.schema, self.rows = path, schema, 0
        self._writer = pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def write(self, table: "pa.Table") -> None:
        """Append rows."""
        self._writer.write_table(table.cast(self.schema))
        self.rows += table.num_rows

    def write_columns(self, **columns: Any) -> None:
        """Append rows, given column by column."""
        import pyarrow as pa

        arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in self.schema]
        self.write(pa.Table.from_arrays(arrays, schema=self.schema))

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()


class RejectSpool(Spool):
    """Broken rules on the disk, in the order in which they were found."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        texts = [(name, pa.string()) for name in REJECT_COLUMNS if name != "row"]
        super().__init__(path, pa.schema([("row", pa.int64()), *texts, (_ENTRY, pa.int64())]))

    def add(self, rejects: pd.DataFrame) -> None:
        """Append rejects in the form of a cohort's."""
        cells = {name: rejects[name].to_numpy(object) for name in REJECT_COLUMNS if name != "row"}
        cells = {name: np.where(pd.isna(found), None, found) for name, found in cells.items()}
        entries = np.arange(self.rows, self.rows + len(rejects))
        self.write_columns(row=rejects["row"].to_numpy(np.int64), **cells, **{_ENTRY: entries})


def sort_rejects(base: "duckdb.DuckDBPyConnection", sources: list[Path], target: Path) -> None:
    """Write the rejects of spools in the order of rows; those of one row are all in one spool, in their order."""
    sort_spool(base, sources, ", ".join(f'"{name}"' for name in REJECT_COLUMNS), f"row, {_ENTRY}", target)


def sort_spool(base: "duckdb.DuckDBPyConnection", sources: list[Path], columns: str, order: str, target: Path) -> None:
    """Write columns of files of one schema, their rows in order."""
    read_spool(base, *sources).order(order).project(columns).write_parquet(str(target), row_group_size=100_000)


def read_spool(base: "duckdb.DuckDBPyConnection", *paths: Path) -> "duckdb.DuckDBPyRelation":
    """Return the rows of files of one schema."""
    return base.read_parquet([str(path) for path in paths])


@contextmanager
def bounded_duckdb(folder: Path, memory_mib: int = MEMORY_MIB) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open DuckDB with bounded memory; what does not fit goes into files in `folder`.

    Raises
    ------
    OSError
        If these files, or those that it is told to write, cannot be written: as for every other file.
    """
    import duckdb
    import pyarrow as pa

    settings = {
        "memory_limit": f"{memory_mib}MiB",
        "temp_directory": str(folder / "duckdb"),
        "threads": 1,
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=settings) as base:
            # It would go to standard output, where results go.
            base.execute("SET enable_progress_bar = false")
            yield base
    except (duckdb.IOException, duckdb.OutOfMemoryException, pa.ArrowException, OSError) as error:
        # Its own errors while it works, Arrow's while its rows are read; neither has a number.
        number = _number_of(str(error))
        if number is None or getattr(error, "errno", None):
            raise
        raise OSError(number, os.strerror(number)) from None


def _number_of(message: str) -> int | None:
    """Return what the operating system's number would be of what DuckDB says; None where it is no such thing."""
    # It takes the space that is free at its start as the limit of its files.
    if "No space left" in message or "max_temp_directory_size" in message:
        return errno.ENOSPC
    if "Out of Memory Error" in message:
        return errno.ENOMEM
    return errno.EIO if "IO Error" in message else None
