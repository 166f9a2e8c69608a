import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from ketapredict.explain.words import percent
from ketapredict.features.preparation import DesignColumn
from ketapredict.model.uncertainty import (
    NORMAL_QUANTILE,
    PRIOR_SD_EARLY,
    PRIOR_SD_OTHERS,
    Uncertainty,
    fit_uncertainty,
    out_of_sample_deviations,
    probability_interval,
    updated_uncertainty,
)
from ketapredict.response_model import ResponseModel

COLUMNS = (
    *(DesignColumn(name, name, "early_improvement", "value", 0.0) for name in ("a", "b")),
    *(DesignColumn(name, name, "age", "value", 0.0) for name in ("c", "d", "e")),
)


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centred = rng.normal(size=(n, 5)) * [1.0, 2.0, 1.0, 30.0, 0.1]
    labels = (rng.random(n) < expit(centred[:, 0] + 0.01 * centred[:, 3])).astype(float)
    return centred - centred.mean(axis=0), labels


def test_mode_and_covariance_are_those_of_the_posterior_written_out():
    centred, labels = drawn(150)
    found = fit_uncertainty(centred, COLUMNS, labels)
    sd = np.r_[100.0, [PRIOR_SD_EARLY / np.sqrt(2)] * 2, [PRIOR_SD_OTHERS / np.sqrt(3)] * 3]
    design = np.c_[np.ones(150), centred / centred.std(axis=0)]

    def loss(b):
        eta = design @ b
        return np.logaddexp(0, eta).sum() - labels @ eta + 0.5 * ((b / sd) ** 2).sum()

    mode = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(found.coefficients, mode, atol=1e-4)
    p = expit(design @ mode)
    covariance = np.linalg.inv((design.T * (p * (1 - p))) @ design + np.diag(sd**-2.0))
    np.testing.assert_allclose(found.factor @ found.factor.T, covariance, atol=1e-4)
    centre, deviation = found.log_odds(centred[:7])
    np.testing.assert_allclose(centre, design[:7] @ mode, atol=1e-3)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", design[:7], covariance, design[:7]))
    np.testing.assert_allclose(deviation, expected, rtol=2e-3)


def test_without_data_in_a_direction_the_prior_stays():
    centred, labels = drawn(400)
    centred[:, 4] = 0.0
    found = fit_uncertainty(centred, COLUMNS, labels)
    unit = np.eye(5)[4:] * found.scales[4]
    at_means = found.log_odds(np.zeros((1, 5)))[1]
    assert np.sqrt(found.log_odds(unit)[1] ** 2 - at_means**2) == pytest.approx(PRIOR_SD_OTHERS / np.sqrt(3), rel=1e-2)


def test_separable_classes_and_constant_columns_give_numbers():
    centred, _ = drawn(60)
    centred[:, 2] = 0.0
    found = fit_uncertainty(centred, COLUMNS, (centred[:, 0] > 0).astype(float))
    centre, deviation = found.log_odds(centred)
    assert np.isfinite(centre).all()
    assert (deviation > 0).all()


def test_the_deviation_grows_with_the_distance_and_shrinks_with_the_sample():
    steps = np.arange(0, 12)[:, None] * np.array([[0.3, -0.5, 0.4, 9.0, 0.05]])
    widths = {}
    for n in (100, 1000):
        centred, labels = drawn(n)
        found = fit_uncertainty(centred, COLUMNS, labels)
        # Where the deviation is smallest.
        origin = np.linalg.lstsq(found.factor[1:].T / found.scales, -found.factor[0], rcond=None)[0]
        deviation = found.log_odds(origin + steps)[1]
        assert (np.diff(deviation) > 0).all()
        widths[n] = deviation
    assert (widths[1000] < widths[100]).all()


def test_out_of_sample_deviations_are_those_of_a_fit_without_the_course():
    centred, labels = drawn(80)
    found = fit_uncertainty(centred, COLUMNS, labels)
    assert (out_of_sample_deviations(found, centred) > found.log_odds(centred)[1]).all()
    design = np.c_[np.ones(80), centred / found.scales]
    p = expit(design @ found.coefficients)
    information = np.linalg.inv(found.factor @ found.factor.T)
    without = information - p[3] * (1 - p[3]) * np.outer(design[3], design[3])
    expected = np.sqrt(design[3] @ np.linalg.inv(without) @ design[3])
    assert out_of_sample_deviations(found, centred)[3] == pytest.approx(expected, rel=5e-3)


