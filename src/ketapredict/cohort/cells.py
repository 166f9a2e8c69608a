"""Cells of a source table read as text, as numbers or as dates, a whole column at a time.

A column is text (`str`) where it comes from a CSV file, and whatever the file says (numbers, dates,
mixtures) where it comes from Parquet or Excel. Columns are read as arrays: for a table of one course, series and data
frames would take most of the time.
"""

import datetime
import numbers
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

# One column: a NumPy array, or one of pandas' own (text, categories, nullable numbers), which have no types.
type Cells = Any
# pandas' `str`; found by its name, it would take longer to find than to use for one course.
TEXT = pd.StringDtype(na_value=np.nan)

MISSING_MARKERS: tuple[str, ...] = (
    "",
    "NA",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "null",
    "None",
    ".",
    "-",
    "#N/A",
)

MARKERS = frozenset(MISSING_MARKERS)

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_COMMA_NUMBER = r"^[+-]?\d+,\d+$"
COMMA_HINT = ' (if commas are decimal: decimal = "," in a mapping)'


def plain_cells(cells: pd.Series | Cells) -> Cells:
    """Return a column as an array, without its index."""
    if isinstance(cells, pd.Series):
        cells = cells.array
    return cells.to_numpy() if isinstance(cells, pd.arrays.NumpyExtensionArray) else cells


def columns_of(frame: pd.DataFrame) -> dict[str, Cells]:
    """Return the columns of a table as arrays, by name."""
    return {str(name): plain_cells(column) for name, column in frame.items()}


def text_cells(cells: pd.Series | Cells) -> pd.api.extensions.ExtensionArray:
    """Return cells as text (`str`, missing where missing); whole numbers without a decimal point."""
    cells = plain_cells(cells)
    if isinstance(cells.dtype, pd.StringDtype):
        return cells
    if _are_objects(cells):
        return pd.array(_object_texts(cells), dtype=TEXT)
    codes, levels = pd.factorize(cells, use_na_sentinel=True)
    texts = pd.array([_text(level) for level in levels], dtype=TEXT)
    return texts.take(codes, allow_fill=True)


def is_missing(value: object) -> bool:
    """Whether one cell of a table is missing: None, NaN, NaT or NA."""
    return value is None or value is pd.NA or bool(value != value)


