"""SAS files: transport files (XPT, versions 5 and 8) and sas7bdat."""

import io
import mmap
import re
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from ketapredict.cohort.cells import as_text
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
ENCODINGS = (None, "WINDOWS-1252")
ASSUMED = "encoding Windows-1252 assumed, the file is not UTF-8"
OTHER_ENCODING = "{name}: expected text in UTF-8 or Windows-1252, found another encoding. Save the file as UTF-8."

type Kind = Literal["text", "number", "date", "time"]


def is_sas(content: bytes) -> bool:
    """Whether the bytes are those of a SAS file, by how they begin."""
    return content.startswith((*_XPORT_MAGIC, _SAS7BDAT_MAGIC, _CPORT_MAGIC))


def read_sas(content: bytes, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Read the bytes of a SAS file.

    Numbers are float64; what a date or datetime format marks is datetime64, a time of day is text. Every missing value,
    the special ones (`.A` to `.Z`, `._`) too, is missing. User-defined formats are not applied: cells are the stored
    codes, the same with and without a format catalogue.

    Returns
    -------
    frame : pandas.DataFrame
    notices : list of str

    Raises
    ------
    FileError
        If the file is damaged, made by PROC CPORT, or holds a date out of the calendar.
    """
    refuse_other_files(content, name)
    file = SasFile(io.BytesIO(content), name, is_sas7bdat(content))
    for encoding in ENCODINGS:
        read = file.read(encoding)
        kinds = file.kinds(encoding) if read is not None else None
        if read is None or kinds is None:
            continue
        frame, metadata = read
        if metadata.number_rows is not None and metadata.number_rows != len(frame):
            raise FileError(f"{name}: expected {metadata.number_rows} rows, found {len(frame)}: the file is cut short.")
        return typed(frame, kinds), [ASSUMED] * (encoding is not None) + code_notices(metadata)
    raise FileError(OTHER_ENCODING.format(name=name))


@dataclass(frozen=True, slots=True)
class SasFile:
    """A SAS file, its bytes or its path, as it is read under one encoding or another.

    Attributes
    ----------
    source : io.BytesIO or str
    name : str
        For messages.
    binary : bool
        Whether it is a sas7bdat file; else a transport file.
    """

    source: io.BytesIO | str
    name: str
    binary: bool

    def read(self, encoding: str | None, **options: Any) -> tuple[pd.DataFrame, Any] | None:
        """Return rows and what the file says of its columns; None if its text is not in this encoding.

        Raises
        ------
        FileError
        """
        import pyreadstat

        reader = pyreadstat.read_sas7bdat if self.binary else pyreadstat.read_xport
        if isinstance(self.source, io.BytesIO):
            self.source.seek(0)
        try:
            return reader(self.source, dates_as_pandas_datetime=True, encoding=encoding, **options)
        except UnicodeDecodeError:
            return None
        except (OverflowError, ValueError):
            raise FileError(
                f"{self.name}: a column with a date format holds a number that is no date. Correct it, or take the "
                "format off."
            ) from None
        except Exception as error:
            # The reader knows one class of errors only; those about encodings are worth a second try.
            if "encoding" in str(error).lower() or "convert string" in str(error).lower():
                return None
            raise FileError(f"{self.name}: expected a SAS file (.xpt or .sas7bdat), found a damaged one.") from None

    def kinds(self, encoding: str | None) -> dict[str, Kind] | None:
        """Return what the columns hold, by their types and formats alone; None if text is not in this encoding.

        What the reader knows of formats is asked of the reader: without rows it gives a date its type, and with a row,
        be it missing, a time of day (which has none without) is no number.

        Raises
        ------
        FileError
        """
        described, first = self.read(encoding, metadataonly=True), self.read(encoding, row_limit=1)
        if described is None or first is None:
            return None

        def kind(column: str) -> Kind:
            if described[1].readstat_variable_types[column] == "string":
                return "text"
            if described[0][column].dtype.kind == "M":
                return "date"
            return "time" if first[0][column].dtype == object else "number"

        return {column: kind(column) for column in described[0].columns}


def typed(frame: pd.DataFrame, kinds: dict[str, Kind]) -> pd.DataFrame:
    """Return rows with the types of what their columns hold, even where all of it is missing."""

    def cells(name: str) -> pd.Series:
        column = frame[name]
        if kinds[name] == "date":
            return pd.to_datetime(column).astype("datetime64[us]")
        if kinds[name] == "number":
            return column.astype(float)
        return as_text(column).astype("str")

    return pd.DataFrame({name: cells(name) for name in frame.columns}, index=frame.index)


def code_notices(metadata: Any) -> list[str]:
    """Tell of columns whose cells are codes that a format of the study's own gives labels to."""
    formats = (metadata.original_variable_types or {}).items()
    coded = [column for column, used in formats if used and _SAS_FORMAT.search(used.lstrip("$")) is None]
    return [f"the stored codes of {', '.join(coded)}, not the labels of their SAS formats"] if coded else []


def refuse_other_files(content: "bytes | mmap.mmap", name: str) -> None:
    """Refuse files of PROC CPORT and transport files that are cut short.

    Raises
    ------
    FileError
    """
    head = content[: len(_XPORT_MAGIC[0])]
    if head.startswith(_CPORT_MAGIC):
        raise FileError(
            f"{name}: expected a transport file (XPT) of the XPORT engine, found one of PROC CPORT, which only SAS "
            "reads. Write it with the XPORT engine or the %LOC2XPT macro, or as CSV."
        )
    if head.startswith(_XPORT_MAGIC):
        _refuse_cut_transport(content, name)


def is_sas7bdat(content: "bytes | mmap.mmap") -> bool:
    """Whether the bytes of a SAS file are those of a sas7bdat file."""
    return content[: len(_SAS7BDAT_MAGIC)] == _SAS7BDAT_MAGIC


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
