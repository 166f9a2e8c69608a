"""Candidates against another implementation, and what every update must keep."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from statsmodels.api import GLM, Logit, families

from ketapredict.cohort.course_columns import CourseColumns
from ketapredict.explain.contributions import contributions
from ketapredict.features.design import design_frame
from ketapredict.model.fit import training_data
from ketapredict.model.updating import (
    HIGHEST_SLOPE,
    LEAVE_IT,
    LOWEST_SLOPE,
    REFIT,
    SLOPE,
    SLOPE_SD,
    SPREADS,
    Site,
    Update,
    fit_intercept,
    fit_refits,
    fit_slope,
    site_of,
    updated_model,
)


def made_site(n=200, p=6, seed=0, shift=0.0, slope=1.0, other=0.0) -> Site:
    """Courses whose true log-odds are shift + slope x parent's + other x another direction."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, p))
    parent = np.linspace(0.9, -0.6, p)
    log_odds = 0.2 + columns @ parent
    truth = shift + slope * log_odds + other * columns @ np.roll(parent, 2)
    labels = (rng.random(n) < expit(truth)).astype(float)
    return Site(log_odds, columns, parent, np.ones(p), np.array([1] + [0] * (p - 2) + [-1]), labels, np.arange(n))


@pytest.fixture(scope="session")
def parent(short_model):
    """The later landmark: with trees and signed coefficients."""
    return short_model.bundle.landmarks[-1]


@pytest.fixture(scope="session")
def met(parent, simulated, short_cohort):
    """Training data of 60 courses of another site."""
    return training_data(simulated(60, seed=8, protocol=short_cohort.protocol), "72h", "response")


@pytest.fixture(scope="session")
def site(parent, met):
    return site_of(parent, met.frame, met.labels, met.patients)


def test_the_intercept_is_that_of_an_offset_model():
    site = made_site(shift=0.8)
    fitted = GLM(site.labels, np.ones(len(site.labels)), family=families.Binomial(), offset=site.log_odds).fit()
    found = fit_intercept(site)
    assert found.intercept == pytest.approx(float(fitted.params[0]), abs=1e-4)
    assert found.slope == 1.0
    # In the large, calibration is exact.
    assert expit(found.log_odds(site)).mean() == pytest.approx(site.labels.mean(), abs=1e-5)


def test_intercept_and_slope_without_a_prior_are_those_of_logistic_recalibration():
    site = made_site(shift=-0.5, slope=0.7)
    fitted = Logit(site.labels, np.column_stack([np.ones(200), site.log_odds])).fit(disp=False)
    found = fit_slope(site, slope_sd=np.inf)
    np.testing.assert_allclose([found.intercept, found.slope], fitted.params, atol=1e-3)
    drawn = fit_slope(site)
    assert abs(drawn.slope - 1) < abs(found.slope - 1)


@pytest.mark.parametrize("spread", SPREADS)
def test_the_refit_minimises_what_its_docstring_says(spread):
    site = made_site(60, shift=0.4, other=1.0, seed=4)
    site = replace(site, signs=np.zeros(6, dtype=int))
    found = fit_refits(site, (spread,))[0]

    def loss(b):
        eta = b[0] + b[1] * site.log_odds + site.columns @ b[2:]
        prior = ((b[1] - 1) / SLOPE_SD) ** 2 + 6 / spread**2 * (b[2:] ** 2).sum() + 1e-4 * b[0] ** 2
        return np.logaddexp(0, eta).sum() - site.labels @ eta + 0.5 * prior

    other = minimize(loss, np.r_[0.0, 1.0, np.zeros(6)], method="BFGS", options={"gtol": 1e-7})
    mine = np.r_[found.intercept, found.slope, found.coefficients - found.slope * site.parent]
    np.testing.assert_allclose(mine, other.x, atol=1e-4)
    assert found.penalty == pytest.approx(6 / spread**2)
    paths = fit_refits(site)
    np.testing.assert_allclose(paths[SPREADS.index(spread)].coefficients, found.coefficients, atol=1e-6)


def test_shrunken_hard_the_refit_is_intercept_and_slope():
    site = made_site(80, shift=0.5, slope=1.5)
    hard, slope = fit_refits(site, (1e-4,))[0], fit_slope(site)
    np.testing.assert_allclose(hard.log_odds(site), slope.log_odds(site), atol=1e-4)


def test_signs_that_are_beyond_doubt_are_kept_where_the_courses_say_otherwise():
    site = made_site(300, seed=2)
    against = replace(site, labels=(site.columns[:, 0] - site.columns[:, -1] < 0).astype(float))
    for found in fit_refits(against):
        assert found.coefficients[0] >= 0
        assert found.coefficients[-1] <= 0
    assert fit_refits(replace(against, signs=np.zeros(6, dtype=int)))[-1].coefficients[0] < 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), events=st.integers(1, 5), separated=st.booleans())