def as_text(cells: pd.Series) -> pd.Series:
    """Return cells as `text_cells` does, as a series with the same index and name."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells
    return pd.Series(text_cells(cells), index=cells.index, name=cells.name)


def tidied(cells: Cells) -> Cells:
    """Return cells as reading a file leaves them: text without blanks around it, missing where it marks that."""
    if _are_objects(cells):
        kept = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
        kept = [None if isinstance(cell, str) and cell in MISSING_MARKERS else cell for cell in kept]
        tidy = np.empty(len(cells), dtype=object)
        tidy[:] = kept
        return tidy
    return without_markers(cells, MARKERS) if isinstance(cells.dtype, pd.StringDtype) else cells


def without_markers(cells: Cells, markers: frozenset[str]) -> Cells:
    """Return a source table's cells: text trimmed, missing where it is empty or a marker; mixtures of one type with it.

    Parameters
    ----------
    cells : array
    markers : frozenset of str

    Returns
    -------
    array
        The same one if nothing is to be done.
    """
    if isinstance(cells, pd.Categorical):
        given = plain_cells(cells.categories.array)
        levels = without_markers(given, markers)
        if levels is given or bool(pd.Series(levels).equals(pd.Series(given))):
            return cells
        codes, found = pd.factorize(levels)
        return pd.Categorical.from_codes(np.append(codes, -1)[cells.codes], found)
    if isinstance(cells.dtype, pd.StringDtype):
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pc.utf8_trim_whitespace(pa.array(cells, type=pa.large_string()))
        if not len(texts) or (pc.min(pc.binary_length(texts)).as_py() or 0) <= max(map(len, markers), default=0):
            # Otherwise no cell is as short as a marker.
            marked = pc.is_in(texts, value_set=_as_arrow(markers))
            texts = pc.if_else(marked, pa.scalar(None, pa.large_string()), texts)
        return pd.array(texts, dtype=TEXT)
    if not _are_objects(cells):
        return cells
    plain = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    plain = [None if cell is None or (isinstance(cell, str) and cell in markers | {""}) else cell for cell in plain]
    kinds = {type(cell) for cell in plain if cell is not None}
    if kinds and kinds <= {int, float}:
        return np.array(plain, dtype=float)
    if kinds <= {str}:
        return pd.array(plain, dtype=TEXT)
    mixed = np.empty(len(plain), dtype=object)
    mixed[:] = plain
    return mixed


def as_number(cells: pd.Series | Cells, *, decimal_comma: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return cells as numbers, and where a cell is present but no finite number.

    Parameters
    ----------
    cells : pandas.Series or array
    decimal_comma : bool
        Whether `12,5` is a number. In a column that has such cells a decimal point is refused.

    Returns
    -------
    values : numpy.ndarray of float64
        NaN where missing or invalid.
    invalid : numpy.ndarray of bool
        Text, dates, infinities.
    """
    cells = plain_cells(cells)
    dtype = cells.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        values = cells.astype(float, copy=False)
        invalid = np.isinf(values)
        return (np.where(invalid, np.nan, values) if invalid.any() else values), invalid
    if isinstance(dtype, pd.CategoricalDtype):
        by_level, invalid = as_number(cells.categories.array, decimal_comma=decimal_comma)
        return np.append(by_level, np.nan)[cells.codes], np.append(invalid, False)[cells.codes]
    if isinstance(dtype, pd.StringDtype):
        values = _parsed(cells, decimal_comma)
    elif pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        values = cells.to_numpy(dtype=float, na_value=np.nan)
    else:
        values = np.full(len(cells), np.nan)
        if _are_objects(cells):
            is_text = np.array([isinstance(cell, str) for cell in cells], dtype=bool)
            if is_text.any():
                values[is_text] = _parsed(cells[is_text], decimal_comma)
            is_number = np.array([isinstance(cell, numbers.Real) for cell in cells], dtype=bool)
            values[is_number] = cells[is_number].astype(float)
    values = np.where(np.isfinite(values), values, np.nan)
    return values, np.isnan(values) & ~pd.isna(cells)


