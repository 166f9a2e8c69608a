import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ketapredict.cohort.repeated_ids import RepeatedIds, text_hashes

IDS = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "aa", "a b", "ä"]), st.text(max_size=20)), max_size=40)


def flags(found: RepeatedIds, count: int, batch: int) -> list[bool]:
    """Flags of all rows, asked for some at a time."""
    rows = found.rows()
    if rows is None:
        return [False] * count
    return [flag for start in range(0, count, batch) for flag in rows.flags(start, min(count, start + batch)).tolist()]


@given(IDS, st.integers(1, 7), st.integers(1, 50))
@example(["", "\x01"], 1, 1)
@settings(max_examples=200, deadline=None)
def test_found_as_by_counting_whatever_the_batches_and_portions(tmp_path_factory, ids, batch, at_once):
    folder = tmp_path_factory.mktemp("ids")
    found = RepeatedIds(folder, at_once)
    for start in range(0, len(ids), batch):
        found.add(pa.array(ids[start : start + batch], pa.string()))
    expected = [one is not None and ids.count(one) > 1 for one in ids]
    assert flags(found, len(ids), batch) == expected
    files = [path.name for path in folder.rglob("*") if path.is_file()]
    assert all(name.startswith("rows-") for name in files)
    assert any(expected) or not list(folder.iterdir())


@pytest.mark.parametrize("kind", ["all different", "in pairs", "one id", "half of them one id"])
def test_memory_is_bounded_whatever_repeats(tmp_path, kind):
    """Two hashes and a row of each id are 24 bytes: all together would be twenty times the bound and more."""
    count, batch, at_once = 200_000, 2_000, 5_000
    numbers = np.arange(count)
    numbers = {
        "all different": numbers,
        "in pairs": numbers % (count // 2),
        "one id": numbers * 0,
        "half of them one id": np.where(numbers % 2, 0, numbers),
    }[kind]
    expected = np.unique(numbers, return_counts=True)[1][np.unique(numbers, return_inverse=True)[1]] > 1
    ids = pa.array(numbers.astype(str))
    found = RepeatedIds(tmp_path, at_once)
    tracemalloc.start()
    try:
        for start in range(0, count, batch):
            found.add(ids.slice(start, batch))
        rows = found.rows()
        for start in range(0, count if rows else 0, batch):
            assert bytes(rows.flags(start, start + batch)) == bytes(expected[start : start + batch])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (rows is not None) == expected.any()
    assert peak < 24 * count / 4


def test_hashes_of_many_texts_differ():
    texts = [f"{prefix}{number}" for prefix in ("", "site-1/", "x" * 9) for number in range(100_000)]
    for column in text_hashes(pa.array(texts)):
        assert len(np.unique(column)) == len(texts)
        # Each bit is set in about half of them.
        share = [np.mean((column >> np.uint64(bit)) & np.uint64(1)) for bit in range(64)]
        assert np.abs(np.array(share) - 0.5).max() < 0.01


@pytest.mark.parametrize("ids", [[], [None, None]])
def test_no_ids(tmp_path, ids):
    found = RepeatedIds(tmp_path)
    found.add(pa.array(ids, pa.string()))
    assert found.rows() is None
