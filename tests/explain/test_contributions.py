import numpy as np
import pytest
import shap

from ketapredict.errors import ModelError
from ketapredict.explain import contributions as module
from ketapredict.explain.contributions import contributions
from ketapredict.features.design import design_frame
from ketapredict.features.preparation import design_matrix


@pytest.fixture(scope="module")
def frames(short_model, short_cohort):
    found = []
    for model in short_model.bundle.landmarks:
        keep = short_cohort.table[f"score_{model.landmark}"].notna().to_numpy()
        found.append((model, design_frame(short_cohort.subset(keep), model.features, "response")))
    return found


def test_they_add_up_per_column_and_per_concept(frames):
    for model, frame in frames:
        found = contributions(model, frame)
        expected = model.independent_log_odds(frame)
        np.testing.assert_allclose(found.base_logit + found.by_column.sum(axis=1), expected, atol=1e-5)
        np.testing.assert_allclose(found.base_logit + found.by_concept.sum(axis=1), expected, atol=1e-5)
        assert found.largest_residual < 1e-5
        for position, concept in enumerate(found.concepts):
            own = [owner == concept for owner in found.column_concepts]
            np.testing.assert_allclose(found.by_concept[:, position], found.by_column[:, own].sum(axis=1))


def test_the_linear_part_is_that_of_shap_over_the_full_training_background(simulated):
    from ketapredict.features.design import threshold_feature
    from ketapredict.model.committee import FittedCommittee, fit_committee
    from ketapredict.model.export import export_committee
    from ketapredict.model.fit import training_data

    data = training_data(simulated(140, seed=8), "24h", "response")
    committee = fit_committee(data, np.random.default_rng(0))
    linear_only = FittedCommittee(committee.plan, committee.members, (1 / 3, 1 / 3, 1 / 3, 0.0))
    model = export_committee("24h", linear_only, data, threshold_feature("response", "24h"))
    X = design_matrix(data.frame, model.columns)
    background = shap.maskers.Independent(X, max_samples=len(X))
    explained = shap.LinearExplainer((model.coefficients, model.intercept), background)
    found = contributions(model, data.frame)
    np.testing.assert_allclose(found.by_column, explained.shap_values(X), atol=1e-8)
    assert found.base_logit == pytest.approx(explained.expected_value, abs=1e-8)


def test_a_difference_over_the_limit_is_an_error_and_not_a_number(frames, monkeypatch):
    model, frame = frames[0]
    monkeypatch.setattr(module, "LARGEST_RESIDUAL", -1.0)
    with pytest.raises(ModelError, match="do not use these numbers"):
        contributions(model, frame)
