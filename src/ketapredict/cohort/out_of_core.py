"""A mapping applied to more rows than fit into memory: sorted by course on disk, then made course by course.

DuckDB sorts the rows of the main table by course (memory and temporary files bounded), and every stretch of whole
courses goes the way of `reshape` and `validation`: the same code on the same rows of a course, hence the same cells,
the same rejects and the same counts. Joined tables are held in memory.
"""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort.batches import SourceBatches, header_only
from ketapredict.cohort.cohort import SIMULATED_NOTICE, Counts, Source, holds_simulated
from ketapredict.cohort.columns import Column, declared_columns
from ketapredict.cohort.delimited import DELIMITERS
from ketapredict.cohort.evaluation import evaluate_condition
from ketapredict.cohort.item_rows import refuse_absent_items
from ketapredict.cohort.joins import JoinedTables, only_file, read_joined, table_paths
from ketapredict.cohort.mapping import CourseBlock, Mapping, check_against_protocol
from ketapredict.cohort.protocols import BASELINE, Protocol
from ketapredict.cohort.raw_courses import NO_FIELD
from ketapredict.cohort.read import cohort_of, merged_extras
from ketapredict.cohort.rejects import WHOLE_ROW, RejectLog
from ketapredict.cohort.reshape import (
    block_columns,
    block_courses,
    block_name,
    combined,
    course_ids,
    mapping_notices,
    one_row_one_course,
    ragged_notice,
    refuse_files_without_header,
    refuse_unreadable_columns,
    source_names,
)
from ketapredict.cohort.sas import is_sas
from ketapredict.cohort.spool import (
    MEMORY_MIB,
    RejectSpool,
    Spool,
    bounded_duckdb,
    read_spool,
    sort_rejects,
    sort_spool,
)
from ketapredict.cohort.table_files import PARQUET, parts_of
from ketapredict.cohort.validation import refuse_unknown_columns, require_columns
from ketapredict.errors import CohortError

if TYPE_CHECKING:
    import pyarrow as pa

    from ketapredict.cohort.tables import Table

SOURCE_ROW = "source_row"
LARGEST_IN_MEMORY_BYTES = 64_000_000
LARGEST_IN_MEMORY_CELLS = 5_000_000
_HEAD_BYTES, _BYTES_AT_ONCE = 256, 1 << 20
_BATCH_ROWS = 100_000
_NUMBER_OF = re.compile(r"\b(\d+)(?= (?:scores|courses|times|rows)\b)")


@dataclass(frozen=True, slots=True)
class WideCourses:
    """Courses that were made out of core.

    Attributes
    ----------
    courses : Path
        Parquet in the form of the cohort table, one accepted course a row in the order of `read_cohort`, and a column
        `source_row` with the number of the course's first row in the main source table.
    rejects : Path
        Parquet, one broken rule a row, in the order of rows: `row`, `course_id`, `column`, `rule`, `expected`.
    counts : Counts
    notices : tuple of str
    sources : tuple of Source
    simulated : bool
    """

    courses: Path
    rejects: Path
    counts: Counts
    notices: tuple[str, ...]
    sources: tuple[Source, ...]
    simulated: bool


def is_large(mapping: Mapping | None, path: Path) -> bool:
    """Whether the main table of a cohort is too large to be read into memory as a whole.

    What counts are its cells and, of text, the bytes that a compressed file unpacks to.
    """
    main = _main_path(mapping, path)
    parts = parts_of(main) or ([main] if main.name.lower().endswith(PARQUET) and main.is_file() else [])
    if parts:
        import pyarrow as pa
        import pyarrow.parquet as pq

        size = cells = 0
        try:
            for found in map(pq.read_metadata, parts):
                size += sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))
                cells += found.num_rows * found.num_columns
        except (pa.ArrowException, OSError):
            return False
        return size > LARGEST_IN_MEMORY_BYTES or cells > LARGEST_IN_MEMORY_CELLS
    if not main.is_file():
        return False
    if main.stat().st_size > LARGEST_IN_MEMORY_BYTES:
        return True
    with main.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    return not start.startswith(b"PK\x03\x04") and not is_sas(start) and _is_large_text(main)


def _is_large_text(path: Path) -> bool:
    size = lines = delimiters = 0
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if zipped else file
            while chunk := stream.read(_BYTES_AT_ONCE):
                size += len(chunk)
                lines += chunk.count(b"\n")
                delimiters += max(chunk.count(delimiter.encode()) for delimiter in DELIMITERS)
                if size > LARGEST_IN_MEMORY_BYTES or lines + delimiters > LARGEST_IN_MEMORY_CELLS:
                    return True
    except (EOFError, zlib.error, OSError):
        # Whoever reads it says what is wrong with it.
        return False
    return False


