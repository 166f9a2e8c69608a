"""One source as a table: delimited text, Parquet (a file or a folder of parts), Excel or SAS."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ketapredict.cohort import parquet, sas
from ketapredict.cohort.cells import MISSING_MARKERS, has_decimal_comma, plain_cells, without_markers
from ketapredict.cohort.headers import refuse_repeated
from ketapredict.errors import FileError

UNNAMED = "unnamed_"


@dataclass(frozen=True)
class Table:
    """A source file as it was read.

    Attributes
    ----------
    name : str
        File name without folder.
    frame : pandas.DataFrame
        Cells as text (`str`, trimmed) from delimited files; with the file's own types from Parquet (decimals as text),
        Excel and SAS. Missing markers are missing cells. RangeIndex.
    rows : numpy.ndarray of int64
        Number of each row in the file; the first after the header is 1, empty lines are not counted.
    ragged : numpy.ndarray of int64
        Numbers of the rows that have another number of fields than the header; they are not in `frame`.
    sha256 : str
        Of the file's bytes; of a folder, of its parts' names and hashes.
    decimal_comma : bool
        Whether `12,5` is a number.
    notices : tuple of str
        What was assumed in reading.
    unreadable : frozenset of str
        Columns of which no cell can be made, missing in `frame`: whoever uses one must refuse the table.
    """

    name: str
    frame: pd.DataFrame
    rows: np.ndarray
    ragged: np.ndarray
    sha256: str
    decimal_comma: bool = False
    notices: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()

    @property
    def row_count(self) -> int:
        """Number of rows of the file, with those of a wrong number of fields."""
        return len(self.rows) + len(self.ragged)


def read_table(path: str | Path, missing: tuple[str, ...] = MISSING_MARKERS) -> Table:
    """Read one file, or a folder of Parquet parts.

    Parameters
    ----------
    path : str or Path
        CSV, TSV or other delimited text (also .gz), Parquet (file or folder), Excel (.xlsx, first sheet), SAS
        (.xpt, .sas7bdat). What it is, its first bytes say.
    missing : tuple of str
        Cells that mean missing.

    Raises
    ------
    FileError
        If there is no such file, or it is empty, has a header but no rows, one column only, two
        columns of one name, or a format that cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, missing)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileError(f"Expected a table file, found nothing at {path}.") from None
    except OSError as error:
        raise FileError(f"{path.name}: the file cannot be read ({error.strerror}).") from None
    if not content.strip():
        raise FileError(f"{path.name}: expected a table with a header, found an empty file.")
    notices: list[str] = []
    ragged = np.empty(0, dtype=np.int64)
    delimiter = ""
    unreadable: frozenset[str] = frozenset()
    if content[:4] == b"PAR1":
        frame, unreadable = parquet.read_parquet(content, path.name)
        rows = np.arange(1, len(frame) + 1)
    elif sas.is_sas(content):
        frame, notices = sas.read_sas(content, path.name)
        rows = np.arange(1, len(frame) + 1)
    elif content[:4] == b"PK\x03\x04":
        frame, rows, notices = _read_excel(content, path.name)
    elif content[:4] == b"\xd0\xcf\x11\xe0":
        raise FileError(f"{path.name}: expected .xlsx, found an old Excel file (.xls). Save it as .xlsx or CSV.")
    else:
        from ketapredict.cohort.delimited import read_delimited

        frame, ragged, delimiter, notices = read_delimited(content, path.name)
        rows = np.setdiff1d(np.arange(1, len(frame) + len(ragged) + 1), ragged, assume_unique=True)
    digest = hashlib.sha256(content).hexdigest()
    commas = delimiter not in {"", ","}
    return _table(path.name, frame, rows, ragged, digest, missing, notices, unreadable, may_have_commas=commas)


def _read_folder(folder: Path, missing: tuple[str, ...]) -> Table:
    frame, unreadable, digest = parquet.read_parts(folder)
    rows = np.arange(1, len(frame) + 1)
    ragged = np.empty(0, dtype=np.int64)
    return _table(folder.name, frame, rows, ragged, digest, missing, [], unreadable, may_have_commas=False)


def _table(
    name: str,
    frame: pd.DataFrame,
    rows: np.ndarray,
    ragged: np.ndarray,
    sha256: str,
    missing: tuple[str, ...],
    notices: list[str],
    unreadable: frozenset[str],
    *,
    may_have_commas: bool,
) -> Table:
    frame, notices = _named_columns(frame, name, notices)
    if not len(frame) and not len(ragged):
        raise FileError(f"{name}: expected rows below the header, found none.")
    frame = frame_without_markers(frame, frozenset(missing))
    decimal_comma = may_have_commas and any(has_decimal_comma(frame[column]) for column in frame)
    if decimal_comma:
        notices.append("decimal commas")
    told = tuple(notices)
    unreadable = frozenset(column.strip() for column in unreadable)
    return Table(name, frame, rows.astype(np.int64), ragged, sha256, decimal_comma, told, unreadable)


def _named_columns(frame: pd.DataFrame, name: str, notices: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Refuse repeated names; drop empty columns without a name, name the others."""
    names = ["" if column is None else str(column).strip() for column in frame.columns]
    refuse_repeated(names, name)
    keep = []
    for position, column in enumerate(names):
        if not column:
            cells = frame.iloc[:, position]
            if cells.isna().all() or (cells.astype(str).str.strip() == "").all():
                notices.append("an empty column without a name left out")
                continue
            names[position] = f"{UNNAMED}{position + 1}"
        keep.append(position)
    kept = frame.iloc[:, keep].copy(deep=False)
    kept.columns = pd.Index([names[position] for position in keep], dtype=object)
    return kept, notices


def frame_without_markers(frame: pd.DataFrame, markers: frozenset[str]) -> pd.DataFrame:
    """Return a table with the cells of `cells.without_markers`."""
    if not len(frame):
        return frame

    def plain(cells: pd.Series) -> pd.Series:
        found = without_markers(plain_cells(cells), markers)
        return pd.Series(found, index=cells.index, name=cells.name, dtype=found.dtype)

    return frame.apply(plain)


def _read_excel(content: bytes, name: str) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Read the first sheet; empty rows are left out but keep their numbers."""
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        try:
            sheets = len(book.worksheets)
            lines = [list(line) for line in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, IndexError):
        raise FileError(f"{name}: expected an Excel file (.xlsx), found something else or a damaged file.") from None
    filled = [number for number, line in enumerate(lines) if any(cell is not None for cell in line)]
    if not filled:
        raise FileError(f"{name}: expected a table with a header, found an empty sheet.")
    header = lines[filled[0]]
    width = max(len(line) for line in lines)
    header += [None] * (width - len(header))
    body = [lines[number] + [None] * (width - len(lines[number])) for number in filled[1:]]
    frame = pd.DataFrame(
        {position: pd.Series([line[position] for line in body], dtype=object) for position in range(width)}
    )
    frame.columns = pd.Index(header, dtype=object)
    notices = [f"the first of {sheets} sheets"] if sheets > 1 else []
    return frame, np.array([number - filled[0] for number in filled[1:]], dtype=np.int64), notices
