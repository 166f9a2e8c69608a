"""Which files are tables, by their names, and which folders are one table of Parquet parts."""

from pathlib import Path

from ketapredict.errors import FileError

PARQUET = ".parquet"
SAS = (".xpt", ".sas7bdat")
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", PARQUET, ".xlsx", *SAS)
# Rows may lie in these too: beside Parquet parts they would be left out without a word.
_OTHER_DATA = (".pq", ".parq", ".xls", ".jsonl", ".ndjson", ".avro", ".orc", ".feather", ".arrow", ".dta", ".sav")
_PARQUET_MAGIC = b"PAR1"


def is_table_file(path: Path) -> bool:
    """Whether the file's name ends like that of a table."""
    return path.is_file() and path.name.lower().endswith(TABLE_SUFFIXES)


def table_stem(path: Path) -> str:
    """Return the name of a table in lower case without the ending that tells its format."""
    name = path.name.lower()
    endings = sorted((ending for ending in TABLE_SUFFIXES if name.endswith(ending)), key=len)
    return name.removesuffix(endings[-1]) if endings else name


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC


def parts_of(folder: Path) -> list[Path]:
    """Return the parts of a folder in the order of their names; empty if it is no folder of parts.

    Files and folders that start with `_` or `.` (marks of the program that wrote them) do not count.

    Raises
    ------
    FileError
        If there is more beside the parts: Parquet in sub-folders, or other files of data. It would be left out.
    """
    if not folder.is_dir():
        return []
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and _counts(file)]
    parts = [file for file in files if file.name.lower().endswith(PARQUET)]
    if parts:
        _refuse_sub_folders(folder)
        others = [file.name for file in files if file not in parts and _is_data(file)]
        if others:
            raise FileError(
                f"{folder.name}: expected Parquet parts of one table ({parts[0].name}), found {others[0]} beside them. "
                "Name the one file that is the table, name several under [tables] in a mapping, or put the parts into "
                "a folder of their own."
            )
    return parts


def expected_parts(folder: Path) -> list[Path]:
    """Return the parts of a folder that is to be a table.

    Raises
    ------
    FileError
        As `parts_of`, and if there are none.
    """
    parts = parts_of(folder)
    if not parts:
        _refuse_sub_folders(folder)
        raise FileError(
            f"Expected a table file, found the folder {folder.name}. Name a file, or use a mapping with [tables]."
        )
    return parts


def _refuse_sub_folders(folder: Path) -> None:
    """Refuse Parquet in sub-folders: their names may be columns that no part holds (partitions)."""
    for below in sorted(folder.iterdir()):
        if below.is_dir() and _counts(below) and (below.name.lower().endswith(PARQUET) or _holds_parquet(below)):
            raise FileError(
                f"{folder.name}: expected the parts in the folder itself, found some in sub-folders ({below.name}). "
                "Name the folder of one partition, or write the table without partitions."
            )


def _holds_parquet(folder: Path) -> bool:
    found = (file for file in folder.rglob("*") if file.name.lower().endswith((PARQUET, ".pq", ".parq")))
    return any(all(map(_counts, (file, *file.relative_to(folder).parents[:-1]))) for file in found)


def _is_data(file: Path) -> bool:
    return file.name.lower().endswith((*TABLE_SUFFIXES, *_OTHER_DATA)) or is_parquet(file)


def _counts(file: Path) -> bool:
    return not file.name.startswith(("_", "."))
