"""The source tables that a mapping names, read and joined."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import as_text
from ketapredict.cohort.evaluation import evaluate_condition
from ketapredict.cohort.headers import listed
from ketapredict.cohort.mapping import Join, Mapping
from ketapredict.cohort.table_files import is_table_file, parts_of, table_stem
from ketapredict.cohort.tables import Table, read_table
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


def read_joined(mapping: Mapping, path: Path) -> list[tuple[str, Table]]:
    """Read the tables of a mapping except the main one."""
    if not mapping.tables:
        return []
    paths = table_paths(mapping, path)[1:]
    read = {source: read_table(source, mapping.missing) for source in dict.fromkeys(paths)}
    return [(name, read[source]) for (name, _), source in zip(mapping.tables[1:], paths, strict=True)]


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


class JoinedTables:
    """The tables that are joined to the main one, ready to be joined to all of its rows or to some at a time.

    Parameters
    ----------
    mapping : Mapping
    tables : list of (str, Table)
        The main table first, of which only the name and the header are used.

    Raises
    ------
    MappingError
        If a key does not exist or is not unique in a joined table.
    """

    def __init__(self, mapping: Mapping, tables: list[tuple[str, Table]]) -> None:
        self._mapping = mapping
        self._main = tables[0][1]
        self._unpartnered = 0
        self._joins: list[_Joined] = []
        header = set(self._main.frame.columns)
        for join in mapping.joins:
            table = dict(tables)[join.table]
            joined = _joined(join, table, header, mapping)
            self._joins.append(joined)
            header |= set(joined.added.columns)

    def join(self, main: Table) -> tuple[pd.DataFrame, np.ndarray, frozenset[str]]:
        """Join to rows of the main table.

        Returns
        -------
        frame : pandas.DataFrame
            Rows that found a partner in every table. A joined column whose name the main table also has is called
            `table.column`.
        rows : numpy.ndarray of int64
            Their row numbers.
        decimal_commas : frozenset of str
            Columns in which `12,5` is a number.
        """
        frame = main.frame.copy(deep=False)
        commas = set(frame.columns) if _has_commas(self._mapping, self._main) else set()
        partnered = np.ones(len(frame), dtype=bool)
        for joined in self._joins:
            _require_key(joined.join.left, frame, "the main table", self._mapping.name)
            found = joined.partners(_key(frame, joined.join.left))
            taken = joined.added.take(np.where(found < 0, 0, found)).reset_index(drop=True)
            frame = pd.concat([frame, taken.where(pd.Series(found >= 0))], axis=1)
            if joined.decimal_comma:
                commas |= set(joined.added.columns)
            if not joined.join.optional:
                partnered &= found >= 0
        if not partnered.all():
            self._unpartnered += int((~partnered).sum())
            frame = frame[partnered].reset_index(drop=True)
        return frame, main.rows[partnered], frozenset(commas)

    def notices(self) -> list[str]:
        """Return what must be told of the joins, after all rows of the main table."""
        notices = []
        for joined in self._joins:
            left_over = int((~joined.met).sum())
            if left_over:
                notices.append(f"{joined.table}: {left_over} rows belong to no row of {self._main.name}")
            if joined.ragged:
                notices.append(
                    f"{joined.table}: {joined.ragged} rows have another number of fields than the header "
                    "and were left out"
                )
        if self._unpartnered:
            notices.append(f"{self._main.name}: {self._unpartnered} rows have no partner in a joined table")
        return notices


@dataclass
class _Joined:
    """A joined table: its columns under their new names, its keys, and which of its rows met a partner."""

    join: Join
    table: str
    added: pd.DataFrame
    keys: pd.Index
    positions: np.ndarray
    met: np.ndarray
    decimal_comma: bool
    ragged: int

    def partners(self, left: pd.Series) -> np.ndarray:
        """Return for each key the position of its partner, -1 for none."""
        if not len(self.positions):
            return np.full(len(left), -1, dtype=np.int64)
        found = self.keys.get_indexer(left)
        found = np.where((found >= 0) & left.notna().to_numpy(), self.positions[found], -1)
        self.met[found[found >= 0]] = True
        return found


def _joined(join: Join, table: Table, header: set[str], mapping: Mapping) -> _Joined:
    frame = _counting_rows(join, table, mapping)
    _require_key(join.right, frame, table.name, mapping.name)
    key = _key(frame, join.right)
    present = key.notna().to_numpy()
    repeated = int(key[present].duplicated(keep=False).sum())
    if repeated:
        raise MappingError(
            f"{mapping.name}: [[join]]: expected one row per {', '.join(join.right)} in {table.name}; "
            f"{repeated} rows share theirs with another. A condition (where) under [[join]] says which rows count."
        )
    added = frame.drop(columns=list(join.right))
    added.columns = pd.Index(
        [f"{join.table}.{name}" if name in header else name for name in added.columns], dtype=object
    )
    return _Joined(
        join,
        table.name,
        added,
        pd.Index(key[present]),
        np.flatnonzero(present),
        np.zeros(len(frame), dtype=bool),
        _has_commas(mapping, table),
        len(table.ragged),
    )


def _require_key(keys: tuple[str, ...], frame: pd.DataFrame, side: str, name: str) -> None:
    absent = [key for key in keys if key not in frame.columns]
    if absent:
        raise MappingError(
            f"{name}: [[join]]: {side} has no column {', '.join(absent)}. It has: {listed(frame.columns)}."
        )


def _has_commas(mapping: Mapping, table: Table) -> bool:
    return table.decimal_comma if mapping.decimal_comma is None else mapping.decimal_comma


def _counting_rows(join: Join, table: Table, mapping: Mapping) -> pd.DataFrame:
    """Return the rows of a joined table that its condition lets through."""
    if join.where is None:
        return table.frame
    commas = frozenset(table.frame.columns) if _has_commas(mapping, table) else frozenset()
    truth, _ = evaluate_condition(join.where, table.frame, commas)
    return table.frame[truth.true].reset_index(drop=True)


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
