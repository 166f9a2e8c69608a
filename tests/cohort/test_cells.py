import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.cohort.cells import as_days, as_level, as_number, as_text, is_missing


def text(*cells: str | None) -> pd.Series:
    return pd.Series(list(cells), dtype="str")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_written_numbers_are_read_back(numbers: list[float]) -> None:
    values, invalid = as_number(text(*(repr(number) for number in numbers)))
    assert not invalid.any()
    np.testing.assert_array_equal(values, numbers)


@given(st.lists(st.one_of(st.none(), st.text(max_size=6)), min_size=1))
def test_any_text_is_a_finite_number_or_missing_or_invalid(cells: list[str | None]) -> None:
    values, invalid = as_number(text(*cells), decimal_comma=True)
    missing = np.array([cell is None for cell in cells])
    assert (np.isfinite(values) ^ invalid ^ missing).all()


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e400", "nan", "0x10", "1_000", "1,5", "12 mg", "2024-01-31"])
def test_what_is_no_finite_number_is_invalid(cell: str) -> None:
    assert as_number(text("1", cell))[1].tolist() == [False, True]


def test_decimal_commas_count_only_where_they_are_expected() -> None:
    assert as_number(text("12,5", "3"), decimal_comma=True)[0].tolist() == [12.5, 3.0]
    values, invalid = as_number(text("12,5", "1.234"), decimal_comma=True)
    assert values[0] == 12.5
    assert invalid.tolist() == [False, True]
    assert as_number(text("12.5"), decimal_comma=True)[0].tolist() == [12.5]


def test_spreadsheet_columns_of_several_types() -> None:
    mixed = pd.Series([1, "2.5", None, pd.Timestamp("2024-01-31"), "x", True], dtype=object)
    values, invalid = as_number(mixed)
    np.testing.assert_array_equal(values, [1, 2.5, np.nan, np.nan, np.nan, 1])
    assert invalid.tolist() == [False, False, False, True, True, False]
    assert as_number(pd.Series(pd.to_datetime(["2024-01-31", None])))[1].tolist() == [True, False]
    assert as_number(pd.Series([1.0, np.inf]))[1].tolist() == [False, True]


def test_numbers_as_text_have_no_needless_decimals() -> None:
    assert as_text(pd.Series([4.0, 4.5, np.nan])).tolist()[:2] == ["4", "4.5"]
    assert as_text(pd.Series([True, False])).tolist() == ["true", "false"]
    assert as_text(pd.Series(pd.to_datetime(["2024-01-31"]))).tolist() == ["2024-01-31"]


def test_dates() -> None:
    days, invalid = as_days(text("31.01.2024", "01.02.2024", None, "soon"), "%d.%m.%Y")
    assert days[1] - days[0] == 1
    assert invalid.tolist() == [False, False, False, True]
    iso, _ = as_days(text("2024-01-31", "2024-01-31T12:00:00"))
    assert iso[0] == days[0]
    assert iso[1] - iso[0] == 0.5
    assert as_days(pd.Series(pd.to_datetime(["2024-01-31"])))[0][0] == days[0]
    assert as_days(pd.Series([45000.0]))[1].tolist() == [True]


def test_levels_whatever_their_case() -> None:
    positions, invalid = as_level(text("Female", " male", None, "x"), ("female", "male"))
    assert positions.tolist() == [0, 1, -1, -1]
    assert invalid.tolist() == [False, False, False, True]


def test_whatever_stands_for_a_missing_cell_is_missing_and_nothing_else():
    for value in (None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT):
        assert is_missing(value) is True
    for value in (0, 0.0, "", "NA", False, np.bool_(False), datetime.date(2026, 1, 1), -np.inf):
        assert is_missing(value) is False
