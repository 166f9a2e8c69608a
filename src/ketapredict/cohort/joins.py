"""The source tables that a mapping names, read and joined."""

from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_text
from ketapredict.cohort.evaluation import evaluate_condition
from ketapredict.cohort.headers import listed
from ketapredict.cohort.mapping import Join, Mapping
from ketapredict.cohort.parquet import parts_of
from ketapredict.cohort.tables import Table, is_table_file, read_table, table_stem
from ketapredict.errors import FileError, MappingError


def read_tables(mapping: Mapping, path: Path) -> list[tuple[str, Table]]:
    """Read the tables of a mapping, the main table first.

    Parameters
    ----------
    mapping : Mapping
    path : Path
        The cohort argument. A folder: the mapping's file names are relative to it. A file, or a folder of
        Parquet parts: it is the main table, whatever its name, and the others stand beside it.

    Raises
    ------
    FileError
    """
    if not path.exists():
        raise FileError(f"Expected a folder or a table file, found nothing at {path}.")
    if not mapping.tables:
        return [("main", read_table(only_file(path), mapping.missing))]
    read: dict[Path, Table] = {}
    for source in dict.fromkeys(table_paths(mapping, path)):
        read[source] = read_table(source, mapping.missing)
    return [(name, read[source]) for (name, _), source in zip(mapping.tables, table_paths(mapping, path), strict=True)]


def table_paths(mapping: Mapping, path: Path) -> list[Path]:
    """Return where the tables that a mapping names are, the main table first.

    A name without an ending is that of the only table of this name, in any format.

    Raises
    ------
    FileError
        If several tables have the name.
    """
    main_is_given = not path.is_dir() or (not _named(path, mapping.tables[0][1]).exists() and bool(parts_of(path)))
    folder = path.parent if main_is_given else path
    paths = [_named(folder, file) for _, file in mapping.tables[1:]]
    return [path if main_is_given else _named(folder, mapping.tables[0][1]), *paths]


def _named(folder: Path, name: str) -> Path:
    exact = folder / name
    if exact.exists() or not exact.parent.is_dir():
        return exact
    beside = sorted(exact.parent.iterdir())
    found = [file for file in beside if table_stem(file) == exact.name.casefold() and _is_table(file)]
    if len(found) > 1:
        raise FileError(
            f"Expected one table {name}, found {', '.join(file.name for file in found)}. Name the file with its ending."
        )
    return found[0] if found else exact


def _is_table(file: Path) -> bool:
    return is_table_file(file) or bool(parts_of(file))


def joined_tables(
    mapping: Mapping, tables: list[tuple[str, Table]]
) -> tuple[pd.DataFrame, np.ndarray, frozenset[str], list[str]]:
    """Join the tables to the rows of the main one.

    Returns
    -------
    frame : pandas.DataFrame
        Rows of the main table that found a partner in every table. A joined column whose name the main
        table also has is called `table.column`.
    rows : numpy.ndarray of int64
        Their row numbers.
    decimal_commas : frozenset of str
        Columns in which `12,5` is a number.
    notices : list of str

    Raises
    ------
    MappingError
        If a key does not exist or is not unique in a joined table.
    """
    by_name = dict(tables)
    main = tables[0][1]
    notices = [f"{table.name}: read with {', '.join(table.notices)}" for _, table in tables if table.notices]
    frame = main.frame.copy(deep=False)
    commas = set(frame.columns) if _has_commas(mapping, main) else set()
    partnered = np.ones(len(frame), dtype=bool)
    for join in mapping.joins:
        table = by_name[join.table]
        right = _counting_rows(join, table, mapping)
        found = _partners(join, frame, right, table.name, mapping.name)
        added = right.drop(columns=list(join.right))
        added.columns = pd.Index(
            [f"{join.table}.{name}" if name in frame.columns else name for name in added.columns],
            dtype=object,
        )
        taken = added.take(np.where(found < 0, 0, found)).reset_index(drop=True)
        frame = pd.concat([frame, taken.where(pd.Series(found >= 0))], axis=1)
        if _has_commas(mapping, table):
            commas |= set(added.columns)
        if not join.optional:
            partnered &= found >= 0
        left_over = len(right) - len(np.unique(found[found >= 0]))
        if left_over:
            notices.append(f"{table.name}: {left_over} rows belong to no row of {main.name}")
        if len(table.ragged):
            notices.append(
                f"{table.name}: {len(table.ragged)} rows have another number of fields than the header "
                "and were left out"
            )
    if not partnered.all():
        notices.append(f"{main.name}: {int((~partnered).sum())} rows have no partner in a joined table")
        frame = frame[partnered].reset_index(drop=True)
    return frame, main.rows[partnered], frozenset(commas), notices


def _has_commas(mapping: Mapping, table: Table) -> bool:
    return table.decimal_comma if mapping.decimal_comma is None else mapping.decimal_comma


def _counting_rows(join: Join, table: Table, mapping: Mapping) -> pd.DataFrame:
    """Return the rows of a joined table that its condition lets through."""
    if join.where is None:
        return table.frame
    commas = frozenset(table.frame.columns) if _has_commas(mapping, table) else frozenset()
    truth, _ = evaluate_condition(join.where, table.frame, commas)
    return table.frame[truth.true].reset_index(drop=True)


def _partners(join: Join, frame: pd.DataFrame, joined: pd.DataFrame, table: str, name: str) -> np.ndarray:
    """Return for each row the position of its partner in the joined table, -1 for none."""
    for side, keys, columns in (
        ("the main table", join.left, frame.columns),
        (table, join.right, joined.columns),
    ):
        absent = [key for key in keys if key not in columns]
        if absent:
            raise MappingError(
                f"{name}: [[join]]: {side} has no column {', '.join(absent)}. It has: {listed(columns)}."
            )
    left, right = _key(frame, join.left), _key(joined, join.right)
    present = right.notna().to_numpy()
    repeated = int(right[present].duplicated(keep=False).sum())
    if repeated:
        raise MappingError(
            f"{name}: [[join]]: expected one row per {', '.join(join.right)} in {table}; "
            f"{repeated} rows share theirs with another. A condition (where) under [[join]] says which rows count."
        )
    positions = np.flatnonzero(present)
    if not len(positions):
        return np.full(len(left), -1, dtype=np.int64)
    found = pd.Index(right[present]).get_indexer(left)
    return np.where((found >= 0) & left.notna().to_numpy(), positions[found], -1)


def _key(frame: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    key = as_text(frame[columns[0]])
    for column in columns[1:]:
        key = key + "\x1f" + as_text(frame[column])
    return key


def only_file(path: Path) -> Path:
    """Return the file or the folder of Parquet parts itself, or the only table file of a folder."""
    if not path.is_dir() or len(parts_of(path)) > 1:
        return path
    files = sorted(file for file in path.iterdir() if is_table_file(file))
    if len(files) != 1:
        raise FileError(
            f"Expected one table file in the folder {path.name}, found {len(files)}. "
            "Name the file, or name the files under [tables] in the mapping."
        )
    return files[0]
