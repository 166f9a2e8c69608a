"""Course ids that stand more than once in an input of any size, found without holding the ids.

Of every id two hashes of 64 bits are kept, in files once there are many; two ids of a billion agree in both with a
probability under 1e-18. The hashes are compared in portions of those that belong together.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

# Ids that are compared at a time; so many are kept in memory.
IDS_AT_ONCE = 4_000_000
_WORD = 8
_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


class RepeatedIds:
    """Collects the ids of an input, batch by batch, and then tells which rows share theirs with another.

    Parameters
    ----------
    folder : Path
        Where files of hashes may be put; they are gone after `rows`.
    at_once : int
    """

    def __init__(self, folder: Path, at_once: int = IDS_AT_ONCE) -> None:
        self._folder = folder
        self._at_once = at_once
        self._kept: list[tuple[np.ndarray, np.ndarray]] = []
        self._in_memory = 0
        self._count = 0
        self._files: tempfile.TemporaryDirectory[str] | None = None

    def add(self, ids: "pa.Array") -> None:
        """Add the ids of the next rows: Arrow text, null where there is none."""
        first, second = text_hashes(ids)
        missing = np.asarray(ids.is_null())
        # Never equal to that of another row, unless by the chance that any two ids have.
        numbers = np.arange(self._count, self._count + len(ids), dtype=np.uint64)[missing]
        first[missing], second[missing] = numbers * np.uint64(_MULTIPLIERS[0]), numbers
        self._kept.append((first, second))
        self._count += len(ids)
        self._in_memory += len(ids)
        if self._in_memory >= self._at_once:
            self._write()

    def rows(self) -> np.ndarray | None:
        """Return for each row (n,) bool whether its id stands elsewhere too; None if no id does."""
        try:
            if self._files is None:
                if not self._kept:
                    return None
                first, second = (np.concatenate(column) for column in zip(*self._kept, strict=True))
                places = _repeated(first, second)
                return _flagged(self._count, places)
            self._write()
            return self._rows_from_files(Path(self._files.name))
        finally:
            self._kept.clear()
            if self._files is not None:
                self._files.cleanup()

    def _rows_from_files(self, folder: Path) -> np.ndarray | None:
        first = np.memmap(folder / "first", np.uint64, "r")
        second = np.memmap(folder / "second", np.uint64, "r")
        portions = -(-self._count // self._at_once)
        found: list[np.ndarray] = []
        for portion in range(portions):
            places = [
                start + np.flatnonzero(first[start : start + self._at_once] % np.uint64(portions) == portion)
                for start in range(0, self._count, self._at_once)
            ]
            rows = np.concatenate(places)
            found.append(rows[_repeated(first[rows], second[rows])])
        return _flagged(self._count, np.concatenate(found))

    def _write(self) -> None:
        if self._files is None:
            self._files = tempfile.TemporaryDirectory(prefix="ids-", dir=self._folder)
        for number, name in enumerate(("first", "second")):
            with (Path(self._files.name) / name).open("ab") as file:
                for pair in self._kept:
                    file.write(pair[number].tobytes())
        self._kept.clear()
        self._in_memory = 0


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
    first = np.full(len(words), length, dtype=np.uint64)
    second = ~first
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


def _flagged(count: int, places: np.ndarray) -> np.ndarray | None:
    if not len(places):
        return None
    flags = np.zeros(count, dtype=bool)
    flags[places] = True
    return flags
