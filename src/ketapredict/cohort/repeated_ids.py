"""Course ids that stand more than once in an input of any size, found without holding the ids.

Of every id two hashes of 64 bits are kept; two ids of a billion agree in both with a probability under 1e-18. Once
there are many they go into files, each with its row, divided by the first bits of the hash: equal ones are in one file.
A file that is still too large is divided again by the next bits. The rows that are found are kept by blocks of rows. So
no more is in memory than `at_once` ids need, however many there are and however many of them are equal.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

# Ids that are compared at a time; so many are kept in memory.
IDS_AT_ONCE = 2_000_000
_WORD = 8
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)
# The two hashes and the row of an id.
_FIELDS = 3
_FILES = 256
_FOUND = "rows-{}"


class RepeatedIds:
    """Collects the ids of an input, batch by batch, and then tells which rows share theirs with another.

    Parameters
    ----------
    folder : Path
        Where files of hashes may be put: 24 bytes an id.
    at_once : int
        It has no influence on what is found.
    """

    def __init__(self, folder: Path, at_once: int = IDS_AT_ONCE) -> None:
        self._folder = folder
        self._at_once = at_once
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []
        self._count = 0
        self._files: _DividedIds | None = None

    def add(self, ids: "pa.Array") -> None:
        """Add the ids of the next rows: Arrow text, null where there is none."""
        first, second = text_hashes(ids)
        missing = np.asarray(ids.is_null())
        # Never equal to that of another row, unless by the chance that any two ids have.
        numbers = np.arange(self._count, self._count + len(ids), dtype=np.uint64)[missing]
        first[missing], second[missing] = numbers * np.uint64(_MULTIPLIERS[0]), numbers
        self._kept.append((first, second))
        self._count += len(ids)
        if self._files is not None or self._count >= self._at_once:
            self._write()

    def rows(self) -> "RepeatedRows | None":
        """Return which rows have an id that stands elsewhere too; None if no id does.

        What is found among many ids stays in a folder of its own in `folder`.
        """
        if self._files is None:
            if not self._kept:
                return None
            first, second = (np.concatenate(column) for column in zip(*self._kept, strict=True))
            self._kept.clear()
            places = _repeated(first, second)
            if not len(places):
                return None
            flags = np.zeros(self._count, dtype=bool)
            flags[places] = True
            return RepeatedRows(flags, self._count)
        folder = self._files.folder
        for file in self._files.there():
            self._compare(file)
        if not any(folder.iterdir()):
            folder.rmdir()
            return None
        return RepeatedRows(folder, self._at_once)

    def _write(self) -> None:
        """Put what is in memory into files."""
        if self._files is None:
            self._files = _DividedIds(Path(tempfile.mkdtemp(prefix="ids-", dir=self._folder)))
        start = self._count - sum(len(first) for first, _ in self._kept)
        while self._kept:
            first, second = self._kept.pop(0)
            ids = np.stack([first, second, np.arange(start, start + len(first), dtype=np.uint64)], axis=1)
            start += len(first)
            self._files.add(ids)

    def _compare(self, file: Path) -> None:
        """Find the repeated ids of a file of hashes, which is then gone."""
        if file.stat().st_size <= self._at_once * _FIELDS * _WORD:
            ids = np.fromfile(file, np.uint64).reshape(-1, _FIELDS)
            file.unlink()
            self._keep(ids[_repeated(ids[:, 0], ids[:, 1]), 2])
        elif self._all_equal(file):
            for ids in self._portions(file):
                self._keep(ids[:, 2])
            file.unlink()
        else:
            divided = _DividedIds(file.parent, file.name)
            for ids in self._portions(file):
                divided.add(ids)
            file.unlink()
            for part in divided.there():
                self._compare(part)

    def _portions(self, file: Path) -> Iterator[np.ndarray]:
        rows = max(self._at_once // 8, 1)
        with file.open("rb") as opened:
            while len(ids := np.fromfile(opened, np.uint64, rows * _FIELDS)):
                yield ids.reshape(-1, _FIELDS)

    def _all_equal(self, file: Path) -> bool:
        first = np.fromfile(file, np.uint64, 2)
        return all(bool((ids[:, :2] == first).all()) for ids in self._portions(file))

    def _keep(self, rows: np.ndarray) -> None:
        """Write down rows whose ids are repeated."""
        assert self._files is not None
        rows = np.sort(rows.astype(np.int64))
        starts = np.flatnonzero(np.diff(rows // self._at_once, prepend=-1))
        for part in np.split(rows, starts[1:]):
            if len(part):
                with (self._files.folder / _FOUND.format(part[0] // self._at_once)).open("ab") as file:
                    part.tofile(file)


class RepeatedRows:
    """Rows whose ids stand elsewhere too; told for some of them at a time.

    Parameters
    ----------
    found : numpy.ndarray or Path
        For each row (n,) bool; or a folder that holds the numbers of those rows, one file a block.
    of_block : int
        Rows of a block.
    """

    def __init__(self, found: np.ndarray | Path, of_block: int) -> None:
        self._found = found
        self._of_block = of_block
        self._block, self._flags = -1, np.empty(0, dtype=bool)

    def flags(self, start: int, stop: int) -> np.ndarray:
        """Return for each row from `start` to in front of `stop`, counted from 0, whether its id is repeated."""
        if not isinstance(self._found, Path):
            return self._found[start:stop]
        parts = [np.empty(0, dtype=bool)]
        while start < stop:
            block, place = divmod(start, self._of_block)
            parts.append(self._read(self._found, block)[place : place + stop - start])
            start += len(parts[-1])
        return np.concatenate(parts)

    def _read(self, folder: Path, block: int) -> np.ndarray:
        if block != self._block:
            self._block, self._flags = block, np.zeros(self._of_block, dtype=bool)
            file = folder / _FOUND.format(block)
            if file.exists():
                self._flags[np.fromfile(file, np.int64) - block * self._of_block] = True
        return self._flags


class _DividedIds:
    """Files of ids, divided by eight bits of their hashes.

    Parameters
    ----------
    folder : Path
    name : str
        Tells the bits by which they are divided already, two figures for eight of them.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self.folder = folder
        self._paths = [folder / f"{name}{digit:02x}" for digit in range(_FILES)]
        self._hash, byte = divmod(len(name) // 2, _WORD)
        self._shift = np.uint64(8 * (_WORD - 1 - byte))

    def add(self, ids: np.ndarray) -> None:
        """Append ids (n, 3) uint64."""
        digits = (ids[:, self._hash] >> self._shift).astype(np.uint8)
        ids = ids[np.argsort(digits, kind="stable")]
        ends = np.cumsum(np.bincount(digits, minlength=_FILES))
        for path, part in zip(self._paths, np.split(ids, ends[:-1]), strict=True):
            if len(part):
                with path.open("ab") as file:
                    part.tofile(file)

    def there(self) -> list[Path]:
        """Return the files that there are."""
        return [path for path in self._paths if path.exists()]


def text_hashes(texts: "pa.Array") -> tuple[np.ndarray, np.ndarray]:
    """Return two hashes (n,) uint64 of texts; those of missing ones mean nothing."""
    import pyarrow as pa

    texts = texts.cast(pa.large_string())
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    lengths = np.diff(offsets)
    first, second = (np.full(len(texts), multiplier, dtype=np.uint64) for multiplier in _MULTIPLIERS)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        alone = len(rows) == len(texts)
        words = np.zeros((len(rows), -(-max(length, 1) // _WORD) * _WORD), dtype=np.uint8)
        if alone:
            words[:, :length] = data[offsets[0] : offsets[-1]].reshape(len(rows), length)
        else:
            words[:, :length] = data[offsets[rows][:, None] + np.arange(length)]
        pair = _mixed(words.view(np.uint64), length)
        if alone:
            return pair
        first[rows], second[rows] = pair
    return first, second


def _mixed(words: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    # Far apart for each length: else an empty text and one that is the character 1 would be the same.
    first, second = (
        np.full(len(words), (length + 1) * multiplier % (1 << 64), dtype=np.uint64) for multiplier in _MULTIPLIERS
    )
    for word in words.T:
        first = _step(first ^ word, _MULTIPLIERS[0])
        second = _step(second + word, _MULTIPLIERS[1])
    return first, second


def _step(values: np.ndarray, multiplier: int) -> np.ndarray:
    values = values * np.uint64(multiplier)
    values ^= values >> np.uint64(32)
    values *= np.uint64(multiplier)
    values ^= values >> np.uint64(29)
    return values


def _repeated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the places of pairs of hashes that stand more than once."""
    ordered = np.sort(first)
    again = ordered[1:] == ordered[:-1]
    if not again.any():
        return np.empty(0, dtype=np.intp)
    places = np.flatnonzero(np.isin(first, ordered[1:][again]))
    order = np.lexsort((second[places], first[places]))
    places = places[order]
    same = (first[places][1:] == first[places][:-1]) & (second[places][1:] == second[places][:-1])
    return np.sort(places[np.append(same, False) | np.append(False, same)])
