"""A mapping applied: source tables in, one raw row per course out, and every row accounted for."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort.arrow_cells import refuse_unreadable
from ketapredict.cohort.cells import as_text, columns_of
from ketapredict.cohort.cohort import Source, holds_simulated
from ketapredict.cohort.columns import Column
from ketapredict.cohort.course_maker import CourseMaker
from ketapredict.cohort.derivations import Derivation, derive
from ketapredict.cohort.evaluation import evaluate_condition
from ketapredict.cohort.headers import holds_any, listed
from ketapredict.cohort.item_rows import SpreadItems, refuse_absent_items, spread_items, wanted_items
from ketapredict.cohort.joins import JoinedTables, read_tables
from ketapredict.cohort.mapping import CourseBlock, Mapping, Visits, check_against_protocol
from ketapredict.cohort.protocols import BASELINE, Protocol
from ketapredict.cohort.raw_courses import NO_FIELD, RawCourses
from ketapredict.cohort.rejects import WHOLE_ROW, RejectLog
from ketapredict.cohort.tables import Table
from ketapredict.cohort.visits import place_by_label, place_visits
from ketapredict.errors import MappingError


@dataclass
class BlockCourses:
    """Courses of one [[course]] block; `absent_items` are items that a column uses and no row names."""

    frame: pd.DataFrame
    rows: np.ndarray
    log: RejectLog
    cell_rows: dict[str, np.ndarray]
    decimal_commas: set[str]
    used: np.ndarray
    kept: np.ndarray
    undecided: int
    absent_items: frozenset[str] = frozenset()


def apply_mapping(mapping: Mapping, path: Path, protocol: Protocol) -> RawCourses:
    """Read the source tables and make one raw row per course.

    Parameters
    ----------
    mapping : Mapping
    path : Path
        The cohort argument: a folder, or the file of the main table.
    protocol : Protocol

    Raises
    ------
    MappingError
        If the mapping does not fit the tables or the protocol.
    FileError
        If a table cannot be read.
    """
    declared = check_against_protocol(mapping, protocol)
    tables = read_tables(mapping, path)
    refuse_files_without_header(mapping, tables, declared)
    refuse_unreadable_columns(mapping, tables, declared)
    main = tables[0][1]
    notices = [f"{table.name}: read with {', '.join(table.notices)}" for _, table in tables if table.notices]
    joined = JoinedTables(mapping, tables)
    frame, rows, decimal_commas = joined.join(main)
    notices += joined.notices()
    parts = []
    for number, course in enumerate(mapping.courses):
        part = block_courses(
            course, mapping, frame, rows, decimal_commas, protocol, declared, block_name(mapping, number)
        )
        refuse_absent_items(part.absent_items, course.visits, block_name(mapping, number))
        parts.append(part)
    ragged_courses = main.ragged if one_row_one_course(mapping) else main.ragged[:0]
    raw = combined(parts, ragged_courses)
    if len(main.ragged) > len(ragged_courses):
        raw.log.add(np.full(len(main.ragged), -1), main.ragged, WHOLE_ROW, "fields", NO_FIELD)
        notices.append(ragged_notice(main.name, len(main.ragged)))
    used = np.zeros(len(frame), dtype=bool)
    kept = np.zeros(len(frame), dtype=bool)
    for part in parts:
        used |= part.used
        kept |= part.kept
    notices += mapping_notices(mapping, sum(part.undecided for part in parts), list(frame.columns), declared)
    raw.used = int(used.sum()) + len(ragged_courses)
    raw.filtered = int((~kept).sum())
    raw.unmatched = main.row_count - raw.used - raw.filtered
    raw.notices = notices
    raw.sources = tuple(dict.fromkeys(Source(table.name, table.sha256, table.row_count) for _, table in tables))
    raw.simulated = any(holds_simulated(table.frame) for _, table in tables)
    return raw


def block_name(mapping: Mapping, number: int) -> str:
    """Name a [[course]] block, by its position from 0, for messages."""
    return f"{mapping.name}: [[course]] {number + 1}"


def one_row_one_course(mapping: Mapping) -> bool:
    """Whether every row is a course in all blocks."""
    return all(course.visits is None for course in mapping.courses)


def ragged_notice(name: str, count: int) -> str:
    """Tell of rows of a wrong number of fields in a table with one row a visit."""
    return f"{name}: {count} rows have another number of fields than the header and belong to no course"


def mapping_notices(mapping: Mapping, undecided: int, header: list[str], declared: dict[str, Column]) -> list[str]:
    """Tell of conditions that missing cells left open and of columns that nothing uses."""
    notices = []
    if undecided:
        notices.append(
            f"{undecided} times a missing cell left a condition (where) open; such a row does not count for that course"
        )
    if mapping.same_names:
        used_names = source_names(mapping) | set(declared)
        unused = [name for name in header if name not in used_names]
        if unused:
            notices.append(f"columns not used: {listed(unused, header)}")
    return notices


def combined(parts: list[BlockCourses], ragged: np.ndarray) -> RawCourses:
    """Put the courses of all blocks together, after those of `ragged`, numbers of rows with too few or many fields.

    What became of the rows, notices and sources are left for the caller.
    """
    log = RejectLog()
    frames = [part.frame for part in parts]
    if len(ragged):
        log.add(np.arange(len(ragged)), ragged, WHOLE_ROW, "fields", NO_FIELD)
        frames.insert(0, pd.DataFrame(index=range(len(ragged))))
    first_course = len(ragged)
    for part in parts:
        log.extend(part.log, first_course)
        first_course += len(part.rows)
    raw = pd.concat([part for part in frames if len(part)], ignore_index=True) if first_course else frames[-1]
    rows = np.concatenate([ragged, *(part.rows for part in parts)]).astype(np.int64)
    cell_rows = {}
    for column in sorted({column for part in parts for column in part.cell_rows}):
        pieces = [part.cell_rows.get(column, part.rows) for part in parts]
        cell_rows[column] = np.concatenate([ragged, *pieces]).astype(np.int64)
    commas = frozenset().union(*(part.decimal_commas for part in parts))
    return RawCourses(columns_of(raw), rows, log, used=0, cell_rows=cell_rows, decimal_commas=commas)


def refuse_files_without_header(mapping: Mapping, tables: list[tuple[str, Table]], declared: dict[str, Column]) -> None:
    """Refuse a file whose first row holds no name that the mapping uses, without telling what it holds."""
    for number, (name, table) in enumerate(tables):
        keys, known = _names_used(mapping, number, name)
        if known and not holds_any(table.frame.columns, known | (set(declared) if mapping.same_names else set())):
            expected = sorted(source_names(mapping) | keys if number == 0 else keys)
            raise MappingError(
                f"{table.name}: expected a header with the column names that {mapping.name} uses "
                f"({', '.join(expected)}); the first row looks like data, it holds none of them. "
                "Add the header, or name the file's own columns in the mapping."
            )


def refuse_unreadable_columns(mapping: Mapping, tables: list[tuple[str, Table]], declared: dict[str, Column]) -> None:
    """Refuse tables of which the mapping uses a column that cannot be read; others do not matter."""
    for number, (name, table) in enumerate(tables):
        used = _names_used(mapping, number, name)[1] | (set(declared) if mapping.same_names else set())
        conditions = (join.where for join in mapping.joins if join.table == name and join.where is not None)
        used |= {column for condition in conditions for column in condition.columns}
        refuse_unreadable(table.unreadable, used, table.name)


def _names_used(mapping: Mapping, number: int, name: str) -> tuple[set[str], set[str]]:
    """Return the columns by which a table is joined, and all that it may be used for."""
    if number == 0:
        keys = {key for join in mapping.joins for key in join.left}
    else:
        keys = {key for join in mapping.joins if join.table == name for key in join.right}
    return keys, keys | {column.removeprefix(f"{name}.") for column in source_names(mapping)}


def source_names(mapping: Mapping) -> set[str]:
    """Return the names of all source columns that a mapping uses, those of joins apart."""
    used: set[str] = set()
    for block in mapping.courses:
        for derivation in (mapping.columns | block.columns).values():
            used |= set(derivation.columns)
        used |= set(block.where.columns) if block.where else set()
        if block.visits:
            used |= {*block.visits.columns, *block.visits.score.columns}
    return used - {""}


def block_courses(
    course: CourseBlock,
    mapping: Mapping,
    frame: pd.DataFrame,
    rows: np.ndarray,
    decimal_commas: frozenset[str],
    protocol: Protocol,
    declared: dict[str, Column],
    place: str,
) -> BlockCourses:
    """Make the courses of one block, of all rows or of all those of some courses.

    Parameters
    ----------
    course : CourseBlock
    mapping : Mapping
    frame : pandas.DataFrame
        Rows of the joined tables.
    rows : numpy.ndarray of int64
        Their numbers in the main table.
    decimal_commas : frozenset of str
    protocol : Protocol
    declared : dict of str to Column
    place : str
        For messages.

    Raises
    ------
    MappingError
        If a column that the block uses does not exist, or the block names no course_id.
    """
    kept = np.ones(len(frame), dtype=bool)
    not_numbers: dict[str, np.ndarray] = {}
    undecided = 0
    if course.where is not None:
        truth, not_numbers = evaluate_condition(course.where, frame, decimal_commas)
        broken = np.zeros(len(frame), dtype=bool)
        for mask in not_numbers.values():
            broken |= mask
        kept = truth.true | broken
        undecided = int((truth.unknown & ~broken).sum())
        frame, rows = frame[kept].reset_index(drop=True), rows[kept]
    columns = block_columns(course, mapping, list(frame.columns), declared, place)
    spread = None
    absent_items: frozenset[str] = frozenset()
    not_numbers = {name: mask[kept] for name, mask in not_numbers.items()}
    if course.visits is not None and course.visits.item:
        spread, absent_items = _spread(course.visits, columns, frame, decimal_commas, protocol, place)
        not_numbers = {name: _any_of(spread, mask) for name, mask in not_numbers.items()}
        if course.visits.value in decimal_commas:
            decimal_commas |= set(spread.frame.columns) - set(frame.columns)
        frame, item_rows, rows = spread.frame, rows, rows[spread.first]
    maker = CourseMaker(frame, rows, decimal_commas, declared, place)
    for name, mask in not_numbers.items():
        maker.flag_rows(name, mask, "number", f"a number in {name}")
    if course.visits is None:
        maker.group(np.arange(len(frame)))
        for name, derivation in columns.items():
            maker.take_all(name, derivation, columns)
        used_here = np.ones(len(frame), dtype=bool)
    else:
        used_here = _long_to_wide(maker, course, columns, protocol)
    if spread is not None:
        for rule, expected, problems in (
            ("repeated visit", "one row for each item of a visit", spread.repeated),
            ("varies within visit", "the same in all rows of a visit", spread.varying),
        ):
            for name, found in problems:
                courses = maker.courses[spread.visit[found]]
                maker.log.add(courses, item_rows[found], name, rule, expected)
        used_here = (spread.visit >= 0) & np.append(used_here, False)[spread.visit]
    used = np.zeros(len(kept), dtype=bool)
    used[np.flatnonzero(kept)[used_here]] = True
    table = pd.DataFrame(maker.cells, index=range(maker.n_courses))
    return BlockCourses(
        table,
        maker.course_rows,
        maker.log,
        maker.cell_rows,
        maker.decimal_commas,
        used,
        kept,
        undecided,
        absent_items,
    )


def block_columns(
    course: CourseBlock, mapping: Mapping, header: list[str], declared: dict[str, Column], place: str
) -> dict[str, Derivation]:
    """Return the recipes of all columns of a block.

    Raises
    ------
    MappingError
        If it names no course_id.
    """
    columns = mapping.columns | course.columns
    if mapping.same_names:
        columns = {name: Derivation(source=name) for name in header if name in declared} | columns
    if "course_id" not in columns:
        raise MappingError(f'{place}: expected course_id, a column or a template such as "{{patient}}-ketamine".')
    return columns


def course_ids(
    columns: dict[str, Derivation], frame: pd.DataFrame, decimal_commas: frozenset[str], place: str
) -> pd.Series:
    """Return the course id of each source row as text, missing where it is."""
    return as_text(derive(columns["course_id"], frame, decimal_commas, place=f"{place}: course_id").cells)


def _spread(
    visits: Visits,
    columns: dict[str, Derivation],
    frame: pd.DataFrame,
    decimal_commas: frozenset[str],
    protocol: Protocol,
    place: str,
) -> tuple[SpreadItems, frozenset[str]]:
    """Make one row a visit of the rows that are items; also return the items that no row names."""
    used = {name for derivation in (*columns.values(), visits.score) for name in derivation.columns}
    places = place_by_label(visits, frame, protocol, decimal_commas)
    absent = set(wanted_items(used, frame)) - set(as_text(frame[visits.item]).dropna().unique())
    ids = course_ids(columns, frame, decimal_commas, place)
    return spread_items(visits, used, frame, _course_codes(ids), places), frozenset(absent)


def _any_of(spread: SpreadItems, mask: np.ndarray) -> np.ndarray:
    """Whether any row of each visit is marked."""
    marked = np.zeros(len(spread.first) + 1, dtype=bool)
    marked[spread.visit[mask]] = True
    return marked[:-1]


def _course_codes(ids: pd.Series) -> np.ndarray:
    """Return the course of each row; a row without an id is a course of its own, which is rejected later."""
    codes = pd.factorize(ids, use_na_sentinel=True)[0].astype(np.int64)
    nameless = np.flatnonzero(codes < 0)
    codes[nameless] = int(codes.max(initial=-1)) + 1 + np.arange(len(nameless))
    return codes


def _long_to_wide(
    maker: CourseMaker, course: CourseBlock, columns: dict[str, Derivation], protocol: Protocol
) -> np.ndarray:
    """Fill the maker's cells from rows that are visits; return which rows were used."""
    visits = course.visits
    assert visits is not None
    frame = maker.frame
    ids = as_text(maker.derived("course_id", columns["course_id"], columns).cells)
    codes = _course_codes(ids)
    maker.group(codes)
    score = maker.derived("visits: score", visits.score, columns)
    mapped_points = {point for _, point in visits.points}
    placed = place_visits(
        visits,
        frame,
        codes,
        score.cells.notna().to_numpy(),
        protocol,
        baseline_by_time=BASELINE not in mapped_points and visits.baseline is None and "score_baseline" not in columns,
        decimal_commas=maker.source_commas,
    )
    points = (BASELINE, *protocol.names)
    for column, problem in placed.problems:
        maker.flag_rows(column, problem.rows, problem.rule, problem.expected)
    for number, point in enumerate(points):
        target = f"score_{point}"
        if target in columns:
            continue
        if not (placed.row_of[:, number] >= 0).any() and point != BASELINE:
            continue
        maker.take_visit(target, visits.score, score, placed.row_of[:, number])
        twice = np.flatnonzero(placed.repeated[:, number])
        maker.log.add(twice, maker.course_rows[twice], target, "repeated visit", "one row a visit")
    for column, derivation in columns.items():
        if derivation.visit:
            number = points.index(derivation.visit)
            derived = maker.derived(column, derivation, columns)
            maker.take_visit(column, derivation, derived, placed.row_of[:, number])
        else:
            maker.take_constant(column, derivation, columns)
    used = placed.placed | maker.flagged_rows
    used[ids.isna().to_numpy()] = True
    return used
