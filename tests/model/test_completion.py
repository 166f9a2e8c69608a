"""Weights for completion reach every member, and mean what repeated courses would."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ketapredict.model.elastic_net import elastic_net_path
from ketapredict.model.end_score import ridge_with_signs
from ketapredict.model.fit import fit_landmark, training_data
from ketapredict.model.uncertainty import logistic_mode


@pytest.fixture
def drawn():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(90, 4))
    y = (rng.random(90) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    return X, y, rng.integers(1, 4, 90).astype(float)


def test_elastic_net_with_weights_is_that_of_scikit_learn(drawn):
    X, y, w = drawn
    found = elastic_net_path(X, y, np.array([0.1]), 0.0, weights=w)[0]
    peer = LogisticRegression(C=1 / (0.1 * w.sum()), tol=1e-10, max_iter=5000).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(found, np.r_[peer.intercept_, peer.coef_[0]], atol=1e-5)


def test_ridge_with_weights_is_that_of_scikit_learn_also_with_signs(drawn):
    X, y, w = drawn
    intercept, coefficients = ridge_with_signs(X, y, 0.2, None, w)
    peer = Ridge(alpha=0.2 * w.sum()).fit(X, y, sample_weight=w)
    np.testing.assert_allclose(np.r_[intercept, coefficients], np.r_[peer.intercept_, peer.coef_], atol=1e-10)
    repeated = np.repeat(np.arange(len(y)), w.astype(int))
    signed = ridge_with_signs(X, y, 0.2, (1, 0, 0, 0), w)
    by_repeats = ridge_with_signs(X[repeated], y[repeated], 0.2, (1, 0, 0, 0))
    np.testing.assert_allclose(np.r_[signed[0], signed[1]], np.r_[by_repeats[0], by_repeats[1]], atol=1e-8)


def test_the_posterior_with_weights_is_that_of_repeated_rows(drawn):
    X, y, w = drawn
    repeated = np.repeat(np.arange(len(y)), w.astype(int))
    for mine, theirs in zip(
        logistic_mode(X, y, np.ones(4), w), logistic_mode(X[repeated], y[repeated], np.ones(4)), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-8)


def test_a_weighted_model_differs_and_its_training_data_are_the_same_courses(short_cohort):
    plain = training_data(short_cohort, "72h", "response")
    weighted = training_data(short_cohort, "72h", "response", weighted=True)
    assert (plain.labels == weighted.labels).all()
    assert (plain.weights == 1).all()
    assert weighted.weights.std() > 0
    assert weighted.weights.mean() == pytest.approx(1, abs=0.1)
    models = [fit_landmark(data, "72h", "response", np.random.default_rng(0)) for data in (plain, weighted)]
    moved = models[0].independent_log_odds(plain.frame) - models[1].independent_log_odds(plain.frame)
    assert 0 < np.abs(moved).max() < 1


def test_weights_are_made_again_for_every_part_from_that_part_alone(short_cohort):
    data = training_data(short_cohort, "72h", "response", weighted=True)
    everyone = np.arange(len(data.labels))
    np.testing.assert_array_equal(data.rows(everyone).weights, data.weights)
    part = everyone[: len(everyone) // 2]
    found = data.rows(part)
    assert np.abs(found.weights - data.weights[part]).max() > 0.001
    # Nothing of the other half has a part in it.
    x = data.frame.to_numpy(copy=True)
    x[len(part) :] = np.where(np.isnan(x[len(part) :]), x[len(part) :], 0.5)
    changed = replace(data, frame=pd.DataFrame(x, columns=data.frame.columns))
    np.testing.assert_array_equal(changed.rows(part).weights, found.weights)
    np.testing.assert_array_equal(found.frame, data.frame.iloc[part])


def test_a_dropped_course_of_a_patient_who_is_held_out_is_held_out_with_them(short_cohort):
    data = training_data(short_cohort, "72h", "response", weighted=True)
    assert len(data.dropouts) > 5
    part = np.arange(len(data.labels) // 2)
    without = replace(data, dropouts=data.dropouts[1:], dropout_patients=data.dropout_patients[1:])
    patients = data.dropout_patients.copy()
    patients[0] = data.patients[-1]
    held_out = replace(data, dropout_patients=patients)
    np.testing.assert_array_equal(held_out.rows(part).weights, without.rows(part).weights)
    assert (held_out.rows(part).weights != data.rows(part).weights).any()