def make_courses(
    mapping: Mapping | None,
    path: str | Path,
    protocol: Protocol,
    folder: Path,
    extras: tuple[Column, ...] = (),
    *,
    batch_rows: int = _BATCH_ROWS,
    memory_mib: int = MEMORY_MIB,
) -> WideCourses:
    """Make the courses of a cohort of any size.

    Parameters
    ----------
    mapping : Mapping or None
        None: the file is in the form of the cohort table already.
    path : path
        As for `read_cohort`.
    protocol : Protocol
    folder : Path
        For the result, and for temporary files that are gone at the end: about twice the main table's size.
    extras : tuple of Column
    batch_rows : int
        Source rows that are in memory at a time, at least; all rows of a course always are.
    memory_mib : int
        Bound on DuckDB's memory.

    Raises
    ------
    FileError, MappingError, CohortError
        As `read_cohort`. An Excel file is refused.
    OSError
        If the folder cannot be written to.
    """
    path = Path(path)
    if mapping is not None:
        extras = merged_extras(extras, mapping)
    main = SourceBatches(_main_path(mapping, path), mapping.missing if mapping else _AS_IT_IS.missing, batch_rows)
    if mapping is None:
        declared = declared_columns(protocol, extras)
        refuse_unknown_columns(main.header, declared, main.name)
        require_columns(main.header, declared)
        mapping = _AS_IT_IS
    with TemporaryDirectory(dir=folder, prefix=".out-of-core-") as temporary:
        return _Work(mapping, path, protocol, extras, main, Path(temporary), memory_mib, batch_rows).run(folder)


_AS_IT_IS = Mapping("the cohort table", (), (), {}, (CourseBlock({}),), (), same_names=True)


def _main_path(mapping: Mapping | None, path: Path) -> Path:
    if mapping is not None and mapping.tables:
        return table_paths(mapping, path)[0]
    return only_file(path) if mapping is not None and path.is_dir() else path


