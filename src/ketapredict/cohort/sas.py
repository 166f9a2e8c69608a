"""SAS files: transport files (XPT, versions 5 and 8) and sas7bdat."""

import io
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ketapredict.errors import FileError

_XPORT_MAGIC = (b"HEADER RECORD*******LIBRARY HEADER", b"HEADER RECORD*******LIBV8")
_NAMES, _ROWS = b"HEADER RECORD*******NAM", b"HEADER RECORD*******OBS"
_NEXT_MEMBER = b"HEADER RECORD*******MEM"
_PAGE, _OF_A_NAME = 80, 140
_SAS7BDAT_MAGIC = bytes.fromhex("000000000000000000000000c2ea8160b31411cfbd92080009c7318c181f1011")
_CPORT_MAGIC = b"**COMPRESSED** **COMPRESSED**"
# Formats of SAS itself only write numbers, dates, times and text in another way; all others are the study's own.
_SAS_FORMAT = re.compile(
    r"^$|^[.\d]|^(BEST|[FDEZ](?=[.\d]|$)|NUM|COMMA|PERCENT|DOLLAR|CHAR|HEX|YEAR|MON|QTR|WEEK|WORD|JULIAN|HHMM|TOD)\w*[.\d]*$"
    r"|DATE|TIME|YY|8601",
    re.IGNORECASE,
)
# Neither XPT nor an old sas7bdat says how its text is encoded.
_ENCODINGS = (None, "WINDOWS-1252")


def is_sas(content: bytes) -> bool:
    """Whether the bytes are those of a SAS file, by how they begin."""
    return content.startswith((*_XPORT_MAGIC, _SAS7BDAT_MAGIC, _CPORT_MAGIC))


def read_sas(content: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Read the bytes of a SAS file.

    Numbers are float64; what a date or datetime format marks is datetime64. Every missing value, the special ones
    (`.A` to `.Z`, `._`) too, is missing. User-defined formats are not applied: cells are the stored codes, the same
    with and without a format catalogue.

    Returns
    -------
    frame : pandas.DataFrame
    notices : list of str

    Raises
    ------
    FileError
        If the file is damaged, made by PROC CPORT, or holds a date out of the calendar.
    """
    if content.startswith(_CPORT_MAGIC):
        raise FileError(
            f"{name}: expected a transport file (XPT) of the XPORT engine, found one of PROC CPORT, which only SAS "
            "reads. Write it with the XPORT engine or the %LOC2XPT macro, or as CSV."
        )
    if content.startswith(_XPORT_MAGIC):
        _refuse_cut_transport(content, name)
    for encoding in _ENCODINGS:
        try:
            frame, metadata = _read(content, encoding)
        except UnicodeDecodeError:
            continue
        except (OverflowError, ValueError):
            raise FileError(
                f"{name}: a column with a date format holds a number that is no date. Correct it, or take the format "
                "off."
            ) from None
        except Exception as error:
            # The reader knows one class of errors only; those about encodings are worth a second try.
            if "encoding" in str(error).lower() or "convert string" in str(error).lower():
                continue
            raise FileError(f"{name}: expected a SAS file (.xpt or .sas7bdat), found a damaged one.") from None
        if metadata.number_rows is not None and metadata.number_rows != len(frame):
            raise FileError(f"{name}: expected {metadata.number_rows} rows, found {len(frame)}: the file is cut short.")
        notices = ["encoding Windows-1252 assumed, the file is not UTF-8"] if encoding else []
        formats = (metadata.original_variable_types or {}).items()
        coded = [column for column, used in formats if used and _SAS_FORMAT.search(used.lstrip("$")) is None]
        if coded:
            notices.append(f"the stored codes of {', '.join(coded)}, not the labels of their SAS formats")
        return frame, notices
    raise FileError(f"{name}: expected text in UTF-8 or Windows-1252, found another encoding. Save the file as UTF-8.")


def _refuse_cut_transport(content: "bytes | mmap.mmap", name: str) -> None:
    """Refuse a transport file that does not end as every whole one does: its size is a multiple of 80 bytes, and
    behind the last row stand fewer than 80 blanks.
    """
    cut = len(content) % _PAGE != 0
    names, start = content.find(_NAMES), content.find(_ROWS)
    if 0 <= names < start and not cut:
        variables = content[names + _PAGE : start]
        # A description of a variable: length at 4, place in the row at 84.
        places = range(0, len(variables) // _OF_A_NAME * _OF_A_NAME, _OF_A_NAME)
        ends = [
            int.from_bytes(variables[at + 4 : at + 6]) + int.from_bytes(variables[at + 84 : at + 88]) for at in places
        ]
        start += _PAGE
        end = content.find(_NEXT_MEMBER, start)
        end = len(content) if end < 0 else end
        tail = content[end - (end - start) % max([1, *ends]) : end]
        cut = len(tail) >= _PAGE or bool(tail.strip(b" "))
    if cut:
        raise FileError(f"{name}: expected whole rows to the end, found a part of one: the file is cut short.")


def header_of(path: Path) -> list[str]:
    """Return the names of the columns of a file that is too large for memory.

    Raises
    ------
    FileError
    """
    frame = next(read_in_chunks(path, 1))
    return [str(name) for name in frame.columns]


def read_in_chunks(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Yield a file's rows, `rows` at a time; text in UTF-8.

    Raises
    ------
    FileError
        If the file is damaged.
    """
    import pyreadstat

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        binary = content[: len(_SAS7BDAT_MAGIC)] == _SAS7BDAT_MAGIC
        if content[: len(_XPORT_MAGIC[0])].startswith(_XPORT_MAGIC):
            _refuse_cut_transport(content, path.name)
    reader = pyreadstat.read_sas7bdat if binary else pyreadstat.read_xport
    offset = 0
    while True:
        try:
            frame, _ = reader(str(path), dates_as_pandas_datetime=True, row_offset=offset, row_limit=rows)
        except Exception:
            # The reader knows one class of errors only.
            raise FileError(
                f"{path.name}: expected a SAS file (.xpt or .sas7bdat) with text in UTF-8 and dates in date formats; "
                "it is damaged, or has others. Save it as Parquet."
            ) from None
        if not len(frame) and offset:
            return
        yield frame
        if len(frame) < rows:
            return
        offset += rows


def _read(content: bytes, encoding: str | None) -> tuple[pd.DataFrame, Any]:
    import pyreadstat

    reader = pyreadstat.read_sas7bdat if content.startswith(_SAS7BDAT_MAGIC) else pyreadstat.read_xport
    return reader(io.BytesIO(content), dates_as_pandas_datetime=True, encoding=encoding)
