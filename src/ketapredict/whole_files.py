"""Files that appear under their names only when they are complete."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketapredict.errors import FileError

if TYPE_CHECKING:
    import pandas as pd

FORMATS = (".csv", ".parquet")
PARTIAL = ".partial"


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where it is absent.

    Raises
    ------
    FileError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"Cannot make the folder {folder}: {error.strerror}.") from None


def flush_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on the disk, where its file system can be told so."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(place)


def reason(error: OSError) -> str:
    """Return why a file cannot be written, in the operating system's words."""
    return os.strerror(error.errno) if error.errno else error.strerror or "the disk failed"


def refuse_to_overwrite(outputs: list[Path], inputs: list[Path]) -> None:
    """Refuse outputs that are an input, or lie in a folder of inputs under an existing name.

    Raises
    ------
    FileError
        Names the file.
    """
    for output in outputs:
        for given in inputs:
            same = output.exists() and given.exists() and output.samefile(given)
            inside = given.is_dir() and output.exists() and given.resolve() in output.resolve().parents
            if same or (inside and not output.name.endswith((".rejects.csv", ".manifest.json"))):
                raise FileError(f"Expected an output that is not an input; {output} is. Choose another name.")


def write_table(table: "pd.DataFrame", target: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of the name in front of `.partial`."""
    import pyarrow as pa

    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    if Path(target.name.removesuffix(PARTIAL)).suffix == ".parquet":
        import pyarrow.parquet as pq

        numbers = [field.name for field in arrow.schema if pa.types.is_floating(field.type)]
        texts = [name for name in arrow.column_names if name not in numbers]
        pq.write_table(arrow, target, use_dictionary=texts)
    else:
        from pyarrow import csv

        csv.write_csv(arrow, target, csv.WriteOptions(quoting_style="needed"))


def write_whole(
    files: dict[Path, Callable[[Path], Any]],
    manifest: Path | None = None,
    describe: Callable[[dict[Path, str]], dict[str, Any]] | None = None,
) -> None:
    """Write files beside their final names and rename them when all of them are complete.

    Parameters
    ----------
    files : dict of Path to callable
        Each callable writes to the path that it is given.
    manifest : Path or None
        A JSON file that is renamed last: where it is, everything is.
    describe : callable or None
        Gets the SHA-256 of each file and returns the content of the manifest.

    Raises
    ------
    FileError
        If anything cannot be written; nothing is then left behind.
    """
    for final in [*files, *([manifest] if manifest is not None else [])]:
        if final.is_dir():
            raise FileError(f"Expected a file name for the results; {final} is a folder.")
    with ExitStack() as leftovers:
        partial: dict[Path, Path] = {}
        try:
            for final, write in files.items():
                final.parent.mkdir(parents=True, exist_ok=True)
                partial[final] = final.with_name(f".{final.name}{PARTIAL}")
                leftovers.callback(partial[final].unlink, missing_ok=True)
                write(partial[final])
                _flush(partial[final])
            if manifest is not None and describe is not None:
                content = describe({final: _sha256(target) for final, target in partial.items()})
                partial[manifest] = manifest.with_name(f".{manifest.name}{PARTIAL}")
                leftovers.callback(partial[manifest].unlink, missing_ok=True)
                partial[manifest].write_text(json.dumps(content, indent=1) + "\n", "utf-8")
                _flush(partial[manifest])
            if manifest is not None:
                # An old manifest must not stand beside new files, should the renaming be cut short.
                manifest.unlink(missing_ok=True)
            for final, target in partial.items():
                target.replace(final)
        except OSError as error:
            name = next(iter(files)).parent
            raise FileError(f"Cannot write the results to {name}: {reason(error)}.") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
