"""The model of a landmark from evidence alone, and how a few courses move its rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit
from tests.conftest import SHORT_PROTOCOL

from ketapredict.features.design import design_frame, features_at
from ketapredict.model.evidence_only import FEWEST_TO_MOVE, evidence_landmark, simulated_courses, with_moved_rate
from ketapredict.model.fit import training_data
from ketapredict.model.landmark_model import RATE_ONLY
from ketapredict.model.prior import prior_at, read_prior


@pytest.fixture(scope="module")
def evidence():
    return read_prior("response")


@pytest.fixture(scope="module")
def courses():
    return simulated_courses(SHORT_PROTOCOL)


@pytest.fixture(scope="module")
def model(courses, evidence):
    return evidence_landmark(courses, "72h", "response", evidence)


def test_coefficients_are_the_priors_means_and_nothing_else(model, evidence):
    told = prior_at(evidence, features_at("72h", SHORT_PROTOCOL), "72h", SHORT_PROTOCOL)
    expected = dict(zip(told.names, told.means, strict=True))
    assert {column.feature for column in model.columns} == set(expected)
    for column, coefficient in zip(model.columns, model.coefficients, strict=True):
        assert coefficient == expected[column.feature]
    assert model.from_evidence


def test_the_mean_probability_of_the_simulated_courses_is_their_rate(model, courses):
    data = training_data(courses, "72h", "response")
    p = expit(model.independent_log_odds(data.frame))
    assert p.mean() == pytest.approx(data.labels.mean(), abs=1e-5)


def test_the_interval_is_that_of_the_prior(model, courses, evidence):
    """Independent: draws of rate and coefficients from their priors."""
    data = training_data(courses, "72h", "response")
    centred = model.centred_design(data.frame.head(50))
    _, deviation = model.uncertainty.log_odds(centred)
    rng = np.random.default_rng(0)
    told = prior_at(evidence, features_at("72h", SHORT_PROTOCOL), "72h", SHORT_PROTOCOL)
    place = [told.names.index(column.feature) for column in model.columns]
    own = rng.normal(0.0, told.sds[place], (6000, len(place)))
    drawn = own + rng.normal(size=(6000, 1)) * told.shared[place]
    log_odds = rng.normal(0.0, evidence.rate_spread, (6000, 1)) + drawn @ centred.T
    assert deviation == pytest.approx(log_odds.std(axis=0), rel=0.06)


@settings(max_examples=15, deadline=None)
@given(size=st.integers(FEWEST_TO_MOVE, 30), seed=st.integers(0, 10**6))
def test_the_rate_moves_towards_the_courses_and_nothing_else_does(model, courses, evidence, size, seed):
    rng = np.random.default_rng(seed)
    everyone = training_data(courses, "72h", "response")
    data = everyone.rows(rng.choice(len(everyone.labels), size, replace=False))
    moved = with_moved_rate(model, data, evidence)
    assert (moved.coefficients == model.coefficients).all()
    shift = moved.intercept - model.intercept
    offset = model.independent_log_odds(data.frame)

    def loss(a):
        eta = offset + a
        return float(np.sum(np.logaddexp(0, eta) - data.labels * eta) + 0.5 * (a / evidence.rate_spread) ** 2)

    assert shift == pytest.approx(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x, abs=1e-4)
    gap = data.labels.mean() - expit(offset).mean()
    assert np.sign(shift) == np.sign(gap) or abs(gap) < 1e-9
    assert moved.updated.method == RATE_ONLY
    assert moved.from_evidence
    # The interval always holds the estimate, and no course can make it wider than the prior left it by much.
    centred = moved.centred_design(everyone.frame.head(30))
    assert moved.uncertainty.log_odds(centred)[1].mean() < model.uncertainty.log_odds(centred)[1].mean() + 1e-6


@pytest.mark.parametrize("size", range(FEWEST_TO_MOVE))
def test_from_so_few_courses_no_rate_is_moved_that_would_tell_of_one(model, courses, evidence, size):
    data = training_data(courses, "72h", "response")
    assert with_moved_rate(model, data.rows(np.arange(size)), evidence) is model


def test_contributions_add_up(model, courses):
    few = courses.subset(np.arange(len(courses)) < 40)
    frame = design_frame(few, model.features, "response")
    linear, trees = model.contributions(frame)
    total = model.base_logit + linear.sum(axis=1) + trees.sum(axis=1)
    assert total == pytest.approx(model.independent_log_odds(frame), abs=1e-12)


def test_a_better_latest_score_never_lowers_the_probability(model, courses):
    few = courses.subset(np.arange(len(courses)) < 40)
    frame = design_frame(few, model.features, "response")
    better = frame.assign(early_improvement_72h=frame["early_improvement_72h"] + 0.1)
    known = frame["early_improvement_72h"].notna().to_numpy()
    change = model.independent_log_odds(better) - model.independent_log_odds(frame)
    assert (change[known] > 0).all()