def test_few_events_make_no_wild_update(seed, events, separated):
    site = made_site(10, seed=seed)
    labels = np.zeros(10)
    order = np.argsort(site.log_odds) if separated else np.random.default_rng(seed).permutation(10)
    labels[order[-events:]] = 1.0
    site = replace(site, labels=labels)
    for found in (fit_slope(site), *fit_refits(site)):
        assert LOWEST_SLOPE <= found.slope <= HIGHEST_SLOPE
        assert abs(found.slope - 1) < 4 * SLOPE_SD
        changes = found.coefficients - found.slope * site.parent
        assert np.linalg.norm(changes) <= 6 * max(found.spread, 1e-9)


UPDATES = st.fixed_dictionaries(
    {"intercept": st.floats(-4, 4), "slope": st.floats(LOWEST_SLOPE, HIGHEST_SLOPE), "size": st.floats(0, 2)}
)


def test_any_update_is_additive_to_the_last_digits(parent, met, site):
    before = contributions(parent, met.frame)

    # Models and tables are not arguments of the property: hypothesis prints arguments, and they are long.
    @settings(max_examples=40, deadline=None)
    @given(plan=UPDATES, seed=st.integers(0, 1000))
    def additive(plan, seed):
        changes = np.random.default_rng(seed).normal(0, plan["size"], len(site.parent))
        update = Update(REFIT, plan["intercept"], plan["slope"], plan["slope"] * site.parent + changes, 0.4)
        model = updated_model(parent, site, update)
        after = contributions(model, met.frame)
        expected = plan["intercept"] + plan["slope"] * before.log_odds + site.columns @ changes
        np.testing.assert_allclose(after.log_odds, expected, atol=1e-9)
        # By way of XGBoost's margin, which is multiplied by the weight in single precision.
        np.testing.assert_allclose(update.log_odds(site), model.independent_log_odds(met.frame), atol=1e-5)
        total = after.base_logit + after.by_column.sum(axis=1)
        np.testing.assert_allclose(total, after.log_odds, atol=1e-9)
        assert after.largest_residual < 1e-5
        assert after.base_logit == pytest.approx(plan["intercept"] + plan["slope"] * before.base_logit, abs=1e-9)
        # The coefficients still are the sum of what the members contribute, the update being one of them.
        linear = np.sum([member.weight * member.coefficients for member in model.members], axis=0)
        np.testing.assert_allclose(linear, model.coefficients, atol=1e-9)
        assert sum(m.weight * m.intercept for m in model.members) == pytest.approx(model.intercept, abs=1e-9)

    additive()


def test_the_linear_part_alone_is_exact_without_the_trees(parent, met, site):
    bare = replace(parent, booster=b"", tree_weight=0.0, tree_features=())
    found = fit_refits(site)[-1]
    model = updated_model(bare, site, found)
    assert contributions(model, met.frame).largest_residual < 1e-9


def test_leaving_it_changes_no_number(parent, met, site):
    model = updated_model(parent, site, Update(LEAVE_IT, 0.0, 1.0, site.parent))
    assert model.coefficients is parent.coefficients
    assert (model.intercept, model.tree_weight, model.members) == (parent.intercept, parent.tree_weight, parent.members)
    assert (model.updated.courses, model.updated.events) == (len(met.labels), int(met.labels.sum()))
    assert (model.courses, model.events) == (parent.courses, parent.events)
    assert model.latest_rate == met.labels.mean() != model.event_rate


def test_a_better_latest_score_still_never_lowers_the_probability(short_model, parent, site, short_cohort):
    # Labels that say the opposite, to push every coefficient the wrong way.
    against = replace(site, labels=(site.log_odds < np.median(site.log_odds)).astype(float))
    for update in (fit_slope(against), *fit_refits(against)):
        model = updated_model(parent, against, update)
        course = short_cohort.subset(short_cohort.table["score_72h"].notna().to_numpy())
        rows = np.zeros(len(course), dtype=bool)
        rows[:12] = True
        some = course.subset(rows)
        before = None
        for score in range(0, 61, 3):
            table = some.table.assign(score_72h=float(score))
            frame = design_frame(replace(some, courses=CourseColumns.of_table(table)), model.features, "response")
            now = contributions(model, frame).log_odds
            assert before is None or (now <= before + 1e-9).all()
            before = now


def test_an_update_of_an_update_is_as_exact(parent, met, site):
    once = updated_model(parent, site, fit_refits(site)[2])
    again_site = site_of(once, met.frame, met.labels, met.patients)
    twice = updated_model(once, again_site, fit_slope(again_site))
    found = contributions(twice, met.frame)
    np.testing.assert_allclose(found.log_odds, fit_slope(again_site).log_odds(again_site), atol=1e-5)
    assert [member.name for member in twice.members][-2:] == ["update", "update"]
    assert twice.members[-1].settings["slope"] == fit_slope(again_site).slope
    assert fit_slope(again_site).method == SLOPE


def test_without_stored_scales_the_new_courses_give_them(parent, met):
    found = site_of(replace(parent, uncertainty=None), met.frame, met.labels, met.patients)
    varying = parent.centred_design(met.frame).std(axis=0) > 1e-9
    np.testing.assert_allclose(found.columns[:, varying].std(axis=0), 1.0)
    assert (found.scales[~varying] == 1).all()
