"""The prior of a landmark, and the members that start from it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.cohort.protocols import BUILT_IN, PRE
from ketapredict.errors import FileError
from ketapredict.features.design import features_at, threshold_feature
from ketapredict.features.plan import plan_design
from ketapredict.model.committee import fit_committee
from ketapredict.model.evidence_logistic import (
    AS_IT_IS,
    EARLY_ALONE,
    EVIDENCE,
    STRENGTHS,
    chosen_strength,
    fit_early_alone,
    fit_evidence_logistic,
    posterior_mode,
    prior_precision,
)
from ketapredict.model.export import export_committee
from ketapredict.model.fit import training_data
from ketapredict.model.folds import repeated_folds
from ketapredict.model.prior import prior_at, read_prior, relative_time


@pytest.fixture(scope="module")
def evidence():
    return read_prior("response")


@pytest.mark.parametrize("outcome", ["response", "remission"])
@pytest.mark.parametrize("protocol", BUILT_IN.values(), ids=BUILT_IN)
def test_every_landmark_of_a_protocol_has_a_prior(outcome, protocol):
    prior = read_prior(outcome)
    for landmark in protocol.landmarks:
        features = features_at(landmark, protocol)
        found = prior_at(prior, features, landmark, protocol)
        assert set(found.names) <= {feature.name for feature in features}
        assert (found.sds > 0).all()
        assert np.isfinite(found.means).all()
        improvements = [name for name in found.names if name.startswith("early_improvement")]
        assert bool(improvements) == (landmark != PRE)
        if improvements:
            assert found.latest == improvements[-1] == f"early_improvement_{landmark}"
            by_name = dict(zip(found.names, found.means, strict=True))
            assert by_name[found.latest] > 0
            assert found.alone[0] >= by_name[found.latest]
            # What earlier ratings say goes with the latest: together they say about what it says alone.
            assert sum(by_name[name] for name in improvements) == pytest.approx(found.alone[0], rel=0.6)


def test_published_effects_are_of_ketamine_and_carried_by_early_scores(evidence):
    protocol = BUILT_IN["single-infusion"]
    before = prior_at(evidence, features_at(PRE, protocol), PRE, protocol)
    after = prior_at(evidence, features_at("72h", protocol), "72h", protocol)
    history = before.means[before.names.index("family_history_alcohol")]
    assert 0 < after.means[after.names.index("family_history_alcohol")] < history
    # What was found of the 4 h score is in that score: it is not counted beside it.
    assert before.means[before.names.index("failed_ect")] < 0
    assert after.means[after.names.index("failed_ect")] == 0
    at_4h = prior_at(evidence, features_at("4h", protocol), "4h", protocol)
    assert at_4h.means[at_4h.names.index("failed_ect")] == 0
    # Nobody is surer of what early scores leave over than of the whole.
    for name in before.names:
        assert after.sds[after.names.index(name)] >= before.sds[before.names.index(name)] - 1e-12
    other = replace(protocol, active_treatment="sertraline")
    assert "failed_ect" not in prior_at(evidence, features_at(PRE, other), PRE, other).names


def test_relative_time_is_a_share_of_the_way_to_the_outcome():
    protocol = BUILT_IN["single-infusion"]
    assert [relative_time(protocol, name) for name in protocol.landmarks] == [0, 4 / 168, 24 / 168, 72 / 168]


def test_a_damaged_prior_is_refused_without_a_traceback(tmp_path):
    path = tmp_path / "prior.json"
    with pytest.raises(FileError, match="cannot be read"):
        read_prior("response", path)
    for content in ("{", "[]", json.dumps({"format": "another", "format_version": 1})):
        path.write_text(content)
        with pytest.raises(FileError, match="derive it again"):
            read_prior("response", path)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(STRENGTHS))
def test_the_mode_is_that_of_an_independent_minimiser(seed, strength):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    labels = (rng.random(40) < expit(X[:, 0])).astype(float)
    weights = rng.uniform(0.5, 2, 40)
    means, sds, signs = rng.normal(size=3), rng.uniform(0.2, 2, 3), np.array([1, 0, -1])
    means = np.where(signs * means < 0, -means, means)
    shared = rng.normal(size=3)
    covariance = np.diag(sds**2) + np.outer(shared, shared)

    def loss(b):
        eta = b[0] + X @ b[1:]
        away = b[1:] - means
        data = weights @ (np.logaddexp(0, eta) - labels * eta)
        return data + 0.5 * strength * away @ np.linalg.solve(covariance, away) + 0.5e-4 * b[0] ** 2

    expected = minimize(
        loss, np.zeros(4), bounds=[(None, None), (0, None), (None, None), (None, 0)], method="L-BFGS-B", tol=1e-12
    )
    found = posterior_mode(X, labels, means, prior_precision(sds, shared), strength, signs, weights, np.r_[0.0, means])
    assert loss(found) <= expected.fun + 1e-6
    assert (found[1:] * signs >= 0).all()


def test_the_strength_leaves_one_only_where_another_is_clearly_better():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 200).astype(float)
    right = 2 * labels - 1
    scores = np.tile(0.1 * right, (len(STRENGTHS), 1)) + rng.normal(scale=0.01, size=(len(STRENGTHS), 200))
    assert chosen_strength(scores, labels, np.ones(200)) == AS_IT_IS
    scores[-1] = 2 * right
    assert chosen_strength(scores, labels, np.ones(200)) == len(STRENGTHS) - 1
    # What is better by chance, in half of the courses, is not clearly better.
    scores[-1] = np.where(rng.random(200) < 0.52, 0.5, -0.6) * right
    assert chosen_strength(scores, labels, np.ones(200)) == AS_IT_IS


@pytest.fixture(scope="module")
def small(simulated, evidence):
    return training_data(simulated(60, seed=3), "24h", "response", evidence=evidence)


def test_without_information_the_members_are_the_prior(small, evidence):
    """Labels that say nothing of the inputs, of two courses of each kind: what is left is the prior."""
    few = small.rows(np.r_[np.flatnonzero(small.labels == 1)[:2], np.flatnonzero(small.labels == 0)[:2]])
    assert few.prior is small.prior
    many = replace(small, weights=np.full(len(small.labels), 1e-6))
    plan = plan_design(many.frame, many.features)
    folds = repeated_folds(many.labels, many.patients, 2, 1, np.random.default_rng(0))
    member = fit_evidence_logistic(many, plan, folds)
    scale = member.pipeline.named_steps["columns"].named_transformers_["values"].named_steps["scale"].scale_
    per_unit = member.pipeline.named_steps["model"].coef_[: len(scale)] / scale
    names = [feature.name for feature in plan.values]
    by_name = dict(zip(small.prior.names, small.prior.means, strict=True))
    for name, coefficient in zip(names, per_unit, strict=True):
        assert coefficient == pytest.approx(by_name.get(name, 0.0), abs=1e-3), name
    alone = fit_early_alone(many, plan, folds)
    found = alone.pipeline.named_steps["model"].coef_
    only = names.index(small.prior.latest)
    assert found[only] / scale[only] == pytest.approx(small.prior.alone[0], abs=1e-3)
    assert np.count_nonzero(found) == 1


def test_the_committee_with_a_prior_is_exported_exactly(small):
    committee = fit_committee(small, np.random.default_rng(1))
    assert [member.name for member in committee.members][:2] == [EVIDENCE, EARLY_ALONE]
    model = export_committee("24h", committee, small, threshold_feature("response", "24h"))
    assert model.independent_log_odds(small.frame) == pytest.approx(committee.log_odds(small), abs=1e-5)


def test_where_early_improvement_is_useless_the_prior_does_no_lasting_harm(simulated, evidence):
    """Early scores of other patients: at 300 courses the prior must have given way."""
    cohort = simulated(400, seed=4)
    rng = np.random.default_rng(5)
    table = cohort.table.copy()
    order = rng.permutation(len(table))
    for point in ("40min", "4h", "24h"):
        share = table[f"score_{point}"].to_numpy(float) / table["score_baseline"].to_numpy(float)
        table[f"score_{point}"] = np.clip(np.round(share[order] * table["score_baseline"].to_numpy(float)), 0, 60)
    useless = replace(cohort, courses=CourseColumns.of_table(table))
    found = {}
    for name, prior in (("with", evidence), ("without", None)):
        data = training_data(useless, "24h", "response", evidence=prior)
        half = np.arange(len(data.labels)) % 2 == 0
        train, test = data.rows(np.flatnonzero(half)), data.rows(np.flatnonzero(~half))
        log_odds = fit_committee(train, np.random.default_rng(2)).log_odds(test)
        found[name] = np.mean(np.logaddexp(0, log_odds) - log_odds * test.labels)
    assert found["with"] < found["without"] + 0.02
