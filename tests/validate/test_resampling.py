"""Folds: every row once a repeat, strata kept, patients never split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.errors import TrainingError
from ketapredict.model.folds import repeated_folds
from ketapredict.validate.resampling import out_of_fold


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(12, 120),
    share=st.floats(0.2, 0.8),
    several=st.booleans(),
    n_folds=st.integers(2, 10),
)
@settings(max_examples=80, deadline=None)
def test_each_repeat_tests_every_row_once_and_never_splits_a_patient(seed, n, share, several, n_folds):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(float)
    y[:4] = [0, 0, 1, 1]
    groups = rng.integers(4, max(n // 2, 6), n) if several else np.arange(n)
    groups[:4] = [0, 1, 2, 3]
    folds = repeated_folds(y, groups, n_folds, 3, np.random.default_rng(seed))
    assert {repeat for repeat, _, _ in folds} == {0, 1, 2}
    for repeat in range(3):
        tested = np.concatenate([test for number, _, test in folds if number == repeat])
        assert sorted(tested) == list(range(n))
    for _, train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == n


def test_the_folds_are_stratified_differ_between_repeats_and_follow_the_generator():
    y = np.array([1.0] * 30 + [0.0] * 70)
    first, again = (repeated_folds(y, np.arange(100), 5, 2, np.random.default_rng(9)) for _ in range(2))
    for (_, train, test), (_, same_train, same_test) in zip(first, again, strict=True):
        assert y[test].sum() == 6
        np.testing.assert_array_equal(train, same_train)
        np.testing.assert_array_equal(test, same_test)
    assert any((first[k][2] != first[k + 5][2]).any() for k in range(5))


def test_there_are_no_more_folds_than_patients_with_the_rarer_outcome():
    y = np.array([1.0, 1, 1] + [0.0] * 40)
    assert len(repeated_folds(y, np.arange(43), 10, 1, np.random.default_rng(0))) == 3
    patients = np.r_[0, 0, 1, np.arange(2, 42)]  # three rows of two patients
    folds = repeated_folds(y, patients, 10, 1, np.random.default_rng(0))
    assert len(folds) == 2
    assert all(0 < y[train].sum() < len(train) for _, train, _ in folds)


def test_one_patient_with_the_outcome_is_not_enough():
    with pytest.raises(TrainingError, match="at least two patients"):
        repeated_folds(np.array([1.0, 1, 0, 0]), np.array([0, 0, 1, 2]), 5, 1, np.random.default_rng(0))


def test_predictions_are_kept_repeat_by_repeat():
    folds = [(0, np.array([2]), np.array([0, 1])), (1, np.array([2]), np.array([0]))]
    found = out_of_fold(folds, [np.array([0.2, 0.4]), np.array([0.6])], 3)
    np.testing.assert_allclose(found, [[0.2, 0.4, np.nan], [0.6, np.nan, np.nan]])
