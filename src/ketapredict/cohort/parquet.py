"""Parquet: one file, or a folder of parts that make one table."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

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


def read_parquet(content: bytes, name: str) -> pd.DataFrame:
    """Read the bytes of one file; the cells keep the file's own types, decimals become float64.

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
    return _frame(table, name)


def read_parts(folder: Path) -> tuple[pd.DataFrame, str]:
    """Read a folder of parts as one table.

    Returns
    -------
    frame : pandas.DataFrame
        The rows of the parts, in the order of the parts' names.
    sha256 : str
        Of the parts' names and hashes.

    Raises
    ------
    FileError
        If a part is damaged or has other columns than the first.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    digest = hashlib.sha256()
    parts = expected_parts(folder)
    for part in parts:
        try:
            content = part.read_bytes()
            table = pq.read_table(pa.BufferReader(content)).replace_schema_metadata(None)
        except (pa.ArrowException, OSError):
            raise FileError(f"{folder.name}/{part.name}: expected a Parquet file, found a damaged one.") from None
        tables.append(table.cast(_plain(table.schema)))
        digest.update(f"{part.name}\x1f{hashlib.sha256(content).hexdigest()}\n".encode())
        if sorted(tables[-1].column_names) != sorted(tables[0].column_names):
            raise FileError(OTHER_COLUMNS.format(name=f"{folder.name}/{part.name}", first=parts[0].name))
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException:
        raise FileError(SEVERAL_TYPES.format(name=folder.name)) from None
    return _frame(table, folder.name), digest.hexdigest()


def schema_of(source: Path, parts: list[Path]) -> "pa.Schema":
    """Return the schema that all parts can be read with: no dictionaries, decimals as float64.

    Raises
    ------
    FileError
        If a part is damaged, has other columns than the first, or a column is of several types.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = []
    for part in parts:
        try:
            schemas.append(_plain(pq.read_schema(part)))
        except (pa.ArrowException, OSError):
            raise FileError(f"{part.name}: expected a Parquet file, found a damaged one.") from None
        if sorted(schemas[-1].names) != sorted(schemas[0].names):
            raise FileError(OTHER_COLUMNS.format(name=part.name, first=parts[0].name))
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException:
        raise FileError(SEVERAL_TYPES.format(name=source.name)) from None


def _plain(schema: "pa.Schema") -> "pa.Schema":
    import pyarrow as pa

    return pa.schema([(field.name, _plain_type(field.type)) for field in schema])


def _plain_type(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return kind.value_type
    return pa.float64() if pa.types.is_decimal(kind) else kind


def _frame(table: "pa.Table", name: str) -> pd.DataFrame:
    import pyarrow as pa

    names = table.column_names
    refuse_repeated(names, name)
    columns = [column.cast(_plain_type(column.type)) for column in table.columns]
    return pa.table(dict(zip(names, columns, strict=True))).to_pandas(date_as_object=False, ignore_metadata=True)
