"""Write sas7bdat files: ReadStat can, its Python wrapper offers only the reading.

What it writes is not what SAS writes in every detail (one page type, no compression by RDC), so a second,
independent reader (pandas) is asked about the same bytes.
"""

import ctypes
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

_STRING, _DOUBLE = 0, 5
ROWS_COMPRESSED = 1


def write_sas7bdat(
    frame: pd.DataFrame, path: Path, formats: dict[str, str] | None = None, tagged: str = "", compression: int = 0
) -> None:
    """Write text and float64 columns; with `tagged`, missing numbers as this special missing value (`.A`)."""
    from pyreadstat import _readstat_writer

    library = ctypes.CDLL(_readstat_writer.__file__)
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_double

    def function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        found = getattr(library, f"readstat_{name}")
        found.restype, found.argtypes = result, arguments
        return found  # type: ignore[no-any-return]

    write = ctypes.CFUNCTYPE(ctypes.c_ssize_t, pointer, ctypes.c_size_t, pointer)
    chunks: list[bytes] = []

    @write
    def keep(data: int, size: int, _context: int) -> int:
        chunks.append(ctypes.string_at(data, size))
        return size

    writer = function("writer_init", pointer)()
    function("set_data_writer", ctypes.c_int, pointer, write)(writer, keep)
    function("writer_set_compression", ctypes.c_int, pointer, ctypes.c_int)(writer, compression)
    variables = {}
    add = function("add_variable", pointer, pointer, text, ctypes.c_int, ctypes.c_size_t)
    for name in frame:
        numeric = frame[name].dtype == float
        width = 8 if numeric else max(1, *(len(str(cell).encode()) for cell in frame[name].fillna("")))
        variables[name] = add(writer, str(name).encode(), _DOUBLE if numeric else _STRING, width)
        if formats and name in formats:
            function("variable_set_format", None, pointer, text)(variables[name], formats[str(name)].encode())
    steps = [
        function("begin_writing_sas7bdat", ctypes.c_int, pointer, pointer, ctypes.c_long)(writer, None, len(frame))
    ]
    insert_text = function("insert_string_value", ctypes.c_int, pointer, pointer, text)
    insert_number = function("insert_double_value", ctypes.c_int, pointer, pointer, number)
    insert_missing = function("insert_missing_value", ctypes.c_int, pointer, pointer)
    insert_tagged = function("insert_tagged_missing_value", ctypes.c_int, pointer, pointer, ctypes.c_char)
    begin, end = function("begin_row", ctypes.c_int, pointer), function("end_row", ctypes.c_int, pointer)
    for row in frame.itertuples(index=False):
        steps.append(begin(writer))
        for variable, cell in zip(variables.values(), row, strict=True):
            if isinstance(cell, float) and not math.isnan(cell):
                steps.append(insert_number(writer, variable, cell))
            elif isinstance(cell, str):
                steps.append(insert_text(writer, variable, cell.encode()))
            elif tagged:
                steps.append(insert_tagged(writer, variable, tagged.encode()))
            else:
                steps.append(insert_missing(writer, variable))
        steps.append(end(writer))
    steps.append(function("end_writing", ctypes.c_int, pointer)(writer))
    function("writer_free", None, pointer)(writer)
    assert not any(steps), f"ReadStat said {set(steps)}"
    path.write_bytes(b"".join(chunks))
