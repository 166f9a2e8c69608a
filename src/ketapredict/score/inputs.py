"""What is scored: an input as batches of raw courses, with the rows that share their course id known beforehand."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import columns_of
from ketapredict.cohort.cohort import SIMULATED_NOTICE, Source, holds_simulated
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.protocols import Protocol
from ketapredict.cohort.raw_courses import NO_FIELD, RawCourses
from ketapredict.cohort.read import merged_extras, raw_courses, refuse_no_course
from ketapredict.cohort.rejects import WHOLE_ROW, RejectLog
from ketapredict.cohort.repeated_ids import RepeatedIds, RepeatedRows
from ketapredict.cohort.sas import is_sas
from ketapredict.cohort.table_files import is_parquet, parts_of
from ketapredict.cohort.unchanged import InputFiles, input_tables
from ketapredict.cohort.validation import require_columns
from ketapredict.cohort.wide_table import ParquetTable, WideBatch, WideTable
from ketapredict.errors import FileError

if TYPE_CHECKING:
    from ketapredict.cohort.mapping import Mapping


@dataclass(frozen=True, slots=True)
class EarlierRejects:
    """Broken rules that were found while the courses were made, some of them at a time.

    Attributes
    ----------
    rejects : pandas.DataFrame
        In the form of a cohort's rejects.
    courses : int
        All courses that were rejected, told with the first part; 0 in the others.
    """

    rejects: pd.DataFrame
    courses: int


NO_FILES = InputFiles([])


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
    table : WideTable or None
        The courses that are read in batches.
    rejected : int
        Courses that are not in `table` because they were rejected before.
    simulated : bool
        Whether a source is marked as simulated; False: not known yet.
    all_told : bool
        Whether `notices` also tell what is observed of the courses.
    files : InputFiles
        As they were before anything was read of them.
    """

    sources: tuple[Source, ...]
    notices: tuple[str, ...]
    extras: tuple[Column, ...]
    source_rows: int
    filtered: int
    unmatched: int
    courses: int
    table: WideTable | None = None
    rejected: int = 0
    simulated: bool = False
    all_told: bool = False
    files: InputFiles = NO_FILES
    _rejects: Path | None = None
    _repeated: RepeatedRows | None = None
    _whole: RawCourses | None = None

    def batches(self, rows: int, start: int) -> Iterator[RawCourses | EarlierRejects]:
        """Yield raw courses, `rows` at a time, and earlier rejects behind them, without the first `start` batches."""
        if self._whole is not None:
            if not start:
                yield self._whole
            return
        if self.table is not None:
            yield from self._courses(self.table, rows, start)
        read = -(-self.table.row_count // rows) if self.table is not None else 0
        for number, part in enumerate(self.earlier_rejects(rows), read):
            if number >= start:
                yield part

    def earlier_rejects(self, rows: int) -> Iterator[EarlierRejects]:
        """Yield what was rejected before, `rows` broken rules at a time."""
        if self._rejects is None or not self.rejected:
            return
        import pyarrow.parquet as pq

        with pq.ParquetFile(self._rejects, memory_map=True) as file:
            for number, batch in enumerate(file.iter_batches(rows)):
                yield EarlierRejects(batch.to_pandas(), 0 if number else self.rejected)

    def _courses(self, table: WideTable, rows: int, start: int) -> Iterator[RawCourses]:
        place = None
        simulated = self.simulated
        for number, batch in enumerate(table.batches(rows, start), start):
            place = self._place(table, number, rows) if place is None else place
            # One mark is enough for the whole.
            simulated = simulated or holds_simulated(batch.cells)
            repeated = np.zeros(len(batch.rows), dtype=bool)
            if self._repeated is not None:
                repeated = self._repeated.flags(place, place + len(batch.rows))
            place += len(batch.rows)
            yield _raw(batch, repeated, decimal_comma=table.decimal_comma, simulated=simulated)

    def _place(self, table: WideTable, batches: int, rows: int) -> int:
        """Return how many ids stand in front of a batch."""
        if not batches or self._repeated is None:
            return 0
        return sum(len(batch.rows) for batch, _ in zip(table.batches(rows), range(batches), strict=False))


_HEAD_BYTES = 256


def open_input(
    path: Path, mapping: Path | None, protocol: Protocol, extras: tuple[Column, ...], folder: Path
) -> ScoredInput:
    """Open what is to be scored.

    Wide CSV, TSV and Parquet (a file or a folder of parts) are read in batches. What a mapping or another format needs
    is read as a whole; if it is large, its courses are made out of core and then read in batches.

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
        As `read_cohort`; FileError also if a file is changed meanwhile.
    """
    loaded = _loaded(mapping)
    files = InputFiles(input_tables(path, loaded))
    with files.read():
        return replace(_opened(loaded, path, protocol, extras, folder), files=files)


def _opened(
    loaded: "Mapping | None", path: Path, protocol: Protocol, extras: tuple[Column, ...], folder: Path
) -> ScoredInput:
    declared = declared_columns(protocol, extras)
    table = _wide_table(path, declared) if loaded is None else None
    if table is not None:
        require_columns(table.names, declared)
        return _of_table(table, extras, _repeated(table, folder))
    # What mappings need is much; for a wide table it is not imported.
    from ketapredict.cohort.out_of_core import is_large

    if is_large(loaded, path):
        return _out_of_core(loaded, path, protocol, extras, folder)
    extras = merged_extras(extras, loaded) if loaded is not None else extras
    raw = raw_courses(path, loaded, protocol, extras)
    refuse_no_course(raw, path)
    source_rows = raw.used + raw.filtered + raw.unmatched
    return ScoredInput(
        raw.sources,
        tuple(raw.notices),
        extras,
        source_rows,
        raw.filtered,
        raw.unmatched,
        len(raw.rows),
        _whole=raw,
    )


def _repeated(table: WideTable, folder: Path) -> RepeatedRows | None:
    """Find the rows that share their course id, while another thread hashes the files and the ids that were read."""
    ids = RepeatedIds(folder)
    with ThreadPoolExecutor(1) as other:
        hashing = other.submit(lambda: table.sources)
        adding: Future[None] | None = None
        for found in table.ids():
            if adding is not None:
                adding.result()
            adding = other.submit(ids.add, found)
        if adding is not None:
            adding.result()
        hashing.result()
    return ids.rows()


def open_as_parquet(
    path: Path, mapping: Path | None, protocol: Protocol, extras: tuple[Column, ...], folder: Path
) -> ScoredInput:
    """Open what is to be scored by an engine that reads Parquet only; repeated ids are left to it.

    What is no Parquet in the form of the cohort table becomes it in `folder`; parameters and errors are those of
    `open_input`.
    """
    loaded = _loaded(mapping)
    files = InputFiles(input_tables(path, loaded))
    with files.read():
        parts = parts_of(path) or ([path] if is_parquet(path) else [])
        if loaded is None and parts:
            declared = declared_columns(protocol, extras)
            table = ParquetTable(parts, declared)
            require_columns(table.names, declared)
            return replace(_of_table(table, extras, None), files=files)
        return replace(_out_of_core(loaded, path, protocol, extras, folder), files=files)


def refuse_among_inputs(target: Path, path: Path, mapping: Path | None) -> None:
    """Refuse a result in or below a folder of Parquet parts, or beside the only table of a folder.

    Whoever reads the folder next would read the result, or be refused because of it.

    Raises
    ------
    FileError
        Names the folder.
    """
    loaded = _loaded(mapping)
    above = target.resolve().parents
    folders = [table for table in input_tables(path, loaded) if table.is_dir() and table.resolve() in above]
    if loaded is not None and not loaded.tables and path.is_dir() and path.resolve() == above[0]:
        folders.append(path)
    if folders:
        raise FileError(
            f"Expected an output outside of the folder {folders[0]}, of which every table is input; found "
            f"{target.name} in it. Choose another folder."
        )


def _of_table(table: WideTable, extras: tuple[Column, ...], repeated: RepeatedRows | None) -> ScoredInput:
    rows = table.row_count
    return ScoredInput(table.sources, table.notices, extras, rows, 0, 0, rows, table, _repeated=repeated)


def _loaded(mapping: Path | None) -> "Mapping | None":
    if mapping is None:
        return None
    from ketapredict.cohort.mapping_file import load_mapping

    return load_mapping(mapping)


def _out_of_core(
    mapping: "Mapping | None", path: Path, protocol: Protocol, extras: tuple[Column, ...], folder: Path
) -> ScoredInput:
    from ketapredict.cohort.out_of_core import SOURCE_ROW, make_courses

    made = make_courses(mapping, path, protocol, folder, extras)
    extras = merged_extras(extras, mapping) if mapping is not None else extras
    table = None
    if made.counts.accepted:
        table = ParquetTable([made.courses], declared_columns(protocol, extras), SOURCE_ROW, made.sources)
    return ScoredInput(
        made.sources,
        tuple(notice for notice in made.notices if notice != SIMULATED_NOTICE),
        extras,
        made.counts.source_rows,
        made.counts.filtered,
        made.counts.unmatched,
        made.counts.courses,
        table,
        made.counts.rejected,
        made.simulated,
        all_told=True,
        _rejects=made.rejects,
    )


def _wide_table(path: Path, declared: dict[str, Column]) -> WideTable | None:
    if path.is_dir():
        parts = parts_of(path)
        return ParquetTable(parts, declared) if parts else None
    try:
        with path.open("rb") as file:
            start = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise FileError(f"Expected a table file, found nothing at {path}.") from None
    except OSError as error:
        raise FileError(f"{path.name}: the file cannot be read ({error.strerror}).") from None
    if start.startswith(b"PAR1"):
        return ParquetTable([path], declared)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or is_sas(start):
        return None
    from ketapredict.cohort.wide_text import TextTable

    return TextTable(path, declared)


def _raw(batch: WideBatch, repeated: np.ndarray, *, decimal_comma: bool, simulated: bool) -> RawCourses:
    log = RejectLog()
    used, ragged = len(batch.rows), len(batch.ragged)
    log.add(np.arange(ragged) + used, batch.ragged, WHOLE_ROW, "fields", NO_FIELD)
    cells = batch.cells
    if ragged:
        cells = columns_of(pd.DataFrame(cells, index=range(used)).reindex(range(used + ragged)))
    return RawCourses(
        cells,
        np.concatenate([batch.rows, batch.ragged]) if ragged else batch.rows,
        log,
        used=used,
        decimal_commas=frozenset(cells) if decimal_comma else frozenset(),
        simulated=simulated,
        repeated=np.append(repeated, np.zeros(ragged, dtype=bool)) if ragged else repeated,
    )
