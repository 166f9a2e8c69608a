"""Small tables and mappings, written to a temporary folder."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ketapredict.cohort import Cohort
from ketapredict.cohort.mapping_file import mapping_from_plain
from ketapredict.cohort.read import read_cohort


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write text or bytes to a file of the temporary folder."""

    def write_file(content: str | bytes, name: str = "cohort.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@pytest.fixture
def mapped(tmp_path: Path) -> Callable[..., Cohort]:
    """Write tables (name to frame) as CSV and read them through a mapping given as plain data."""

    def read(tables: dict[str, pd.DataFrame] | pd.DataFrame, mapping: dict[str, object], **settings: object) -> Cohort:
        if isinstance(tables, pd.DataFrame):
            path = tmp_path / "table.csv"
            tables.to_csv(path, index=False)
        else:
            path = tmp_path
            for name, frame in tables.items():
                frame.to_csv(tmp_path / f"{name}.csv", index=False)
            mapping = {"tables": {name: f"{name}.csv" for name in tables}} | mapping
        return read_cohort(path, mapping_from_plain(mapping), **settings)

    return read


HEADER = "course_id,diagnosis,scale,score_baseline,score_24h,score_end,age_years,sex,failed_ect"
LINE = "{id},MDD,MADRS,34,20,12,47,female,no"


@pytest.fixture
def table_text() -> Callable[..., str]:
    """Text of a table in the contract's form; lines may be replaced by their number from 1."""

    def text(rows: int = 5, replaced: dict[int, str] | None = None, header: str = HEADER) -> str:
        lines = [LINE.format(id=f"k{number}") for number in range(1, rows + 1)]
        for number, line in (replaced or {}).items():
            lines[number - 1] = line
        return "\n".join([header, *lines]) + "\n"

    return text