class _Work:
    """One run; what is counted on the way."""

    def __init__(
        self,
        mapping: Mapping,
        path: Path,
        protocol: Protocol,
        extras: tuple[Column, ...],
        main: SourceBatches,
        temporary: Path,
        memory_mib: int,
        batch_rows: int,
    ) -> None:
        self.mapping, self.protocol, self.extras, self.main = mapping, protocol, extras, main
        self.temporary, self.memory_mib, self.batch_rows = temporary, memory_mib, batch_rows
        self.declared = (
            declared_columns(protocol, extras) if mapping is _AS_IT_IS else check_against_protocol(mapping, protocol)
        )
        header = header_only(main)
        self.others = read_joined(mapping, path)
        self.tables: list[tuple[str, Table]] = [
            (mapping.tables[0][0] if mapping.tables else "main", header),
            *self.others,
        ]
        refuse_files_without_header(mapping, self.tables, self.declared)
        refuse_unreadable_columns(mapping, self.tables, self.declared)
        self.joined = JoinedTables(mapping, self.tables)
        wanted = source_names(mapping) | {key for join in mapping.joins for key in join.left}
        wanted |= set(self.declared) if mapping.same_names else set()
        self.kept_columns = [name for name in main.header if name in wanted]
        self.filtered = self.unpartnered = self.undecided = self.used = 0
        self.simulated = any(holds_simulated(table.frame) for _, table in self.others)
        self.absent: list[frozenset[str] | None] = [None] * len(mapping.courses)
        self.counts = np.zeros(3, dtype=np.int64)
        self.notices: dict[str, int] = {}
        self.header: list[str] = []

    def run(self, folder: Path) -> WideCourses:
        several = len(self.mapping.courses) > 1
        courses = Spool(self.temporary / "courses.parquet", self._course_schema())
        rejects = RejectSpool(self.temporary / "rejects.parquet")
        used = Spool(self.temporary / "used.parquet", _used_schema())
        with courses, rejects, used:
            self._spill(rejects)
            for frame, rows, blocks in self._stretches():
                self._make(frame, rows, blocks, courses, rejects, used if several else None)
        for number, course in enumerate(self.mapping.courses):
            refuse_absent_items(self.absent[number] or (), course.visits, block_name(self.mapping, number))
        with bounded_duckdb(self.temporary, self.memory_mib) as base:
            if several:
                self.used += read_spool(base, used.path).aggregate("count(DISTINCT row)").fetchall()[0][0]
            columns = ", ".join(f'"{name}"' for name in [*self._output_columns(), SOURCE_ROW])
            sort_spool(base, [courses.path], columns, f"block, {SOURCE_ROW}", folder / "courses.parquet")
            sort_rejects(base, [rejects.path], folder / "rejects.parquet")
        return self._result(folder)

    def _spill(self, rejects: RejectSpool) -> None:
        """Write the rows that count, each with its course and its block, and account for all others."""
        ragged = 0
        with ExitStack() as stack:
            spool: Spool | None = None
            for raw, rows in self.main.arrow():
                ragged += self._reject_ragged(rejects)
                for table in self._rows_of_courses(raw, rows) if raw.num_rows else ():
                    if spool is None:
                        spool = stack.enter_context(Spool(self.temporary / "rows.parquet", table.schema))
                    spool.write(table)
        ragged += self._reject_ragged(rejects)
        if one_row_one_course(self.mapping):
            self.used += ragged
            self.counts += (ragged, 0, ragged)
        elif ragged:
            self._note(ragged_notice(self.main.name, ragged))

    def _reject_ragged(self, rejects: RejectSpool) -> int:
        """Reject the further rows of a wrong number of fields; returns how many."""
        ragged = self.main.further_ragged()
        if len(ragged):
            log = RejectLog()
            log.add(np.full(len(ragged), -1), ragged, WHOLE_ROW, "fields", NO_FIELD)
            rejects.add(log.frame(pd.Series([], dtype="str")))
        return len(ragged)

    def _rows_of_courses(self, raw: "pa.Table", rows: np.ndarray) -> Iterator["pa.Table"]:
        """Yield the rows of a batch that count, for each block those that are its."""
        import pyarrow as pa

        whole = self.main.table(raw, rows)
        refuse_unreadable_columns(self.mapping, [(self.tables[0][0], whole)], self.declared)
        self.simulated = self.simulated or holds_simulated(whole.frame)
        frame, numbers, commas = self.joined.join(whole)
        self.header = list(frame.columns)
        kept_by_any = np.zeros(len(frame), dtype=bool)
        positions = np.searchsorted(rows, numbers)
        for number, course in enumerate(self.mapping.courses):
            kept = self._kept(course, frame, commas)
            kept_by_any |= kept
            chosen = frame[kept]
            place = block_name(self.mapping, number)
            columns = block_columns(course, self.mapping, self.header, self.declared, place)
            ids = course_ids(columns, chosen, commas, place)
            cells = raw.select(self.kept_columns).take(positions[kept])
            arrays = [
                *cells.columns,
                pa.array(ids.to_numpy(object), pa.string(), from_pandas=True),
                pa.array(numbers[kept]),
            ]
            arrays.append(pa.array(np.full(int(kept.sum()), number, dtype=np.int16)))
            names = [*(f"c{place}" for place in range(len(self.kept_columns))), "id", "row", "block"]
            yield pa.Table.from_arrays(arrays, names)
        self.filtered += int((~kept_by_any).sum())

    def _kept(self, course: CourseBlock, frame: pd.DataFrame, commas: frozenset[str]) -> np.ndarray:
        if course.where is None:
            return np.ones(len(frame), dtype=bool)
        truth, not_numbers = evaluate_condition(course.where, frame, commas)
        broken = np.zeros(len(frame), dtype=bool)
        for mask in not_numbers.values():
            broken |= mask
        self.undecided += int((truth.unknown & ~broken).sum())
        return truth.true | broken

    def _stretches(self) -> Iterator["tuple[pa.Table, np.ndarray, np.ndarray]"]:
        """Yield rows of whole courses: raw cells, row numbers and blocks, by course, block and row."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not (self.temporary / "rows.parquet").exists():
            return
        with bounded_duckdb(self.temporary, self.memory_mib) as base:
            rows = read_spool(base, self.temporary / "rows.parquet").order("id NULLS LAST, block, row")
            pending: pa.Table | None = None
            for batch in rows.to_arrow_reader(self.batch_rows):
                table = pa.Table.from_batches([batch])
                pending = table if pending is None else pa.concat_tables([pending, table])
                last = pending["id"][-1]
                cut = pending.num_rows if not last.is_valid else pc.index(pending["id"], last).as_py()
                if cut:
                    yield self._stretch(pending.slice(0, cut))
                    pending = pending.slice(cut) if cut < pending.num_rows else None
            if pending is not None:
                yield self._stretch(pending)

    def _stretch(self, table: "pa.Table") -> "tuple[pa.Table, np.ndarray, np.ndarray]":
        cells = table.select(list(range(len(self.kept_columns)))).rename_columns(self.kept_columns)
        return cells, table["row"].to_numpy().copy(), table["block"].to_numpy().copy()

    def _make(
        self,
        raw: "pa.Table",
        rows: np.ndarray,
        blocks: np.ndarray,
        courses: Spool,
        rejects: RejectSpool,
        used: Spool | None,
    ) -> None:
        """Make the courses of one stretch."""
        parts = []
        for number, course in enumerate(self.mapping.courses):
            mine = np.flatnonzero(blocks == number)
            if not len(mine):
                continue
            mine = mine[np.argsort(rows[mine], kind="stable")]
            frame, numbers, commas = self.joined.join(self.main.table(raw.take(mine), rows[mine]))
            place = block_name(self.mapping, number)
            part = block_courses(course, self.mapping, frame, numbers, commas, self.protocol, self.declared, place)
            before = self.absent[number]
            self.absent[number] = part.absent_items if before is None else before & part.absent_items
            parts.append((number, part))
            if used is None:
                self.used += int(part.used.sum())
            else:
                used.write_columns(row=numbers[part.used])
        both = combined([part for _, part in parts], np.empty(0, dtype=np.int64))
        nothing = np.full(len(both.rows), None, dtype=object)
        both.cells.update({name: nothing for name in self._block_columns() if name not in both.cells})
        first_rows = both.rows
        of_block = np.repeat([number for number, _ in parts], [len(part.rows) for _, part in parts])
        cohort = cohort_of(both, self.protocol, self.extras)
        broken = both.log.broken(len(first_rows))
        self.counts += (cohort.counts.courses, cohort.counts.accepted, cohort.counts.rejected)
        for notice in cohort.notices:
            self._note(notice)
        table = {
            name: cells.to_numpy(float) if cells.dtype == float else cells.astype(object).where(cells.notna(), None)
            for name, cells in cohort.table.items()
        }
        courses.write_columns(**table, **{SOURCE_ROW: cohort.rows, "block": of_block[~broken]})
        rejects.add(cohort.rejects)

    def _note(self, notice: str) -> None:
        """Keep a notice once; numbers of scores, courses and rows in it are added up."""
        found = _NUMBER_OF.search(notice)
        key = _NUMBER_OF.sub("\0", notice, count=1)
        self.notices[key] = self.notices.get(key, 0) + (int(found.group(1)) if found else 0)

    def _block_columns(self) -> list[str]:
        names: dict[str, None] = {}
        for number, course in enumerate(self.mapping.courses):
            place = block_name(self.mapping, number)
            columns = block_columns(course, self.mapping, self.header, self.declared, place)
            names |= dict.fromkeys([*columns, *([f"score_{BASELINE}"] if course.visits else [])])
        return list(names)

    def _output_columns(self) -> list[str]:
        return list(declared_columns(self.protocol, self.extras))

    def _course_schema(self) -> "pa.Schema":
        import pyarrow as pa

        numbers = {"number", "score", "yes_no"}
        fields = [
            (name, pa.float64() if column.kind in numbers else pa.string())
            for name, column in declared_columns(self.protocol, self.extras).items()
        ]
        return pa.schema([*fields, (SOURCE_ROW, pa.int64()), ("block", pa.int16())])

    def _result(self, folder: Path) -> WideCourses:
        total = self.main.row_count
        counts = Counts(
            total,
            self.used,
            self.filtered,
            total - self.used - self.filtered,
            *(int(number) for number in self.counts),
        )
        if not counts.courses:
            raise CohortError(
                f"{self.main.name}: no row became a course; {counts.filtered} rows were left out by the mapping's "
                f"conditions (where), {counts.unmatched} found no partner, course or time point. Check the mapping."
            )
        read = [
            f"{name}: read with {', '.join(found)}"
            for name, found in [
                (self.main.name, tuple(self.main.notices)),
                *((table.name, table.notices) for _, table in self.others),
            ]
            if found
        ]
        told = [key.replace("\0", str(number)) for key, number in self.notices.items() if key != SIMULATED_NOTICE]
        sources = [Source(self.main.name, self.main.sha256, total)]
        sources += [Source(table.name, table.sha256, table.row_count) for _, table in self.others]
        return WideCourses(
            folder / "courses.parquet",
            folder / "rejects.parquet",
            counts,
            (
                *([SIMULATED_NOTICE] if self.simulated else []),
                *read,
                *self.joined.notices(),
                *mapping_notices(self.mapping, self.undecided, self.header, self.declared),
                *told,
            ),
            tuple(dict.fromkeys(sources)),
            self.simulated,
        )


def _used_schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([("row", pa.int64())])
