"""Parquet: one file, or a folder of parts that make one table."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ketapredict.cohort.arrow_cells import UnreadableColumnError, as_type, frame_of, plain_type
from ketapredict.cohort.headers import refuse_repeated
from ketapredict.cohort.table_files import expected_parts
from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

OTHER_COLUMNS = (
    "{name}: expected the columns of {first}, found others. Parts of one table have the same columns, in any order; "
    "tables of their own are named under [tables] in a mapping."
)
SEVERAL_TYPES = "{name}: expected each column of one type in all parts, found several. Write them with one type."


def read_parquet(content: bytes, name: str) -> tuple[pd.DataFrame, frozenset[str]]:
    """Read the bytes of one file.

    Returns
    -------
    frame : pandas.DataFrame
        Cells of the file's own types; whole numbers stay whole where some are missing, decimals and bytes are text.
    unreadable : frozenset of str
        Columns of lists, structures or bytes that are no text; in `frame` they are missing.

    Raises
    ------
    FileError
        If the file is damaged or has two columns of one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        raise FileError(f"{name}: expected a Parquet file, found a damaged one.") from None
    refuse_repeated(table.column_names, name)
    table, unreadable = readable(table, plain_schema([table.schema], name), name)
    return frame_of(table), unreadable


def read_parts(folder: Path) -> tuple[pd.DataFrame, frozenset[str], str]:
    """Read a folder of parts as one table.

    Returns
    -------
    frame : pandas.DataFrame
        The rows of the parts, in the order of the parts' names.
    unreadable : frozenset of str
        As `read_parquet`.
    sha256 : str
        Of the parts' names and hashes.

    Raises
    ------
    FileError
        If a part is damaged or has other columns than the first.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables: list[pa.Table] = []
    digest = hashlib.sha256()
    parts = expected_parts(folder)
    for part in parts:
        try:
            content = part.read_bytes()
            tables.append(pq.read_table(pa.BufferReader(content)))
        except (pa.ArrowException, OSError):
            raise FileError(f"{folder.name}/{part.name}: expected a Parquet file, found a damaged one.") from None
        digest.update(f"{part.name}\x1f{hashlib.sha256(content).hexdigest()}\n".encode())
        refuse_repeated(tables[-1].column_names, f"{folder.name}/{part.name}")
        if sorted(tables[-1].column_names) != sorted(tables[0].column_names):
            raise FileError(OTHER_COLUMNS.format(name=f"{folder.name}/{part.name}", first=parts[0].name))
    schema = plain_schema([table.schema for table in tables], folder.name)
    read = [readable(table, schema, folder.name) for table in tables]
    unreadable = frozenset().union(*(names for _, names in read))
    return frame_of(pa.concat_tables(table for table, _ in read)), unreadable, digest.hexdigest()


def readable(table: "pa.Table", schema: "pa.Schema", name: str) -> "tuple[pa.Table, frozenset[str]]":
    """Return the columns of a schema with its types, and those that cannot be read, which are missing.

    Raises
    ------
    FileError
        If a cell has no place in the type that its column has in all parts.
    """
    import pyarrow as pa

    columns: list[pa.Array] = []
    unreadable: set[str] = set()
    for field in schema:
        try:
            columns.append(as_type(table.column(field.name), field.type))
        except UnreadableColumnError:
            unreadable.add(field.name)
            columns.append(pa.nulls(table.num_rows, field.type))
        except pa.ArrowException:
            raise FileError(SEVERAL_TYPES.format(name=name)) from None
    return pa.table(columns, schema), frozenset(unreadable)


def schema_of(source: Path, parts: list[Path], numbers: Collection[str] = ()) -> "pa.Schema":
    """Return the schema that all parts can be read with: that of `plain_schema`.

    Raises
    ------
    FileError
        If a part is damaged, has other columns than the first, or a column is of several types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas: list[pa.Schema] = []
    for part in parts:
        try:
            schemas.append(pq.read_schema(part))
        except (pa.ArrowException, OSError):
            raise FileError(f"{part.name}: expected a Parquet file, found a damaged one.") from None
        refuse_repeated(schemas[-1].names, part.name)
        if sorted(schemas[-1].names) != sorted(schemas[0].names):
            raise FileError(OTHER_COLUMNS.format(name=part.name, first=parts[0].name))
    return plain_schema(schemas, source.name, numbers)


def plain_schema(schemas: "list[pa.Schema]", name: str, numbers: Collection[str] = ()) -> "pa.Schema":
    """Return the plain types that columns have in all parts of a table.

    Decimals, beside whole numbers too, are text, which keeps every digit; beside float64 or in the columns `numbers`
    they are float64.

    Raises
    ------
    FileError
        If a column is of several types.
    """
    import pyarrow as pa

    def as_number(kind: pa.DataType) -> pa.DataType:
        return pa.float64() if pa.types.is_decimal(kind) else plain_type(kind)

    try:
        parts = [pa.schema([(field.name, as_number(field.type)) for field in schema]) for schema in schemas]
        whole = pa.unify_schemas(parts, promote_options="permissive")
    except pa.ArrowException:
        raise FileError(SEVERAL_TYPES.format(name=name)) from None
    for place, column in enumerate(whole.names):
        kinds = [schema.field(column).type for schema in schemas]
        decimals = [pa.types.is_decimal(kind) for kind in kinds]
        if any(decimals) and column not in numbers and not any(map(pa.types.is_floating, kinds)):
            whole = whole.set(place, pa.field(column, pa.string()))
    return whole
