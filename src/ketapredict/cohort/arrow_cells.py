"""Arrow columns on their way to cells: no digit of an id and no byte of a text is lost on it.

pandas makes float64 of whole numbers as soon as one of them is missing; float64 has 53 bits, so that an id would depend
on the rows that are read with it.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ketapredict.cohort.cells import TEXT, Cells, as_text, plain_cells
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

    type Arrow = pa.Array | pa.ChunkedArray

UNREADABLE = (
    "{file}: column {names}: expected text, numbers, dates or truth values, found lists, structures or bytes that are "
    "no text in UTF-8. Write it as text, or leave it out."
)


class UnreadableColumnError(Exception):
    """No cell can be made of a column: lists, structures, bytes that are no text in UTF-8."""


# Decimals of so many digits are whole numbers that float64 holds, divided by a power of ten that it holds.
_EXACT_DIGITS, _EXACT_SCALE = 15, 22


def plain_type(kind: "pa.DataType") -> "pa.DataType":
    """Return the type that `plain` gives a column of a type: without codes, decimals and bytes as text."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if kind == pa.uuid() else plain_type(kind.storage_type)
    if pa.types.is_nested(kind):
        return pa.null()
    if pa.types.is_large_binary(kind) or pa.types.is_large_string(kind):
        return pa.large_string()
    return pa.string() if pa.types.is_decimal(kind) or _is_text(kind) or _is_bytes(kind) else kind


def plain(column: "Arrow") -> "Arrow":
    """Return a column without codes; decimals as the text that a CSV file would have, bytes as text in UTF-8.

    Raises
    ------
    UnreadableColumnError
    """
    import pyarrow as pa

    kind = plain_type(column.type)
    if column.type == kind:
        return column
    if pa.types.is_null(kind):
        raise UnreadableColumnError
    if column.type == pa.uuid():
        return pa.array([None if cell is None else str(cell) for cell in column.to_pylist()], kind)
    if isinstance(column.type, pa.BaseExtensionType):
        return plain(column.cast(column.type.storage_type))
    if pa.types.is_dictionary(column.type):
        return plain(column.cast(column.type.value_type))
    if pa.types.is_decimal(column.type):
        return _digits(column)
    if pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        raise UnreadableColumnError from None


def as_type(column: "Arrow", kind: "pa.DataType") -> "Arrow":
    """Return a column with a type; as text, each cell as `cells.as_text` writes it.

    Raises
    ------
    UnreadableColumnError
    pyarrow.ArrowInvalid
        If a cell has no place in the type: text in numbers, a whole number that float64 does not hold.
    """
    import pyarrow as pa

    if pa.types.is_decimal(column.type) and pa.types.is_floating(kind):
        return decimals_as_numbers(column)
    column = plain(column)
    found = column.type
    if column.type == kind:
        return column
    if not _is_text(kind) or _is_text(found) or pa.types.is_null(found) or pa.types.is_integer(found):
        return column.cast(kind)
    return pa.array(as_text(column.to_pandas(date_as_object=False)).array, kind)


def decimals_as_numbers(column: "Arrow") -> "Arrow":
    """Return decimals as float64, each the number that its digits in a CSV file would be read as."""
    import pyarrow as pa

    kind = column.type
    if kind.precision > _EXACT_DIGITS or not 0 <= kind.scale <= _EXACT_SCALE:
        return _digits(column).cast(pa.float64())
    # Arrow multiplies by 0.01 where a parser divides by 100: the quotient of two exact numbers is rounded once.
    values = np.asarray(column.cast(pa.float64()))
    factor = 10.0**kind.scale
    return pa.array(np.rint(values * factor) / factor, from_pandas=True)


def declared_cells(column: "Arrow", kind: str, name: str) -> Cells:
    """Return a column of the cohort table as cells: digits of ids as they are, numbers as float64 or their own type.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
    kind : str
        Of the declared column.
    name : str
        For messages.

    Raises
    ------
    FileError
        If the column cannot be read.
    """
    import pyarrow as pa

    coded = pa.types.is_dictionary(column.type)
    found = column.type.value_type if coded else column.type
    if plain_type(found) != found:
        try:
            numbers = pa.types.is_decimal(found) and kind in ("number", "score")
            column = as_type(column, pa.float64()) if numbers else plain(column)
        except UnreadableColumnError:
            raise FileError(UNREADABLE.format(file="The table", names=name)) from None
    elif kind == "text" and pa.types.is_integer(found):
        column = plain(column).cast(pa.string())
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.DictionaryArray):
        return _categories(column)
    if pa.types.is_floating(column.type):
        return column.to_numpy(zero_copy_only=False)
    return plain_cells(column.to_pandas(date_as_object=False))


def _categories(column: "pa.DictionaryArray") -> Cells:
    import pyarrow as pa

    levels = column.dictionary.to_pylist()
    if not _is_text(column.type.value_type) or None in levels or len(set(levels)) < len(levels):
        return plain_cells(column.dictionary_decode().to_pandas())
    # Some writers have unsigned codes; -1 needs signed ones.
    codes = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    kind = _kept_type(tuple(levels)) if len(levels) <= _MOST_KEPT else _category_type(levels)
    return pd.Categorical.from_codes(codes, dtype=kind, validate=False)


def _category_type(levels: Sequence[str]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(pd.array(levels, dtype=TEXT))


# Those of a few levels stand in every batch.
_MOST_KEPT = 64
_kept_type = lru_cache(_category_type)


def frame_of(table: "pa.Table") -> pd.DataFrame:
    """Return plain columns as cells; whole numbers stay whole where some are missing."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=False, ignore_metadata=True, types_mapper=_whole_numbers)
    return frame


def unreadable_columns(schema: "pa.Schema") -> frozenset[str]:
    """Return the columns of which no cell can be read, by their types."""
    import pyarrow as pa

    types = {field.name: field.type for field in schema}
    return frozenset(name for name, kind in types.items() if plain_type(kind) == pa.null() != kind)


def refuse_unreadable(unreadable: Collection[str], used: Collection[str], file: str) -> None:
    """Refuse a table if columns that are used cannot be read.

    Raises
    ------
    FileError
    """
    found = sorted(set(unreadable) & set(used))
    if found:
        raise FileError(UNREADABLE.format(file=file, names=", ".join(found)))


def _digits(column: "Arrow") -> "Arrow":
    """Return decimals as text without zeros at the end of the fraction."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.type.scale < 0:
        column = column.cast(pa.decimal256(76, 0))
    texts = column.cast(pa.string())
    if column.type.scale <= 0:
        return texts
    texts = pc.replace_substring_regex(texts, r"(\.\d*[1-9])0+$|\.0+$", r"\1")
    return pc.replace_substring_regex(texts, r"^0E.*$", "0")


def _whole_numbers(kind: "pa.DataType") -> pd.api.extensions.ExtensionDtype | None:
    import pyarrow as pa

    if pa.types.is_unsigned_integer(kind):
        return pd.UInt64Dtype()
    return pd.Int64Dtype() if pa.types.is_signed_integer(kind) else None


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_bytes(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind) or pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind)
