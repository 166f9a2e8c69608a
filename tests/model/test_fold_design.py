"""The columns inside the folds are those of the pipelines of the final fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from ketapredict.features.plan import plan_design
from ketapredict.model.fit import training_data
from ketapredict.model.fold_design import FoldDesign
from ketapredict.model.members import member_columns


@pytest.fixture(scope="module")
def data(short_cohort):
    return training_data(short_cohort, "72h", "response")


@pytest.mark.parametrize("curves", [False, True])
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(3, 100))
def test_agrees_with_the_scikit_learn_pipelines(data, curves, seed, rows):
    rng = np.random.default_rng(seed)
    plan = plan_design(data.frame, data.features)
    frame = data.frame.to_numpy(float)
    order = rng.permutation(len(frame))
    train, test = frame[order[:rows]].copy(), frame[order[rows:]]
    train[:, rng.integers(train.shape[1])] = np.nan  # a feature that no training course has
    pipeline = clone(member_columns(plan, data, curves=curves)).fit(train)
    for mine, theirs in zip(
        FoldDesign.of(plan, list(data.frame.columns), curves=curves).prepared(train, test),
        (pipeline.transform(train), pipeline.transform(test)),
        strict=True,
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)
