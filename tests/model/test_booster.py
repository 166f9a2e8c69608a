import json
from contextlib import suppress

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from ketapredict.errors import ModelError
from ketapredict.model.booster import read_booster
from ketapredict.model.ubjson import parse_ubjson


def fitted(seed: int, depth: int) -> tuple[xgboost.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 5)).round(1)
    X[rng.random(X.shape) < 0.2] = np.nan
    y = np.nan_to_num(X[:, 0] * X[:, 1]) + rng.logistic(size=200) > 0
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=depth, learning_rate=0.3, n_jobs=1, random_state=seed)
    return model.fit(X, y).get_booster(), X


def same(found: object, expected: object) -> None:
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for name, value in expected.items():
            same(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert found == (pytest.approx(expected, rel=1e-6) if isinstance(expected, float) else expected)


@given(st.integers(0, 10_000), st.sampled_from([1, 2]))
@settings(max_examples=10, deadline=None)
def test_ubjson_says_what_xgboosts_json_says(seed, depth):
    booster, _ = fitted(seed, depth)
    same(parse_ubjson(bytes(booster.save_raw("ubj"))), json.loads(bytes(booster.save_raw("json"))))


@given(st.integers(0, 10_000), st.sampled_from([0, 1, 2]))
@settings(max_examples=15, deadline=None)
def test_walked_trees_give_xgboosts_margin(seed, depth):
    booster, X = fitted(seed, max(depth, 1))
    if depth == 0:  # stumps that found nothing to split
        booster = xgboost.train(
            {"objective": "binary:logistic", "max_depth": 2, "gamma": 1e6}, xgboost.DMatrix(X, X[:, 0] > 0), 3
        )
    X = np.vstack([X, np.full((1, 5), np.nan), np.full((1, 5), 1e30), np.full((1, 5), -1e30)])
    expected = booster.predict(xgboost.DMatrix(X), output_margin=True)
    np.testing.assert_allclose(read_booster(bytes(booster.save_raw("ubj"))).margin(X), expected, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[$", b"SL\x00\x00\x00\x00\x00\x00\x00\x09ab", b"nonsense" * 9])
def test_what_is_no_booster_is_refused(content):
    with pytest.raises(ModelError, match="UBJSON"):
        read_booster(content)


@given(st.integers(0, 5000), st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_a_damaged_booster_never_ends_in_another_error(place, byte):
    booster, _ = fitted(1, 2)
    content = bytearray(booster.save_raw("ubj"))
    content[place % len(content)] = byte
    with suppress(ModelError):
        read_booster(bytes(content[: len(content) - place % 7]))
