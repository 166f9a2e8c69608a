"""What is scored: an input as batches of raw courses, with the rows that share their course id known beforehand."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ketapredict.cohort.cells import columns_of
from ketapredict.cohort.cohort import Source, holds_simulated
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.mapping_file import load_mapping
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.read import merged_extras, raw_courses, refuse_no_course
from ketapredict.cohort.rejects import WHOLE_ROW, RejectLog
from ketapredict.cohort.repeated_ids import RepeatedIds
from ketapredict.cohort.reshape import NO_FIELD, RawCourses
from ketapredict.cohort.wide_table import ParquetTable, WideBatch, WideTable
from ketapredict.errors import FileError


@dataclass(frozen=True)
class ScoredInput:
    """An input in batches.

    Attributes
    ----------
    sources : tuple of Source
    notices : tuple of str
    extras : tuple of Column
    source_rows, filtered, unmatched, courses : int
        `source_rows` = rows that became courses + filtered + unmatched.
    """

    sources: tuple[Source, ...]
    notices: tuple[str, ...]
    extras: tuple[Column, ...]
    source_rows: int
    filtered: int
    unmatched: int
    courses: int
    _table: WideTable | None
    _repeated: np.ndarray | None
    _whole: RawCourses | None

    def batches(self, rows: int, start: int) -> Iterator[RawCourses]:
        """Yield raw courses, `rows` at a time, without the first `start` batches."""
        if self._table is None:
            assert self._whole is not None
            if not start:
                yield self._whole
            return
        place = None
        simulated = False
        for number, batch in enumerate(self._table.batches(rows, start), start):
            place = self._place(number, rows) if place is None else place
            # One mark is enough for the whole.
            simulated = simulated or holds_simulated(batch.frame)
            repeated = np.zeros(len(batch.rows), dtype=bool)
            if self._repeated is not None:
                repeated = self._repeated[place : place + len(batch.rows)]
            place += len(batch.rows)
            yield _raw(batch, repeated, decimal_comma=self._table.decimal_comma, simulated=simulated)

    def _place(self, batches: int, rows: int) -> int:
        """Return how many ids stand in front of a batch."""
        assert self._table is not None
        if not batches or self._repeated is None:
            return 0
        return sum(len(batch.rows) for batch, _ in zip(self._table.batches(rows), range(batches), strict=False))


def open_input(
    path: Path, mapping: Path | None, protocol: Protocol, extras: tuple[Column, ...], folder: Path
) -> ScoredInput:
    """Open what is to be scored.

    Wide CSV, TSV and Parquet (a file or a folder of parts) are read in batches; whatever a mapping or another format
    needs is read as a whole.

    Parameters
    ----------
    path : Path
    mapping : Path or None
    protocol : Protocol
    extras : tuple of Column
        The model's.
    folder : Path
        For files that are needed on the way.

    Raises
    ------
    FileError, MappingError, CohortError
        As `read_cohort`.
    """
    table = None if mapping is not None else _wide_table(path, declared_columns(protocol, extras))
    if table is None:
        loaded = load_mapping(mapping) if mapping is not None else None
        extras = merged_extras(extras, loaded) if loaded is not None else extras
        raw = raw_courses(path, loaded, protocol, extras)
        refuse_no_course(raw, path)
        source_rows = raw.used + raw.filtered + raw.unmatched
        return ScoredInput(
            raw.sources, tuple(raw.notices), extras, source_rows, raw.filtered, raw.unmatched, len(raw.rows),
            None, None, raw,
        )  # fmt: skip
    ids = RepeatedIds(folder)
    for found in table.ids():
        ids.add(found)
    return ScoredInput(
        table.sources, table.notices, extras, table.row_count, 0, 0, table.row_count, table, ids.rows(), None
    )


def _wide_table(path: Path, declared: dict[str, Column]) -> WideTable | None:
    if path.is_dir():
        parts = [part for part in sorted(path.glob("*.parquet")) if part.is_file() and part.name[0] not in "._"]
        return ParquetTable(parts, declared) if parts else None
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise FileError(f"Expected a table file, found nothing at {path}.") from None
    except OSError as error:
        raise FileError(f"{path.name}: the file cannot be read ({error.strerror}).") from None
    if start == b"PAR1":
        return ParquetTable([path], declared)
    if start in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        return None
    from ketapredict.cohort.wide_text import TextTable

    return TextTable(path, declared)


def _raw(batch: WideBatch, repeated: np.ndarray, *, decimal_comma: bool, simulated: bool) -> RawCourses:
    log = RejectLog()
    ragged = len(batch.ragged)
    log.add(np.arange(ragged) + len(batch.frame), batch.ragged, WHOLE_ROW, "fields", NO_FIELD)
    frame = batch.frame.reindex(range(len(batch.frame) + ragged)) if ragged else batch.frame
    return RawCourses(
        columns_of(frame),
        np.concatenate([batch.rows, batch.ragged]) if ragged else batch.rows,
        log,
        used=len(frame),
        decimal_commas=frozenset(frame.columns) if decimal_comma else frozenset(),
        simulated=simulated,
        repeated=np.append(repeated, np.zeros(ragged, dtype=bool)) if ragged else repeated,
    )
