"""Output that grows by finished pieces: one file, whatever its format, that can be cut back to any of them.

A Parquet file says at its end where everything in it stands. A piece is written by Arrow's own writer, which is told
that it starts where the file ends at present; its end is left out and kept apart, and all ends together are put
behind the last piece. So nothing is written twice, and the file is as if it had been written in one go.
"""

import base64
import hashlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ketapredict.explain.scored import SHAP

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = ".parquet"
_MAGIC = b"PAR1"
_REMOVED = "the unfinished results were removed"


class GrowingFile:
    """A file that is only appended to, with the SHA-256 of all that is in it.

    Parameters
    ----------
    path : Path
    size : int
        How much of a file that is there already is kept.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self._hash = hashlib.sha256()
        self._file = path.open("r+b" if size else "w+b")
        left = size
        while left:
            chunk = self._file.read(min(left, 1 << 20))
            if not chunk:
                raise OSError(0, "the file is shorter than it was")
            self._hash.update(chunk)
            left -= len(chunk)
        self._file.truncate(size)
        self._file.seek(size)
        self.size = size

    def write(self, content: "bytes | memoryview") -> None:
        """Append."""
        self._file.write(content)
        self._hash.update(content)
        self.size += len(content)

    def leave_to(self, descriptor: int) -> int:
        """Leave the file to another who has opened it by its name to append to it; returns its size."""
        self._file.flush()
        self._refuse_another(os.fstat(descriptor))
        return self.size

    def take_in(self, size: int) -> None:
        """Count what another has appended, up to a size, as written; what is behind that is cut off."""
        # Cutting off would lengthen a file that is too short, by zeros.
        if os.fstat(self._file.fileno()).st_size < size:
            raise OSError(0, "the file is shorter than what was written")
        self._file.truncate(size)
        self._file.seek(self.size)
        while chunk := self._file.read(min(size - self.size, 1 << 20)):
            self._hash.update(chunk)
            self.size += len(chunk)

    def _refuse_another(self, other: os.stat_result) -> None:
        """Raise OSError if what stands under the file's name now is another file."""
        if not os.path.samestat(os.fstat(self._file.fileno()), other):
            raise OSError(0, _REMOVED)

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return self._hash.hexdigest()

    def commit(self) -> None:
        """Make sure that all of it is on the disk, under its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            self._refuse_another(self.path.stat())
        except FileNotFoundError:
            raise OSError(0, _REMOVED) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class OutputFormat(Protocol):
    """How tables become pieces of a file."""

    def piece(self, table: "pa.Table", file: GrowingFile) -> str:
        """Append a table; returns what must be kept of it until the end, as text."""
        ...

    def finish(self, kept: list[str], file: GrowingFile) -> None:
        """Complete the file, given what was kept of each piece."""
        ...


class CsvFormat:
    """CSV with one header."""

    def piece(self, table: "pa.Table", file: GrowingFile) -> str:
        """Append rows."""
        import pyarrow as pa
        from pyarrow import csv

        plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in table.schema]
        sink = pa.BufferOutputStream()
        options = csv.WriteOptions(include_header=file.size == 0, quoting_style="needed")
        csv.write_csv(table.cast(pa.schema(plain)), sink, options)
        file.write(memoryview(sink.getvalue()))
        return ""

    def finish(self, kept: list[str], file: GrowingFile) -> None:
        """Nothing follows the last row."""


class ParquetFormat:
    """Parquet with one row group a piece."""

    def piece(self, table: "pa.Table", file: GrowingFile) -> str:
        """Append a row group; returns its part of the file's end."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
        ends: list[Any] = []
        if not file.size:
            file.write(_MAGIC)
        with pa.OSFile(str(file.path), mode="ab") as sink:
            start = file.leave_to(sink.fileno())
            # The writer asks its file where it is, and wants to be at the start; in truth all is appended.
            os.lseek(sink.fileno(), 0, os.SEEK_SET)
            writer = pq.ParquetWriter(
                sink,
                table.schema,
                use_dictionary=texts,
                # What contributions lie between helps nobody to find courses, and takes time.
                write_statistics=[name for name in table.schema.names if not name.startswith(SHAP)],
                metadata_collector=ends,
                store_schema=False,
            )
            try:
                # It has begun a file of its own, and goes on in the output instead.
                os.ftruncate(sink.fileno(), start)
                os.lseek(sink.fileno(), start, os.SEEK_SET)
                writer.write_table(table, row_group_size=max(len(table), 1))
                stop = sink.tell()
                writer.close()
            finally:
                # One that failed must not try to complete the file when it is collected.
                writer.is_open = False
        file.take_in(stop)
        end = io.BytesIO()
        ends[0].write_metadata_file(end)
        return base64.b64encode(end.getvalue()).decode("ascii")

    def finish(self, kept: list[str], file: GrowingFile) -> None:
        """Append the ends of all pieces as one."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        ends = [pq.read_metadata(pa.BufferReader(base64.b64decode(text))) for text in kept]
        for end in ends[1:]:
            ends[0].append_row_groups(end)
        merged = io.BytesIO()
        ends[0].write_metadata_file(merged)
        file.write(merged.getvalue()[len(_MAGIC) :])


def output_format(suffix: str) -> OutputFormat:
    """Return the format for the ending of a file's name."""
    return ParquetFormat() if suffix == PARQUET else CsvFormat()
