"""SAS files of any size, read some rows at a time: what `cohort.sas` does with a whole file."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ketapredict.cohort.sas import (
    ASSUMED,
    ENCODINGS,
    OTHER_ENCODING,
    SasFile,
    code_notices,
    is_sas7bdat,
    refuse_other_files,
    typed,
)
from ketapredict.errors import FileError

_ROWS_LOOKED_AT = 100_000


class SasSource:
    """A SAS file that is read in chunks; cells, notices and refusals are those of `read_sas`.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    kinds : dict of str to str
        What each column holds: text, number, date or time. It follows from the file's formats, not from its rows.
    notices : list of str
        What was assumed in reading; complete after the last chunk.

    Raises
    ------
    FileError
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            refuse_other_files(content, path.name)
            self._file = SasFile(str(path), path.name, is_sas7bdat(content))
        self._encoding: str | None = ENCODINGS[0]
        # ASCII is the same in all encodings: which one it is need not be known before the first other letter.
        self._decided = False
        self.notices: list[str] = []
        kinds = self._file.kinds(self._encoding)
        self.kinds = kinds or {}
        if kinds is None:
            self._assume_other()
        elif not all(name.isascii() for name in kinds):
            self._decide(0, _ROWS_LOOKED_AT)
        if self._encoding is not None:
            kinds = self._file.kinds(self._encoding)
        described = self._file.read(self._encoding, metadataonly=True)
        if kinds is None or described is None:
            raise FileError(OTHER_ENCODING.format(name=path.name))
        self.kinds = kinds
        self.notices += code_notices(described[1])

    def chunks(self, rows: int) -> Iterator[pd.DataFrame]:
        """Yield the file's rows, `rows` at a time.

        Raises
        ------
        FileError
        """
        offset = 0
        while True:
            read = self._file.read(self._encoding, row_offset=offset, row_limit=rows)
            if not self._decided and (read is None or not self._is_ascii(read[0])):
                self._decide(offset, rows)
                continue
            if read is None:
                raise FileError(OTHER_ENCODING.format(name=self._file.name))
            frame = read[0]
            if len(frame) or not offset:
                yield typed(frame, self.kinds)
            if len(frame) < rows:
                return
            offset += rows

    def _decide(self, offset: int, rows: int) -> None:
        """Choose one encoding for the whole file, by the text from a row on: what is in front of it is ASCII."""
        texts = [name for name, kind in self.kinds.items() if kind == "text"]
        while True:
            read = self._file.read(self._encoding, row_offset=offset, row_limit=rows, usecols=texts or None)
            if read is None:
                self._assume_other()
                return
            if len(read[0]) < rows:
                self._decided = True
                return
            offset += rows

    def _assume_other(self) -> None:
        self._encoding, self._decided = ENCODINGS[1], True
        self.notices.insert(0, ASSUMED)

    def _is_ascii(self, frame: pd.DataFrame) -> bool:
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = [frame[name] for name, kind in self.kinds.items() if kind == "text"]
        ascii_only = (pc.all(pc.string_is_ascii(pa.array(cells, pa.large_string()))).as_py() for cells in texts)
        return all(found is not False for found in ascii_only)
