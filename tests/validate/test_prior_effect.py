"""What came from evidence and what from the data, as figures."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ketapredict.model.evidence_logistic import EVIDENCE
from ketapredict.model.fit import fit_landmark, training_data
from ketapredict.model.prior import read_prior
from ketapredict.validate.cross_validation import MODEL, cross_validate
from ketapredict.validate.prior_effect import prior_table, prior_words, with_and_without


@pytest.fixture(scope="module")
def data(short_cohort):
    return training_data(short_cohort, "72h", "response", evidence=read_prior("response"))


@pytest.fixture(scope="module")
def model(data):
    return fit_landmark(data, "72h", "response", np.random.default_rng(0))


def test_prior_and_fitted_coefficients_stand_side_by_side(model, data):
    table = prior_table(model, data).set_index("feature")
    assert tuple(table.index) == data.prior.names
    member = next(m for m in model.members if m.name == EVIDENCE)
    for k, column in enumerate(model.columns):
        if column.name in table.index:
            assert table.loc[column.name, "fitted"] == member.coefficients[k]
            assert table.loc[column.name, "committee"] == model.coefficients[k]
    enters = table["fitted"].notna()
    assert (table.loc[enters, "worth_courses"] > 0).all()
    assert (table["sources"] != "").all()


def test_what_the_prior_is_worth_is_its_precision_over_a_courses_information(model, data):
    """Independent: the number of copies of the courses at which the likelihood alone is as sure as the prior."""
    table = prior_table(model, data).set_index("feature")
    name = data.prior.latest
    p = expit(model.independent_log_odds(data.frame))
    x = data.frame[name].to_numpy()
    design = np.column_stack([np.ones(len(x)), x])
    information = (design.T * (p * (1 - p))) @ design / len(x)
    alone = 1.0 / np.linalg.inv(information)[1, 1]  # the intercept unknown
    sd = table.loc[name, "prior_sd"]
    assert table.loc[name, "worth_courses"] == pytest.approx(table.loc[name, "strength"] / sd**2 / alone, rel=1e-9)


def test_with_and_without_are_compared_on_the_same_folds(data):
    validation = cross_validate(data, "72h", 1, np.random.default_rng(1))
    table = with_and_without(data, validation, 1, np.random.default_rng(2)).set_index("measure")
    p = validation.predictions[MODEL]
    loss = -np.mean(data.labels * np.log(p) + (1 - data.labels) * np.log(1 - p))
    assert table.loc["log_loss", "with_prior"] == pytest.approx(loss)
    assert table["difference"].to_numpy() == pytest.approx((table["with_prior"] - table["without"]).to_numpy())
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert table.loc["log_loss", "without"] != table.loc["log_loss", "with_prior"]


def test_the_words_hold_the_figures(model, data):
    table = prior_table(model, data)

    performance = pd.DataFrame(
        [("log_loss", 0.5, 0.52, -0.02, 0.01, -0.04, 0.001)],
        columns=["measure", "with_prior", "without", "difference", "se", "low", "high"],
    )
    words = prior_words(table, performance)
    assert "-0.0200 (-0.0400 to +0.0010)" in words
    assert f"prior {data.prior.means[data.prior.names.index(data.prior.latest)]:.2f}" in words
    strength = table["strength"].iloc[0]
    assert ("taken as it is" in words) == (strength == 1)
