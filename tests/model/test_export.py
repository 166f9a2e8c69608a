"""The scikit-learn pipelines that were fitted and the plain data that is saved give the same log-odds."""

from dataclasses import replace

import numpy as np
import pytest

from ketapredict.features.design import threshold_feature
from ketapredict.features.preparation import design_matrix
from ketapredict.model.committee import FittedCommittee, fit_committee
from ketapredict.model.export import export_committee
from ketapredict.model.fit import training_data
from ketapredict.model.members import log_odds


@pytest.fixture(scope="module", params=["response", "remission"])
def fitted(request, simulated):
    outcome = request.param
    data = training_data(simulated(160, seed=5), "24h", outcome)
    return data, fit_committee(data, np.random.default_rng(0)), outcome


def test_each_linear_member_to_1e9_and_the_trees_to_1e5(fitted):
    data, committee, outcome = fitted
    equal = FittedCommittee(committee.plan, committee.members, (0.25,) * 4)
    exported = export_committee("24h", equal, data, threshold_feature(outcome, "24h"))
    matrix = design_matrix(data.frame, exported.columns)
    for member, facts in zip(equal.members, exported.members[:-1], strict=True):
        expected = log_odds(member, data, equal.plan)
        if member.name == "monotone trees":
            frame = data.frame[list(exported.tree_features)].to_numpy()
            found = exported.tables.expectation + exported.tables.contributions(frame).sum(axis=1)
            np.testing.assert_allclose(found, expected, atol=1e-5)
        else:
            np.testing.assert_allclose(facts.intercept + matrix @ facts.coefficients, expected, atol=1e-9)


def test_the_committee_and_courses_with_missing_values(fitted):
    data, committee, outcome = fitted
    exported = export_committee("24h", committee, data, threshold_feature(outcome, "24h"))
    frame = data.frame.copy()
    rng = np.random.default_rng(1)
    holes = rng.random(frame.shape) < 0.3
    holes[:, frame.columns.get_loc("outcome_threshold")] = False
    frame = frame.mask(holes)
    holed = replace(data, frame=frame)
    linear, trees = exported.contributions(frame)
    found = exported.base_logit + linear.sum(axis=1) + trees.sum(axis=1)
    np.testing.assert_allclose(found, committee.log_odds(holed), atol=1e-5)
    np.testing.assert_allclose(found, exported.independent_log_odds(frame), atol=1e-5)


def test_a_member_without_weight_leaves_no_trace_in_the_numbers(fitted):
    data, committee, outcome = fitted
    alone = FittedCommittee(committee.plan, committee.members, (1.0, 0.0, 0.0, 0.0))
    exported = export_committee("24h", alone, data, threshold_feature(outcome, "24h"))
    assert exported.tables is None
    assert all(column.kind != "curve" for column in exported.columns)
    np.testing.assert_allclose(
        exported.independent_log_odds(data.frame), log_odds(committee.members[0], data, committee.plan), atol=1e-9
    )