def as_days(cells: pd.Series, date_format: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return dates as days since 1970-01-01, and where a cell is present but no date.

    Parameters
    ----------
    cells : pandas.Series
    date_format : str or None
        As for `strptime`, `%d.%m.%Y` for instance; ISO 8601 (2024-01-31) without it.
    """
    missing = cells.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(cells.dtype):
        dates = pd.Series(pd.NaT, index=cells.index, dtype="datetime64[us]")
    elif pd.api.types.is_datetime64_any_dtype(cells.dtype):
        dates = cells.dt.tz_localize(None)
    else:
        texts = as_text(cells)
        dates = pd.to_datetime(texts, format=date_format or "ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
        if date_format and not texts.equals(cells):
            # A spreadsheet mixes true dates with text: true dates are read whatever the format.
            dates = dates.fillna(
                pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
            )
    microseconds = dates.to_numpy().astype("datetime64[us]")
    days = microseconds.astype(np.int64) / 86_400e6
    days[np.isnat(microseconds)] = np.nan
    return days, np.isnan(days) & ~missing


def as_level(
    cells: pd.Series | Cells, levels: Sequence[str], values: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return cells as positions in `levels`, whatever their case, and where a cell is none of them.

    Parameters
    ----------
    cells : pandas.Series or array
    levels : sequence of str
    values : numpy.ndarray or None
        What to return instead of each position; the last is for what is missing or invalid.

    Returns
    -------
    positions : numpy.ndarray of int16
        -1 where missing or invalid.
    invalid : numpy.ndarray of bool
    """
    cells = plain_cells(cells)
    places = _places(tuple(levels))
    values = np.append(np.arange(len(levels), dtype=np.int16), np.int16(-1)) if values is None else values
    if _are_objects(cells):
        texts = _object_texts(cells)
        found = [-1 if text is None else places.get(text.casefold(), -2) for text in texts]
        positions = np.array(found, dtype=np.int64)
        return values[np.maximum(positions, -1)], positions == -2
    if isinstance(cells.dtype, pd.CategoricalDtype):
        codes, distinct = cells.codes, text_cells(cells.categories.array)
    else:
        codes, distinct = _encoded(text_cells(cells))
    table = np.array([*(places.get(str(text).strip().casefold(), -1) for text in distinct), -1], dtype=np.int64)
    found = values[table].take(codes)
    known = table[:-1] >= 0
    invalid = np.zeros(len(codes), dtype=bool) if known.all() else np.append(~known, False).take(codes)
    return found, invalid


def has_decimal_comma(cells: pd.Series) -> bool:
    """Whether any cell of a text column looks like `12,5`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    matches = pc.any(pc.match_substring_regex(pa.array(cells.array), _COMMA_NUMBER))
    return bool(matches.as_py())


def commas_apart(cells: pd.Series | Cells, invalid: np.ndarray, expected: str) -> list[tuple[np.ndarray, str]]:
    """Divide cells that are no numbers: what is expected of those like `12,5` also says how to have them read.

    Parameters
    ----------
    cells : pandas.Series or array
        Of a column in which `12,5` is no number.
    invalid : numpy.ndarray of bool
    expected : str

    Returns
    -------
    list of (numpy.ndarray of bool, str)
        Those that there are.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = np.flatnonzero(invalid)
    texts = pc.utf8_trim_whitespace(pa.array(text_cells(plain_cells(cells)[rows]), type=pa.large_string()))
    commas = np.zeros(len(invalid), dtype=bool)
    commas[rows] = np.asarray(pc.fill_null(pc.match_substring_regex(texts, _COMMA_NUMBER), False))
    parts = [(invalid & ~commas, expected), (commas, expected + COMMA_HINT)]
    return [(mask, told) for mask, told in parts if mask.any()]


@cache
def _as_arrow(markers: frozenset[str]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(sorted(markers | {""}), type=pa.large_string())


@cache
def _places(levels: tuple[str, ...]) -> Mapping[str, int]:
    return {level.casefold(): place for place, level in enumerate(levels)}


def _encoded(texts: Cells) -> tuple[np.ndarray, list[str]]:
    """Return the position of each text among the distinct ones, -1 where it is missing, and these."""
    import pyarrow as pa

    found = pa.array(texts, type=pa.large_string())
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    encoded = found.dictionary_encode()
    return encoded.indices.fill_null(-1).to_numpy(), encoded.dictionary.to_pylist()


def _are_objects(cells: Cells) -> bool:
    return isinstance(cells.dtype, np.dtype) and cells.dtype.kind == "O"


def _object_texts(cells: np.ndarray) -> np.ndarray:
    # Cell by cell: of equal ones, as 1 and true, each keeps its own text.
    found = [None if missing else _text(cell) for cell, missing in zip(cells, pd.isna(cells), strict=True)]
    return np.array(found, dtype=object)


def _text(cell: Any) -> str | None:
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell)).lower()
    if isinstance(cell, (float, np.floating)):
        return str(int(cell)) if float(cell).is_integer() else f"{float(cell):.15g}"
    if isinstance(cell, (datetime.datetime, np.datetime64)):
        moment = pd.Timestamp(cell)
        midnight = bool(moment == moment.normalize())
        return str(moment.date().isoformat() if midnight else moment.isoformat())
    return str(cell)


def _parsed(cells: Cells, decimal_comma: bool) -> np.ndarray:
    """Parse text as numbers; NaN where it is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(cells):
        return np.empty(0)
    texts = pc.utf8_trim_whitespace(pa.array(cells, type=pa.large_string()))
    if decimal_comma:
        with_comma = pc.fill_null(pc.match_substring_regex(texts, _COMMA_NUMBER), False)
        if pc.any(with_comma).as_py():
            no_point = pc.invert(pc.match_substring(texts, "."))
            texts = pc.if_else(no_point, texts, pa.scalar(None, pa.large_string()))
            texts = pc.if_else(with_comma, pc.replace_substring(texts, ",", "."), texts)
    is_number = pc.fill_null(pc.match_substring_regex(texts, _NUMBER), False)
    texts = pc.if_else(is_number, texts, pa.scalar(None, pa.large_string()))
    values: np.ndarray = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    return values.copy()