def test_the_committee_is_always_inside_and_equal_centres_give_the_usual_interval():
    rng = np.random.default_rng(1)
    centre, log_odds = rng.normal(0, 4, (2, 5000))
    deviation = rng.exponential(0.5, 5000)
    low, high = probability_interval(centre, deviation, log_odds)
    p = expit(log_odds)
    assert ((low <= p) & (p <= high) & (low >= 0) & (high <= 1)).all()
    low, high = probability_interval(log_odds, deviation, log_odds)
    np.testing.assert_allclose(low, expit(log_odds - NORMAL_QUANTILE * deviation), atol=1e-6)
    np.testing.assert_allclose(high, expit(log_odds + NORMAL_QUANTILE * deviation), atol=1e-6)


def test_the_same_data_give_the_same_bytes():
    first, second = (json.dumps(fit_uncertainty(x, COLUMNS, y).to_plain()) for x, y in (drawn(120), drawn(120)))
    assert first == second


def test_no_row_of_the_training_data_can_be_read_off(short_model):
    # p (p + 3) / 2 numbers of a posterior; what is stored per column is a scale and a coefficient.
    for model in short_model.bundle.landmarks:
        plain = model.uncertainty.to_plain()
        p = len(model.columns)
        assert set(plain) == {"level", "prior_sd", "scales", "coefficients", "factor"}
        assert (len(plain["scales"]), len(plain["coefficients"])) == (p, p + 1)
        assert len(plain["factor"]) <= 4 * ((p + 1) * (p + 2) // 3 + 1)


def test_plain_data_and_back_lose_nothing_and_damage_is_noticed():
    centred, labels = drawn(90)
    found = fit_uncertainty(centred, COLUMNS, labels)
    plain = json.loads(json.dumps(found.to_plain()))
    again = Uncertainty.from_plain(plain)
    for name in ("scales", "coefficients", "factor"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    with pytest.raises(ValueError, match="uncertainty"):
        Uncertainty.from_plain(plain | {"factor": plain["factor"][:-4]})


def test_every_scored_course_has_an_interval_around_its_probability(short_model, short_cohort):
    table = short_model.score(short_cohort).table
    p, low, high = (table[name].to_numpy(float) for name in ("probability", "p_low", "p_high"))
    assert ((low >= 0) & (low <= p) & (p <= high) & (high <= 1)).all()
    assert 0.05 < (high - low).mean() < 0.8


def test_saved_and_loaded_the_interval_is_the_same(short_model, short_cohort, tmp_path):
    short_model.save(tmp_path / "model")
    loaded = ResponseModel.load(tmp_path / "model")
    expected, found = short_model.predict(short_cohort), loaded.predict(short_cohort)
    for name in ("p_low", "p_high", "in_scope", "notes"):
        assert found[name].equals(expected[name])


def test_a_model_without_uncertainty_scores_without_interval(short_model, short_cohort, tmp_path):
    bare = tuple(replace(model, uncertainty=None, scope=None) for model in short_model.bundle.landmarks)
    ResponseModel(replace(short_model.bundle, landmarks=bare)).save(tmp_path / "model")
    model = ResponseModel.load(tmp_path / "model")
    table = model.score(short_cohort).table
    assert table[["p_low", "p_high", "in_scope"]].isna().all(axis=None)
    told = model.explain(short_cohort, table["course_id"].iloc[0])
    assert told.p_low is None
    assert "interval" not in told.to_text() + told.to_svg() + told.to_html()


def test_the_interval_is_told_and_drawn(short_model, short_cohort):
    table = short_model.score(short_cohort).table
    for _, row in table.head(12).iterrows():
        told = short_model.explain(short_cohort, row["course_id"])
        assert (told.p_low, told.p_high) == (row["p_low"], row["p_high"])
        assert told.in_scope == row["in_scope"]
        words = f"90% interval {percent(told.p_low)} to {percent(told.p_high)}"
        assert words in told.headline
        assert words in told.to_text()
        assert words in told.to_html()
        plain = json.loads(told.to_json())
        assert plain["p_low"] <= plain["probability"] <= plain["p_high"]
        picture = ElementTree.fromstring(told.to_svg())
        space = "{http://www.w3.org/2000/svg}"
        bar = next(group for group in picture.iter(f"{space}g") if group.findtext(f"{space}title") == words)
        line = bar.find(f"{space}line")
        left, right = float(line.get("x1")), float(line.get("x2"))
        dot = float(list(picture.iter(f"{space}circle"))[-1].get("cx"))
        assert left <= dot <= right
        assert right < float(re.search(r'viewBox="0 0 (\d+)', told.to_svg())[1])
        # Positions are log-odds: the bar's ends stand to the dot as the numbers do.
        ends = logit(np.clip([told.p_low, told.probability, told.p_high], 0.005, 0.995))
        if told.p_low > 0.01 and told.p_high < 0.99:
            assert (dot - left) / (right - left) == pytest.approx((ends[1] - ends[0]) / (ends[2] - ends[0]), abs=0.01)


def site_courses(rng: np.random.Generator, truth: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    centred = rng.normal(size=(n, 5)) * [1.0, 1.0, 1.0, 30.0, 0.1]
    log_odds = truth[0] + centred @ truth[1:]
    return centred, (rng.random(n) < expit(log_odds)).astype(float)


def test_after_an_update_mode_and_covariance_are_those_of_the_widened_prior_and_the_new_courses():
    trained_on = drawn(150)
    parent = fit_uncertainty(trained_on[0], COLUMNS, trained_on[1])
    centred, labels = drawn(60, seed=1)
    found = updated_uncertainty(parent, centred, labels)
    slope = parent.coefficients * [0, 1, 1, 1, 1, 1]
    prior = parent.factor @ parent.factor.T + 0.25 * np.outer(slope, slope) + np.diag([1.0] + [0.16 / 5] * 5)
    precision = np.linalg.inv(prior)
    design = np.c_[np.ones(60), centred / parent.scales]

    def loss(b):
        eta, away = design @ b, b - parent.coefficients
        return np.logaddexp(0, eta).sum() - labels @ eta + 0.5 * away @ precision @ away

    mode = minimize(loss, parent.coefficients, method="BFGS", options={"gtol": 1e-7}).x
    np.testing.assert_allclose(found.coefficients, mode, atol=1e-4)
    p = expit(design @ mode)
    covariance = np.linalg.inv((design.T * (p * (1 - p))) @ design + precision)
    np.testing.assert_allclose(found.factor @ found.factor.T, covariance, atol=1e-4)


def test_what_few_courses_of_a_new_site_leave_open_shows():
    centred, labels = drawn(300)
    parent = fit_uncertainty(centred, COLUMNS, labels)
    before = parent.log_odds(centred)[1].mean()
    few, many = (updated_uncertainty(parent, *drawn(n, seed=2)).log_odds(centred)[1].mean() for n in (10, 2000))
    assert few > 1.5 * before
    assert many < before


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_intervals_hold_the_truth_at_a_new_site_with_another_rate(shift):
    """Parent of 300 courses, site of 80: coverage of the true probability by the posterior, nominally 0.90."""
    covered: dict[str, list[float]] = {"parent": [], "updated": []}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = np.r_[rng.normal(0, 0.5), rng.normal(0, 1, 5) * [1.2, 1.2, 0.4, 0.4 / 30, 4.0]]
        centred, labels = site_courses(rng, truth, 300)
        parent = fit_uncertainty(centred, COLUMNS, labels)
        there = truth + np.r_[shift, np.zeros(5)]
        updated = updated_uncertainty(parent, *site_courses(rng, there, 80))
        new, _ = site_courses(rng, there, 500)
        true = there[0] + new @ there[1:]
        for name, posterior in {"parent": parent, "updated": updated}.items():
            centre, deviation = posterior.log_odds(new)
            covered[name].append(np.mean(np.abs(true - centre) <= NORMAL_QUANTILE * deviation))
    assert np.mean(covered["updated"]) >= 0.85
    if shift:
        assert np.mean(covered["parent"]) < 0.5
