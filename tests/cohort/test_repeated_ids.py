import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.cohort.repeated_ids import RepeatedIds, text_hashes

IDS = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "aa", "a b", "ä"]), st.text(max_size=20)), max_size=40)


@given(IDS, st.integers(1, 7), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_found_as_by_counting_whatever_the_batches_and_portions(tmp_path_factory, ids, batch, at_once):
    folder = tmp_path_factory.mktemp("ids")
    found = RepeatedIds(folder, at_once)
    for start in range(0, len(ids), batch):
        found.add(pa.array(ids[start : start + batch], pa.string()))
    expected = [one is not None and ids.count(one) > 1 for one in ids]
    rows = found.rows()
    assert (rows is None and not any(expected)) or rows.tolist() == expected
    assert not list(folder.iterdir())


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
