import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ketapredict.cohort.row_numbers import RowNumbers


@given(st.lists(st.tuples(st.lists(st.booleans(), max_size=6), st.integers(0, 4)), max_size=8))
def test_numbers_whatever_the_blocks_and_however_early_rows_are_left_out(blocks):
    left_out = [flag for flags, _ in blocks for flag in flags]
    numbers = RowNumbers()
    found, told, end = [], 0, 0
    for flags, ahead in blocks:
        end += len(flags)
        known = min(len(left_out), end + ahead)
        numbers.leave_out(np.array([n + 1 for n in range(told, known) if left_out[n]], dtype=np.int64))
        told = max(told, known)
        found += numbers.of_next(flags.count(False)).tolist()
    assert found == [number for number, flag in enumerate(left_out, 1) if not flag]


def test_rows_that_are_all_left_out_are_not_held():
    numbers = RowNumbers()
    for start in range(1, 10_000, 100):
        numbers.leave_out(np.arange(start, start + 100))
        assert not len(numbers.of_next(0))
        assert not len(numbers._left_out)
    assert numbers.of_next(2).tolist() == [10_001, 10_002]
