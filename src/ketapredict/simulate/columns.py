"""Simulated columns, and how they become a data frame or an Arrow table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Words:
    """A column of words: codes (n,) int, -1 where empty, into `words`."""

    codes: np.ndarray
    words: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.codes)


@dataclass(frozen=True)
class Numbered:
    """A column of ids: a prefix and numbers (n,), zero-padded to `width`."""

    prefix: str
    numbers: np.ndarray
    width: int

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.numbers)


Cells = np.ndarray | Words | Numbered
Columns = dict[str, Cells]


def to_arrow(columns: Mapping[str, Cells]) -> Any:
    """Return a `pyarrow.Table`: words as text, NaN as null, whole numbers without gaps stay integers."""
    import pyarrow as pa

    return pa.table({name: _array(cells) for name, cells in columns.items()})


def to_frame(columns: Mapping[str, Cells]) -> pd.DataFrame:
    """Return a data frame: words as str, numbers float64 with NaN, int64 where the column is of integers."""
    import pyarrow as pa

    frame = {}
    for name, cells in columns.items():
        if isinstance(cells, np.ndarray):
            frame[name] = pd.Series(cells)
        else:
            texts = _array(cells).cast(pa.large_string())
            frame[name] = pd.Series(pd.array(texts.to_numpy(zero_copy_only=False), dtype="str"))
    return pd.DataFrame(frame)


def _array(cells: Cells) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(cells, Words):
        codes = pa.array(cells.codes.astype(np.int32), mask=cells.codes < 0)
        return pc.take(pa.array(list(cells.words), pa.string()), codes)
    if isinstance(cells, Numbered):
        digits = pc.utf8_lpad(pc.cast(pa.array(cells.numbers), pa.string()), cells.width, "0")
        return pc.binary_join_element_wise(pa.scalar(cells.prefix), digits, "")
    return pa.array(cells, from_pandas=True)
