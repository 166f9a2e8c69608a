"""Rows of a table as plain dictionaries: for a few rows many times faster than by way of the table's own."""

from typing import Any

import pandas as pd


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each row as a dictionary of Python's own values; missing ones stay what they are (NaN, None, NA)."""
    names = [str(name) for name in table.columns]
    columns = [table.iloc[:, place].tolist() for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
