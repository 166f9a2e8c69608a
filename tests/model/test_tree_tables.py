import numpy as np
import pytest
import shap
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.errors import ModelError
from ketapredict.model.booster import read_booster
from ketapredict.model.tree_tables import tree_tables


def fitted(seed: int, depth: int, trees: int = 40) -> tuple[xgboost.XGBClassifier, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(300, 6)).round(1)
    X[rng.random(X.shape) < 0.15] = np.nan
    signal = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1] * X[:, 2]) + rng.logistic(size=300)
    model = xgboost.XGBClassifier(
        n_estimators=trees, max_depth=depth, learning_rate=0.3, base_score=0.3, n_jobs=1, random_state=seed
    )
    return model.fit(X, signal > 0), X


@given(st.integers(0, 10_000), st.sampled_from([1, 2]))
@settings(max_examples=15, deadline=None)
def test_contributions_are_xgboosts_own(seed, depth):
    model, X = fitted(seed, depth)
    booster = model.get_booster()
    tables = tree_tables(read_booster(bytes(booster.save_raw("ubj"))), X.shape[1])
    expected = booster.predict(xgboost.DMatrix(X), pred_contribs=True)
    found = tables.contributions(X)
    np.testing.assert_allclose(found, expected[:, :-1], atol=1e-5)
    assert tables.expectation == pytest.approx(expected[0, -1], abs=1e-5)
    margin = booster.predict(xgboost.DMatrix(X), output_margin=True)
    np.testing.assert_allclose(tables.expectation + found.sum(axis=1), margin, atol=1e-5)


def test_contributions_are_those_of_shap():
    model, X = fitted(7, 2)
    tables = tree_tables(read_booster(bytes(model.get_booster().save_raw("ubj"))), X.shape[1])
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    np.testing.assert_allclose(tables.contributions(X), explainer.shap_values(X), atol=1e-5)
    assert tables.expectation == pytest.approx(float(np.ravel(explainer.expected_value)[0]), abs=1e-5)


def test_values_on_a_threshold_go_where_xgboost_sends_them():
    model, X = fitted(3, 2)
    booster = model.get_booster()
    tables = tree_tables(read_booster(bytes(booster.save_raw("ubj"))), X.shape[1])
    edges = np.full((200, X.shape[1]), np.nan)
    for feature, thresholds in enumerate(tables.thresholds):
        values = np.concatenate([thresholds, np.nextafter(thresholds, np.float32(-9)), [-1e9, 1e9]])[:200]
        edges[: len(values), feature] = values
    expected = booster.predict(xgboost.DMatrix(edges), pred_contribs=True)
    np.testing.assert_allclose(tables.contributions(edges), expected[:, :-1], atol=1e-5)


def test_deeper_trees_are_refused():
    model, X = fitted(0, 3)
    with pytest.raises(ModelError, match="depth 2"):
        tree_tables(read_booster(bytes(model.get_booster().save_raw("ubj"))), X.shape[1])
