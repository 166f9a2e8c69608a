"""Universal Binary JSON as XGBoost writes it, read without XGBoost.

Format: ubjson.org, draft 12, with big-endian numbers; XGBoost writes typed arrays with their count in front and
keys with an int64 length.
"""

import struct
from typing import Any

import numpy as np

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"T": True, "F": False, "Z": None}


def parse_ubjson(content: bytes) -> Any:
    """Return the value that some bytes hold: dict, list, str, int, float, bool, None; typed arrays as NumPy arrays.

    Raises
    ------
    ValueError
        If the bytes are not UBJSON, or more or less than one value.
    """
    reader = _Reader(content)
    try:
        value = reader.value(reader.marker())
    except (IndexError, struct.error, UnicodeDecodeError, RecursionError):
        raise ValueError("not UBJSON") from None
    if reader.place != len(content):
        raise ValueError("bytes after the end of the UBJSON value")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def marker(self) -> str:
        """Return the next marker and go past it."""
        found = chr(self.content[self.place])
        self.place += 1
        return found

    def value(self, marker: str) -> Any:
        if marker == "{":
            return self._object()
        if marker == "[":
            return self._array()
        if marker == "S":
            return self._text()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        return self._numbers(marker, 1)[0].item()

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while chr(self.content[self.place]) != "}":
            key = self._text()
            found[key] = self.value(self.marker())
        self.place += 1
        return found

    def _array(self) -> Any:
        kind = ""
        if chr(self.content[self.place]) == "$":
            self.place += 1
            kind = self.marker()
        if chr(self.content[self.place]) == "#":
            self.place += 1
            count = self._length()
            return self._numbers(kind, count) if kind else [self.value(self.marker()) for _ in range(count)]
        found = []
        while chr(self.content[self.place]) != "]":
            found.append(self.value(self.marker()))
        self.place += 1
        return found

    def _text(self) -> str:
        return self._taken(self._length()).decode()

    def _length(self) -> int:
        length = int(self._numbers(self.marker(), 1)[0])
        if length < 0:
            raise ValueError("a negative length in UBJSON")
        return length

    def _numbers(self, kind: str, count: int) -> np.ndarray:
        if kind not in _NUMBERS:
            raise ValueError("an unknown type in UBJSON")
        wide = np.dtype(_NUMBERS[kind])
        return np.frombuffer(self._taken(count * wide.itemsize), wide).astype(wide.newbyteorder("="))

    def _taken(self, size: int) -> bytes:
        found = self.content[self.place : self.place + size]
        if len(found) != size:
            raise ValueError("UBJSON ends too early")
        self.place += size
        return found
