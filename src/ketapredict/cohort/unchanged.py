"""Input files that must stay as they are while they are read: by size, time of change and place on the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ketapredict.cohort.table_files import parts_of
from ketapredict.errors import FileError

if TYPE_CHECKING:
    from ketapredict.cohort.mapping import Mapping

CHANGED = (
    "{name}: the input was changed while it was read, so results would not be those of one table. Expected a file that "
    "nothing writes to; run again without --resume once it is complete, or on a copy."
)


class InputFiles:
    """The files of an input, as they are when this is made.

    Parameters
    ----------
    tables : list of Path
        Files, or folders of Parquet parts.
    """

    def __init__(self, tables: list[Path]) -> None:
        files = [file for table in tables for file in parts_of(table) or [table]]
        self._before = {file: _state(file) for file in files}

    def refuse_changes(self) -> None:
        """Raise FileError if one of them is another, or has other content, than before."""
        for file, before in self._before.items():
            if _state(file) != before:
                raise FileError(CHANGED.format(name=file.name))

    @contextmanager
    def read(self) -> Iterator[None]:
        """Tell of a change where whatever went wrong may follow from it."""
        try:
            yield
        except Exception:
            self.refuse_changes()
            raise


def input_tables(path: Path, mapping: "Mapping | None") -> list[Path]:
    """Return the tables of an input: itself, or those that the mapping names. Raises FileError."""
    if mapping is None:
        return [path]
    from ketapredict.cohort.joins import only_file, table_paths

    return table_paths(mapping, path) if mapping.tables else [only_file(path)]


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
